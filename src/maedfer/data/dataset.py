"""Samples for training and evaluation: uint8 clips with their class index and row number."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import Dataset

from maedfer.data.clip_frames import FOLDER_FPS, RATE, SPAN, FrameRoom, crop_square, frame_choice, span_choice
from maedfer.data.crops import CroppedClips
from maedfer.data.manifest import ClipEntry
from maedfer.errors import DecodeError
from maedfer.video.decode import read_frames
from maedfer.video.frames_at import Grid, opened_grid

__all__ = ["CachedDataset", "ClipDataset", "DecodedDataset", "Sample", "stacked"]


@dataclass(frozen=True)
class Sample:
    """One clip.

    Attributes:
        clip: RGB, 0..255.
        target: class index; -1 when unlabelled.
        row: position in the whole manifest of the clip that was read.
        start: which of the cached crops is the clip's first frame; 0 for clips that come from elsewhere.
        broken: why the clips that should have been here could not be read, each with its name; this one stands in.
    """

    clip: UInt8[Tensor, "3 T S S"]
    target: int
    row: int
    start: int = 0
    broken: tuple[str, ...] = ()


def stacked(samples: Sequence[Sample]) -> UInt8[Tensor, "B 3 T S S"]:
    """The clips of samples of one shape as one tensor: the one whose rows they are, as a feed's are, else a copy."""
    clips = [sample.clip for sample in samples]
    whole = clips[0]._base
    if whole is None or whole.shape != (len(clips), *clips[0].shape):
        return torch.stack(clips)
    are_its_rows = all(
        clip.data_ptr() == row.data_ptr() and clip.stride() == row.stride()
        for clip, row in zip(clips, whole, strict=True)
    )
    return whole if are_its_rows else torch.stack(clips)


@runtime_checkable
class ClipDataset(Protocol):
    """Clips by position, drawn anew for each epoch and repeat."""

    def __len__(self) -> int:
        """Number of videos."""

    def clips(self, item: int, epoch: int, repeats: Sequence[int]) -> list[Sample]:
        """One clip for each of ``repeats`` of one video, which is read once; raises DecodeError, naming the clip."""


class CachedDataset(Dataset[Sample]):
    """Clips from a crop cache; fewer frames than were cached are spread over the whole span with a random start.

    The draw depends on (seed, epoch, row, repeat) alone, so it is the same whatever process or order asks.
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
        return self.clips(item, self.epoch, (0,))[0]

    def clips(self, item: int, epoch: int, repeats: Sequence[int]) -> list[Sample]:
        """One clip for each of ``repeats``.

        Raises:
            DecodeError: the clip could not be read when the crops were made.
        """
        row = self.rows[item]
        pixels = self.crops.clip(row)
        target = -1 if self.targets is None else self.targets[item]
        samples = []
        for repeat in repeats:
            chosen, start = pixels, 0
            if self.frames != pixels.shape[1]:
                rng = np.random.default_rng((self.seed, epoch, row, repeat)) if self.train else None
                indices = frame_choice(pixels.shape[1], self.frames, rng)
                chosen, start = pixels[:, indices], indices[0]
            samples.append(Sample(torch.from_numpy(np.array(chosen)), target, row, start))
        return samples


class DecodedDataset(Dataset[Sample]):
    """Clips decoded anew at every visit: videos that are face crops already, resized to ``size``.

    A visit opens the file once and decodes from the key frame before the first chosen frame to the last one; only the
    chosen frames become RGB, are cropped and resized. The draw depends on (seed, epoch, row, repeat) alone.

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
        self.stride = max(1, SPAN // frames) if sampling == "span" else 1
        self.train = train
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, item: int) -> Sample:
        return self.clips(item, self.epoch, (0,))[0]

    def clips(self, item: int, epoch: int, repeats: Sequence[int]) -> list[Sample]:
        """One clip for each of ``repeats``; their frames are decoded together.

        Raises:
            DecodeError: the video cannot be read; it is named.
        """
        entry = self.entries[item]
        draws = [np.random.default_rng((self.seed, epoch, entry.row, r)) if self.train else None for r in repeats]
        try:
            found = self._drawn(entry, draws)
        except DecodeError as error:
            raise DecodeError(f"{entry.clip_id}: {error}") from error
        target = -1 if self.targets is None else self.targets[item]
        return [Sample(clip, target, entry.row) for clip in found]

    def _drawn(self, entry: ClipEntry, draws: list[np.random.Generator | None]) -> list[UInt8[Tensor, "3 T S S"]]:
        """The clip of each draw; no more of the video than these is in memory."""
        with opened_grid(entry.path, RATE, folder_fps=entry.fps or FOLDER_FPS) as video:
            available = _available(entry, video.duration_s)
            starts = [span_choice(available, self.frames, self.stride, rng)[0] for rng in draws]
            found = self._read(video, starts)
            last = video.last
        if last is not None and any(start > last for start in starts):  # the container promised more than there is
            starts = [start if start <= last else 0 for start in starts]
            with opened_grid(entry.path, RATE, folder_fps=entry.fps or FOLDER_FPS) as video:
                found = self._read(video, starts)
        if not found:
            raise DecodeError("expected at least one picture, none could be decoded; check that the file plays")
        return found

    def _read(self, video: Grid, starts: list[int]) -> list[UInt8[Tensor, "3 T S S"]]:
        """The clips that begin there; none when the first one lies behind the end."""
        wanted = sorted({index for start in starts for index in self._span(start)})
        room = FrameRoom(len(wanted), self.size)
        shorter = self.size if self.crop == "centre" else None
        places = video.at(wanted, lambda image: room.add(crop_square(image, self.crop, self.size)), shorter)
        place_of = dict(zip(wanted, places, strict=False))
        return [room.clip([place_of[index] for index in self._span(start)]) for start in starts] if places else []

    def _span(self, start: int) -> list[int]:
        return [start + self.stride * step for step in range(self.frames)]


def _available(entry: ClipEntry, duration_s: float | None) -> int:
    """Instants of a video as its container, else its manifest says; else they are counted."""
    if duration_s is None and entry.frames is not None and entry.fps is not None:
        duration_s = entry.frames / entry.fps
    if duration_s is None:
        return max(1, sum(1 for _ in read_frames(entry.path, rate=RATE)))
    return max(1, round(duration_s * RATE))
