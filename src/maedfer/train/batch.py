"""Samples put together for one step."""

from dataclasses import dataclass

import torch
from torch import Tensor

from maedfer.data.dataset import Sample

__all__ = ["Batch", "collate"]


@dataclass(frozen=True)
class Batch:
    """Samples of one step: ``clips`` uint8 (B, 3, T, S, S), ``targets`` (B,)."""

    clips: Tensor
    targets: Tensor


def collate(samples: list[Sample]) -> Batch:
    """Samples of equal shape to one batch."""
    return Batch(
        torch.stack([sample.clip for sample in samples]),
        torch.tensor([sample.target for sample in samples]),
    )
