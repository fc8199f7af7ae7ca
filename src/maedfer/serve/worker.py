"""The process that reads videos: ``python -m maedfer.serve.worker SETTINGS``, with lines of JSON on both pipes.

What comes from strangers is decoded here and nowhere else, so that a video which breaks a decoder breaks this process
and not the service, and so that a time limit can be kept by ending it. The protocol is text, never a pickle: a decoder
that was taken over can send its service nothing but words.

One task comes as one line, ``{"source", "name", "folder", "formats", "salvage", "max_duration_s"}``; ``{"cancel":
true}`` stops the task at its next step. Back come ``ready`` once, then for each task ``progress`` lines and one of
``done``, ``failed`` (a deliberate error), ``cancelled`` and ``crashed``.
"""

import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TextIO

import cv2

from maedfer.errors import DecodeError, MaedferError
from maedfer.predict import Predictor
from maedfer.report import FILE_NAMES
from maedfer.report.annotate import write_annotated
from maedfer.serve.settings import ReadingSettings

__all__ = ["main"]

# Progress is for eyes.
_EVERY_S = 0.1


class _CancelledError(Exception):
    """The task is no longer wanted."""


class _Talk:
    """Words to the service, and what it says in between."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._last = out, 0.0
        self.tasks: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.cancelled = threading.Event()

    def say(self, event: str, facts: dict[str, Any]) -> None:
        """One line."""
        self._out.write(json.dumps({"event": event, **facts}) + "\n")
        self._out.flush()

    def listen(self) -> None:
        """Until the service goes; then this process has nobody to work for."""
        for line in sys.stdin:
            message = json.loads(line)
            if message.get("cancel"):
                self.cancelled.set()
            else:
                self.cancelled.clear()
                self.tasks.put(message)
        os._exit(0)

    def steps(self, stage: str, name: str, most_s: float) -> Callable[[float, float | None], None]:
        """To be called with (seconds done, seconds in all) while a video is read."""

        def step(done_s: float, total_s: float | None) -> None:
            if self.cancelled.is_set():
                raise _CancelledError
            if max(done_s, total_s or 0.0) > most_s:
                raise DecodeError(
                    f"{name}: expected at most {most_s:g} s of video, got more; cut it into shorter parts, or ask "
                    "whoever runs this service for more"
                )
            if time.monotonic() - self._last >= _EVERY_S:
                self._last = time.monotonic()
                self.say("progress", {"stage": stage, "done_s": done_s, "total_s": total_s})

        return step


def main(arguments: Sequence[str]) -> int:
    """Work until the service goes.

    Args:
        arguments: one, the JSON text of :class:`~maedfer.serve.settings.ReadingSettings`.

    Returns:
        Exit code: 0, or 2 when the model cannot be loaded (the reason went over the pipe).
    """
    # Libraries in C may print what they like: it goes to stderr, and the pipe stays ours.
    talk = _Talk(os.fdopen(os.dup(1), "w", encoding="ascii"))
    os.dup2(2, 1)
    cv2.setNumThreads(1)
    try:
        predictor = ReadingSettings(**json.loads(arguments[0])).predictor()
    except MaedferError as error:
        talk.say("unusable", {"message": str(error)})
        return 2
    # Results go to strangers: the model is named without the folder it lies in.
    identity = replace(predictor.judge.identity, name=Path(predictor.judge.identity.name).name)
    predictor.judge.identity = identity
    facts = {"labels": predictor.labels, "model": asdict(identity)}
    talk.say("ready", facts | {"settings": asdict(predictor.settings)})
    threading.Thread(target=talk.listen, daemon=True).start()
    while True:
        _do(predictor, talk, talk.tasks.get())


def _do(predictor: Predictor, talk: _Talk, task: dict[str, Any]) -> None:
    source, folder, name = Path(task["source"]), Path(task["folder"]), str(task["name"])
    try:
        talk.say("done", _read(predictor, talk, task, source, folder))
    except _CancelledError:
        talk.say("cancelled", {})
    except MaedferError as error:
        # Messages name the file as it was asked for; a client is told its own name of it, and no folder of ours.
        message = str(error).replace(str(source), name).replace(str(folder), "the service")
        talk.say("failed", {"kind": type(error).__name__, "message": message})
    except Exception as error:
        # Where, not what: an unexpected message may quote the file.
        frames = traceback.extract_tb(error.__traceback__)[-6:]
        where = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
        talk.say("crashed", {"kind": type(error).__name__, "where": where})


def _read(predictor: Predictor, talk: _Talk, task: dict[str, Any], source: Path, folder: Path) -> dict[str, Any]:
    name, most_s = str(task["name"]), float(task["max_duration_s"])
    reading = talk.steps("reading", name, most_s)
    found = predictor.predict(source, salvage=bool(task["salvage"]), progress=reading)
    prediction = replace(found, video=replace(found.video, source=name))
    formats = [each for each in FILE_NAMES if each in task["formats"]]
    prediction.save(folder, [each for each in formats if each != "mp4"])
    if "mp4" in formats:
        # The pictures are read again, from where they really lie.
        drawing = talk.steps("drawing", name, max(most_s, found.duration_s))
        write_annotated(found, folder / FILE_NAMES["mp4"], progress=drawing)
    spans = [
        {"track": track, "start_s": span.start_s, "end_s": span.end_s, "label": span.label, "share": span.confidence}
        for track in prediction.tracks()
        for span in prediction.segments(track)
    ]
    counts = {"faces": len(prediction.tracks()), "windows": len(prediction.windows)}
    return {"duration_s": prediction.duration_s, **counts, "spans": spans[:200]}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
