"""The paper's test protocol: which frames of a whole video are looked at (arXiv 2307.02227, section 4.2).

Published code takes every 4th frame of 25 fps video, then the first and the last 16 of those, and averages the softmax
of the two windows. Here the 4 frames are 0.16 s, whatever the frame rate. Its two spatial crops are the same pixels of
a square face crop, so they are left out.
"""

from collections import deque
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, UInt8

from maedfer.errors import ConfigError, DecodeError

__all__ = ["FRAME_STEP_S", "average_views", "end_views"]

#: Seconds between two sampled frames: 4 frames at 25 fps.
FRAME_STEP_S = 0.16


def end_views(pictures: Iterable[UInt8[np.ndarray, "H W 3"]], num_frames: int) -> UInt8[np.ndarray, "V 3 T H W"]:
    """The first and the last ``num_frames`` pictures; no more than those are kept in memory.

    Fewer pictures than frames: one view, the last picture repeated. Exactly as many: one view, for both are the same.

    Args:
        pictures: RGB, 0..255, one size, sampled every :data:`FRAME_STEP_S`.
        num_frames: frames T of a view.

    Raises:
        ConfigError: no frame is asked for.
        DecodeError: there is no picture.
    """
    if num_frames < 1:
        raise ConfigError(f"views: expected at least one frame, got {num_frames}")
    first: list[UInt8[np.ndarray, "H W 3"]] = []
    last: deque[UInt8[np.ndarray, "H W 3"]] = deque(maxlen=num_frames)
    count = 0
    for picture in pictures:
        if count < num_frames:
            first.append(picture)
        last.append(picture)
        count += 1
    if not first:
        raise DecodeError("views: expected at least one picture, got none; check that the video plays")
    first += [first[-1]] * (num_frames - len(first))
    views = [first] if count <= num_frames else [first, list(last)]
    return np.ascontiguousarray(np.stack([np.stack(view) for view in views]).transpose(0, 4, 1, 2, 3))


def average_views(probabilities: Float[np.ndarray, "V C"]) -> Float[np.ndarray, " C"]:
    """Mean of the views' softmax."""
    mean: Float[np.ndarray, " C"] = probabilities.mean(axis=0)
    return mean
