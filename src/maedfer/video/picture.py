"""One decoded picture that becomes RGB only when asked, turned and stretched as its metadata says.

Decoding and conversion are apart: a :class:`Picture` keeps the decoder's own format (small, YUV) until somebody asks
for its RGB pixels, so that sampling 6 pictures of 60 a second converts 6 and not 60.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import av
import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import Interpolation, VideoReformatter
from jaxtyping import Int, UInt8

from maedfer.errors import DecodeError

__all__ = ["MAX_PIXELS", "MAX_SIDE", "Picture"]

# As numbers: a name would be looked up for each picture.
_AREA, _BILINEAR = int(Interpolation.AREA), int(Interpolation.BILINEAR)
MAX_PIXELS = 2**28
MAX_SIDE = 16384


@dataclass(frozen=True)
class Picture:
    """A decoded picture that is not yet RGB.

    Attributes:
        time_s: seconds, 0 at the first picture.
        duration_s: how long it is shown, as far as the file says.
        raw: the decoder's frame.
        aspect: width of a pixel over its height.
        origin: where it came from, for messages.
        reformatter: shared by all pictures of one file, because it caches its conversion tables.
    """

    time_s: float
    duration_s: float
    raw: av.VideoFrame
    aspect: float
    origin: Path | str
    reformatter: VideoReformatter

    def size(self) -> tuple[int, int]:
        """Width and height as shown: square pixels, upright. Raises DecodeError beyond 16384 a side or 2^28 pixels."""
        width, height = self._stretched()
        return (height, width) if _orientation(self.raw)[0, 0] == 0 else (width, height)

    def rotation(self) -> int:
        """Degrees clockwise that the metadata asks for: 0, 90, 180 or 270 (a mirrored picture counts its turn only)."""
        turn = _orientation(self.raw)
        return round(float(np.degrees(np.arctan2(turn[1, 0], turn[0, 0])))) % 360

    def rgb(self, max_side: int | None = None) -> UInt8[np.ndarray, "H W 3"]:
        """The RGB pixels, shrunk so that no side exceeds ``max_side``; never enlarged."""
        width, height = self._stretched()
        scale = 1.0 if max_side is None else min(1.0, max_side / max(width, height))
        if scale < 1:
            width, height = max(1, round(width * scale)), max(1, round(height * scale))
        method = _AREA if scale < 1 else _BILINEAR
        try:
            picture = self.reformatter.reformat(self.raw, width, height, "rgb24", interpolation=method, threads=1)
        except av.error.FFmpegError as error:
            raise DecodeError(f"{self.origin}: a {self.raw.format.name} picture cannot become RGB ({error})") from error
        return _turn(picture.to_ndarray(), _orientation(self.raw))

    def shrunk(self, max_side: int, shrinking: VideoReformatter) -> "Picture":
        """The picture with no side above ``max_side``, in the decoder's own format, from which RGB costs little.

        That is half the price of shrinking while it becomes RGB; colours, which the format holds at half the size, come
        out as coarse as in any video of the new size. What is turned, stretched, or in another format than YUV 4:2:0
        of eight bits comes as it is.

        Args:
            max_side: pixels.
            shrinking: another reformatter than the picture's own, shared by the pictures of a file.
        """
        width, height = self._stretched()
        scale = max_side / max(width, height)
        plain = self.raw.format.name == "yuv420p" and width == self.raw.width and _orientation(self.raw) is _UPRIGHT
        if scale >= 1 or not plain:
            return self
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        try:
            raw = shrinking.reformat(self.raw, *size, "yuv420p", interpolation=_AREA, threads=1)
        except av.error.FFmpegError as error:
            raise DecodeError(f"{self.origin}: a picture cannot be shrunk to {size[0]}x{size[1]} ({error})") from error
        return replace(self, raw=raw)

    def _stretched(self) -> tuple[int, int]:
        width, height = self.raw.width, self.raw.height
        width = max(1, round(width * self.aspect))
        if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
            raise DecodeError(
                f"{self.origin}: expected at most {MAX_SIDE} pixels a side and {MAX_PIXELS} in all, "
                f"got {width}x{height}; make it smaller: ffmpeg -i INPUT -vf scale=1920:-2 output.mp4"
            )
        return width, height


# Clockwise, by quarters.
_TURNS: tuple[Int[np.ndarray, "2 2"], ...] = tuple(
    np.array([[c, -s], [s, c]], dtype=np.int64) for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))
)

_UPRIGHT = _TURNS[0]


def _orientation(raw: av.VideoFrame) -> Int[np.ndarray, "2 2"]:
    """The display matrix's linear part as a signed permutation that maps (x, y) to shown (x, y), y downwards."""
    try:
        known = raw.side_data
        data = known.get(SideDataType.DISPLAYMATRIX) if len(known) else None  # most pictures have none, soon seen
    except ValueError:  # PyAV has no name for what a photograph brings with it (EXIF), and tells the turn alone
        quarters: int = round(-raw.rotation / 90)
        return _TURNS[quarters % 4]
    if data is None or len(bytes(data)) < 36:
        return _UPRIGHT
    matrix = np.frombuffer(bytes(data)[:36], dtype="<i4").reshape(3, 3)[:2, :2].T.astype(np.int64)
    swapped = abs(matrix[0, 1]) + abs(matrix[1, 0]) > abs(matrix[0, 0]) + abs(matrix[1, 1])
    signs = np.sign(matrix * (np.fliplr(_UPRIGHT) if swapped else _UPRIGHT))
    return signs if np.abs(signs).sum() == 2 else _UPRIGHT


def _turn(image: UInt8[np.ndarray, "h w 3"], turn: Int[np.ndarray, "2 2"]) -> UInt8[np.ndarray, "H W 3"]:
    if turn is _UPRIGHT:
        return image
    if turn[0, 0] == 0:
        image = cv2.transpose(image)
    if turn[0].sum() < 0:
        image = image[:, ::-1]
    if turn[1].sum() < 0:
        image = image[::-1]
    return np.ascontiguousarray(image)
