"""RandAugment (Cubuk et al. 2020) for batches of clips: one draw of operations and strengths for all frames of a clip.

Kornia's own RandAugment draws anew for every frame. The set and the ranges are those of the paper's recipe
(``rand-m7-n4-mstd0.5-inc1``): strengths grow with the magnitude, every operation is applied with probability 0.5.

The published pictures pass through the drawn operations in their order, each move resampling them again, and are
cropped last. Here all moves of a clip and its crop are one matrix and one resampling, then come the changes of colour
in their order. It is sharper and cheaper (one interpolation, not up to five), and what is moved out and back again is
whole. What differs besides: changes of colour see the crop, with the grey that moves have brought in.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float32, Float64, Int64, UInt8
from torch import Tensor

from maedfer.data import colour_changes
from maedfer.data.clip_geometry import turn_matrices
from maedfer.data.some_clips import change_some
from maedfer.models.draws import BatchShare

__all__ = ["COLOURS", "FILL", "MOVES", "DrawnChanges", "draw_changes"]

FILL = 128  # grey of what a move brings in from outside the picture, as published

COLOURS: tuple[Callable[..., Tensor], ...] = (
    colour_changes.auto_contrast,
    colour_changes.equalize,
    colour_changes.invert,
    colour_changes.posterize,
    colour_changes.solarize,
    colour_changes.solarize_add,
    colour_changes.colour,
    colour_changes.contrast,
    colour_changes.brightness,
    colour_changes.sharpness,
)
MOVES = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")

_PROBABILITY = 0.5
_DEVIATION = 0.5  # of the magnitude between draws
_TOP = 10.0  # magnitude at which the ranges are reached
_DEGREES, _SHEAR, _TRANSLATE = 30.0, 0.3, 0.45


@dataclass(frozen=True)
class DrawnChanges:
    """What was drawn for a batch of clips, slot by slot; on the CPU.

    Attributes:
        operations: number of the change in ``COLOURS``, then ``MOVES``; -1: none.
        strengths: 0..1.
        signs: -1 or 1, the direction of changes that have two.
    """

    operations: Int64[Tensor, "B slots"]
    strengths: Float32[Tensor, "B slots"]
    signs: Float32[Tensor, "B slots"]

    def matrices(self, side: int) -> Float64[Tensor, "B 3 3"]:
        """The drawn moves of pictures of ``side`` pixels, as one matrix (see :mod:`maedfer.data.clip_geometry`)."""
        amounts = (self.strengths * self.signs).double()
        rotate, shear_x, shear_y, left, up = (
            torch.where(self.operations == len(COLOURS) + move, amounts, 0.0) for move in range(len(MOVES))
        )
        slots = turn_matrices(rotate * math.radians(_DEGREES), side)
        moves = torch.eye(3, dtype=torch.float64).repeat(*amounts.shape, 1, 1)
        moves[..., 0, 1], moves[..., 1, 0] = shear_x * _SHEAR, shear_y * _SHEAR
        moves[..., 0, 2], moves[..., 1, 2] = left * _TRANSLATE * side, up * _TRANSLATE * side
        slots = slots @ moves  # of the two one is always the identity: a slot holds one move
        result = slots[:, 0]
        for slot in range(1, slots.shape[1]):
            result = result @ slots[:, slot]
        return result

    def recolour(self, clips: UInt8[Tensor, "B 3 T H W"]) -> UInt8[Tensor, "B 3 T H W"]:
        """The drawn changes of colour, slot by slot, each operation over all clips that drew it; changes ``clips``."""
        for slot in range(self.operations.shape[1]):
            drawn = self.operations[:, slot]
            for operation in sorted(set(drawn.tolist())):
                if not 0 <= operation < len(COLOURS):
                    continue
                rows = (drawn == operation).nonzero().flatten()
                change = partial(
                    COLOURS[operation],
                    strength=self.strengths[rows, slot].to(clips.device),
                    sign=self.signs[rows, slot].to(clips.device),
                )
                change_some(clips, rows.tolist(), change)
        return clips


def draw_changes(batch: int, operations: int, magnitude: float, share: BatchShare) -> DrawnChanges:
    """Draw ``operations`` changes, with replacement, for each of ``batch`` clips."""
    draws = share.uniform(batch, operations, 3)
    noise = share.own(torch.randn(batch * share.count, operations))
    picked = (draws[..., 0].double() * (len(COLOURS) + len(MOVES))).long()
    return DrawnChanges(
        operations=torch.where(draws[..., 1] < _PROBABILITY, picked, -1),
        strengths=((magnitude + _DEVIATION * noise) / _TOP).clamp(0, 1),
        signs=torch.where(draws[..., 2] < 0.5, 1.0, -1.0),
    )
