"""``maedfer live``: a camera or stream judged while it runs, shown in the terminal and kept as a table."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from tyro.conf import Positional, arg

from maedfer.cli.options import FaceOptions
from maedfer.errors import DecodeError, OutputError

if TYPE_CHECKING:
    from maedfer.live import LiveAnswer
    from maedfer.report.rows import Row
    from maedfer.video.live import LiveFrames

__all__ = ["live"]

_BAR = 20


def live(
    source: Positional[str],
    options: Annotated[FaceOptions, arg(name="")] = FaceOptions(),  # noqa: B008 - frozen
    out: Path | None = None,
    hop: float = 0.64,
    min_confidence: float = 0.5,
    seconds: float | None = None,
    view: Literal["terminal", "none"] = "terminal",
) -> int:
    """Say which expression each face shows now, from a camera or a stream, until Ctrl-C.

    Each answer is about the last 2.56 s. Where the computer is too slow, windows are left out and counted; answers
    never lag behind more and more. Rows go to OUT/predictions.partial.csv as they come; at the end, also after Ctrl-C,
    it becomes OUT/predictions.csv.

    Args:
        source: 0, 1, ... for a camera; a URL; - for a video on standard input; FORMAT:NAME for another input device of
            ffmpeg, such as v4l2:/dev/video2; or a file, played at its own pace.
        options: which model, and what counts as a face.
        out: folder for the table; left out: maedfer-live/ and the time of the start.
        hop: seconds from one answer to the next.
        min_confidence: below it the answer is "unsure", 0 to 1. Nothing is smoothed: that would need later windows.
        seconds: stop after so long.
        view: terminal: bars for each face, or one line a face where the output is no terminal; none: nothing.
    """
    from maedfer.live import live_frames, watch

    _leave_a_core()
    folder = Path("maedfer-live", time.strftime("%Y-%m-%d-%H%M%S")) if out is None else out
    predictor = options.predictor(hop, min_confidence=min_confidence)
    frames = live_frames(predictor, source, seconds=seconds)
    with _stopped_by_signals(frames), _Recording(folder, predictor.labels) as recording, _shown(view) as show:
        for answer in watch(predictor, frames):
            rows = _rows(answer, predictor.labels, min_confidence)
            recording.write(rows)
            show(answer, rows, predictor.labels)
    return 0


def _leave_a_core() -> None:
    """One core for the search for faces: threads of a model that wait for each other on a busy core make it far slower
    than fewer threads do.
    """
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(max(1, min(torch.get_num_threads(), (os.cpu_count() or 1) - 1)))


@contextmanager
def _stopped_by_signals(frames: "LiveFrames") -> Iterator[None]:
    """The first Ctrl-C or SIGTERM ends the source, and what is on its way is still written; a second one breaks off."""
    before: dict[signal.Signals, Any] = {}

    def stop(number: int, _: FrameType | None) -> None:
        signal.signal(number, before[signal.Signals(number)])
        frames.stop()

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Recording:
    """The table, row by row on the disk, under its final name only when it is whole."""

    def __init__(self, folder: Path, labels: tuple[str, ...]) -> None:
        self._folder, self._labels = folder, labels
        self._partial = folder / "predictions.partial.csv"
        self._file: TextIO | None = None
        self._made = not folder.exists()

    def __enter__(self) -> "_Recording":
        from maedfer.output import require_writable

        require_writable(self._folder)
        for path in (self._partial, self._folder / "predictions.csv"):
            # What a camera saw cannot be seen again.
            if path.exists():
                raise OutputError(f"{path}: expected a folder without an earlier recording; give another --out")
        return self

    def write(self, rows: "list[Row]") -> None:
        """Append rows, on the disk when this returns."""
        from maedfer.report.tables import csv_header, csv_row

        try:
            if self._file is None:
                self._file = self._partial.open("x", encoding="utf-8", errors="backslashreplace", newline="")
                self._file.write(csv_header(self._labels))
            self._file.write("".join(csv_row(row, self._labels) for row in rows))
            self._file.flush()
        except OSError as error:
            raise OutputError(
                f"{self._partial}: the table cannot be written ({error.strerror}); its earlier rows are kept"
            ) from error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if self._file is None:
            if self._made:
                with suppress(OSError):  # nothing was seen, so nothing is in it
                    self._folder.rmdir()
            return
        try:
            self._file.close()
        except OSError as failure:
            if kind is None:
                raise OutputError(f"{self._partial}: the table cannot be written ({failure.strerror})") from failure
            return  # the same failure is already on its way
        # A source that broke off has ended too. After any other error the rows stay under the partial name.
        if kind is None or issubclass(kind, DecodeError | KeyboardInterrupt):
            table = self._folder / "predictions.csv"
            try:
                self._partial.replace(table)
            except OSError as failure:
                raise OutputError(f"{table}: cannot be named so ({failure.strerror}); see {self._partial}") from failure
            print(f"wrote {table}")


def _rows(answer: "LiveAnswer", labels: tuple[str, ...], min_confidence: float) -> "list[Row]":
    """The answer as rows of the table, by track."""
    from maedfer.report.answers import answers_of
    from maedfer.report.rows import rows_of

    judged = [(window, answers_of([window], labels, 0.0, min_confidence)[0]) for window in answer.windows]
    return rows_of(judged, answer.gaps)


class _Show:
    """Where answers are shown."""

    def __init__(self, screen: Live | None, console: Console | None) -> None:
        self._screen, self._console = screen, console

    def __call__(self, answer: "LiveAnswer", rows: "list[Row]", labels: tuple[str, ...]) -> None:
        if self._screen is not None:
            self._screen.update(Group(*(_face(row, labels) for row in rows), _state(answer)), refresh=True)
        elif self._console is not None:
            for row in rows:
                self._console.print(_line(answer, row), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _shown(view: Literal["terminal", "none"]) -> Iterator[_Show]:
    console = Console()
    if view == "none":
        yield _Show(None, None)
    elif not console.is_terminal:
        yield _Show(None, console)
    else:
        with Live(console=console, auto_refresh=False, transient=True) as screen:
            screen.update("Waiting for the first 2.56 s of pictures. Ctrl-C ends.", refresh=True)
            yield _Show(screen, None)


def _face(row: "Row", labels: tuple[str, ...]) -> Table:
    who = "no face" if row.track is None else f"face {row.track}"
    table = Table(
        title=f"{who}: [bold]{escape(row.answer)}[/bold], seen {100 * row.coverage:.0f} %",
        title_justify="left",
        show_header=False,
        box=None,
    )
    for label, probability in zip(labels, row.probabilities, strict=False):
        bar = "━" * round(_BAR * probability)
        # The weight of the type, not a colour, marks the greatest: it is read on any screen and by any eye.
        style = "bold" if label == row.label else "dim"
        table.add_row(escape(label), f"{bar:<{_BAR}}", f"{100 * probability:3.0f} %", style=style)
    return table


def _state(answer: "LiveAnswer") -> str:
    return (
        f"{answer.start_s:.2f} – {answer.end_s:.2f} s, answered {answer.latency_s:.2f} s after its last picture; "
        f"dropped: {answer.dropped_frames} pictures, {answer.dropped_windows} windows. Ctrl-C ends."
    )


def _line(answer: "LiveAnswer", row: "Row") -> str:
    who = "no face" if row.track is None else f"face {row.track}"
    said = row.answer if row.confidence is None else f"{row.answer} ({row.label} {100 * row.confidence:.0f} %)"
    return (
        f"{row.start_s:.2f}-{row.end_s:.2f} s {who}: {said}, seen {100 * row.coverage:.0f} %, "
        f"latency {answer.latency_s:.2f} s, dropped {answer.dropped_frames} pictures, {answer.dropped_windows} windows"
    )
