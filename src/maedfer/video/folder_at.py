"""Chosen images of a folder of frames: the others are not read."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from jaxtyping import UInt8

from maedfer.errors import DecodeError
from maedfer.video.container import file_pictures
from maedfer.video.find import frames_in
from maedfer.video.picture import MAX_PIXELS

__all__ = ["GridFolder", "image_extent"]

T = TypeVar("T")

_EPSILON_S = 1e-3
_MAX_BYTES = 1 << 28
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
# Markers of a JPEG file that carry its size (start of frame), and those without a length.
_JPEG_SIZES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


class GridFolder:
    """A folder whose images are frames, at the instants ``k / rate``.

    Args:
        folder: images in natural order of their names.
        rate: instants per second.
        fps: frames per second.

    Attributes:
        duration_s: seconds.
        last: the last instant there is.

    Raises:
        DecodeError: there is no image.
    """

    def __init__(self, folder: Path, rate: float, fps: float) -> None:
        self._images = frames_in(folder)
        times = [index / fps - _EPSILON_S for index in range(len(self._images))]
        self._rate, self._times = rate, times
        self.duration_s: float | None = len(self._images) / fps
        # As when the folder is played: the last instant is one at which the last image is still shown.
        self._end = max(0, -int(-(times[-1] + max(1 / fps, 2 * _EPSILON_S)) * rate // 1) - 1)
        self.last: int | None = self._end

    def at(
        self, wanted: Sequence[int], convert: Callable[[UInt8[np.ndarray, "H W 3"]], T], shorter: int | None = None
    ) -> list[T]:
        """What ``convert`` makes of the image on screen at each instant; see ``GridVideo.at``. Images come whole."""
        if wanted[0] > self._end:
            return []
        places = [bisect_right(self._times, min(index, self._end) / self._rate) - 1 for index in wanted]
        made: dict[int, T] = {}
        for place in places:
            if place not in made:
                made[place] = convert(self._image(place))
        return [made[place] for place in places]

    def _image(self, place: int) -> UInt8[np.ndarray, "H W 3"]:
        """An image; one that cannot be read is held over from the one before it, as everywhere."""
        for index in range(place, -1, -1):
            try:
                return _read(self._images[index])
            except DecodeError:
                if index == 0:
                    raise
        raise DecodeError(f"{self._images[0].parent}: expected an image, found none")


def _read(path: Path) -> UInt8[np.ndarray, "H W 3"]:
    """RGB pixels; the size in the header is checked before memory is spent."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise DecodeError(f"{path}: expected an image, got: {error.strerror}; check the disk") from error
    extent = image_extent(data)
    if extent is not None and 0 < extent[0] * extent[1] <= MAX_PIXELS and len(data) <= _MAX_BYTES:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        if image is not None:
            rgb: UInt8[np.ndarray, "H W 3"] = image
            return rgb
    return next(file_pictures(path)).rgb()


def image_extent(data: bytes) -> tuple[int, int] | None:
    """Width and height that the header of a PNG or JPEG image says; ``None``: another kind, or broken."""
    if data.startswith(_PNG):
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if not data.startswith(_JPEG):
        return None
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        if data[place + 1] in _JPEG_SIZES:
            height, width = (int.from_bytes(data[place + at : place + at + 2], "big") for at in (5, 7))
            return width, height
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return None
