"""The creases that expressions fold into the skin, and how deep.

They are where FACS describes them: forehead lines (action units 1 and 2), glabella (4), nose root (9), nasolabial fold
(10, 12), crow's feet and lower lid (6, 7), chin (17), mouth corners (14, 15). Drawn in the rig's rest frame seen from
the front, as :mod:`~maedfer.synth.paint` draws, so they move with the skin.
"""

from functools import partial

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from maedfer.synth.paint import ribbon, stack
from maedfer.synth.rig import UNITS, Rig

__all__ = ["crease_maps", "crease_strengths"]

_SIZE = 256
# What age leaves in a resting face, in the order of the maps.
_LEFT_BY_AGE = np.array([0.5, 0.5, 0.6, 0.2, 0.9, 0.7, 0.25, 0.7], np.float32)


def crease_maps(rig: Rig) -> UInt8[np.ndarray, "2 256 256 4"]:
    """Eight maps of creases, 0..255, four an image; the first row is the bottom.

    In order: outer and inner forehead, glabella, nose root; nasolabial fold, crow's feet with the lower lid, chin,
    corners of the mouth.
    """
    maps = [np.zeros((_SIZE, _SIZE), np.float32) for _ in range(8)]
    _forehead(maps[0], maps[1])
    for side in (-1, 1):
        _side(maps, side, rig)
    corner_y, chin_y = float(rig.rest[rig.landmarks[1], 1]), float(rig.rest[rig.landmarks[3], 1])
    # The fold between lower lip and chin, and the dimpled ball of the chin below it.
    fold = 0.5 * corner_y + 0.5 * chin_y + 0.06
    ribbon(maps[6], [(-0.24, fold - 0.06), (0.0, fold), (0.24, fold - 0.06)], [0.02, 0.045, 0.02])
    rng = np.random.default_rng(7)
    for x, y in rng.normal([0, fold - 0.2], [0.1, 0.07], (14, 2)):
        ribbon(maps[6], [(x - 0.02, y), (x + 0.02, y)], [0.03, 0.03])
    return np.stack([stack([cv2.GaussianBlur(m, (0, 0), 1.2) for m in four]) for four in (maps[:4], maps[4:])])


def crease_strengths(weights: Float32[np.ndarray, "T K"], age: float) -> Float32[np.ndarray, "T 8"]:
    """How deep each of the creases is folded by the expression's weights, plus what age has left there."""
    of = partial(_mean, weights)
    brow_down, sneer, smile = of("browDown"), of("noseSneer"), of("mouthSmile")
    outer = np.clip(0.9 * of("browOuterUp") + 0.15 * of("eyeWide") - 0.3 * brow_down, 0, 1.2)
    inner = np.clip(1.0 * of("browInnerUp") - 0.2 * brow_down, 0, 1.2)
    frown = np.clip(1.2 * brow_down + 0.3 * sneer + 0.35 * of("browInnerUp") * (brow_down > 0.2), 0, 1.4)
    nose = np.clip(sneer + 0.15 * of("mouthUpperUp"), 0, 1.4)
    fold = np.clip(0.75 * smile + 0.8 * sneer + 0.5 * of("mouthUpperUp") + 0.2 * of("mouthStretch"), 0, 1.3)
    eyes = np.clip(0.8 * of("cheekSquint") + 0.35 * of("eyeSquint") + 0.25 * smile + 0.3 * sneer, 0, 1.3)
    chin = np.clip(0.9 * of("mouthShrugLower") + 0.4 * of("mouthFrown") + 0.2 * of("mouthPress"), 0, 1.2)
    corners = np.clip(0.7 * of("mouthFrown") + 0.7 * of("mouthDimple") + 0.4 * smile + 0.3 * of("mouthPress"), 0, 1.2)
    folded = np.stack([outer, inner, frown, nose, fold, eyes, chin, corners], 1)
    return np.asarray(folded * (0.6 + 0.45 * age) + np.float32(0.4 * age) * _LEFT_BY_AGE, np.float32)


def _mean(weights: Float32[np.ndarray, "T K"], name: str) -> Float32[np.ndarray, "T"]:
    """Mean weight of a unit's two sides."""
    columns = [k for k, unit in enumerate(UNITS) if unit in (name, name + "Left", name + "Right")]
    return np.asarray(weights[:, columns].mean(1), np.float32)


def _forehead(outer: Float32[np.ndarray, "S S"], inner: Float32[np.ndarray, "S S"]) -> None:
    """Lines across the forehead; those of the inner brow alone are short and rise to the middle."""
    for height, wide in ((0.56, 0.72), (0.67, 0.78), (0.79, 0.66)):
        line = [(x, height + 0.05 * np.cos(3.2 * x) - 0.03) for x in np.linspace(-wide, wide, 9)]
        ribbon(outer, line, [0.012, *[0.024] * 7, 0.012])
    for height in (0.52, 0.63, 0.75):
        line = [(x, height + 0.06 * np.cos(5 * x) - 0.03) for x in np.linspace(-0.34, 0.34, 7)]
        ribbon(inner, line, [0.012, *[0.028] * 5, 0.012])


def _side(maps: list[Float32[np.ndarray, "S S"]], side: int, rig: Rig) -> None:
    """The creases of one half of the face."""
    nose, corner_x = float(rig.rest[rig.landmarks[0], 1]), float(rig.rest[rig.landmarks[2], 0])
    corner_y = float(rig.rest[rig.landmarks[2], 1])

    def draw(which: int, spine: list[tuple[float, float]], widths: list[float]) -> None:
        ribbon(maps[which], [(side * x, y) for x, y in spine], widths)

    draw(2, [(0.09, 0.14), (0.1, 0.32), (0.14, 0.48)], [0.02, 0.045, 0.015])
    draw(2, [(0.2, 0.3), (0.24, 0.4), (0.25, 0.46)], [0.012, 0.022, 0.012])
    draw(2, [(0.0, 0.1), (0.06, 0.1)], [0.02, 0.02])
    draw(3, [(0.03, 0.05), (0.15, -0.08), (0.2, -0.2)], [0.02, 0.035, 0.015])
    draw(3, [(0.03, -0.08), (0.13, -0.2), (0.18, -0.3)], [0.02, 0.03, 0.015])
    draw(3, [(0.2, nose + 0.2), (0.27, nose + 0.06), (0.27, nose - 0.08)], [0.015, 0.03, 0.02])
    fold = [(0.25, nose + 0.12), (0.4, nose - 0.12), (corner_x + 0.12, corner_y + 0.08)]
    draw(4, [*fold, (corner_x + 0.15, corner_y - 0.1)], [0.03, 0.05, 0.045, 0.012])
    for rise in (-0.16, -0.05, 0.06, 0.16):
        draw(5, [(0.86, 0.3 * rise), (1.06, rise)], [0.018, 0.012])
    draw(5, [(0.24, -0.2), (0.46, -0.31), (0.76, -0.23)], [0.015, 0.035, 0.015])
    draw(5, [(0.3, -0.2), (0.5, -0.25), (0.7, -0.18)], [0.012, 0.018, 0.012])
    down = [(corner_x + 0.02, corner_y + 0.02), (corner_x + 0.07, corner_y - 0.14), (corner_x + 0.06, corner_y - 0.34)]
    draw(7, down, [0.045, 0.035, 0.012])
