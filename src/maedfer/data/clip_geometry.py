"""Where a training clip looks: random crops, mirrors and turns, composed into one matrix a clip.

A matrix takes a point of the new picture to the point of the old picture that is seen there. Points are measured in
pixels from the upper left corner; pixel ``i`` covers ``i`` to ``i + 1``. Products read from the old picture to the new:
``moves @ crop @ mirror`` is a mirrored crop of a moved picture. Boxes are left, top, width and height in whole pixels.
All is float64 on the CPU: a few numbers a clip.
"""

import math

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

__all__ = [
    "TRIES",
    "affine_matrices",
    "corner_boxes",
    "drawn_box",
    "mirror_matrices",
    "stretch_matrices",
    "turn_matrices",
    "view_matrices",
    "whole_boxes",
]

TRIES = 10  # draws of a box's area and shape before the whole picture is taken, as published


def whole_boxes(batch: int, side: int) -> Float64[Tensor, "B 4"]:
    """The whole picture, for each clip."""
    return torch.tensor([0.0, 0.0, side, side], dtype=torch.float64).repeat(batch, 1)


def corner_boxes(draws: Float[Tensor, "B 2"], side: int, shares: tuple[float, ...]) -> Float64[Tensor, "B 4"]:
    """Squares of a drawn share of the side, in a drawn corner or the centre (paper section 4.1)."""
    sides = (side * torch.tensor(shares, dtype=torch.float64)).round()[_choice(draws[:, 0], len(shares))]
    free = side - sides
    corner = _choice(draws[:, 1], 5)
    left = torch.where(corner == 4, free // 2, free * (corner % 2))
    top = torch.where(corner == 4, free // 2, free * (corner // 2))
    return torch.stack([left, top, sides, sides], 1)


def drawn_box(
    draws: Float[Tensor, "B draws 2"],
    within: Float64[Tensor, "B 4"],
    area: tuple[float, float],
    aspect: tuple[float, float],
) -> tuple[Float64[Tensor, "B 4"], Bool[Tensor, " B"]]:
    """A box of drawn area and shape at a drawn place inside ``within``.

    Args:
        draws: 0..1: of each try area and shape, then of the box left and top.
        within: boxes to stay inside of.
        area: range of the area, as a share of ``within``.
        aspect: range of width over height; its logarithm is drawn.

    Returns:
        The first box that fits, or ``within`` itself where none did; and whether one did.
    """
    draws = draws.double()
    areas = (area[0] + draws[:, :-1, 0] * (area[1] - area[0])) * within[:, 2:].prod(1, keepdim=True)
    low, high = math.log(aspect[0]), math.log(aspect[1])
    aspects = (low + draws[:, :-1, 1] * (high - low)).exp()
    sizes = torch.stack([(areas * aspects).sqrt(), (areas / aspects).sqrt()], -1).round().clamp(min=1)
    fits = (sizes <= within[:, None, 2:]).all(-1)
    first = fits.int().argmax(1)
    size = torch.where(fits.any(1)[:, None], sizes[torch.arange(len(sizes)), first], within[:, 2:])
    corner = within[:, :2] + (draws[:, -1] * (within[:, 2:] - size + 1)).floor()
    return torch.cat([corner, size], 1), fits.any(1)


def view_matrices(boxes: Float64[Tensor, "B 4"], size: int) -> Float64[Tensor, "B 3 3"]:
    """The picture of ``size`` x ``size`` pixels that shows a box."""
    matrices = _identity(len(boxes))
    matrices[:, 0, 0], matrices[:, 1, 1] = boxes[:, 2] / size, boxes[:, 3] / size
    matrices[:, :2, 2] = boxes[:, :2]
    return matrices


def mirror_matrices(mirrored: Bool[Tensor, " B"], size: int) -> Float64[Tensor, "B 3 3"]:
    """The picture of ``size`` pixels with left and right exchanged, where ``mirrored``."""
    matrices = _identity(len(mirrored))
    matrices[mirrored, 0, 0] = -1
    matrices[mirrored, 0, 2] = size
    return matrices


def affine_matrices(
    draws: Float[Tensor, "B 4"], size: int, reach: tuple[float, float, float]
) -> Float64[Tensor, "B 3 3"]:
    """A turn, a zoom and a shift of up to ``reach`` (degrees, share of the side, share of the scale)."""
    signed = 2 * draws.double() - 1
    matrices = turn_matrices(torch.deg2rad(signed[:, 0] * reach[0]), size)
    zoom = 1 + signed[:, 1] * reach[2]
    scale = _identity(len(draws))
    scale[:, 0, 0] = scale[:, 1, 1] = 1 / zoom
    scale[:, 0, 2] = scale[:, 1, 2] = size / 2 * (1 - 1 / zoom)
    shift = _identity(len(draws))
    shift[:, :2, 2] = signed[:, 2:] * reach[1] * size
    return matrices @ scale @ shift


def stretch_matrices(draws: Float[Tensor, " B"], size: int, reach: float) -> Float64[Tensor, "B 3 3"]:
    """The picture's height times a factor between ``1 / (1 + reach)`` and ``1 + reach``, even in its logarithm."""
    factor = torch.exp((2 * draws.double() - 1) * math.log1p(reach))
    matrices = _identity(len(draws))
    matrices[:, 1, 1] = 1 / factor
    matrices[:, 1, 2] = size / 2 * (1 - 1 / factor)
    return matrices


def turn_matrices(radians: Float64[Tensor, "*B"], size: int) -> Float64[Tensor, "*B 3 3"]:
    """A turn around the centre of a picture of ``size`` pixels; a positive angle turns it anticlockwise."""
    sine, cosine, centre = radians.sin(), radians.cos(), size / 2
    zero, one = torch.zeros_like(radians), torch.ones_like(radians)
    rows = [
        torch.stack([cosine, -sine, centre * (1 - cosine + sine)], -1),
        torch.stack([sine, cosine, centre * (1 - cosine - sine)], -1),
        torch.stack([zero, zero, one], -1),
    ]
    return torch.stack(rows, -2)


def _choice(draws: Tensor, count: int) -> Tensor:
    return (draws.double() * count).long()  # of float32 below 1: never count itself


def _identity(batch: int) -> Tensor:
    return torch.eye(3, dtype=torch.float64).repeat(batch, 1, 1)
