"""Samples put together for one pass of the model."""

from dataclasses import dataclass

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from maedfer.data.dataset import Sample, stacked
from maedfer.models.draws import BatchShare

__all__ = ["Batch", "collate"]

_ALONE = BatchShare()


@dataclass(frozen=True)
class Batch:
    """Clips that one process computes together, a part of a global batch.

    Attributes:
        clips: RGB, 0..255.
        targets: class indices; -1 where unlabelled.
        rows: positions in the whole manifest.
        starts: which of the cached crops is each clip's first frame.
        share: which part of the global batch this is; whatever is drawn per clip is drawn through it.
    """

    clips: UInt8[Tensor, "B 3 T S S"]
    targets: Int64[Tensor, " B"]
    rows: Int64[Tensor, " B"]
    starts: Int64[Tensor, " B"]
    share: BatchShare = _ALONE

    def to(self, device: torch.device) -> "Batch":
        """The same on ``device``."""
        return Batch(
            self.clips.to(device), self.targets.to(device), self.rows.to(device), self.starts.to(device), self.share
        )


def collate(samples: list[Sample], share: BatchShare = _ALONE) -> Batch:
    """Samples of equal shape, at least one, to one batch."""
    return Batch(
        stacked(samples),
        torch.tensor([sample.target for sample in samples]),
        torch.tensor([sample.row for sample in samples]),
        torch.tensor([sample.start for sample in samples]),
        share,
    )
