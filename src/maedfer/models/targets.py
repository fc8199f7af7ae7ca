"""What pre-training predicts: appearance and motion of the hidden tubelets (paper section 3.3).

Targets come from the un-normalised 0..1 clip. Every tubelet is normalised per channel over its own pixels; then the
first frame of each motion group stays as it is (appearance) and the others become their difference to it (motion).
"""

from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

__all__ = ["normalise_tubelets", "reconstruction_loss", "reconstruction_target"]

_EPS = 1e-6


def normalise_tubelets(
    clip: Float[Tensor, "B 3 T H W"], tubelet_size: int, patch_size: int
) -> Float[Tensor, "B N V 3"]:
    """Tubelets in row-major order, each with mean 0 and (unbiased) deviation 1 per channel.

    V = tubelet_size * patch_size * patch_size values in the order (frame, row, column).
    """
    pattern = "b c (t p) (h q) (w r) -> b (t h w) (p q r) c"
    tubelets = rearrange(clip, pattern, p=tubelet_size, q=patch_size, r=patch_size)
    mean = tubelets.mean(dim=2, keepdim=True)
    deviation = tubelets.var(dim=2, unbiased=True, keepdim=True).sqrt()
    return (tubelets - mean) / (deviation + _EPS)


@torch.no_grad()
def reconstruction_target(
    clip: Float[Tensor, "B 3 T H W"],
    *,
    tubelet_size: int,
    patch_size: int,
    kind: Literal["joint", "appearance"],
    motion_group: int,
) -> Float[Tensor, "B N P"]:
    """Targets of all tubelets, values in the order (frame, row, column, channel).

    Groups of ``motion_group`` frames run over the whole clip, so a group longer than a tubelet spans several.

    Args:
        clip: RGB in 0..1, not normalised.
        tubelet_size: frames of a tubelet.
        patch_size: side of a patch in pixels.
        kind: ``"joint"``, or ``"appearance"``: every frame as it is.
        motion_group: frames of a group.
    """
    tubelets = normalise_tubelets(clip.float(), tubelet_size, patch_size)
    if kind == "joint":
        steps = clip.shape[2] // tubelet_size
        pattern = "b (t s) (p a) c -> b (t p) s a c"
        frames = rearrange(tubelets, pattern, t=steps, p=tubelet_size)
        number = torch.arange(frames.shape[1], device=clip.device)
        first = number - number % motion_group
        is_motion = rearrange(number != first, "f -> f 1 1 1")
        frames = torch.where(is_motion, frames - frames[:, first], frames)
        tubelets = rearrange(frames, "b (t p) s a c -> b (t s) (p a) c", p=tubelet_size)
    return rearrange(tubelets, "b n v c -> b n (v c)")


def reconstruction_loss(
    prediction: Float[Tensor, "B M P"],
    target: Float[Tensor, "B M P"],
    *,
    tubelet_size: int,
    motion_group: int,
    motion_weight: float | None,
) -> Float[Tensor, ""]:
    """Mean squared error over hidden tubelets; with a weight w: (1-w) * appearance + w * motion, each a mean.

    Appearance frames are those of a tubelet that start a group counted from the tubelet's first frame.
    """
    error = (prediction.float() - target).square()
    if motion_weight is None or motion_group == 1 or tubelet_size == 1:
        return error.mean()
    frames = rearrange(error, "b m (p v) -> p b m v", p=tubelet_size)
    is_motion = torch.arange(tubelet_size, device=error.device) % motion_group != 0
    return (1 - motion_weight) * frames[~is_motion].mean() + motion_weight * frames[is_motion].mean()
