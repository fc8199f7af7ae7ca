"""What OpenCV does to the bytes of clips on the CPU, picture by picture: a fifth of PyTorch's time, or less.

Values are those of the same changes in :mod:`maedfer.data.colour_changes`, to 1 of 255.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, UInt8
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["histograms", "look_up", "mix_channels", "sharpen", "sums", "to_unit"]

_UNIT = (torch.arange(256, dtype=torch.float32) / 255).numpy()


def to_unit(clips: UInt8[Tensor, "*L H W"]) -> Float32[Tensor, "*L H W"]:
    """Bytes as floats 0..1, the same as by division: looked up, for so little passes through memory once."""
    import cv2

    result = torch.empty(clips.shape)
    rows = (-1, clips.shape[-1])
    cv2.LUT(clips.contiguous().view(rows).numpy(), _UNIT, dst=result.view(rows).numpy())
    return result


def look_up(clips: UInt8[Tensor, "B 3 T H W"], tables: UInt8[Tensor, "B C F 256"]) -> UInt8[Tensor, "B 3 T H W"]:
    """Each pixel replaced by what its table says; C is 3 or 1 and F is T or 1: of each picture, or one for all."""
    import cv2

    clips = clips.contiguous()
    result = torch.empty_like(clips)
    if tables.shape[1:3] != (1, 1):
        tables = tables.expand(-1, 3, clips.shape[2], -1)
    parts = (tables.shape[1] * tables.shape[2], -1, clips.shape[-1])  # what shares a table, as one picture
    for clip, table, new in zip(clips.numpy(), tables.numpy(), result.numpy(), strict=True):
        rows = table.reshape(-1, 256)
        for part, row, into in zip(clip.reshape(parts), rows, new.reshape(parts), strict=True):
            cv2.LUT(part, row, dst=into)
    return result


def histograms(clips: UInt8[Tensor, "B 3 T H W"]) -> Int64[Tensor, "B 3 T 256"]:
    """How often each value occurs in each picture and channel."""
    import cv2

    counts = [cv2.calcHist([plane], [0], None, [256], [0, 256]) for plane in _planes(clips)]
    return torch.from_numpy(np.concatenate(counts).astype(np.int64)).view(*clips.shape[:3], 256)


def sums(clips: UInt8[Tensor, "B 3 T H W"]) -> Int64[Tensor, "B 3 T"]:
    """The sum of each picture and channel."""
    import cv2

    found = [round(cv2.sumElems(plane)[0]) for plane in _planes(clips)]
    return torch.tensor(found).view(clips.shape[:3])


def sharpen(clips: UInt8[Tensor, "B 3 T H W"], factors: Float[Tensor, " B"]) -> UInt8[Tensor, "B 3 T H W"]:
    """Distances from each pixel's smoothed surroundings, in which it counts five times, times ``factors``.

    The outermost pixels stay.
    """
    import cv2

    smooth = np.ones((3, 3), np.float32)
    smooth[1, 1] = 5
    own = np.zeros((3, 3), np.float32)
    own[1, 1] = 1
    result = clips.clone(memory_format=torch.contiguous_format)
    for clip, new, factor in zip(clips, result, factors.tolist(), strict=True):
        kernel = factor * own + (1 - factor) / 13 * smooth
        for plane, into in zip(_planes(clip), new.flatten(0, 1).numpy(), strict=True):
            into[1:-1, 1:-1] = cv2.filter2D(plane, -1, kernel)[1:-1, 1:-1]
    return result


def mix_channels(clips: UInt8[Tensor, "B 3 T H W"], matrices: Float[Tensor, "B 3 3"]) -> UInt8[Tensor, "B 3 T H W"]:
    """Each pixel's red, green and blue times its clip's matrix."""
    import cv2

    result = torch.empty_like(clips, memory_format=torch.contiguous_format)
    for clip, new, matrix in zip(clips.numpy(), result.numpy(), matrices.float().numpy(), strict=True):
        for frame in range(clip.shape[1]):
            mixed = cv2.transform(cv2.merge([np.ascontiguousarray(plane) for plane in clip[:, frame]]), matrix)
            cv2.split(mixed, [new[0, frame], new[1, frame], new[2, frame]])
    return result


def _planes(clips: UInt8[Tensor, "*L H W"]) -> Iterator[NDArray[np.uint8]]:
    yield from clips.contiguous().flatten(0, -3).numpy()
