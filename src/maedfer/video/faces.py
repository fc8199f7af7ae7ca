"""Video in, clips of faces out: decode, detect, track, align and cut, streaming, in memory bounded by one window.

::

    for window in FaceClips(CenterFace()).stream(Path("interview.mp4")):
        ...  # window.clips, window.gaps, window.faces
"""

import math
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from maedfer.errors import ConfigError, DecodeError
from maedfer.video.ahead import ahead
from maedfer.video.clips import DECODED_SIDE, PAPER_CLIP, ClipSpec, WindowPlan, crop_pixels
from maedfer.video.cuts import CutDetector
from maedfer.video.decode import probe, read_frames
from maedfer.video.detect import FaceDetector
from maedfer.video.given import bounded, sampled
from maedfer.video.looks import looks_of
from maedfer.video.search import FaceSearch
from maedfer.video.track import TENTATIVE_GAP_S, Tracker
from maedfer.video.types import Clip, FaceWindow, Frame, TrackedFace, VideoInfo, Window

__all__ = ["FaceClips", "FaceStream"]

# Pictures decoded while the last ones are searched for faces.
_DECODED_AHEAD = 8
# Pixels on the short side of what the cut detector gets to see.
_CUT_SIDE = 120


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
        min_score: detector score with which a track may begin, 0..1; fainter sightings can only continue one.
        lookahead_s: a window is given this long after its end. ``None`` waits until no gap at its end can close any
            more. 0 is for live use: a gap then open is not bridged, and a face that came within the last ``min_hits``
            instants is missing from the window's clips (its sightings are given with the next one).
        full_search_s: seconds between two searches of the whole picture, in between only the places of known faces are
            searched: the most that a face in the middle of a shot may appear late. 0 searches all of every picture.

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
        max_side: int = DECODED_SIDE,
        min_score: float = 0.5,
        lookahead_s: float | None = None,
        full_search_s: float = 0.64,
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
        if not 0 <= min_score <= 1 or not 0 <= full_search_s <= 10:
            raise ConfigError(
                f"expected min_score in 0..1 and full_search_s in 0..10 seconds, got {min_score} and {full_search_s}; "
                "0.5 and 0.64 are common"
            )
        if lookahead_s is not None and not 0 <= lookahead_s <= 10:
            raise ConfigError(f"expected lookahead_s in 0..10 seconds or None, got {lookahead_s}; 0 suits live video")
        WindowPlan(spec, hop_s)
        self.detector, self.spec, self.hop_s, self.min_coverage = detector, spec, hop_s, min_coverage
        self.min_face_px, self.max_gap_s, self.min_hits, self.max_side = min_face_px, max_gap_s, min_hits, max_side
        self.min_score, self.lookahead_s, self.full_search_s = min_score, lookahead_s, full_search_s

    def stream(
        self, source: Path | str | Iterable[Frame], *, fps: float = 25.0, end_s: float | None = None, even: bool = False
    ) -> "FaceStream":
        """Begin with a video file, an image, a folder of frames, a URL, or frames from elsewhere in order of time.

        Files are decoded in a thread of their own, some pictures ahead. Pixels of a frame given must not change later.

        Args:
            source: what to read.
            fps: frames per second of a folder of frames; files tell their own.
            end_s: when the last of the frames from elsewhere ends, where that is known; files tell their own.
            even: frames from elsewhere are already at the instants of ``spec.rate``; one that is left out was not seen.

        Raises:
            DecodeError: the source cannot be read; at once where the first picture tells, else while iterating.
        """
        if isinstance(source, str | Path):
            info = probe(source, folder_fps=fps)
            frames = read_frames(source, rate=self.spec.rate, max_side=self.max_side, folder_fps=fps)
            return FaceStream(self, ahead(frames, _DECODED_AHEAD), info, info.duration_s)
        given = (frame for frame in source) if even else sampled(source, self.spec.rate, end_s)
        return FaceStream(self, given, None, end_s)


