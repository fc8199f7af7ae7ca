"""Which frames of a video are a training clip, which square of them is looked at, and how they become a clip."""

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from maedfer.errors import DecodeError
from maedfer.video.align import middle_square

__all__ = ["FOLDER_FPS", "RATE", "SPAN", "FrameRoom", "crop_square", "frame_choice", "span_choice", "stack_frames"]

#: Instants a second at which a clip is looked at; the paper's source videos are 25 fps.
RATE = 25.0
#: Source frames that a clip is spread over (method section 6: 16 frames, every 4th).
SPAN = 64
#: Frames a second of a folder of frames where its manifest does not say.
FOLDER_FPS = 25.0


def crop_square(
    image: UInt8[np.ndarray, "H W 3"], crop: Literal["centre", "voxceleb2"], size: int
) -> UInt8[np.ndarray, "size size 3"]:
    """The square of a picture that is looked at, resized; a part of the picture itself where it has the size.

    Raises:
        DecodeError: ``"voxceleb2"`` and the picture is not 224x224.
    """
    if crop == "centre":
        return image if image.shape[:2] == (size, size) else middle_square(image, size)
    if image.shape[:2] != (224, 224):
        height, width = image.shape[:2]
        raise DecodeError(f"crop voxceleb2: expected 224x224 video, got {width}x{height}; use crop face")
    square = image[0:160, 32:192]
    return square if size == len(square) else middle_square(square, size)


class FrameRoom:
    """Room for so many pictures of one video, colour by colour as models read them.

    Args:
        count: pictures at most.
        size: side S in pixels.
    """

    def __init__(self, count: int, size: int) -> None:
        self._pixels = np.empty((3, count, size, size), np.uint8)
        self._filled = 0
        self._given = False

    def add(self, image: UInt8[np.ndarray, "S S 3"]) -> int:
        """Copy an RGB picture into the next free place; the number of the place.

        Raises:
            ValueError: the picture has another size.
        """
        if image.shape != (*self._pixels.shape[2:], 3):
            raise ValueError(f"FrameRoom: expected pictures of {self._pixels.shape[2:]} pixels, got {image.shape}")
        place = self._filled
        cv2.split(image, [plane[place] for plane in self._pixels])  # a fifth of the time of a transposition, or less
        self._filled += 1
        return place

    def clip(self, places: Sequence[int]) -> UInt8[Tensor, "3 T S S"]:
        """The pictures in these places as one clip; the first time the room itself, uncopied, if they fill it."""
        whole = not self._given and list(places) == list(range(self._pixels.shape[1]))
        self._given |= whole
        return torch.from_numpy(self._pixels if whole else self._pixels.take(places, axis=1))


def stack_frames(images: Sequence[UInt8[np.ndarray, "S S 3"]]) -> UInt8[Tensor, "3 T S S"]:
    """RGB pictures as one clip."""
    room = FrameRoom(len(images), len(images[0]))
    return room.clip([room.add(image) for image in images])


def frame_choice(available: int, wanted: int, rng: np.random.Generator | None) -> list[int]:
    """Indices of ``wanted`` evenly spread frames of ``available``; the start is random (middle without ``rng``)."""
    stride = available // wanted
    last_start = available - stride * (wanted - 1) - 1
    start = int(rng.integers(0, last_start + 1)) if rng is not None else last_start // 2
    return [start + stride * step for step in range(wanted)]


def span_choice(available: int, frames: int, stride: int, rng: np.random.Generator | None) -> list[int]:
    """Frame indices of one training window (method section 6).

    A random span of ``frames * stride`` source frames with ``frames`` of them spread over it; a shorter video: every
    ``stride``-th frame from the start, then the last repeated.
    """
    span = frames * stride
    if available < span:
        return [min(index, available - 1) for index in range(0, span, stride)]
    start = int(rng.integers(0, available - span + 1)) if rng is not None else (available - span) // 2
    return [start + stride * step for step in range(frames)]
