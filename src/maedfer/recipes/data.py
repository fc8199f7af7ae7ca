"""Where a run's clips come from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maedfer.errors import ConfigError

__all__ = ["DataConfig"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where clips come from and how they become model input.

    Attributes:
        manifest: CSV of clips (see :mod:`maedfer.data.manifest`).
        root: folder at which the manifest's paths start; ``None``: the manifest's own.
        shards: folder or address of shards written by ``maedfer pack``, instead of a manifest; their clips were cropped
            when they were packed.
        fold: the fold that is tested; the clips of all others are trained on. ``None``: the column ``split`` decides.
        crop: ``"face"``: detect, track and align the face, once, into a cache beside the manifest; ``"centre"``: the
            clips are face crops already: the middle square; ``"voxceleb2"``: rows 0..160 and columns 32..192 of the
            224-pixel video (paper section 4.1).
        sampling: ``"span"``: frames evenly over a random 2.56 s (paper); ``"every"``: consecutive source frames
            (FERV39k's short clips).
        repeats: clips that are drawn from each decoded video (repeated augmentation, Hoffer et al. 2020); an epoch
            visits every video that many times. Face crops (``crop="face"``) are read anew for each.
        most_broken: clips that cannot be decoded and are replaced by their neighbours before a training run stops, each
            process of which counts and names its own; evaluation never replaces one.
        workers: processes that decode, on each process of a distributed run; 0: none beside the training itself.

    Raises:
        ConfigError: ``sampling`` is set for ``crop="face"``, which always reads the middle 2.56 s; both a manifest and
            shards are given; a count is out of its range.
    """

    manifest: Path | None = None
    root: Path | None = None
    shards: str | None = None
    fold: int | None = None
    crop: Literal["face", "centre", "voxceleb2"] = "face"
    sampling: Literal["span", "every"] = "span"
    repeats: int = 1
    most_broken: int = 0
    workers: int = 2

    def __post_init__(self) -> None:
        if self.crop == "face" and self.sampling != "span" and self.shards is None:
            raise ConfigError(f"sampling {self.sampling}: only for clips that are crops already; use crop centre")
        if self.manifest is not None and self.shards is not None:
            raise ConfigError("data: expected a manifest or shards, got both; leave one out")
        if self.repeats < 1 or self.most_broken < 0 or self.workers < 0:
            raise ConfigError("repeats: expected 1 or more; most_broken and workers: 0 or more")
