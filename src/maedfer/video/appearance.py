"""What a face and its surroundings look like, in a few numbers: enough to tell two people of one shot apart.

Not a face-identity network: hair, skin and clothes are told apart by lightness and colour, so a descriptor is good for
the seconds of a crossing or of a short occlusion, never for finding a person again in another scene.
"""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from maedfer.video.types import Face

__all__ = ["appearance", "unlikeness"]

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


def appearance(image: UInt8[np.ndarray, "H W 3"], face: Face) -> Float32[np.ndarray, "L"]:
    """Lightness and colour of hair, face and clothes: a cumulative histogram per part and channel, each value 0..1.

    About 0.2 ms. The average of the descriptors of one person is one again.

    Args:
        image: RGB, the picture in which ``face`` was found.
        face: in pixels of ``image``.
    """
    exposure = float(image[::_STRIDE, ::_STRIDE].mean()) + 1
    parts = np.stack([_part(image, face, zone) for zone in _ZONES]).astype(np.float32)
    red, green, blue = parts[..., 0], parts[..., 1], parts[..., 2]
    bright = red + green + blue + 24
    channels = np.stack([np.log2(bright / (3 * exposure)), (red - green) / bright, (red + green - 2 * blue) / bright])
    lows, widths = (np.array(side, np.float32)[:, None, None] for side in zip(*_CHANNELS, strict=True))
    at = np.clip((channels - lows) / widths, 0, _BINS - 1)
    # Share of the pixels below each edge, softly: a pixel near an edge counts in part, so that noise moves little.
    below = np.clip(np.arange(1, _BINS, dtype=np.float32)[:, None, None, None] - at, 0, 1).mean(-1)
    return np.ascontiguousarray(below.transpose(2, 1, 0)).reshape(-1)


def unlikeness(a: Float32[np.ndarray, "L"], b: Float32[np.ndarray, "L"]) -> float:
    """How different two descriptors are: 0 for equal ones, about 1 for two people whom everything tells apart."""
    return float(min(1.0, np.abs(a - b).mean() / _FAR))


# Mean difference of descriptors that counts as no likeness at all.
_FAR = 0.25


def _part(
    image: UInt8[np.ndarray, "H W 3"], face: Face, zone: tuple[float, float, float, float]
) -> UInt8[np.ndarray, "n 3"]:
    """Some pixels of one part; of its nearest row or column where it is out of the picture."""
    height, width = image.shape[:2]
    x, y, right, bottom = (float(v) for v in face.box)
    x0, x1 = (int(np.clip(x + z * (right - x), 0, width)) for z in zone[::2])
    y0, y1 = (int(np.clip(y + z * (bottom - y), 0, height)) for z in zone[1::2])
    x0, y0 = min(x0, width - 1), min(y0, height - 1)
    cells = cv2.resize(
        image[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)], (_CELLS, _CELLS), interpolation=cv2.INTER_AREA
    )
    pixels: UInt8[np.ndarray, "n 3"] = cells.reshape(-1, 3)
    return pixels
