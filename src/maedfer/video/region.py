"""The part of a picture around one face, at the size at which detectors place its landmarks best.

A region stays where it is while the face stays well inside: a detector answers a little differently when the picture
moves against its grid of cells, so that a region which followed the face would make a still head shiver.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from maedfer.video.types import Face

__all__ = ["Region", "head_width"]

# Width of a face in the pixels of its region. Landmarks of moved copies of real and rendered faces are about as exact
# from 48 to 64 as in a whole picture where the face is 52 to 90 wide; a lost face is given more room instead.
_WIDTH, _LOST_WIDTH = 52.0, 40.0
# Sides (x, y) in such widths, made up to whole cells of the detector: 96 x 128 pixels for a face seen before, whose
# box is a third higher than wide; 128 x 128 for a lost one.
_SIDES, _LOST_SIDES = (1.84, 2.46), (3.2, 3.2)
_CELL, _LEAST_SIDE = 32, 64
# A region is kept while this much, in widths, is left around the face, and while its scale still fits.
_LEAST_MARGIN, _SCALE_RANGE = 0.25, 1.25


@dataclass(frozen=True)
class Region:
    """A rectangle of the picture and its size when it is handed to the detector.

    Attributes:
        corner: x, y of its upper left corner, pixels of the picture.
        extent: width, height in pixels of the picture.
        working: width, height in pixels as the detector gets it; never more than ``extent``.
        scale: pixels of the detector for a pixel of the picture.
    """

    corner: tuple[int, int]
    extent: tuple[int, int]
    working: tuple[int, int]
    scale: float

    @classmethod
    def around(cls, face: Face, middle: Float[np.ndarray, "2"], size: tuple[int, int], *, lost: bool) -> "Region":
        """A region for ``face`` when its middle is expected at ``middle`` (x, y), inside a picture (width, height)."""
        width = head_width(face)
        scale = min(1.0, (_LOST_WIDTH if lost else _WIDTH) / width)
        cells = [int(np.ceil(width * scale * s / _CELL - 1e-6)) for s in (_LOST_SIDES if lost else _SIDES)]
        sides = [max(_LEAST_SIDE, c * _CELL) for c in cells]
        (x, w, u), (y, h, v) = (
            _along(m, s, scale, limit) for m, s, limit in zip(middle.tolist(), sides, size, strict=True)
        )
        return cls((x, y), (w, h), (u, v), scale)

    def fits(self, face: Face, middle: Float[np.ndarray, "2"], size: tuple[int, int]) -> bool:
        """Whether a region made for an earlier place of ``face`` still serves."""
        width = head_width(face)
        if not 1 / _SCALE_RANGE <= self.scale / min(1.0, _WIDTH / width) <= _SCALE_RANGE:
            return False
        half = (face.box[2:] - face.box[:2]) / 2 + _LEAST_MARGIN * width
        low, high = np.maximum(0, middle - half), np.minimum(size, middle + half)
        return bool(np.all(low >= self.corner) and np.all(high <= np.add(self.corner, self.extent)))

    def cut_out(self, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """What the detector is to see."""
        (x, y), (width, height) = self.corner, self.extent
        part = np.ascontiguousarray(image[y : y + height, x : x + width])
        if self.working == self.extent:
            return part
        small: UInt8[np.ndarray, "h w 3"] = cv2.resize(part, self.working, interpolation=cv2.INTER_AREA)
        return small

    def placed(self, face: Face, size: tuple[int, int]) -> Face | None:
        """A face of the cut-out in pixels of the picture; ``None`` when a border of the region cuts it."""
        # Where the region ends with the picture, the face is as whole as it can be.
        cut_low = (np.array(self.corner) > 0) & (face.box[:2] < 1)
        cut_high = (np.add(self.corner, self.extent) < size) & (face.box[2:] > np.array(self.working) - 1)
        if np.any(cut_low | cut_high):
            return None
        factor = np.array(self.extent, np.float32) / np.array(self.working, np.float32)
        corner = np.array(self.corner, np.float32)
        box = np.concatenate([face.box[:2] * factor + corner, face.box[2:] * factor + corner])
        return Face(box.astype(np.float32), face.score, (face.landmarks * factor + corner).astype(np.float32))


def head_width(face: Face) -> float:
    """Width of the head in pixels, at least 1; from the height of the box where a turned head is narrow."""
    width, height = (face.box[2:] - face.box[:2]).tolist()
    return float(max(1.0, width, height / 1.3))


def _along(middle: float, side: int, scale: float, limit: int) -> tuple[int, int, int]:
    """Corner, extent and working size along one axis; moved into the picture, not cut by its border."""
    extent = min(limit, round(side / scale))
    corner = int(np.clip(round(middle - extent / 2), 0, limit - extent))
    return corner, extent, min(side, max(1, round(extent * scale)))
