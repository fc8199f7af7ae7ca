"""Samples for training and evaluation: uint8 clips with their class index and row number."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import Dataset

from maedfer.data.crops import CroppedClips
from maedfer.data.manifest import ClipEntry
from maedfer.errors import DecodeError
from maedfer.video.decode import read_frames

__all__ = ["CachedDataset", "DecodedDataset", "Sample", "frame_choice", "span_choice"]

_RATE = 25.0  # instants a second at which a clip is looked at; the paper's source videos are 25 fps
_STRIDE = 4  # source frames between two frames of a clip (method: 16 frames span 64 source frames)


@dataclass(frozen=True)
class Sample:
    """One clip.

    Attributes:
        clip: RGB, 0..255.
        target: class index; -1 when unlabelled.
        row: position in the manifest part.
    """

    clip: UInt8[Tensor, "3 T S S"]
    target: int
    row: int


class CachedDataset(Dataset[Sample]):
    """Clips from a crop cache; fewer frames than were cached are spread over the whole span with a random start.

    The draw depends on (seed, epoch, row) alone, so it is the same whatever process or order asks.
    """

    def __init__(
        self,
        crops: CroppedClips,
        rows: list[int],
        targets: list[int] | None,
        frames: int,
        *,
        train: bool,
        seed: int = 0,
    ) -> None:
        self.crops = crops
        self.rows = rows
        self.targets = targets
        self.frames = frames
        self.train = train
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, item: int) -> Sample:
        row = self.rows[item]
        pixels = self.crops.pixels[row]
        if self.frames != pixels.shape[1]:
            rng = np.random.default_rng((self.seed, self.epoch, row)) if self.train else None
            pixels = pixels[:, frame_choice(pixels.shape[1], self.frames, rng)]
        return Sample(torch.from_numpy(np.array(pixels)), -1 if self.targets is None else self.targets[item], row)


class DecodedDataset(Dataset[Sample]):
    """Clips decoded anew at every visit: videos that are face crops already, resized to ``size``.

    Args:
        entries: the rows.
        targets: class index of each row, or ``None``.
        frames: frames T of a clip.
        size: side S in pixels.
        crop: ``"centre"`` (middle square) or ``"voxceleb2"`` (rows 0..160, columns 32..192 of 224 pixels).
        sampling: ``"span"`` (random 64 source frames) or ``"every"`` (every source frame).
        train: random span; else the middle one.
        seed: of the spans.
    """

    def __init__(
        self,
        entries: tuple[ClipEntry, ...],
        targets: list[int] | None,
        *,
        frames: int,
        size: int,
        crop: Literal["centre", "voxceleb2"],
        sampling: Literal["span", "every"],
        train: bool,
        seed: int = 0,
    ) -> None:
        self.entries = entries
        self.targets = targets
        self.frames = frames
        self.size = size
        self.crop = crop
        self.stride = _STRIDE if sampling == "span" else 1
        self.train = train
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, item: int) -> Sample:
        entry = self.entries[item]
        frames = [self._square(frame.image) for frame in read_frames(entry.path, rate=_RATE)]
        rng = np.random.default_rng((self.seed, self.epoch, item)) if self.train else None
        chosen = span_choice(len(frames), self.frames, self.stride, rng)
        clip = np.stack([frames[index] for index in chosen])
        tensor = torch.from_numpy(np.ascontiguousarray(clip.transpose(3, 0, 1, 2)))
        return Sample(tensor, -1 if self.targets is None else self.targets[item], item)

    def _square(self, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "S S 3"]:
        import cv2

        height, width = image.shape[:2]
        if self.crop == "voxceleb2":
            if (height, width) != (224, 224):
                raise DecodeError(f"crop voxceleb2: expected 224x224 video, got {width}x{height}; use crop face")
            part = image[0:160, 32:192]
        else:
            side = min(height, width)
            top, left = (height - side) // 2, (width - side) // 2
            part = image[top : top + side, left : left + side]
        if part.shape[0] == self.size:
            return part
        method = cv2.INTER_AREA if part.shape[0] > self.size else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(part, (self.size, self.size), interpolation=method), dtype=np.uint8)


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
