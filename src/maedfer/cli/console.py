"""What the commands share: the progress bar and the line of an error, both on stderr."""

import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from maedfer.errors import MaedferError

__all__ = ["Bar", "complain", "plain", "progress_bar", "speaks"]


class Bar:
    """One bar on stderr; calling it moves it."""

    def __init__(self, bars: Progress, title: str) -> None:
        self._bars, self._title = bars, title
        self._task = bars.add_task(title, total=None)

    def __call__(self, done: int | float, total: int | float | None, note: str = "") -> None:
        """Show ``done`` of ``total`` (``None`` while it is not known), and ``note`` after the title."""
        description = f"{self._title} {note}".rstrip()
        self._bars.update(self._task, completed=done, total=total, description=description)


@contextmanager
def progress_bar(title: str) -> Iterator[Bar]:
    """A bar that goes when the work is done; only on a terminal, and of many processes only in the first."""
    console = Console(stderr=True)
    shown = console.is_terminal and speaks()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not shown) as bars:
        yield Bar(bars, title)


def speaks() -> bool:
    """Whether this process talks to the user: of those that ``torchrun`` started, the first."""
    return os.environ.get("RANK", "0") == "0"


def plain(text: str) -> str:
    """``text`` without characters that would steer the terminal, as names of files may hold them."""
    return "".join(c if unicodedata.category(c) != "Cc" else f"\\x{ord(c):02x}" for c in text)


def complain(error: MaedferError) -> None:
    """One line on stderr, whatever the lines of the message; of many processes all but the first name themselves."""
    who = "maedfer" if speaks() else f"maedfer, process {plain(os.environ.get('RANK', ''))}"
    print(f"{who}: " + plain(" ".join(str(error).split())), file=sys.stderr)
