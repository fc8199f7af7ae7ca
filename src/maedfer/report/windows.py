"""The plain values that a prediction is made of. NumPy and plain Python only, never torch."""

import math
from dataclasses import dataclass, field
from typing import Literal

from maedfer.errors import ConfigError
from maedfer.video.types import TrackedFace

__all__ = [
    "UNSEEN",
    "UNSURE",
    "Baseline",
    "BaselineChoice",
    "FaceBox",
    "ModelIdentity",
    "Portrait",
    "Settings",
    "WindowPrediction",
]

#: What probabilities are read against: nothing, or each face's own usual look.
Baseline = Literal["none", "person"]
#: What a caller may ask for; auto: person for the weights inside the package, none for any others.
BaselineChoice = Literal["auto", "none", "person"]

#: Stands in the place of a label where a window could not be judged, for want of a face.
UNSEEN = "unseen"

#: Stands in the place of a label when no class is probable enough.
UNSURE = "unsure"


@dataclass(frozen=True)
class WindowPrediction:
    """What one face showed in one window of time, as the model said it: nothing smoothed, nothing withheld.

    Attributes:
        track: identity of the face in this video, counted from 0.
        start_s: seconds from the video's first frame.
        end_s: seconds; at most the video's end.
        label: the most probable class.
        confidence: its probability, 0..1.
        probabilities: of every class in the order of ``Prediction.labels``; they sum to 1.
        coverage: share of the window's sampled instants at which the face was seen, 0..1.

    Raises:
        ConfigError: a number is not finite, or the window has no length.
    """

    track: int
    start_s: float
    end_s: float
    label: str
    confidence: float
    probabilities: tuple[float, ...]
    coverage: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (*self.probabilities, self.confidence, self.coverage))):
            raise ConfigError(
                f"window {self.start_s:.2f} s of face {self.track}: expected finite probabilities and coverage, got "
                f"{self.probabilities}, {self.confidence} and {self.coverage}"
            )
        if not -math.inf < self.start_s < self.end_s < math.inf:
            raise ConfigError(
                f"face {self.track}: expected a window that ends after its start, got {self.start_s} to {self.end_s} s"
            )


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

    @classmethod
    def of(cls, tracked: TrackedFace) -> "FaceBox":
        """The same without landmarks."""
        x0, y0, x1, y1 = (float(value) for value in tracked.face.box)
        return cls(tracked.track, tracked.time_s, (x0, y0, x1, y1), tracked.face.score)


@dataclass(frozen=True)
class Portrait:
    """A small picture of a face as the model saw it, from the middle of one window.

    Attributes:
        track: identity of the face in this video.
        time_s: seconds, the window's middle.
        jpeg: a square JPEG, 72 pixels a side.
    """

    track: int
    time_s: float
    jpeg: bytes = field(repr=False)


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
    """How the video was read, and how the windows are put into words.

    Attributes:
        hop_s: seconds between the starts of two windows.
        span_s: seconds that a window spans.
        min_coverage: least coverage at which a window is judged.
        device: where the model ran, ``"cpu"`` or ``"cuda"``.
        detector: the face detector's class.
        precision: what the model computed in, ``"float32"``, ``"bf16"`` or, by an ONNX file, ``"int8"``.
        min_face: width of the smallest face that was searched for, as a share of the picture's short side; ``None``
            where the caller brought a detector, which has its own limits.
        min_face_px: narrower faces were ignored, in pixels of the decoded picture.
        min_score: the detector's score with which a face could begin, 0..1.
        smoothing_s: standard deviation in seconds of the Gaussian that smooths probabilities over time; 0 = none.
        baseline: ``"none"``: as the model says; ``"person"``: each face against its own usual look in this video
            (:mod:`maedfer.report.usual`), before smoothing.
        min_confidence: below it the answer is "unsure", 0..1. At 0.5 of a calibrated model, an answer is given where it
            is more likely right than wrong.
    """

    hop_s: float
    span_s: float
    min_coverage: float
    device: str
    detector: str
    min_face: float | None = 0.1
    min_face_px: float = 16.0
    min_score: float = 0.5
    smoothing_s: float = 0.0
    min_confidence: float = 0.5
    baseline: Baseline = "none"
    precision: str = "float32"

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing_s <= 3600:
            raise ConfigError(f"smoothing_s: expected 0 (none) to 3600 seconds, got {self.smoothing_s}; 2 is common")
        if not 0 <= self.min_confidence <= 1:
            raise ConfigError(
                f"min_confidence: expected 0 (always answer) to 1, got {self.min_confidence}; 0.5 is common"
            )
