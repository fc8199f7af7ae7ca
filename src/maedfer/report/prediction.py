"""The values that :class:`maedfer.Predictor` hands out. NumPy and plain Python only, never torch."""

import itertools
import math
from dataclasses import dataclass
from pathlib import Path

from maedfer.errors import ConfigError
from maedfer.video.types import VideoInfo, Window

__all__ = ["FaceBox", "ModelIdentity", "Prediction", "Segment", "Settings", "WindowPrediction"]

#: Two windows of a track that are further apart than this (seconds) have a gap between them.
_TOUCHING_S = 1e-3


@dataclass(frozen=True)
class WindowPrediction:
    """What one face showed in one window of time.

    Attributes:
        track: identity of the face in this video, counted from 0.
        start_s: seconds from the video's first frame.
        end_s: seconds; at most the video's end.
        label: the most probable class.
        confidence: its probability, 0..1.
        probabilities: of every class in the order of ``Prediction.labels``; they sum to 1.
        coverage: share of the window's sampled instants at which the face was seen, 0..1.
    """

    track: int
    start_s: float
    end_s: float
    label: str
    confidence: float
    probabilities: tuple[float, ...]
    coverage: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in self.probabilities):
            raise ConfigError(f"window {self.start_s:.2f} s of face {self.track}: expected finite probabilities")


@dataclass(frozen=True)
class Segment:
    """A span of time in which one face showed one expression.

    Attributes:
        track: identity of the face in this video.
        start_s: seconds.
        end_s: seconds.
        label: the expression.
        confidence: mean of the confidences of the merged windows, 0..1.
    """

    track: int
    start_s: float
    end_s: float
    label: str
    confidence: float


@dataclass(frozen=True)
class FaceBox:
    """Where a tracked face was at one instant.

    Attributes:
        track: identity of the face in this video.
        time_s: seconds.
        box: x0, y0, x1, y1 in pixels of the (rotated) frame.
        score: detector confidence, 0..1.
    """

    track: int
    time_s: float
    box: tuple[float, float, float, float]
    score: float


@dataclass(frozen=True)
class ModelIdentity:
    """Which weights spoke.

    Attributes:
        name: ``"default"``, or the path that was given.
        sha256: of the weight file; ``None`` for a model made in memory.
        maedfer_version: of the package that ran it.
    """

    name: str
    sha256: str | None
    maedfer_version: str


@dataclass(frozen=True)
class Settings:
    """How the video was read.

    Attributes:
        hop_s: seconds between the starts of two windows.
        span_s: seconds that a window spans.
        min_coverage: least coverage at which a window is judged.
        device: where the model ran, ``"cpu"`` or ``"cuda"``.
        detector: the face detector's class.
    """

    hop_s: float
    span_s: float
    min_coverage: float
    device: str
    detector: str


@dataclass(frozen=True)
class Prediction:
    """All that was found in one video. Its size grows with faces and seconds, never with pixels.

    Attributes:
        video: the source's facts.
        duration_s: seconds that were really decoded (a container can be wrong about it).
        labels: class names in index order.
        model: which weights spoke.
        settings: how the video was read.
        windows: sorted by (track, start_s).
        unseen: windows without a usable face, by start.
        faces: where each face was over time, by time.
    """

    video: VideoInfo
    duration_s: float
    labels: tuple[str, ...]
    model: ModelIdentity
    settings: Settings
    windows: tuple[WindowPrediction, ...]
    unseen: tuple[Window, ...]
    faces: tuple[FaceBox, ...]

    def tracks(self) -> tuple[int, ...]:
        """The faces that were judged at least once, in order."""
        return tuple(sorted({window.track for window in self.windows}))

    def segments(self, track: int) -> tuple[Segment, ...]:
        """Consecutive windows of one label merged into spans that never overlap.

        Windows overlap when the hop is shorter than the window. Each window is then given the time up to the middle
        of its overlap with the next one, so a change of expression is placed at that middle. A gap between two windows
        (the face was away) ends a span, whatever the labels.

        Args:
            track: one of :meth:`tracks`; any other number has no segments.
        """
        windows = sorted((w for w in self.windows if w.track == track), key=lambda window: window.start_s)
        segments: list[Segment] = []
        merged: list[WindowPrediction] = []
        start = end = 0.0
        for window, (own_start, own_end) in zip(windows, _own_time(windows), strict=True):
            if merged and (merged[-1].label != window.label or own_start != end):
                segments.append(_merge(merged, start, end))
                merged = []
            start = start if merged else own_start
            end = own_end
            merged.append(window)
        return (*segments, _merge(merged, start, end)) if merged else ()

    def save(self, directory: str | Path) -> tuple[Path, Path]:
        """Write ``predictions.csv`` and ``predictions.json`` into ``directory`` (made when missing).

        Returns:
            The two paths.

        Raises:
            OutputError: the folder cannot be made or written.
        """
        from maedfer.report.tables import write_csv, write_json  # tables are written from this class

        folder = Path(directory)
        return write_csv(self, folder / "predictions.csv"), write_json(self, folder / "predictions.json")


def _own_time(windows: list[WindowPrediction]) -> list[tuple[float, float]]:
    """The time that belongs to each window alone: neighbours share their overlap, half each."""
    starts = [window.start_s for window in windows]
    ends = [window.end_s for window in windows]
    for position, (window, following) in enumerate(itertools.pairwise(windows)):
        if following.start_s <= window.end_s + _TOUCHING_S:
            ends[position] = starts[position + 1] = (window.end_s + following.start_s) / 2
    return list(zip(starts, ends, strict=True))


def _merge(windows: list[WindowPrediction], start_s: float, end_s: float) -> Segment:
    confidence = sum(window.confidence for window in windows) / len(windows)
    return Segment(windows[0].track, start_s, end_s, windows[0].label, confidence)
