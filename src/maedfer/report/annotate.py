"""``annotated.mp4``: the video again, with what was found in it painted on every frame and its own sound."""

import os
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float

from maedfer.errors import DecodeError, OutputError
from maedfer.report.answers import Answer, segments_of
from maedfer.report.cards import UNJUDGED, Mark
from maedfer.report.drawing import Painter
from maedfer.report.prediction import Prediction
from maedfer.report.windows import FaceBox
from maedfer.video.decode import read_frames
from maedfer.video.encode import write_timed
from maedfer.video.types import Frame

__all__ = ["write_annotated"]

# H.264 players refuse larger pictures.
_MAX_SIDE = 4096
# Letters need pixels: pictures with fewer lines are enlarged by a whole number.
_MIN_SIDE = 240
# A face unseen for longer was not there, as far as anybody knows.
_MAX_GAP_S = 0.5
_EPSILON_S = 1e-3
_USUAL_RATE = 25.0
# What VideoInfo.codec says of pictures that were never a file.
_IN_MEMORY = frozenset({"array", "frames"})


def write_annotated(
    prediction: Prediction, path: Path, *, progress: Callable[[float, float | None], None] | None = None
) -> Path:
    """Read the video again and write it with boxes, labels, bars and a strip of time, and with its sound.

    H.264 in mp4 with the frames' own times; the default sound is copied where mp4 can hold it, else made AAC; a sound
    that cannot be decoded at all is left out. Pictures above 4096 pixels a side are shrunk, those below 240 enlarged.

    Args:
        prediction: of a file or a folder of frames that is still there.
        path: the mp4 to appear, whole or not at all; its folder is made when missing.
        progress: is called with (seconds done, seconds in all).

    Returns:
        ``path``.

    Raises:
        DecodeError: the video is no longer there, was no file, or cannot be read.
        OutputError: ``path`` is the video itself, or cannot be written.
    """
    video, path = prediction.video, Path(path)
    source = Path(video.source)
    if video.codec in _IN_MEMORY or not os.path.exists(source):  # a folder may be called "frames", and a URL be long
        raise DecodeError(
            f"{video.source}: expected the file that the prediction was made of, found none; "
            "save a stream or frames in memory as a file and predict that, or leave out mp4"
        )
    if path.exists() and path.samefile(source):
        raise OutputError(f"{path}: expected another file than the video itself; choose another name or folder")
    rate = video.frame_rate if video.frame_rate is not None and 0 < video.frame_rate <= 1000 else _USUAL_RATE
    agreed = video.duration_s if video.duration_s == prediction.duration_s else None
    frames = read_frames(source, max_side=_MAX_SIDE, folder_fps=rate)
    sound = source if source.is_file() else None
    write_timed(path, _painted(prediction, frames, progress), rate=rate, end_s=agreed, sound=sound)
    return path


def _painted(
    prediction: Prediction, frames: Iterator[Frame], progress: Callable[[float, float | None], None] | None
) -> Iterator[Frame]:
    tracks, painter = _Tracks(prediction), None
    for frame in frames:
        large = _legible(frame)
        height, width = large.image.shape[:2]
        if painter is None:
            segments = [prediction.segments(track) for track in prediction.tracks()]
            painter = Painter(prediction.labels, width, height, segments, prediction.duration_s)
        scale = (width / prediction.video.width, height / prediction.video.height)
        yield Frame(frame.time_s, painter.paint(large, tracks.marks(frame.time_s, scale)))
        if progress is not None:
            progress(frame.time_s, prediction.duration_s)


def _legible(frame: Frame) -> Frame:
    height, width = frame.image.shape[:2]
    times = min(-(-_MIN_SIDE // min(height, width)), _MAX_SIDE // max(height, width))
    if times <= 1:
        return frame
    large = cv2.resize(frame.image, (width * times, height * times), interpolation=cv2.INTER_CUBIC)
    return Frame(frame.time_s, large)


class _Tracks:
    """Who is where at an instant, and what is said of them."""

    def __init__(self, prediction: Prediction) -> None:
        faces: dict[int, list[FaceBox]] = {}
        for face in prediction.faces:
            faces.setdefault(face.track, []).append(face)
        self._tracks = [
            _Track.of(number, boxes, prediction.answers(number), prediction.duration_s)
            for number, boxes in sorted(faces.items())
        ]
        self._first = np.array([track.times[0] for track in self._tracks])
        self._last = np.array([track.times[-1] for track in self._tracks])

    def marks(self, time_s: float, scale: tuple[float, float]) -> list[Mark]:
        """Marks of the faces that are there, by track."""
        there: Bool[np.ndarray, "N"] = (self._first <= time_s + _EPSILON_S) & (time_s <= self._last + _EPSILON_S)
        found = (self._tracks[index].mark(time_s, scale) for index in np.flatnonzero(there))
        return [mark for mark in found if mark is not None]


@dataclass(frozen=True)
class _Track:
    number: int
    times: Float[np.ndarray, "S"]
    boxes: Float[np.ndarray, "S 4"]
    answers: Sequence[Answer]
    starts: Sequence[float]
    ends: Sequence[float]

    @staticmethod
    def of(number: int, faces: Sequence[FaceBox], answers: Sequence[Answer], duration_s: float) -> "_Track":
        times, boxes = [face.time_s for face in faces], [face.box for face in faces]
        # Nothing was sampled between the last instant and the end: the face did not leave, the video did.
        if len(times) > 1 and times[-1] < duration_s <= times[-1] + 1.5 * min(np.diff(times)):
            times, boxes = [*times, duration_s], [*boxes, boxes[-1]]
        # Each answer's own time, as the segments have it: one segment an answer, because no two names are equal.
        own = [replace(answer, label=str(index)) for index, answer in enumerate(answers)]
        spans = segments_of(own)
        starts, ends = [span.start_s for span in spans], [span.end_s for span in spans]
        return _Track(number, np.array(times), np.array(boxes), answers, starts, ends)

    def mark(self, time_s: float, scale: tuple[float, float]) -> Mark | None:
        """``None`` inside a gap between two sightings."""
        box = self._box(time_s)
        if box is None:
            return None
        x0, y0, x1, y1 = (float(value) for value in box * np.array([*scale, *scale]))
        answer = self._answer(time_s)
        if answer is None:
            return Mark(self.number, (x0, y0, x1, y1), UNJUDGED, None, ())
        return Mark(self.number, (x0, y0, x1, y1), answer.label, answer.confidence, answer.probabilities)

    def _answer(self, time_s: float) -> Answer | None:
        """What is said of the face at an instant: the answer whose own time it is."""
        index = bisect_right(self.starts, time_s + _EPSILON_S) - 1
        return self.answers[index] if index >= 0 and time_s <= self.ends[index] + _EPSILON_S else None

    def _box(self, time_s: float) -> Float[np.ndarray, "4"] | None:
        """Between two sightings on the straight line from one to the other; never before the first, after the last."""
        after = int(np.searchsorted(self.times, time_s))
        before, after = max(after - 1, 0), min(after, len(self.times) - 1)
        sighted = np.abs(self.times[[before, after]] - time_s) <= _EPSILON_S
        if not sighted.any() and not 0 < self.times[after] - self.times[before] <= _MAX_GAP_S:
            return None
        return np.array([np.interp(time_s, self.times, side) for side in self.boxes.T])
