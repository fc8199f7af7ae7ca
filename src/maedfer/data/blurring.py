"""Gaussian blur for batches of clips, each with a width of its own, on the clips' device."""

import math

from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor

__all__ = ["blur"]

_REACH = 2.5  # deviations that a kernel reaches to each side


def blur(clips: UInt8[Tensor, "B 3 T H W"], deviations: Float[Tensor, " B"], most: float) -> UInt8[Tensor, "B 3 T H W"]:
    """Each clip blurred by its own Gaussian; edges are mirrored.

    Args:
        clips: frames; not changed.
        deviations: in pixels, on the clips' device; 0 leaves a clip as it is.
        most: no deviation is larger; all kernels reach 2.5 times as far, which must be less than the picture.
    """
    from kornia.filters import gaussian_blur2d  # training alone blurs, and predicting does not wait for Kornia

    side = 2 * math.ceil(_REACH * most) + 1
    widths = deviations.clamp(min=1e-3)[:, None].expand(-1, 2)
    pictures = rearrange(clips, "b c t h w -> b (c t) h w").float()
    blurred: Tensor = gaussian_blur2d(pictures, (side, side), widths, border_type="reflect")
    return blurred.round().clamp(0, 255).byte().view(clips.shape)
