"""The options that commands share: which model reads a video, what counts as a face, how a folder is gone through."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from maedfer.predict import Predictor

__all__ = [
    "AnswerOptions",
    "Baseline",
    "Device",
    "FaceOptions",
    "ModelOptions",
    "Precision",
    "ReadingOptions",
    "Runtime",
]

Device = Literal["auto", "cpu", "cuda"]
Runtime = Literal["auto", "torch", "onnx"]
Precision = Literal["float32", "bf16"]
Baseline = Literal["auto", "none", "person"]


@dataclass(frozen=True)
class ModelOptions:
    """Which model, and where it runs.

    Attributes:
        model: "default" (the weights in the package), a folder of weights, or a .pth checkpoint.
        device: where the model runs; auto takes a GPU when there is one.
    """

    model: str = "default"
    device: Device = "auto"


@dataclass(frozen=True)
class FaceOptions(ModelOptions):
    """What counts as a face.

    Attributes:
        min_face: width of the smallest face to search for, as a share of the picture's short side; half of it costs
            four times the work.
        min_face_px: narrower faces are ignored, pixels of a picture of at most 1280 a side.
        min_score: detector score with which a face may begin, 0 to 1.
        min_coverage: share of a window in which a face must be seen to be judged, 0 to 1.
        runtime: torch, or onnx for what maedfer export wrote (extra export); auto takes onnx where there is nothing
            else.
        precision: what the model computes in; bf16 is faster on processors with bfloat16 products, off by thousandths.
    """

    min_face: float = 0.1
    min_face_px: float = 16.0
    min_score: float = 0.5
    min_coverage: float = 0.5
    runtime: Runtime = "auto"
    precision: Precision = "float32"

    def predictor(
        self,
        hop_s: float,
        *,
        batch_size: int = 8,
        smoothing_s: float = 0.0,
        min_confidence: float = 0.5,
        baseline: Baseline = "auto",
    ) -> "Predictor":
        """A predictor of these settings; loads torch."""
        from maedfer.predict import Predictor

        return Predictor(
            self.model,
            device=self.device,
            runtime=self.runtime,
            precision=self.precision,
            hop_s=hop_s,
            batch_size=batch_size,
            min_coverage=self.min_coverage,
            min_face=self.min_face,
            min_face_px=self.min_face_px,
            min_score=self.min_score,
            smoothing_s=smoothing_s,
            min_confidence=min_confidence,
            baseline=baseline,
        )


@dataclass(frozen=True)
class ReadingOptions(FaceOptions):
    """How videos are read.

    Attributes:
        hop: seconds between the starts of two windows; a window spans 2.56 s.
        batch_size: clips that go through the model together.
        fps: frames per second of folders of frames; 25 when left out. Files carry their own times.
        salvage: read what there is of a file that breaks off early, instead of refusing it.
        again: also read videos whose results from an earlier run still fit.
    """

    hop: float = 1.28
    batch_size: int = 8
    fps: float | None = None
    salvage: bool = False
    again: bool = False

    def make(self) -> "Predictor":
        """A predictor of these settings; loads torch."""
        return self.predictor(self.hop, batch_size=self.batch_size)


@dataclass(frozen=True)
class AnswerOptions(ReadingOptions):
    """How videos are read, and how windows are put into words.

    Attributes:
        smoothing: standard deviation in seconds of the smoothing of answers over time; 0: none. Raw values are kept.
        min_confidence: below it the answer is "unsure", 0 to 1.
        baseline: "person" reads each face that is judged for 15 seconds or more against its own usual look in this
            video: for talks and interviews, where a face mostly rests. "none": as the model says. "auto": person for
            the default model, none for any other.
    """

    smoothing: float = 0.0
    min_confidence: float = 0.5
    baseline: Baseline = "auto"

    def make(self) -> "Predictor":
        """A predictor of these settings; loads torch."""
        return self.predictor(
            self.hop,
            batch_size=self.batch_size,
            smoothing_s=self.smoothing,
            min_confidence=self.min_confidence,
            baseline=self.baseline,
        )
