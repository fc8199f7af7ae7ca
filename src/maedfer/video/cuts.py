"""Does a new shot begin here? Faces must not be joined across a cut."""

from collections import deque

import cv2
import numpy as np
from jaxtyping import UInt8

__all__ = ["CutDetector"]

_THUMBNAIL = (48, 32)
_HISTORY = 8
# Shares of the value range. A cut changes the picture everywhere at once, more than the instants before it. The colour
# test spares fast movement, which keeps its colours; cuts between views of like colours must be far more sudden.
_LEAST_CHANGE, _TIMES_USUAL, _LEAST_COLOUR_CHANGE = 0.09, 2.0, 0.25
_LEAST_SUDDEN_CHANGE, _TIMES_USUAL_SUDDEN = 0.15, 8.0


class CutDetector:
    """Compares each sampled frame with the one before: mean difference of thumbnails and overlap of colour histograms.

    Holds one thumbnail. Careful on the side of "no cut": a missed cut still has to pass the tracker's distance gates,
    a false one splits a person in two.
    """

    def __init__(self) -> None:
        self._thumbnail: UInt8[np.ndarray, "h w 3"] | None = None
        self._changes: deque[float] = deque(maxlen=_HISTORY)

    def update(self, image: UInt8[np.ndarray, "H W 3"]) -> bool:
        """True when ``image`` (RGB) belongs to another shot than the image given before it."""
        small = cv2.resize(image, _THUMBNAIL, interpolation=cv2.INTER_AREA)
        before, self._thumbnail = self._thumbnail, small
        if before is None:
            return False
        change = float(np.abs(small.astype(np.float32) - before).mean()) / 255
        usual = float(np.median(self._changes)) if self._changes else 0.0
        recoloured = 1 - _colour_overlap(before, small) > _LEAST_COLOUR_CHANGE
        plain = recoloured and change > max(_LEAST_CHANGE, _TIMES_USUAL * usual)
        sudden = change > max(_LEAST_SUDDEN_CHANGE, _TIMES_USUAL_SUDDEN * usual)
        if plain or sudden:
            self._changes.clear()
            return True
        self._changes.append(change)
        return False


def _colour_overlap(a: UInt8[np.ndarray, "h w 3"], b: UInt8[np.ndarray, "h w 3"]) -> float:
    """Intersection of 4x4x4-bin colour histograms, 0..1."""
    counts = []
    for image in (a, b):
        bins = (image >> 6).astype(np.int64).reshape(-1, 3) @ np.array([16, 4, 1])
        counts.append(np.bincount(bins, minlength=64) / bins.size)
    return float(np.minimum(counts[0], counts[1]).sum())