class FaceStream:
    """One pass over one video. Iterate once; windows come in order of time, each as soon as it is certain.

    A window is certain ``max_gap_s`` after its end, when gaps at its end can no longer close (or when a face at its end
    can no longer be confirmed, if that is later); ``lookahead_s`` gives it sooner. May be iterated in another thread.

    Attributes:
        info: facts about the source; ``None`` for frames from elsewhere.
        duration_s: seconds decoded so far; after the last window, the video's length.
    """

    def __init__(
        self,
        settings: FaceClips,
        frames: Generator[Frame, None, None],
        info: VideoInfo | None,
        said_end_s: float | None,
    ) -> None:
        self._settings, self._frames, self.info, self._said_end_s = settings, frames, info, said_end_s
        rate, spec = settings.spec.rate, settings.spec
        self._begun = False
        self.duration_s = 0.0
        self._search = FaceSearch(
            settings.detector,
            full_search_s=settings.full_search_s,
            min_score=settings.min_score,
            max_gap_s=settings.max_gap_s,
            min_face_px=settings.min_face_px,
        )
        self._tracker = Tracker(
            max_gap_s=settings.max_gap_s, min_hits=settings.min_hits, start_score=settings.min_score
        )
        self._cuts, self._plan = CutDetector(), WindowPlan(spec, settings.hop_s)
        longest = max(settings.max_gap_s, (settings.min_hits - 1) * TENTATIVE_GAP_S)
        self._memory = math.ceil(longest * rate - 1e-6)
        ahead_s = longest if settings.lookahead_s is None else settings.lookahead_s
        self._lookahead = math.ceil(ahead_s * rate - 1e-6)
        self._pictures: deque[Frame] = deque(maxlen=spec.num_frames + self._lookahead)
        self._marks: dict[int, dict[int, Float[np.ndarray, "5 2"]]] = {}
        self._faces: list[TrackedFace] = []
        self._instants, self._first_s = 0, 0.0
        self._given: UInt8[np.ndarray, "H W 3"] | None = None

    def __iter__(self) -> Iterator[FaceWindow]:
        if self._begun:
            raise ConfigError("expected a new stream, this one was read already; call FaceClips.stream() again")
        self._begun = True
        with closing(self._frames) as frames:
            for frame in frames:
                while self._instants and (frame.time_s - self._time(self._instants)) * self._settings.spec.rate > 0.5:
                    self._hold()
                    yield from self._certain()
                self._take(frame)
                yield from self._certain()
        if not self._instants:
            raise DecodeError("expected at least one frame, got an empty stream; check the source of the frames")
        self._note(self._tracker.finish(), 1.0)
        self.duration_s = self._end_s(self._instants)
        windows = self._plan.finish(self._instants)
        for index, window in enumerate(windows):
            last = index == len(windows) - 1
            yield self._window(window, self.duration_s, everything=last)

    def _certain(self) -> Iterator[FaceWindow]:
        for window in self._plan.complete(self._instants - self._lookahead):
            yield self._window(window, math.inf)

    def _hold(self) -> None:
        """An instant that nobody saw: the last picture stands still."""
        self._pictures.append(self._pictures[-1])
        self._instants += 1

    def _take(self, frame: Frame) -> None:
        held = self._given is frame.image
        image = self._pictures[-1].image if held else bounded(frame.image, self._settings.max_side)
        self._given = frame.image
        width = frame.image.shape[1] if self.info is None else self.info.width
        scale = width / image.shape[1]
        if not self._instants:
            self._first_s = frame.time_s
        # For a thumbnail some of the pixels are enough; all would cost as much as decoding.
        step = max(1, min(image.shape[:2]) // _CUT_SIDE)
        reshaped = bool(self._pictures) and self._pictures[-1].image.shape != image.shape
        cut = self._cuts.update(np.ascontiguousarray(image[::step, ::step])) or reshaped
        faces = self._search.find(frame.time_s, image, cut=cut)
        looks = looks_of(image, faces)
        self._note(self._tracker.update(frame.time_s, faces, cut=cut, looks=looks), scale)
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
        self._forget(window.start - self._memory)
        return FaceWindow(start_s, end_s, clips, gaps, faces)

    def _forget(self, before: int) -> None:
        kept = {track: {i: p for i, p in marks.items() if i >= before} for track, marks in self._marks.items()}
        self._marks = {track: marks for track, marks in kept.items() if marks}

    def _time(self, instant: int) -> float:
        return self._first_s + instant / self._settings.spec.rate

    def _end_s(self, instants: int) -> float:
        """The video's end: known to one instant by the frames, exactly where the container agrees with them."""
        said = self._said_end_s
        latest, earliest = self._time(instants), self._time(instants - 1)
        return said if said is not None and earliest < said < latest else latest
