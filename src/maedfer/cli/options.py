"""The options that ``predict``, ``embed`` and ``demo`` share: which model reads a video, and how."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from maedfer.predict import Predictor

__all__ = ["AnswerOptions", "Device", "ModelOptions", "ReadingOptions"]

Device = Literal["auto", "cpu", "cuda"]


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
class ReadingOptions(ModelOptions):
    """How a video is read.

    Attributes:
        hop: seconds between the starts of two windows; a window spans 2.56 s.
        min_face: narrower faces are ignored, pixels.
        min_score: detector score with which a face may begin, 0 to 1.
        min_coverage: share of a window in which a face must be seen to be judged, 0 to 1.
        batch_size: clips that go through the model together.
        salvage: read what there is of a file that breaks off early, instead of refusing it.
        again: also read videos whose results from an earlier run still fit.
    """

    hop: float = 1.28
    min_face: float = 16.0
    min_score: float = 0.5
    min_coverage: float = 0.5
    batch_size: int = 8
    salvage: bool = False
    again: bool = False

    def predictor(self) -> "Predictor":
        """A predictor of these settings; loads torch."""
        return self._predictor(0.0, 0.5)

    def _predictor(self, smoothing_s: float, min_confidence: float) -> "Predictor":
        from maedfer.predict import Predictor

        return Predictor(
            self.model,
            device=self.device,
            hop_s=self.hop,
            batch_size=self.batch_size,
            min_coverage=self.min_coverage,
            min_face_px=self.min_face,
            min_score=self.min_score,
            smoothing_s=smoothing_s,
            min_confidence=min_confidence,
        )


@dataclass(frozen=True)
class AnswerOptions(ReadingOptions):
    """How a video is read, and how windows are put into words.

    Attributes:
        smoothing: standard deviation in seconds of the smoothing of answers over time; 0: none. Raw values are kept.
        min_confidence: below it the answer is "unsure", 0 to 1.
    """

    smoothing: float = 0.0
    min_confidence: float = 0.5

    def predictor(self) -> "Predictor":
        """A predictor of these settings; loads torch."""
        return self._predictor(self.smoothing, self.min_confidence)
