"""Samples for training and evaluation: uint8 clips with their class index and row number."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import Dataset

from maedfer.data.crops import CroppedClips
from maedfer.data.manifest import ClipEntry
from maedfer.errors import DecodeError
from maedfer.video.align import middle_square
from maedfer.video.decode import probe, read_frames

__all__ = ["CachedDataset", "DecodedDataset", "Sample", "frame_choice", "span_choice"]

_RATE = 25.0  # instants a second at which a clip is looked at; the paper's source videos are 25 fps
_SPAN = 64  # source frames that a clip is spread over (method section 6: 16 frames, every 4th)


@dataclass(frozen=True)
class Sample:
    """One clip.

    Attributes:
        clip: RGB, 0..255.
        target: class index; -1 when unlabelled.
        row: position in the whole manifest.
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
        sampling: ``"span"`` (the frames are spread over 64 source frames) or ``"every"`` (consecutive source frames).
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
        self.stride = max(1, _SPAN // frames) if sampling == "span" else 1
        self.train = train
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, item: int) -> Sample:
        entry = self.entries[item]
        rng = np.random.default_rng((self.seed, self.epoch, entry.row)) if self.train else None
        try:
            frames = self._window(entry.path, rng)
        except DecodeError as error:
            raise DecodeError(f"{entry.clip_id}: {error}") from error
        chosen = [min(index, len(frames) - 1) for index in range(0, self.frames * self.stride, self.stride)]
        clip = np.stack([frames[index] for index in chosen])
        tensor = torch.from_numpy(np.ascontiguousarray(clip.transpose(3, 0, 1, 2)))
        return Sample(tensor, -1 if self.targets is None else self.targets[item], entry.row)

    def _window(self, path: Path, rng: np.random.Generator | None) -> list[UInt8[np.ndarray, "S S 3"]]:
        """All source frames of one window; no more of the video than that is in memory."""
        duration_s = probe(path).duration_s
        if duration_s is None:  # only decoding tells
            available = sum(1 for _ in read_frames(path, rate=_RATE))
        else:
            available = max(1, round(duration_s * _RATE))
        start = span_choice(available, self.frames, self.stride, rng)[0]
        frames = self._read(path, start)
        if not frames and start:  # the container promised more than the file holds
            frames = self._read(path, 0)
        if not frames:
            raise DecodeError("expected at least one picture, none could be decoded; check that the file plays")
        return frames

    def _read(self, path: Path, start: int) -> list[UInt8[np.ndarray, "S S 3"]]:
        # Half an instant short of the span, so that rounding cannot add a frame.
        end = start + self.frames * self.stride - 0.5
        return [
            self._square(frame.image)
            for frame in read_frames(path, rate=_RATE, start_s=start / _RATE, end_s=end / _RATE)
        ]

    def _square(self, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "S S 3"]:
        if self.crop == "centre":
            return middle_square(image, self.size)
        if image.shape[:2] != (224, 224):
            height, width = image.shape[:2]
            raise DecodeError(f"crop voxceleb2: expected 224x224 video, got {width}x{height}; use crop face")
        return middle_square(image[0:160, 32:192], self.size)


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
