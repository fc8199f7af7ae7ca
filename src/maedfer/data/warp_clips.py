"""Clips seen through a matrix: one resampling for all frames of a clip, bytes in, bytes out.

Two implementations of the same bilinear sampling. On a GPU Kornia samples all clips at once; on a CPU OpenCV samples
bytes, several planes at a time, and slices and scales where a matrix is a crop along the axes. What shrinks to
half or less is averaged over areas first. On smooth pictures both give the same to 2 of 255 (4 where they shrink), the
outermost pixels of a crop excepted: a warp interpolates across the border of a crop, scaling a crop does not.
"""

import math
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float64, UInt8
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from maedfer.errors import ConfigError

__all__ = ["warp_clips", "warp_with_kornia", "warp_with_opencv"]

_WHOLE = 1e-6  # pixels; a crop this near to whole pixels is one
_PLANES = 4  # OpenCV warps up to four channels at once


def warp_clips(
    clips: UInt8[Tensor, "B 3 T S S"], matrices: Float64[Tensor, "B 3 3"], size: int, fill: int | None
) -> UInt8[Tensor, "B 3 T H H"]:
    """New clips of ``size`` pixels a side that show the old ones through their matrices.

    Args:
        clips: frames; not changed.
        matrices: of :mod:`maedfer.data.clip_geometry`, on the CPU.
        size: side H of the new pictures, in pixels.
        fill: brightness of what lies outside the old picture; ``None``: its mirror image.
    """
    if clips.shape[-1] == size and bool((matrices == torch.eye(3, dtype=matrices.dtype)).all()):
        return clips.clone()
    warp = warp_with_opencv if clips.device.type == "cpu" else warp_with_kornia
    return warp(clips, matrices, size, fill)


