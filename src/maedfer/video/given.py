"""Frames that do not come from a file: sampled at even instants and bounded in size, as the decoder does for files."""

from collections.abc import Generator, Iterable
from itertools import chain

import cv2
import numpy as np
from jaxtyping import UInt8

from maedfer.video.decode import sample_by_time
from maedfer.video.types import Frame

__all__ = ["bounded", "sampled"]


def sampled(frames: Iterable[Frame], rate: float) -> Generator[Frame, None, None]:
    """What is shown at even instants, ``rate`` a second, counted from the first frame's time.

    Args:
        frames: in order of time.
        rate: instants per second.
    """
    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        return
    shown = ((frame.time_s, 0.0, frame) for frame in chain([first], rest))
    for instant, frame in sample_by_time(shown, rate, first.time_s):
        yield Frame(instant, frame.image)


def bounded(image: UInt8[np.ndarray, "H W 3"], max_side: int) -> UInt8[np.ndarray, "h w 3"]:
    """The picture with no side longer than ``max_side`` pixels; the very same one when it already is."""
    scale = max_side / max(image.shape[:2])
    if scale >= 1:
        return image
    height, width = image.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small: UInt8[np.ndarray, "h w 3"] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return small
