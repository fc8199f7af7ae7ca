"""``python -m maedfer``: the command line, for launchers that want a module."""

import sys

from maedfer.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
