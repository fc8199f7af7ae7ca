"""Work for the engine ray, in a module that its workers can import: it writes words, fails, or ends its process."""

import os
import signal
from pathlib import Path
from typing import Any

from maedfer.batch import Facts
from maedfer.errors import DecodeError
from maedfer.reading import Progress


class Writing:
    """Writes the video's text. ``broken`` and ``bug`` fail, ``deadly`` ends the process each time, ``once`` once."""

    name = "write"
    request: dict[str, Any] = {"setting": 1}  # noqa: RUF012
    files = ("text.txt",)
    outdated = ("text.txt",)

    def __init__(self) -> None:
        self.process = os.getpid()

    def check(self, source: Path | str) -> None:
        """Nothing can be known before."""

    def run(self, source: Path | str, name: str, folder: Path, progress: Progress) -> Facts:
        text = Path(source).read_text()
        mark = Path(source).with_suffix(".died")
        if text == "deadly" or (text == "once" and not mark.exists()):
            mark.touch()
            (folder / "half.txt").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
        if text == "broken":
            raise DecodeError(f"{name}: broken")
        if text == "bug":
            raise ZeroDivisionError("a bug")
        (folder / "text.txt").write_text(f"{name}: {text}")
        return Facts(1.5, 2, len(text))
