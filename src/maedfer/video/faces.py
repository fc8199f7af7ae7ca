"""Video in, clips of faces out: decode, detect, track, align and cut, streaming, in memory bounded by one window.

::

    stream = FaceClips(CenterFace()).stream(Path("interview.mp4"))
    for window in stream:
        ...  # window.clips, window.gaps, window.faces
    print(stream.info, stream.duration_s)
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float

from maedfer.errors import ConfigError, DecodeError
from maedfer.video.clips import PAPER_CLIP, ClipSpec, WindowPlan, crop_pixels
from maedfer.video.crop import crop_clip, usable
from maedfer.video.cuts import CutDetector
from maedfer.video.decode import probe, read_frames, sample_by_time
from maedfer.video.detect import FaceDetector
from maedfer.video.track import TENTATIVE_GAP_S, Tracker
from maedfer.video.types import Clip, Frame, TrackedFace, VideoInfo, Window

__all__ = ["FaceClips", "FaceStream", "FaceWindow", "crop_clip"]


@dataclass(frozen=True)
class FaceWindow:
    """Everything about one window of time.

    Attributes:
        start_s: seconds.
        end_s: seconds, cut at the video's end.
        clips: one for each face seen often enough, by track.
        gaps: one for each track seen too rarely; or a single one with ``track=None`` when no face was there at all.
        faces: sightings not given with an earlier window, by time, in pixels of the source (``VideoInfo.width``).
            Together the windows of a video give every sighting once.
    """

    start_s: float
    end_s: float
    clips: list[Clip]
    gaps: list[Window]
    faces: list[TrackedFace]


class FaceClips:
    """Settings of the way from a video to clips; makes one :class:`FaceStream` a video.

    Args:
        detector: finds the faces of one picture.
        spec: shape of the clips.
        hop_s: seconds from one window's start to the next, from one sampled instant to the span.
        min_coverage: share of the window's instants at which a face must be seen for a clip, above 0, at most 1.
        min_face_px: faces narrower than this, in pixels of the decoded picture, are ignored: their crop would be blur.
        max_gap_s: a face unseen for longer comes back as a new track.
        min_hits: sightings that make a track.
        max_side: pictures are decoded at no more than this on their longer side; bounds memory.

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(
        self,
        detector: FaceDetector,
        spec: ClipSpec = PAPER_CLIP,
        *,
        hop_s: float = 1.28,
        min_coverage: float = 0.5,
        min_face_px: float = 16.0,
        max_gap_s: float = 1.28,
        min_hits: int = 3,
        max_side: int = 1280,
    ) -> None:
        if not 0 < min_coverage <= 1:
            raise ConfigError(f"expected min_coverage above 0 and up to 1, got {min_coverage}; 0.5 is common")
        if not 1 <= min_hits <= 16 or not 0 <= max_gap_s <= 10:
            raise ConfigError(
                f"expected min_hits in 1..16 and max_gap_s in 0..10 seconds, got {min_hits} and {max_gap_s}; "
                "3 and 1.28 are common"
            )
        if max_side < 32 or not min_face_px >= 1:
            raise ConfigError(
                f"expected max_side of 32 pixels or more and min_face_px of 1 or more, got {max_side} and "
                f"{min_face_px}; 1280 and 16 are common"
            )
        WindowPlan(spec, hop_s)
        self.detector, self.spec, self.hop_s, self.min_coverage = detector, spec, hop_s, min_coverage
        self.min_face_px, self.max_gap_s, self.min_hits, self.max_side = min_face_px, max_gap_s, min_hits, max_side

    def stream(self, source: Path | Iterable[Frame]) -> "FaceStream":
        """Begin with a video file, an image, a folder of frames, or frames from elsewhere (a camera) in order of time.

        Raises:
            DecodeError: the source cannot be read; at once where the first picture tells, else while iterating.
        """
        return FaceStream(self, source)


