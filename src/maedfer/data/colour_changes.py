"""Changes of colour for batches of clips, on bytes, on the clips' device; all frames of a clip are changed alike.

What a change does to a brightness is a table of 256 bytes, one for a clip or one for each of its pictures and channels,
and pixels are looked up in it. After each change pixels are bytes again, as with the published pictures of PIL, which
the changes equal to 2 of 255. Of each change ``strength`` is 0..1 and ``sign`` is -1 or 1.
"""

from typing import Any, TypeAlias

import torch
from einops import rearrange
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from maedfer.data import opencv_changes as opencv

__all__ = [
    "auto_contrast",
    "brightness",
    "colour",
    "colour_with_torch",
    "contrast",
    "equalize",
    "gather_from",
    "histograms_with_torch",
    "invert",
    "jitter",
    "look_up",
    "posterize",
    "sharpness",
    "sharpness_with_torch",
    "solarize",
    "solarize_add",
]

_GREY = (0.299, 0.587, 0.114)
_ENHANCE = 0.9  # the factor of an enhancement is 1 plus or minus this at full strength

_Clips: TypeAlias = UInt8[Tensor, "B 3 T H W"]


def look_up(clips: UInt8[Tensor, "B 3 T H W"], tables: UInt8[Tensor, "B C F 256"]) -> UInt8[Tensor, "B 3 T H W"]:
    """Each pixel replaced by what its table says.

    Args:
        clips: frames; not changed.
        tables: on the clips' device; C is 3 or 1 and F is T or 1: of each picture, or one for all.
    """
    return opencv.look_up(clips, tables) if clips.device.type == "cpu" else gather_from(clips, tables)


def gather_from(clips: UInt8[Tensor, "B 3 T H W"], tables: UInt8[Tensor, "B C F 256"]) -> UInt8[Tensor, "B 3 T H W"]:
    """As :func:`look_up`, with PyTorch alone."""
    tables = tables.expand(-1, 3, clips.shape[2], -1)
    return tables.gather(-1, clips.flatten(-2).long()).view(clips.shape)


def auto_contrast(clips: _Clips, strength: Tensor, sign: Tensor) -> _Clips:
    """The darkest value of each picture and channel becomes 0, the brightest 255."""
    low, high = clips.amin((-2, -1)).float()[..., None], clips.amax((-2, -1)).float()[..., None]
    stretched = (_ramp(clips) - low) * (255 / (high - low).clamp(min=1))
    return look_up(clips, _bytes(torch.where(high > low, stretched, _ramp(clips))))


