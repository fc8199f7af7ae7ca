"""Random draws that do not depend on how a global batch is divided among processes.

All processes of a run seed the global generator alike at each step. Whatever is drawn per clip is drawn for the whole
global batch, and each process takes the rows of its own clips: so one process and many learn the same.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["BatchShare"]


@dataclass(frozen=True)
class BatchShare:
    """Which part of a global batch one process holds: ``count`` equal parts, this is number ``index``.

    Attributes:
        index: from 0.
        count: number of parts.
    """

    index: int = 0
    count: int = 1

    def uniform(self, batch: int, *shape: int) -> Float[Tensor, "batch *shape"]:
        """Numbers in 0..1 (on the CPU) for the ``batch`` clips of this process, from torch's global generator."""
        return self.own(torch.rand(batch * self.count, *shape))

    def own(self, rows: Tensor) -> Tensor:
        """Of one row a clip of the global batch, the rows of this process."""
        size = len(rows) // self.count
        return rows[self.index * size : (self.index + 1) * size]
