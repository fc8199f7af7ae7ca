"""Batch norm over the global batch: of all processes where several train together, on any device."""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

__all__ = ["BatchNorm"]

_MOMENTUM = 0.1
_EPS = 1e-5


class BatchNorm(nn.Module):
    """Each channel with mean 0 and deviation 1 over the batch, then scaled and shifted (Ioffe and Szegedy 2015).

    In evaluation mean and variance are running ones. torch's own differs in two things that matter here: over several
    processes it works on CUDA only, and it keeps a count of batches that no weight file needs.

    Args:
        channels: C, the second axis of what is normalised.

    Attributes:
        still: use the running mean and variance in training too, and leave them as they are: for a frozen network.
    """

    running_mean: Tensor
    running_variance: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_variance", torch.ones(channels))
        self.still = False

    def forward(self, values: Float[Tensor, "B C *S"]) -> Float[Tensor, "B C *S"]:
        """Normalised values; in training the running mean and variance take in those of the batch."""
        learning = self.training and not self.still
        if learning and dist.is_initialized() and dist.get_world_size() > 1:
            return self._over_processes(values)
        return F.batch_norm(
            values, self.running_mean, self.running_variance, self.weight, self.bias, learning, _MOMENTUM, _EPS
        )

    def _over_processes(self, values: Float[Tensor, "B C *S"]) -> Float[Tensor, "B C *S"]:
        """The same with mean and variance over all processes, each of which holds as many values."""
        axes = [axis for axis in range(values.ndim) if axis != 1]
        wide = values.float()
        sums = torch.stack((wide.mean(axes), wide.square().mean(axes)))
        whole: Tensor = all_reduce(sums)  # type: ignore[no-untyped-call]
        mean, square = whole / dist.get_world_size()
        variance = (square - mean.square()).clamp_min(0)  # a difference of large numbers may round below
        count = dist.get_world_size() * values.numel() / values.shape[1]
        with torch.no_grad():
            self.running_mean.lerp_(mean, _MOMENTUM)
            self.running_variance.lerp_(variance * (count / max(count - 1, 1)), _MOMENTUM)
        scale = self.weight * torch.rsqrt(variance + _EPS)
        shape = (1, -1, *(1,) * (values.ndim - 2))
        normalised: Tensor = wide * scale.view(shape) + (self.bias - mean * scale).view(shape)
        return normalised.to(values.dtype)