class FaceStream:
    """One pass over one video. Iterate once; windows come in order of time, each as soon as it is certain.

    A window is certain ``max_gap_s`` after its end, when gaps at its end can no longer close.

    Attributes:
        info: facts about the source; ``None`` for frames from elsewhere.
        duration_s: seconds decoded so far; after the last window, the video's length.
    """

    def __init__(self, settings: FaceClips, source: Path | Iterable[Frame]) -> None:
        self._settings = settings
        rate, spec = settings.spec.rate, settings.spec
        if isinstance(source, (str, Path)):
            self.info: VideoInfo | None = probe(Path(source))
            self._frames = read_frames(Path(source), rate=rate, max_side=settings.max_side)
        else:
            self.info = None
            self._frames = _sampled(source, rate)
        self.duration_s = 0.0
        self._tracker = Tracker(max_gap_s=settings.max_gap_s, min_hits=settings.min_hits)
        self._cuts, self._plan = CutDetector(), WindowPlan(spec, settings.hop_s)
        longest = max(settings.max_gap_s, (settings.min_hits - 1) * TENTATIVE_GAP_S)
        self._lookahead = math.ceil(longest * rate - 1e-6)
        self._pictures: deque[Frame] = deque(maxlen=spec.num_frames + self._lookahead)
        self._marks: dict[int, dict[int, Float[np.ndarray, "5 2"]]] = {}
        self._faces: list[TrackedFace] = []
        self._instants, self._first_s = 0, 0.0

    def __iter__(self) -> Iterator[FaceWindow]:
        for frame in self._frames:
            self._take(frame)
            for window in self._plan.complete(self._instants - self._lookahead):
                yield self._window(window, math.inf)
        if not self._instants:
            raise DecodeError("expected at least one frame, got an empty stream; check the source of the frames")
        self._note(self._tracker.finish(), 1.0)
        self.duration_s = self._end_s(self._instants)
        windows = self._plan.finish(self._instants)
        for index, window in enumerate(windows):
            last = index == len(windows) - 1
            yield self._window(window, self.duration_s, everything=last)

    def _take(self, frame: Frame) -> None:
        image = _bounded(frame, self._settings.max_side)
        width = frame.image.shape[1] if self.info is None else self.info.width
        scale = width / image.shape[1]
        if not self._instants:
            self._first_s = frame.time_s
        faces = [face for face in self._settings.detector.detect(image) if usable(face, self._settings.min_face_px)]
        self._note(self._tracker.update(frame.time_s, faces, cut=self._cuts.update(image)), scale)
        self._pictures.append(Frame(frame.time_s, image))
        self._instants += 1
        self.duration_s = self._first_s + self._instants / self._settings.spec.rate

    def _note(self, sightings: list[TrackedFace], scale: float) -> None:
        for sighting in sightings:
            instant = round((sighting.time_s - self._first_s) * self._settings.spec.rate)
            self._marks.setdefault(sighting.track, {})[instant] = sighting.face.landmarks
            face = replace(
                sighting.face,
                box=sighting.face.box * np.float32(scale),
                landmarks=sighting.face.landmarks * np.float32(scale),
            )
            self._faces.append(replace(sighting, face=face))

    def _window(self, window: range, video_end_s: float, *, everything: bool = False) -> FaceWindow:
        start_s, end_s = self._time(window.start), min(self._time(window.stop), video_end_s)
        offset = self._instants - len(self._pictures)
        images = [self._pictures[instant - offset].image for instant in window]
        clips, gaps = [], []
        for track in sorted(self._marks):
            marks = {instant - window.start: points for instant, points in self._marks[track].items()}
            coverage = sum(0 <= instant < len(window) for instant in marks) / len(window)
            if coverage >= self._settings.min_coverage:
                pixels = crop_pixels(images, marks, self._settings.spec)
                clips.append(Clip(track, start_s, end_s, pixels, coverage))
            elif coverage > 0:
                gaps.append(Window(track, start_s, end_s, coverage))
        if not clips and not gaps:
            gaps.append(Window(None, start_s, end_s, 0.0))
        until_s = math.inf if everything else self._time(window.stop) - 0.5 / self._settings.spec.rate
        faces = sorted((f for f in self._faces if f.time_s < until_s), key=lambda f: (f.time_s, f.track))
        self._faces = [f for f in self._faces if f.time_s >= until_s]
        self._forget(window.start - self._lookahead)
        return FaceWindow(start_s, end_s, clips, gaps, faces)

    def _forget(self, before: int) -> None:
        for track in list(self._marks):
            self._marks[track] = {i: points for i, points in self._marks[track].items() if i >= before}
            if not self._marks[track]:
                del self._marks[track]

    def _time(self, instant: int) -> float:
        return self._first_s + instant / self._settings.spec.rate

    def _end_s(self, instants: int) -> float:
        """The video's end: known to one instant by the frames, exactly where the container agrees with them."""
        said = None if self.info is None else self.info.duration_s
        latest, earliest = self._time(instants), self._time(instants - 1)
        return said if said is not None and earliest < said < latest else latest


def _sampled(frames: Iterable[Frame], rate: float) -> Iterator[Frame]:
    """Frames from elsewhere at even instants, counted from the first one's time."""
    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        return
    shown = ((frame.time_s, 0.0, frame) for frame in chain([first], rest))
    for instant, frame in sample_by_time(shown, rate, first.time_s):
        yield Frame(instant, frame.image)


def _bounded(frame: Frame, max_side: int) -> np.ndarray:
    scale = max_side / max(frame.image.shape[:2])
    if scale >= 1:
        return frame.image
    height, width = frame.image.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small: np.ndarray = cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
    return small
