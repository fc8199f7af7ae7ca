"""Packed clips as samples, and the clips of a folder of shards by position."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from torch.utils.data import Dataset

from maedfer.data.clip_frames import SPAN, span_choice, stack_frames
from maedfer.data.dataset import Sample
from maedfer.data.jpeg_clip import PackedClip
from maedfer.data.shard_files import ShardPlace
from maedfer.data.shard_index import ShardIndex
from maedfer.emotions import LabelSet
from maedfer.errors import ConfigError, ManifestError

__all__ = ["ClipReading", "ShardClips"]


@dataclass(frozen=True)
class ClipReading:
    """How a packed clip becomes a sample.

    Attributes:
        frames: frames T of a clip.
        size: side S in pixels.
        sampling: as in :class:`maedfer.recipes.DataConfig`.
        labels: a model's classes in order; ``None``: targets are -1.
        train: random span; else the middle one.
        seed: of the spans, which depend on (seed, epoch, row, repeat) alone.
    """

    frames: int
    size: int
    sampling: Literal["span", "every"] = "span"
    labels: tuple[str, ...] | None = None
    train: bool = True
    seed: int = 0

    def sample(self, clip: PackedClip, epoch: int, repeat: int) -> Sample:
        """One draw of a clip.

        Raises:
            DecodeError: its pictures are damaged.
            ManifestError: its label is not one of the classes.
        """
        stride = max(1, SPAN // self.frames) if self.sampling == "span" else 1
        rng = np.random.default_rng((self.seed, epoch, clip.facts.row, repeat)) if self.train else None
        start = span_choice(len(clip.facts.instants), self.frames, stride, rng)[0]
        images = clip.frames([start + stride * step for step in range(self.frames)], self.size)
        return Sample(stack_frames(images), self.target(clip), clip.facts.row)

    def target(self, clip: PackedClip) -> int:
        """The class index of a clip; raises ManifestError when the label is unknown."""
        if self.labels is None:
            return -1
        try:
            return LabelSet("the model", self.labels).index(clip.facts.label)
        except ValueError as error:
            raise ManifestError(f"{clip.facts.clip_id}: {error}") from error


class ShardClips(Dataset[Sample]):
    """The clips of shards on a disk by position, each always with its middle span: a validation part.

    Args:
        index: the part.
        reading: how clips become samples; ``train`` is taken as off.

    Attributes:
        targets: class index of each.

    Raises:
        ConfigError: the shards are not on a disk.
        ManifestError: a shard is damaged, or a label is unknown to the model.
    """

    def __init__(self, index: ShardIndex, reading: ClipReading) -> None:
        files = ShardPlace(index.place)
        if files.folder is None:
            raise ConfigError(f"{index.place}: clips by position are read from a folder only; copy these shards to one")
        self._reading = replace(reading, train=False)
        self._clips = [clip for s in index.shards for _, clip in files.clips(s.name, s.size, s.clips)]
        self.targets = [reading.target(clip) for clip in self._clips]

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, item: int) -> Sample:
        return self._reading.sample(self._clips[item], 0, 0)
