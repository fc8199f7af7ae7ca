"""The command line. Thin: it reads arguments and calls the rooms, which are imported inside the commands, so that
``maedfer --help`` does not wait for torch.
"""

from maedfer.cli.app import main

__all__ = ["main"]
