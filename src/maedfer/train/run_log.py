"""What a run leaves behind while it goes on, and how it is asked to stop."""

import json
import math
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from maedfer.errors import OutputError
from maedfer.output import write_text

__all__ = ["RunLog", "StopRequest"]


class RunLog:
    """metrics.jsonl and TensorBoard, written by the first process."""

    def __init__(self, out: Path, accelerator: Accelerator) -> None:
        self.file = out / "metrics.jsonl"
        self.writer: Any = None
        if accelerator.is_main_process:
            from torch.utils.tensorboard.writer import SummaryWriter

            with self._written():
                out.mkdir(parents=True, exist_ok=True)
                self.writer = SummaryWriter(str(out / "tensorboard"))

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *_: object) -> None:
        if self.writer is not None:
            with self._written():
                self.writer.close()  # writes what it still holds

    def cut(self, step: int) -> None:
        """Drop lines after ``step``: they were written by the part of the run that its checkpoint does not hold."""
        if self.writer is None or not self.file.exists():
            return
        lines = [line for line in self.file.read_text().splitlines() if _step(line) <= step]
        write_text(self.file, "".join(f"{line}\n" for line in lines))

    def write(self, kind: str, step: int, numbers: Mapping[str, float]) -> None:
        """One line of ``kind`` train or validation, after ``step`` steps; what is not finite becomes null.

        Raises:
            OutputError: the disk is full, or cannot be written any more.
        """
        if self.writer is None:
            return
        finite = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        self._line({"kind": kind, "step": step, **finite})
        with self._written():
            for name, value in numbers.items():
                self.writer.add_scalar(f"{kind}/{name}", value, step)

    def write_skipped(self, step: int, clips: list[str]) -> None:
        """One line of kind skipped: the clips of a step that was left out."""
        if self.writer is not None:
            self._line({"kind": "skipped", "step": step, "clips": clips})

    def _line(self, content: dict[str, Any]) -> None:
        with self._written(), self.file.open("a") as file:
            file.write(json.dumps(content, allow_nan=False) + "\n")

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"{self.file.parent}: the run's log cannot be written ({error}); free some space, then the same "
                "command goes on from its last checkpoint"
            ) from error


class StopRequest:
    """Remembers a SIGTERM until the step is done."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> "StopRequest":
        self.before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self.before)

    def _note(self, number: int, frame: object) -> None:
        self.asked = True


def _step(line: str) -> float:
    """The step of a line; half a line, left by a full disk or a killed process, counts as later than any."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf
