"""A second target for clips of the laboratory: the strength of facial movements in each tubelet of time.

The laboratory knows what every unit of the face does at every frame (:mod:`maedfer.synth.truth`). A class is one word a
clip; the units are some two hundred numbers, and they tell the encoder where on the face to look. The head that reads
them is dropped after training.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from maedfer.config import ClassifierConfig
from maedfer.errors import ConfigError
from maedfer.models import ExpressionClassifier
from maedfer.synth.truth import read_units

__all__ = ["UNIT_HEAD", "ClassAndUnits", "TwoTargetClassifier", "UnitTargets", "symmetric_units"]

#: Where the second head's weights are in a state dict.
UNIT_HEAD = "unit_head."

# A unit that hardly moves in the training clips must not become the loudest by being divided by next to nothing.
_LEAST_DEVIATION = 0.02


class ClassAndUnits(NamedTuple):
    """What a :class:`TwoTargetClassifier` says of clips while it is trained.

    Attributes:
        logits: of the classes.
        units: standardised strength of each unit in each tubelet of time.
    """

    logits: Float[Tensor, "B C"]
    units: Float[Tensor, "B t U"]


class TwoTargetClassifier(ExpressionClassifier):
    """A classifier by places with a second head on the same tokens; in evaluation it is a plain classifier.

    Args:
        config: with pooling ``"places"``.
        units: numbers U that the second head reads in each tubelet of time.

    Raises:
        ConfigError: another pooling.
    """

    def __init__(self, config: ClassifierConfig, units: int) -> None:
        if config.pooling != "places":
            raise ConfigError(f'unit_weight: expected pooling "places", got "{config.pooling}"; set model.pooling')
        super().__init__(config)
        self.unit_head = nn.Linear(config.head_width, units)
        nn.init.trunc_normal_(self.unit_head.weight, std=2e-3)
        nn.init.zeros_(self.unit_head.bias)

    def forward(self, clip: UInt8[Tensor, "B 3 T H W"] | Float[Tensor, "B 3 T H W"]) -> Tensor | ClassAndUnits:  # type: ignore[override]
        """Logits; in training with the units of each tubelet of time.

        Raises:
            ConfigError: frames or pixels differ from the model's.
        """
        places = self.places(self.normalizer(self.normalizer.scale(clip)))
        logits = self.logits_of_places(places)
        if not self.training:
            return logits
        return ClassAndUnits(logits, self.unit_head(self.side_by_side(places)))


class UnitTargets:
    """The standardised units of training clips.

    Args:
        path: ``units.npz`` beside the manifest.
        clips: rows of the whole manifest.
        rows: those that are trained on; mean and deviation are theirs.

    Raises:
        ManifestError: the file is missing, damaged, or belongs to another manifest.
    """

    def __init__(self, path: Path, clips: int, rows: Sequence[int]) -> None:
        tracks, names = read_units(path, clips)
        folded = symmetric_units(tracks.astype(np.float32), names)
        known = folded[np.asarray(rows)]
        mean, deviation = known.mean((0, 1)), known.std((0, 1)) + _LEAST_DEVIATION
        self._tracks = torch.from_numpy((folded - mean) / deviation)

    @property
    def units(self) -> int:
        """U, numbers a tubelet."""
        return self._tracks.shape[-1]

    def loss(
        self, found: Float[Tensor, "B t U"], rows: Int64[Tensor, " B"], starts: Int64[Tensor, " B"], frames: int
    ) -> Float[Tensor, ""]:
        """Mean squared error against the mean of each unit over the frames of each of the clips' t tubelets.

        Args:
            found: what the second head says.
            rows: of the clips in the manifest.
            starts: which of the known frames is each clip's first one.
            frames: of each clip, evenly spread over the known ones.

        Raises:
            ConfigError: there are fewer known frames than the clips have.
        """
        known = self._tracks.shape[1]
        if known < frames:
            raise ConfigError(f"unit_weight: expected units of {frames} frames or more, got {known}; render 16 frames")
        steps = torch.arange(frames) * (known // frames)
        seen = self._tracks[rearrange(rows.cpu(), "b -> b 1"), rearrange(starts.cpu(), "b -> b 1") + steps]
        wanted = reduce(seen, "b (t s) u -> b t u", "mean", t=found.shape[1])
        return F.mse_loss(found.float(), wanted.to(found.device))


def symmetric_units(tracks: Float32[np.ndarray, "N T K"], names: Sequence[str]) -> Float32[np.ndarray, "N T U"]:
    """The mean of both sides, and the units without a side: the same for a clip and its mirror image.

    Gaze and movements to one side are left out: a mean of both sides says nothing of them.

    Args:
        tracks: weights of the units.
        names: of the K units; ``Left`` and ``Right`` end those that have a side.
    """
    index = {name: column for column, name in enumerate(names)}
    columns = []
    for name, column in index.items():
        other = index.get(name.removesuffix("Left") + "Right")
        if name.endswith("Left") and other is not None and not name.startswith(("eyeLook", "jaw", "mouthLeft")):
            columns.append((tracks[..., column] + tracks[..., other]) / 2)
        elif not name.endswith(("Left", "Right")):
            columns.append(tracks[..., column])
    return np.stack(columns, -1)
