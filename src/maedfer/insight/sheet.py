"""Strips of pictures as one matplotlib figure; the extra `train` or `report` brings matplotlib."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from maedfer.errors import ConfigError
from maedfer.output import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Strip", "draw_strips", "new_figure", "require_drawable", "save_figure", "spread"]

_GAP = 2  # pixels between two pictures of a strip
_LEFT, _WIDTH, _HEADING, _SPACE = 0.95, 9.6, 0.34, 0.05  # inches: the titles' column, the pictures, spaces
_DPI = 150
_MOST_STRIPS = 80  # a taller figure is refused by viewers
_FEWEST_COLUMNS = 4  # of fewer pictures none is larger than a fourth of the width
_SUFFIXES = (".png", ".pdf", ".svg", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class Strip:
    """A row of pictures of one size.

    Attributes:
        title: stands at its left.
        pictures: RGB, 0..255, in order of time.
    """

    title: str
    pictures: UInt8[np.ndarray, "T H W 3"]


def require_drawable(path: Path) -> None:
    """Say early that a figure cannot be drawn at ``path``, which need not exist yet.

    Raises:
        ConfigError: matplotlib is not installed, or the suffix is not one of a picture.
    """
    _require_matplotlib()
    if path.suffix.lower() not in _SUFFIXES:
        raise ConfigError(f"{path}: expected the name of a picture ({', '.join(_SUFFIXES)}), got {path.suffix!r}")


def spread(count: int, most: int) -> list[int]:
    """At most ``most`` of ``count`` places, first and last among them, evenly.

    Raises:
        ConfigError: none is asked for.
    """
    if most < 1:
        raise ConfigError(f"frames: expected at least one picture a row, got {most}")
    return [int(place) for place in np.linspace(0, count - 1, min(most, count)).round()]


def _require_matplotlib() -> None:
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise ConfigError("a figure needs matplotlib, which is not installed; run: pip install 'maedfer[train]'")


def new_figure(width: float, height: float, *, bare: bool = False) -> "Figure":
    """A figure that belongs to nobody: no window, no global state.

    Args:
        width: inches.
        height: inches.
        bare: the caller places everything.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    _require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=None if bare else "constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a PNG (or what the suffix says) under a temporary name first.

    Raises:
        ConfigError: the suffix is not one of a picture.
        OutputError: it cannot be written.
    """
    require_drawable(path)
    write_whole(path, lambda temporary: figure.savefig(temporary, dpi=_DPI))


def draw_strips(groups: Sequence[tuple[str, Sequence[Strip]]], path: Path) -> None:
    """Draw groups of strips below each other, each group under its heading.

    Args:
        groups: (heading, strips).
        path: the PNG to appear.

    Raises:
        ConfigError: nothing or too much to draw, or matplotlib is not installed.
        OutputError: it cannot be written.
    """
    rows = sum(len(strips) for _, strips in groups)
    if not 0 < rows <= _MOST_STRIPS:
        raise ConfigError(f"figure: expected 1 to {_MOST_STRIPS} rows of pictures, got {rows}; ask for fewer clips")
    widest = max(_FEWEST_COLUMNS, *(len(strip.pictures) for _, strips in groups for strip in strips))
    joined = [[(strip.title, _joined(strip.pictures, widest)) for strip in strips] for _, strips in groups]
    heights = [_WIDTH * picture.shape[0] / picture.shape[1] for group in joined for _, picture in group]
    height = sum(heights) + _HEADING * len(groups) + _SPACE * rows
    figure = new_figure(_LEFT + _WIDTH, height, bare=True)
    top, place = height, iter(heights)
    for (heading, _), group in zip(groups, joined, strict=True):
        top -= _HEADING
        figure.text(_LEFT / (_LEFT + _WIDTH), (top + 0.08) / height, heading, fontsize=9, va="bottom")
        for title, picture in group:
            tall = next(place)
            box = (_LEFT / (_LEFT + _WIDTH), (top - tall) / height, _WIDTH / (_LEFT + _WIDTH), tall / height)
            _show(figure.add_axes(box), title, picture)
            top -= tall + _SPACE
    save_figure(figure, path)


def _show(axes: Any, title: str, picture: UInt8[np.ndarray, "H W 3"]) -> None:
    axes.imshow(picture, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    axes.text(-0.008, 0.5, title, transform=axes.transAxes, ha="right", va="center", fontsize=8)


def _joined(pictures: UInt8[np.ndarray, "T H W 3"], widest: int) -> UInt8[np.ndarray, "H W2 3"]:
    """Side by side with gaps; shorter strips are filled up with white, so that all have one scale."""
    count, height, width, _ = pictures.shape
    out = np.full((height, widest * (width + _GAP) - _GAP, 3), 255, np.uint8)
    for number in range(count):
        out[:, number * (width + _GAP) :][:, :width] = pictures[number]
    return out
