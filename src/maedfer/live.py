"""Which expression each face shows now: windows answered while they pass, and left out rather than late.

::

    predictor = Predictor(hop_s=0.64)
    frames = live_frames(predictor, "0")
    for answer in watch(predictor, frames):
        ...  # answer.windows, answer.latency_s
"""

import math
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

from maedfer.errors import ConfigError, DecodeError
from maedfer.predict import Predictor
from maedfer.report.windows import FaceBox, WindowPrediction
from maedfer.video.live import LiveFrames
from maedfer.video.threads import end_at_exit
from maedfer.video.types import FaceWindow, TrackedFace, Window

__all__ = ["LiveAnswer", "live_frames", "watch"]

_PATIENCE_S = 2.0


@dataclass(frozen=True)
class LiveAnswer:
    """What is known of one window of time, as soon as it is known.

    Attributes:
        start_s: seconds since the first picture.
        end_s: seconds.
        windows: one for each judged face, by track: what the model said, nothing smoothed.
        gaps: faces seen too rarely to be judged, or a single one with ``track=None`` when no face was there.
        boxes: sightings not given with an earlier answer, by time, in pixels of the frames.
        latency_s: seconds from the arrival of the window's last instant to this answer.
        dropped_frames: instants thrown away so far because the search for faces was late.
        dropped_windows: windows thrown away so far because the model was late: one for each face in them, or one where
            nobody was. Their sightings come with the next answer, their gaps do not.
    """

    start_s: float
    end_s: float
    windows: tuple[WindowPrediction, ...]
    gaps: tuple[Window, ...]
    boxes: tuple[FaceBox, ...]
    latency_s: float
    dropped_frames: int
    dropped_windows: int


def live_frames(predictor: Predictor, source: str | int | Path, *, seconds: float | None = None) -> LiveFrames:
    """A source taken at the instants that ``predictor`` reads; half a hop of them may wait.

    Args:
        predictor: see :func:`watch`.
        source: see :class:`~maedfer.video.live.LiveFrames`.
        seconds: end after so much time; ``None``: at the end of the source or on ``stop()``.

    Raises:
        ConfigError: ``seconds`` is not above 0.
    """
    clips = predictor.face_clips(lookahead_s=0.0)
    return LiveFrames(source, rate=clips.spec.rate, waiting_s=clips.hop_s / 2, max_side=clips.max_side, seconds=seconds)


def watch(predictor: Predictor, frames: LiveFrames) -> Generator[LiveAnswer, None, None]:
    """Answers while the pictures come, in order of time.

    Faces are found in a thread of their own, the model runs in the caller's. Between them waits the newest window of
    time only, and for half a hop at most: while the model is late, windows are dropped and counted. So an answer is out
    half a hop and one run of the model after its faces were found, at the latest, however long it goes on. Once the
    source has ended nothing more is dropped.

    A window is answered as soon as its last instant is in. So a face that is hidden at a window's end has a lower
    coverage here than in a video, where its return shows that it was there all the time.
    Instants that were dropped count as not seen: the coverage of their windows falls.

    Args:
        predictor: is not to be used elsewhere meanwhile.
        frames: at the rate of the predictor's clips, see :func:`live_frames`; stopped and closed at the end.

    Raises:
        DecodeError: the source cannot be opened, gives no picture, or breaks off; what came before is answered first.
        ConfigError: ``frames`` has another rate than the predictor's clips.
        MaedferError: the model gave a number that is not finite.
    """
    rate = predictor.judge.spec.rate
    if abs(frames.rate - rate) > 1e-9:
        raise ConfigError(f"expected frames at {rate} instants a second, got {frames.rate}; use live_frames()")
    return _answers(predictor, frames)


def _answers(predictor: Predictor, frames: LiveFrames) -> Generator[LiveAnswer, None, None]:
    slot = _Slot(predictor.settings.hop_s / 2)
    finder = threading.Thread(target=_find, args=(predictor, frames, slot), name="maedfer-faces", daemon=True)
    finder.start()
    end_at_exit(finder, slot.shut)
    try:
        while (found := slot.take()) is not None:
            windows = tuple(predictor.judge.classify(found.clips, frames.name))
            # The span is half open: the last instant is one step before its end.
            latency_s = frames.now_s() - frames.arrival_s(found.end_s - 1 / frames.rate)
            yield LiveAnswer(
                start_s=found.start_s,
                end_s=found.end_s,
                windows=windows,
                gaps=tuple(found.gaps),
                boxes=tuple(map(FaceBox.of, found.faces)),
                latency_s=latency_s,
                dropped_frames=frames.dropped,
                dropped_windows=slot.dropped,
            )
    finally:
        frames.stop()
        slot.shut()
        finder.join(_PATIENCE_S)


class _Slot:
    """Room for one window of time between the search for faces and the model, for ``patience_s`` seconds.

    A window that waited longer is not worth the model's time: the next one is on its way, and taken without delay.
    """

    def __init__(self, patience_s: float) -> None:
        self.dropped = 0
        self._patience_s = patience_s
        self._found: FaceWindow | None = None
        self._left: list[TrackedFace] = []
        self._until_s = math.inf
        self._ended, self._shut = False, False
        self._error: Exception | None = None
        self._changed = threading.Condition()

    def put(self, found: FaceWindow, *, wait: bool) -> bool:
        """Lay ``found`` down in place of what is there, or ``wait`` until that is taken; False when shut."""
        with self._changed:
            self._until_s = math.inf if wait else time.monotonic() + self._patience_s
            self._changed.wait_for(lambda: self._shut or self._found is None or not wait)
            self._drop()
            self._found = found
            self._changed.notify_all()
            return not self._shut

    def take(self) -> FaceWindow | None:
        """The newest window; ``None`` at the end."""
        with self._changed:
            if not self._ended and time.monotonic() > self._until_s:
                self._drop()
            self._changed.wait_for(lambda: self._found is not None or self._ended)
            found, self._found = self._found, None
            if found is not None and self._left:
                found, self._left = replace(found, faces=[*self._left, *found.faces]), []
            self._changed.notify_all()
            if found is None and self._error is not None:
                raise self._error
            return found

    def _drop(self) -> None:
        if self._found is not None:
            self.dropped += max(1, len(self._found.clips))
            self._left += self._found.faces
            self._found = None
            self._changed.notify_all()

    def end(self, error: Exception | None) -> None:
        """Nothing more comes; ``error`` is raised to the reader."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def shut(self) -> None:
        """Nothing more is wanted."""
        with self._changed:
            self._shut = True
            self._changed.notify_all()


def _find(predictor: Predictor, frames: LiveFrames, slot: _Slot) -> None:
    try:
        with frames:
            # Given as they are: an instant that was left out is then no sighting, and none waits for the next one.
            for found in predictor.face_clips(lookahead_s=0.0).stream(frames, even=True):
                # At the end no lag can grow any more: the last windows need not make room for each other.
                if not slot.put(found, wait=frames.ended):
                    break
        slot.end(None)
    except Exception as error:  # raised again where the answers are read
        # Stopped before its first picture, a source looks like an empty one.
        slot.end(None if frames.stopped and isinstance(error, DecodeError) else error)
