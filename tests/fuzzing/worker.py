"""The process that reads broken files, one task a line of JSON; it speaks as the service's worker does.

Back comes ``ready`` once, then for each task ``done``, ``failed`` (a deliberate error) or ``crashed`` (any other). A
signal's last words, with the Python stack, go to the file that was named when the process was started.
"""

import faulthandler
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from maedfer.errors import MaedferError
from maedfer.predict import Predictor
from maedfer.report import FILE_NAMES
from maedfer.report.annotate import write_annotated
from maedfer.video.clips import DECODED_SIDE, PAPER_CLIP
from maedfer.video.crop import crop_clip
from maedfer.video.decode import probe, read_frames
from maedfer.video.ending import ending_lost_s
from maedfer.video.frames_at import opened_grid
from maedfer.video.types import Face

__all__ = ["STEPS", "main"]

# A file that goes on for longer is left there: it is read, and that is what was to be shown.
_MOST_S = 120.0
# The same for the model, which takes longer.
_MOST_PREDICTED_S = 6.0
_LONGEST_MESSAGE = 2000


class _EnoughError(Exception):
    """The file goes on, but everything that could be shown was."""


class _NobodyThere:
    def detect(self, image: np.ndarray) -> list[Face]:
        return []


def _read(path: Path, folder: Path) -> str:
    info = probe(path)
    assert info.width > 0, info
    assert info.height > 0, info
    last, count, shape = -1.0, 0, None
    for frame in read_frames(path, rate=PAPER_CLIP.rate, max_side=DECODED_SIDE):
        assert last < frame.time_s < 1e9, (last, frame.time_s)
        assert frame.image.ndim == 3, frame.image.shape
        assert max(frame.image.shape) <= DECODED_SIDE, frame.image.shape
        last, count, shape = frame.time_s, count + 1, frame.image.shape
        if frame.time_s > _MOST_S:
            return f"more than {_MOST_S:g} s"
    lost = ending_lost_s(path, info, last + 1 / PAPER_CLIP.rate)
    return f"{count} instants of {shape}, lost: {lost}"


def _span(path: Path, folder: Path) -> str:
    return f"{sum(1 for _ in read_frames(path, start_s=2.5, end_s=3.0))} pictures"


def _grid(path: Path, folder: Path) -> str:
    told = []
    for wanted in ((0, 2, 2, 5, 16), (12, 18)):
        with opened_grid(path, PAPER_CLIP.rate) as grid:
            told.append(len(grid.at(wanted, lambda image: image.shape, 96)))
    return f"{told} pictures"


def _crop(path: Path, folder: Path) -> str:
    clip = crop_clip(path, PAPER_CLIP, _NobodyThere())
    assert clip.pixels.shape == (3, PAPER_CLIP.num_frames, PAPER_CLIP.size, PAPER_CLIP.size)
    return f"{clip.start_s:g} to {clip.end_s:g} s"


def _predict(predictor: Predictor, path: Path, folder: Path) -> str:
    def step(done_s: float, total_s: float | None) -> None:
        if done_s > _MOST_PREDICTED_S:
            raise _EnoughError

    found = predictor.predict(path, salvage=path.name[0] in "01234567", progress=step)
    for window in found.windows:
        assert 0 <= window.start_s < window.end_s <= found.duration_s + 0.2, window
        assert abs(sum(window.probabilities) - 1) < 1e-3, window
    found.save(folder, [name for name in ("csv", "json", "html") if name in FILE_NAMES])
    write_annotated(found, folder / FILE_NAMES["mp4"])
    return f"{len(found.windows)} windows of {len(found.tracks())} faces in {found.duration_s:g} s"


Step = Callable[[Path, Path], str]
#: What reads videos without a model, by name.
STEPS: dict[str, Step] = {"read": _read, "span": _span, "grid": _grid, "crop": _crop}


def main(last_words: str, weights: bool) -> None:
    """Work until standard input ends.

    Args:
        last_words: file for the stack after a signal.
        weights: tasks are files of weights, not videos.
    """
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what libraries in C print is not for the pipe
    file = Path(last_words).open("w", encoding="utf-8")  # noqa: SIM115 - open as long as the process is
    faulthandler.enable(file)
    cv2.setNumThreads(1)
    steps = _weights() if weights else STEPS | {"predict": _with_model()}

    def say(event: str, facts: dict[str, Any]) -> None:
        out.write(json.dumps({"event": event, **facts}) + "\n")
        out.flush()

    say("ready", {"steps": list(steps)})
    for line in sys.stdin:
        task = json.loads(line)
        say(*_do(steps[task["step"]], Path(task["file"]), Path(task["folder"])))


def _with_model() -> Step:
    predictor = Predictor(batch_size=2)
    return lambda path, folder: _predict(predictor, path, folder)


def _weights() -> dict[str, Step]:
    from fuzzing.weight_bases import load_broken

    # The folder is that of the whole base here.
    return {"load": lambda path, whole: type(load_broken(path, whole)).__name__}


def _do(step: Step, path: Path, folder: Path) -> tuple[str, dict[str, Any]]:
    before = _fresh_peak()
    try:
        event, facts = "done", {"message": step(path, folder)}
    except _EnoughError:
        event, facts = "done", {"message": "it goes on"}
    except MaedferError as error:
        message = str(error)
        good = 0 < len(message) <= _LONGEST_MESSAGE and message.isprintable()
        event, facts = "failed", {"kind": type(error).__name__, "message": message[:500], "one_line": good}
    except BaseException as error:
        # The innermost lines of ours, and the very last of all.
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if "maedfer" in frame.filename or "fuzzing" in frame.filename][-2:]
        where = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in (*ours, frames[-1])]
        event, facts = "crashed", {"kind": type(error).__name__, "message": str(error)[:500], "where": where}
    return event, facts | {"grown_mb": max(0, _peak() - before) // 1024}


def _fresh_peak() -> int:
    """Begin to measure the largest memory anew; KiB in use now."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return _peak()  # not everywhere allowed: then growth shows once
    return _peak()


def _peak() -> int:
    """KiB of memory at most since the last task began."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
