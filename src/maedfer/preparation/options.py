"""How a set is prepared."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maedfer.errors import ConfigError

__all__ = ["CropChoice", "PreparationOptions"]

#: ``auto``: cut faces where the set comes without crops; ``face``: always; ``none``: never.
CropChoice = Literal["auto", "face", "none"]


@dataclass(frozen=True)
class PreparationOptions:
    """Settings of :func:`maedfer.preparation.prepare_corpus`.

    Attributes:
        crop: auto: cut face videos where the set comes as whole pictures; face: always; none: never.
        size: side of the face crops in pixels, even, 16 to 1024.
        keep_faceless: keep clips in which no face is found, as the centred square of their picture.
        deep: decode every frame of every clip, instead of the first and the last ones.
        sample: clips whose faces are measured to tell crops from whole pictures; 0 measures none.
        seed: of the sample's draw.
        workers: processes; one a core when left out; 0 works in this process.
        table: for folder: a CSV of one's own with the columns path, label and, optionally, subject, split and fold.
    """

    crop: CropChoice = "auto"
    size: int = 160
    keep_faceless: bool = False
    deep: bool = False
    sample: int = 64
    seed: int = 0
    workers: int | None = None
    table: Path | None = None

    def __post_init__(self) -> None:
        if self.size % 2 or not 16 <= self.size <= 1024:
            raise ConfigError(f"expected an even size in 16..1024 pixels, got {self.size}; 160 is the published size")
        if self.workers is not None and not 0 <= self.workers <= 1024:
            raise ConfigError(f"expected workers in 0..1024, got {self.workers}; leave it out for one a core")
        if not 0 <= self.sample <= 10_000 or self.seed < 0:
            raise ConfigError(
                f"expected a sample of 0..10000 clips and a seed from 0, got {self.sample} and {self.seed}; "
                "64 is common"
            )
