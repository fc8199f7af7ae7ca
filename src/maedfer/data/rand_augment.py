"""RandAugment (Cubuk et al. 2020) for clips: one draw of operations and strengths for all frames of a clip.

Kornia's own RandAugment draws anew for every frame. The set and the ranges are those of the paper's recipe
(``rand-m7-n4-mstd0.5-inc1``): strengths grow with the magnitude, every operation is applied with probability 0.5.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["rand_augment"]

_PROBABILITY = 0.5
_DEVIATION = 0.5  # of the magnitude between draws
_TOP = 10.0  # magnitude at which the ranges below are reached


def rand_augment(frames: Float[Tensor, "T 3 H W"], operations: int, magnitude: float) -> Float[Tensor, "T 3 H W"]:
    """Apply ``operations`` random changes (drawn with replacement) to all frames alike; values stay in 0..1."""
    for pick in torch.randint(len(_OPERATIONS), (operations,)).tolist():
        if float(torch.rand(())) >= _PROBABILITY:
            continue
        strength = magnitude + _DEVIATION * float(torch.randn(()))
        sign = 1.0 if float(torch.rand(())) < 0.5 else -1.0
        frames = _OPERATIONS[pick](frames, min(max(strength / _TOP, 0.0), 1.0), sign).clamp(0, 1)
    return frames


def _auto_contrast(x: Tensor, strength: float, sign: float) -> Tensor:
    low, high = x.amin((-2, -1), keepdim=True), x.amax((-2, -1), keepdim=True)
    return (x - low) / (high - low).clamp(min=1e-3)


def _equalize(x: Tensor, strength: float, sign: float) -> Tensor:
    from kornia.enhance import equalize

    changed: Tensor = equalize(x)
    return changed


def _invert(x: Tensor, strength: float, sign: float) -> Tensor:
    return 1 - x


def _rotate(x: Tensor, strength: float, sign: float) -> Tensor:
    from kornia.geometry import rotate

    changed: Tensor = rotate(x, _each(x, sign * strength * 30))
    return changed


def _posterize(x: Tensor, strength: float, sign: float) -> Tensor:
    from kornia.enhance import posterize

    changed: Tensor = posterize(x, max(1, 4 - int(strength * 4)))
    return changed


def _solarize(x: Tensor, strength: float, sign: float) -> Tensor:
    return torch.where(x < 1 - strength, x, 1 - x)


def _solarize_add(x: Tensor, strength: float, sign: float) -> Tensor:
    return torch.where(x < 0.5, x + strength * 110 / 255, x)


def _color(x: Tensor, strength: float, sign: float) -> Tensor:
    grey = (x * x.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(-3, keepdim=True)
    return grey + (1 + sign * strength * 0.9) * (x - grey)


def _contrast(x: Tensor, strength: float, sign: float) -> Tensor:
    mean = x.mean((-3, -2, -1), keepdim=True)
    return mean + (1 + sign * strength * 0.9) * (x - mean)


def _brightness(x: Tensor, strength: float, sign: float) -> Tensor:
    return x * (1 + sign * strength * 0.9)


def _sharpness(x: Tensor, strength: float, sign: float) -> Tensor:
    from kornia.filters import box_blur

    smooth: Tensor = box_blur(x, (3, 3))
    changed: Tensor = smooth + (1 + sign * strength * 0.9) * (x - smooth)
    return changed


def _shear_x(x: Tensor, strength: float, sign: float) -> Tensor:
    from kornia.geometry import shear

    changed: Tensor = shear(x, torch.stack([_each(x, sign * strength * 0.3), _each(x, 0.0)], 1))
    return changed


def _shear_y(x: Tensor, strength: float, sign: float) -> Tensor:
    from kornia.geometry import shear

    changed: Tensor = shear(x, torch.stack([_each(x, 0.0), _each(x, sign * strength * 0.3)], 1))
    return changed


def _translate_x(x: Tensor, strength: float, sign: float) -> Tensor:
    from kornia.geometry import translate

    changed: Tensor = translate(x, torch.stack([_each(x, sign * strength * 0.45 * x.shape[-1]), _each(x, 0.0)], 1))
    return changed


def _translate_y(x: Tensor, strength: float, sign: float) -> Tensor:
    from kornia.geometry import translate

    changed: Tensor = translate(x, torch.stack([_each(x, 0.0), _each(x, sign * strength * 0.45 * x.shape[-2])], 1))
    return changed


def _each(x: Tensor, value: float) -> Tensor:
    return x.new_full((len(x),), value)


_OPERATIONS: tuple[Callable[[Tensor, float, float], Tensor], ...] = (
    _auto_contrast,
    _equalize,
    _invert,
    _rotate,
    _posterize,
    _solarize,
    _solarize_add,
    _color,
    _contrast,
    _brightness,
    _sharpness,
    _shear_x,
    _shear_y,
    _translate_x,
    _translate_y,
)
