"""Where the training loop gets its batches from."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from maedfer.data.dataset import Sample
from maedfer.models.draws import BatchShare

__all__ = ["ClipFeed"]


@runtime_checkable
class ClipFeed(Protocol):
    """Clips of a training run, epoch by epoch, the same whatever process asks and however often it was interrupted."""

    def __len__(self) -> int:
        """Clips that one epoch visits, over all processes."""

    def batches(self, epoch: int, first: int, size: int, share: BatchShare) -> Iterator[list[Sample]]:
        """The batches ``first``, ``first + 1``, ... of one process in one epoch, each of ``size`` samples.

        Global batch g of an epoch is the clips ``g * size * share.count`` up to the next one in the epoch's order;
        process i holds the i-th run of ``size`` of them. The rest that fills no global batch is left out.
        """