def warp_with_kornia(
    clips: UInt8[Tensor, "B 3 T S S"], matrices: Float64[Tensor, "B 3 3"], size: int, fill: int | None
) -> UInt8[Tensor, "B 3 T H H"]:
    """As :func:`warp_clips`, on the clips' device.

    Raises:
        ConfigError: Kornia is not installed.
    """
    frames, side = clips.shape[2], clips.shape[-1]
    result = clips.new_empty((len(clips), 3, frames, size, size))
    factors = [_shrinkage(matrix) for matrix in matrices.numpy()]
    for factor in sorted(set(factors)):
        rows = torch.tensor([row for row, own in enumerate(factors) if own == factor])
        here = rows.to(clips.device)
        planes = rearrange(clips.index_select(0, here), "b c t h w -> b (c t) h w").float()
        views = matrices[rows]
        if factor > 1:
            planes = F.adaptive_avg_pool2d(planes, max(1, side // factor))
            views = _on_smaller(planes.shape[-1] / side) @ views
        planes = _sampled(planes, views, size, fill)
        result.index_copy_(0, here, rearrange(planes.round_().byte(), "b (c t) h w -> b c t h w", c=3))
    return result


def _sampled(planes: Tensor, matrices: Tensor, size: int, fill: int | None) -> Tensor:
    try:
        from kornia.geometry.transform import warp_affine
    except ImportError as error:
        raise ConfigError("augmentation needs Kornia; pip install 'maedfer[train]'") from error

    forward = torch.linalg.inv(_between_centres(matrices))[:, :2].float().to(planes.device)
    mode = "zeros" if fill is not None else "reflection"
    level = 0 if fill is None else fill
    warped: Tensor = warp_affine(planes - level, forward, (size, size), padding_mode=mode, align_corners=True)
    return warped + level


def warp_with_opencv(
    clips: UInt8[Tensor, "B 3 T S S"], matrices: Float64[Tensor, "B 3 3"], size: int, fill: int | None
) -> UInt8[Tensor, "B 3 T H H"]:
    """As :func:`warp_clips`, for clips on the CPU."""
    side = clips.shape[-1]
    result = clips.new_empty((*clips.shape[:3], size, size))
    for clip, matrix, new in zip(clips.numpy(), matrices, result.numpy(), strict=True):
        planes, out = clip.reshape(-1, side, side), new.reshape(-1, size, size)
        crop = _whole_pixel_crop(matrix.numpy(), size, side)
        if crop is None:
            _warp_planes(planes, matrix, out, fill)
        else:
            _scale_planes(planes, crop, out)
    return result


def _scale_planes(planes: NDArray[Any], crop: tuple[int, int, int, int, bool], out: NDArray[Any]) -> None:
    import cv2

    left, top, right, bottom, mirrored = crop
    views = planes[:, top:bottom, left:right]
    size = out.shape[-1]
    kind = cv2.INTER_AREA if min(views.shape[1:]) > size else cv2.INTER_LINEAR
    for view, new in zip(views, out, strict=True):
        if view.shape == new.shape:
            new[:] = view
        else:
            cv2.resize(view, (size, size), dst=new, interpolation=kind)
        if mirrored:
            cv2.flip(new, 1, dst=new)


def _warp_planes(planes: NDArray[Any], matrix: Tensor, out: NDArray[Any], fill: int | None) -> None:
    import cv2

    side, size = planes.shape[-1], out.shape[-1]
    factor = _shrinkage(matrix.numpy())
    if factor > 1:
        small = max(1, side // factor)
        planes = np.stack([cv2.resize(plane, (small, small), interpolation=cv2.INTER_AREA) for plane in planes])
        matrix = _on_smaller(small / side) @ matrix
    read = _between_centres(matrix).numpy()[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    border = cv2.BORDER_REFLECT_101 if fill is None else cv2.BORDER_CONSTANT
    level = (float(fill or 0),) * _PLANES
    # The last four may overlap those before: OpenCV 5 interpolates two channels more coarsely than one, three or four.
    for first in (*range(0, len(planes) - _PLANES, _PLANES), max(0, len(planes) - _PLANES)):
        merged = cv2.merge(list(planes[first : first + _PLANES]))
        warped = cv2.warpAffine(merged, read, (size, size), flags=flags, borderMode=border, borderValue=level)
        out[first : first + _PLANES] = cv2.split(warped)


def _whole_pixel_crop(matrix: NDArray[Any], size: int, side: int) -> tuple[int, int, int, int, bool] | None:
    """Left, top, right, bottom and whether mirrored, when the matrix is a crop of whole pixels."""
    if abs(matrix[0, 1]) > 0 or abs(matrix[1, 0]) > 0 or matrix[1, 1] <= 0:
        return None
    x, y = (
        sorted((matrix[0, 2], matrix[0, 2] + matrix[0, 0] * size)),
        (matrix[1, 2], matrix[1, 2] + matrix[1, 1] * size),
    )
    edges = np.array([x[0], y[0], x[1], y[1]])
    whole = edges.round()
    if np.abs(edges - whole).max() > _WHOLE or whole.min() < 0 or whole.max() > side:
        return None
    left, top, right, bottom = whole.astype(int).tolist()
    return left, top, right, bottom, bool(matrix[0, 0] < 0)


def _shrinkage(matrix: NDArray[Any]) -> int:
    """Whole old pixels under a new one, in the direction in which they are fewest."""
    columns = (math.hypot(matrix[0, 0], matrix[1, 0]), math.hypot(matrix[0, 1], matrix[1, 1]))
    return max(1, int(min(columns) + _WHOLE))


def _on_smaller(factor: float) -> Tensor:
    return torch.diag(torch.tensor([factor, factor, 1.0], dtype=torch.float64))


def _between_centres(matrices: Tensor) -> Tensor:
    """The same for points measured from the centre of the first pixel, as libraries do."""
    half = torch.tensor([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]], dtype=torch.float64)
    back = torch.tensor([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]], dtype=torch.float64)
    return back @ matrices @ half
