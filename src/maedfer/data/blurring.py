"""Gaussian blur for batches of clips, each with a width of its own, on the clips' device."""

import math

import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

__all__ = ["blur"]

_REACH = 2.5  # deviations that a kernel reaches to each side


def blur(clips: UInt8[Tensor, "B 3 T H W"], deviations: Float[Tensor, " B"], most: float) -> UInt8[Tensor, "B 3 T H W"]:
    """Each clip blurred by its own Gaussian; edges are mirrored.

    Args:
        clips: frames; not changed.
        deviations: in pixels, on the clips' device; 0 leaves a clip as it is.
        most: no deviation is larger; all kernels reach 2.5 times as far, which must be less than the picture.
    """
    radius = math.ceil(_REACH * most)
    offsets = torch.arange(-radius, radius + 1, device=clips.device)
    kernels = torch.exp(-0.5 * (offsets / deviations.clamp(min=1e-3)[:, None]) ** 2)
    kernels = kernels / kernels.sum(1, keepdim=True)
    pictures = rearrange(clips, "b c t h w -> 1 (b c t) h w").float()
    each = kernels.repeat_interleave(clips.shape[1] * clips.shape[2], 0)
    for padding, shape in (
        ((0, 0, radius, radius), (-1, 1, 2 * radius + 1, 1)),
        ((radius, radius, 0, 0), (-1, 1, 1, 2 * radius + 1)),
    ):
        padded = F.pad(pictures, padding, mode="reflect")
        pictures = F.conv2d(padded, each.reshape(shape), groups=len(each))
    return pictures.round_().clamp_(0, 255).byte().view(clips.shape)