def equalize(clips: _Clips, strength: Tensor, sign: Tensor) -> _Clips:
    """The values of each picture and channel spread evenly over 0..255."""
    counts = opencv.histograms(clips) if clips.device.type == "cpu" else histograms_with_torch(clips)
    values = torch.arange(256, device=clips.device)
    brightest = torch.where(counts > 0, values, 0).amax(-1, keepdim=True)
    step = (counts.sum(-1, keepdim=True) - counts.gather(-1, brightest)) // 255
    below = counts.cumsum(-1) - counts
    spread = ((step // 2 + below) // step.clamp(min=1)).clamp(max=255)
    return look_up(clips, torch.where(step > 0, spread, values).byte())


def invert(clips: _Clips, strength: Tensor, sign: Tensor) -> _Clips:
    """Bright becomes dark."""
    return 255 - clips


def posterize(clips: _Clips, strength: Tensor, sign: Tensor) -> _Clips:
    """Only the 4 to 1 highest bits of each value stay."""
    kept = (4 - (strength * 4).long()).clamp(min=1)
    return look_up(clips, _bytes((_ramp(clips).long() >> (8 - _each(kept))) << (8 - _each(kept))))


def solarize(clips: _Clips, strength: Tensor, sign: Tensor) -> _Clips:
    """Values from ``256 (1 - strength)`` on are inverted."""
    ramp = _ramp(clips)
    return look_up(clips, _bytes(torch.where(ramp < 256 - _each((strength * 256).floor()), ramp, 255 - ramp)))


def solarize_add(clips: _Clips, strength: Tensor, sign: Tensor) -> _Clips:
    """Values below 128 grow by up to 110."""
    ramp = _ramp(clips)
    return look_up(clips, _bytes(torch.where(ramp < 128, ramp + _each((strength * 110).floor()), ramp)))


def brightness(clips: _Clips, strength: Tensor, sign: Tensor) -> _Clips:
    """Values times 0.1 to 1.9."""
    return look_up(clips, _bytes(_ramp(clips) * _each(_factor(strength, sign))))


def contrast(clips: _Clips, strength: Tensor, sign: Tensor) -> _Clips:
    """Distances from each picture's mean grey times 0.1 to 1.9."""
    sums = opencv.sums(clips) if clips.device.type == "cpu" else clips.sum((-2, -1), dtype=torch.int64)
    means = sums.float() / (clips.shape[-1] * clips.shape[-2])
    red, green, blue = means.unbind(1)
    grey = (_GREY[0] * red + _GREY[1] * green + _GREY[2] * blue).round()[:, None, :, None]
    return look_up(clips, _bytes(grey + _each(_factor(strength, sign)) * (_ramp(clips) - grey)))


def colour(clips: _Clips, strength: Tensor, sign: Tensor) -> _Clips:
    """Distances from each pixel's grey times 0.1 to 1.9."""
    factors = _factor(strength, sign)
    if clips.device.type == "cpu":
        grey = torch.tensor(_GREY).expand(3, 3)
        return opencv.mix_channels(clips, torch.lerp(grey, torch.eye(3), factors[:, None, None]))
    return colour_with_torch(clips, factors)


def colour_with_torch(clips: _Clips, factors: Float[Tensor, " B"]) -> _Clips:
    """As :func:`colour`, with PyTorch alone."""
    pixels = clips.float()
    red, green, blue = pixels.unbind(1)
    grey = (_GREY[0] * red + _GREY[1] * green + _GREY[2] * blue)[:, None]
    return _bytes(torch.lerp(grey, pixels, _each(factors)[..., None]))


def sharpness(clips: _Clips, strength: Tensor, sign: Tensor) -> _Clips:
    """Distances from each pixel's smoothed surroundings times 0.1 to 1.9; the outermost pixels stay."""
    factors = _factor(strength, sign)
    return opencv.sharpen(clips, factors) if clips.device.type == "cpu" else sharpness_with_torch(clips, factors)


def sharpness_with_torch(clips: _Clips, factors: Float[Tensor, " B"]) -> _Clips:
    """As :func:`sharpness`, with PyTorch alone: sums of shifted pictures."""
    pixels = clips.float()
    inner = pixels[..., 1:-1, 1:-1]
    rows = pixels[..., :-2, :] + pixels[..., 1:-1, :] + pixels[..., 2:, :]
    smooth = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    smooth = (smooth + 4 * inner) / 13  # the pixel itself counts five times
    pixels[..., 1:-1, 1:-1] = torch.lerp(smooth, inner, _each(factors)[..., None])
    return _bytes(pixels)


def jitter(clips: _Clips, factor: Float[Tensor, " B"], shift: Float[Tensor, " B"]) -> _Clips:
    """Values times ``factor``, then brighter by ``shift`` (1 is white)."""
    scaled = (_ramp(clips) * _each(factor)).clamp(max=255)
    return look_up(clips, _bytes(scaled + _each(shift) * 255))


def histograms_with_torch(clips: _Clips) -> Int64[Tensor, "B 3 T 256"]:
    """How often each value occurs in each picture and channel."""
    pictures = rearrange(clips, "b c t h w -> (b c t) (h w)").long()
    pictures += 256 * torch.arange(len(pictures), device=clips.device)[:, None]
    counts = torch.bincount(pictures.flatten(), minlength=256 * len(pictures))
    return counts.view(*clips.shape[:3], 256)


def _ramp(clips: _Clips) -> Float[Tensor, "256"]:
    return torch.arange(256.0, device=clips.device)


def _factor(strength: Tensor, sign: Tensor) -> Tensor:
    return 1 + sign * strength * _ENHANCE


def _each(values: Tensor) -> Any:
    return values[:, None, None, None]


def _bytes(values: Tensor) -> Tensor:
    return values.clamp(0, 255).round().byte()
