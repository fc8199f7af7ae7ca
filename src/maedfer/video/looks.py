"""What a face and its surroundings look like, in a few numbers: enough to tell two people of one shot apart.

Not a face-identity network: hair, skin and clothes are told apart by lightness and colour, so a descriptor is good for
the seconds of a crossing or of a short occlusion, never for finding a person again in another scene.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from maedfer.video.types import Face

__all__ = ["looks_of", "unlikeness"]

# Parts of the picture (x0, y0, x1, y1 in widths and heights of the box) that count on their own: hair, brow and eyes,
# nose and mouth, and neck with clothes. Narrow, so that little of the background, which changes as a person walks,
# comes in.
_ZONES = ((0.1, -0.3, 0.9, 0.1), (0.12, 0.15, 0.88, 0.55), (0.15, 0.55, 0.85, 1.0), (0.0, 1.12, 1.0, 1.6))
_CELLS = 10
# Of each channel: lowest value, width of a bin. Lightness is a power of two of the whole picture's, so that a camera's
# exposure changes little; the two colours are shares of the pixel's brightness, which light does not change.
_CHANNELS = ((-3.0, 0.5), (-0.15, 0.05), (-0.20, 0.08))
_BINS = 10
_STRIDE = 8
# Faces, and values of a table of differences, worked on together: few enough to stay in a core's cache.
_FACES_AT_ONCE = 16
_VALUES_AT_ONCE = 2**17
# Mean difference of descriptors that counts as no likeness at all.
_FAR = 0.25


def looks_of(image: UInt8[np.ndarray, "H W 3"], faces: Sequence[Face]) -> list[Float32[np.ndarray, "L"]]:
    """Lightness and colour of hair, face and clothes: a cumulative histogram per part and channel, each value 0..1.

    About 0.15 ms for one face, 0.06 ms for each of many. The average of the descriptors of one person is one again.

    Args:
        image: RGB, the picture in which ``faces`` were found.
        faces: in pixels of ``image``.

    Returns:
        One descriptor for each face, in their order; what one looks like does not depend on the others.
    """
    if not faces:
        return []
    exposure = float(image[::_STRIDE, ::_STRIDE].mean()) + 1
    spans = _spans(np.stack([face.box for face in faces]).astype(np.float64), *image.shape[:2])
    looks: list[Float32[np.ndarray, "L"]] = []
    for first in range(0, len(faces), _FACES_AT_ONCE):
        some = spans[first : first + _FACES_AT_ONCE]
        parts = np.stack([_part(image, *span) for face in some.tolist() for span in face])
        looks += list(_histograms(parts, exposure).reshape(len(some), -1))
    return looks


def unlikeness(a: Float32[np.ndarray, "N L"], b: Float32[np.ndarray, "F L"]) -> Float[np.ndarray, "N F"]:
    """How different each descriptor of ``a`` is from each of ``b``.

    0 for equal ones, about 1 for two people whom everything tells apart, never more.
    """
    table = np.empty((len(a), len(b)))
    rows = max(1, _VALUES_AT_ONCE // max(1, b.size))
    for first in range(0, len(a), rows):
        some = slice(first, first + rows)
        table[some] = np.abs(a[some, None] - b[None]).mean(2) / _FAR
    return np.minimum(table, 1.0)


def _histograms(parts: UInt8[np.ndarray, "P n 3"], exposure: float) -> Float32[np.ndarray, "P 3 edges"]:
    """Share of each part's pixels below each edge, by channel."""
    red, green, blue = np.moveaxis(parts.astype(np.float32), -1, 0)
    bright = red + green + blue + 24
    channels = np.stack([np.log2(bright / (3 * exposure)), (red - green) / bright, (red + green - 2 * blue) / bright])
    lows, widths = (np.array(side, np.float32)[:, None, None] for side in zip(*_CHANNELS, strict=True))
    at = np.clip((channels - lows) / widths, 0, _BINS - 1)
    # Softly: a pixel near an edge counts in part, so that noise moves little.
    below = np.clip(np.arange(1, _BINS, dtype=np.float32)[:, None, None, None] - at, 0, 1).mean(-1)
    return np.ascontiguousarray(below.transpose(2, 1, 0))


def _spans(boxes: Float[np.ndarray, "F 4"], height: int, width: int) -> Int[np.ndarray, "F zones 4"]:
    """Pixels (x0, y0, x1, y1) of each zone of each face, at least one row and column of the picture."""
    low, size = np.tile(boxes[:, None, :2], 2), np.tile(boxes[:, None, 2:] - boxes[:, None, :2], 2)
    spans: np.ndarray = np.clip(low + np.array(_ZONES) * size, 0, (width, height) * 2).astype(np.intp)
    spans[..., :2] = np.minimum(spans[..., :2], (width - 1, height - 1))
    spans[..., 2:] = np.maximum(spans[..., 2:], spans[..., :2] + 1)
    return spans


def _part(image: UInt8[np.ndarray, "H W 3"], x0: int, y0: int, x1: int, y1: int) -> UInt8[np.ndarray, "n 3"]:
    """Some pixels of one part; of its nearest row or column where it is out of the picture."""
    cells = cv2.resize(image[y0:y1, x0:x1], (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    pixels: UInt8[np.ndarray, "n 3"] = cells.reshape(-1, 3)
    return pixels
