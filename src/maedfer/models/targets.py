"""What pre-training predicts: appearance and motion of the hidden tubelets (paper section 3.3).

Targets come from the un-normalised 0..1 clip. Every tubelet is normalised per channel over its own pixels; then the
first frame of each motion group stays as it is (appearance) and the others become their difference to it (motion).
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
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
    pattern = "b c (t p) (h q) (w r) -> b (t h w) c (p q r)"
    tubelets = rearrange(clip, pattern, p=tubelet_size, q=patch_size, r=patch_size)
    tubelets = tubelets - tubelets.mean(dim=3, keepdim=True)
    # A norm takes a tenth of the time of torch's var.
    length: Tensor = torch.linalg.vector_norm(tubelets, dim=3, keepdim=True)
    tubelets = tubelets / (length / math.sqrt(tubelets.shape[3] - 1) + _EPS)
    return rearrange(tubelets, "b n c v -> b n v c")


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
        _to_motion(rearrange(tubelets, "b (t s) (p a) c -> b t p s a c", t=steps, p=tubelet_size), motion_group)
    return rearrange(tubelets, "b n v c -> b n (v c)")


def _to_motion(frames: Float[Tensor, "B t p S A 3"], group: int) -> None:
    """Turn every frame but the first of its group into the difference to that, in place: copies would cost more."""
    _, steps, size, *_ = frames.shape
    for number in range(steps * size):
        if number % group:
            first = number - number % group
            frames[:, number // size, number % size] -= frames[:, first // size, first % size]


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
    if motion_weight is None or motion_group == 1 or tubelet_size == 1:
        return F.mse_loss(prediction.float(), target)
    error = (prediction.float() - target).square()
    frames = rearrange(error, "b m (p v) -> p b m v", p=tubelet_size)
    is_motion = torch.arange(tubelet_size, device=error.device) % motion_group != 0
    return (1 - motion_weight) * frames[~is_motion].mean() + motion_weight * frames[is_motion].mean()
