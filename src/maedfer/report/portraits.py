"""Small pictures of the faces, kept while a video is read: enough to look at, bounded however long the video is."""

import cv2
import numpy as np
from jaxtyping import UInt8

from maedfer.errors import OutputError
from maedfer.report.windows import Portrait, WindowPrediction
from maedfer.video.types import Clip

__all__ = ["Album"]

_SIDE = 72
_QUALITY = 80


class Album:
    """Collects one portrait a window, thinned when there are too many.

    A face keeps every portrait, then every second, every fourth and so on, its first one always; and, for each
    expression, the one of the window in which the model was surest of it.

    Args:
        limit: portraits kept evenly, of all faces together; as many again may be kept for being the surest. 1600 are
            some 4 MB.
    """

    def __init__(self, limit: int = 1600) -> None:
        self._limit, self._stride = limit, 1
        self._offered: dict[int, int] = {}
        self._even: dict[tuple[int, int], Portrait] = {}
        self._surest: dict[tuple[int, str], tuple[float, Portrait]] = {}

    def add(self, clip: Clip, judged: WindowPrediction) -> None:
        """Offer the middle picture of a face's next clip, with what the model said of it."""
        position = self._offered.get(clip.track, 0)
        self._offered[clip.track] = position + 1
        if position % self._stride == 0 and len(self._even) >= self._limit:
            self._thin()
        even = position % self._stride == 0 and len(self._even) < self._limit
        known = self._surest.get((clip.track, judged.label))
        surest = judged.confidence > known[0] if known else len(self._surest) < self._limit
        if not even and not surest:
            return
        middle = clip.pixels[:, clip.pixels.shape[1] // 2]
        portrait = Portrait(clip.track, (clip.start_s + clip.end_s) / 2, _jpeg(middle))
        if even:
            self._even[clip.track, position] = portrait
        if surest:
            self._surest[clip.track, judged.label] = judged.confidence, portrait

    def portraits(self) -> tuple[Portrait, ...]:
        """What was kept, by (track, time)."""
        kept = {(p.track, p.time_s): p for p in (*self._even.values(), *(p for _, p in self._surest.values()))}
        return tuple(portrait for _, portrait in sorted(kept.items()))

    def _thin(self) -> None:
        if any(position for _, position in self._even):
            self._stride *= 2
            self._even = {key: kept for key, kept in self._even.items() if key[1] % self._stride == 0}


def _jpeg(picture: UInt8[np.ndarray, "3 H W"]) -> bytes:
    small = cv2.resize(np.ascontiguousarray(picture.transpose(1, 2, 0)), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise OutputError("a portrait cannot be encoded as JPEG; this build of OpenCV has no JPEG support")
    return bytes(data)
