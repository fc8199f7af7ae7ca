"""Frames that do not come from a file: sampled at even instants and bounded in size, as the decoder does for files."""

import math
from collections.abc import Generator, Iterable, Iterator
from itertools import chain

import cv2
import numpy as np
from jaxtyping import UInt8

from maedfer.errors import ConfigError
from maedfer.video.decode import sample_by_time
from maedfer.video.types import Frame

__all__ = ["bounded", "sampled"]


def sampled(frames: Iterable[Frame], rate: float, end_s: float | None = None) -> Generator[Frame, None, None]:
    """What is shown at even instants, ``rate`` a second, counted from the first frame's time.

    Args:
        frames: in order of time.
        rate: instants per second.
        end_s: when the last frame ends; ``None``: with its beginning.

    Raises:
        ConfigError: something is no frame, or not later than the one before.
    """
    checked = _checked(frames)
    first = next(checked, None)
    if first is None:
        return
    shown = (
        (frame.time_s, 0.0 if end_s is None else max(0.0, end_s - frame.time_s), frame)
        for frame in chain([first], checked)
    )
    for instant, frame in sample_by_time(shown, rate, first.time_s):
        yield Frame(instant, frame.image)


def _checked(frames: Iterable[Frame]) -> Iterator[Frame]:
    last_s = -math.inf
    for number, frame in enumerate(frames):
        if not isinstance(frame, Frame):
            raise ConfigError(
                f"frame {number}: expected Frame(time_s, image), got {type(frame).__name__}; pictures without times go "
                "as one array: np.stack(pictures), with fps=25.0"
            )
        image = frame.image
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
            raise ConfigError(f"frame {number}: expected a picture of uint8 (H, W, 3), RGB, got {what}; convert it")
        if not (math.isfinite(frame.time_s) and frame.time_s > last_s):
            raise ConfigError(
                f"frame {number}: expected a time later than {last_s} s, got {frame.time_s}; sort the frames by time"
            )
        last_s = frame.time_s
        yield frame


def bounded(image: UInt8[np.ndarray, "H W 3"], max_side: int) -> UInt8[np.ndarray, "h w 3"]:
    """The picture with no side longer than ``max_side`` pixels; the very same one when it already is."""
    scale = max_side / max(image.shape[:2])
    if scale >= 1:
        return image
    height, width = image.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small: UInt8[np.ndarray, "h w 3"] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return small
