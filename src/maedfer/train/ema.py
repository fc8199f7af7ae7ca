"""An exponential moving average of the weights (Polyak averaging)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

__all__ = ["AveragedWeights"]


class AveragedWeights:
    """``average <- d * average + (1 - d) * weights`` after every update, for the weights that are trained.

    Statistics that the model keeps (those of batch norm) are averaged with the weights they belong to.

    d is ``decay``, in the first updates (1 + n) / (10 + n) where that is smaller: the random start is soon forgotten.
    Each process averages its own shards where the weights are spread over the processes.

    Args:
        model: as it stands on its device, sharded or not.
        decay: d, between 0 and 1.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        kept = model.state_dict().keys()
        statistics = {name: value for name, value in model.named_buffers() if name in kept}
        trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
        self._weights: dict[str, Tensor] = {**trained, **statistics}
        self.values = {name: value.detach().clone() for name, value in self._weights.items()}

    @torch.no_grad()
    def update(self, updates: int) -> None:
        """Take in the weights after ``updates`` updates (from 1)."""
        decay = min(self.decay, (1 + updates) / (10 + updates))
        averages = [_local(value) for value in self.values.values()]
        torch._foreach_lerp_(averages, [_local(value) for value in self._weights.values()], 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the model has the averaged weights."""
        own = {name: _local(value).detach().clone() for name, value in self._weights.items()}
        self._put({name: _local(value) for name, value in self.values.items()})
        try:
            yield
        finally:
            self._put(own)

    @torch.no_grad()
    def _put(self, values: dict[str, Tensor]) -> None:
        for name, value in self._weights.items():
            _local(value).copy_(values[name])


def _local(value: Tensor) -> Tensor:
    """This process's shard, sharing memory with ``value``."""
    return value.to_local() if isinstance(value, DTensor) else value
