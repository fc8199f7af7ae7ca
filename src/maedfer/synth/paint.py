"""What lies on the skin: brows, beard, freckles, and the creases that expressions fold.

Maps are drawn in the rig's rest frame seen from the front (:data:`LEFT`..., in eye distances), so they move with the
skin and need no texture coordinates. Creases are where FACS describes them: forehead (action units 1, 2), glabella (4),
nose root (9), cheeks and crow's feet (6, 12).
"""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from maedfer.synth.identity import Identity
from maedfer.synth.rig import UNITS, Rig

__all__ = ["BOTTOM", "HIGH", "LEFT", "WIDE", "crease_map", "crease_strengths", "grain", "paint_map"]

#: The part of the rest frame that the maps cover: left edge, bottom edge, width, height.
LEFT, BOTTOM, WIDE, HIGH = -1.6, -2.2, 3.2, 3.6
_SIZE = 256


def paint_map(rig: Rig, person: Identity) -> UInt8[np.ndarray, "256 256 4"]:
    """Brow, beard, freckles and blush, 0..255; the first row is the bottom."""
    rng = np.random.default_rng(person.paint_seed)
    noise = rng.random((_SIZE, _SIZE), np.float32)
    brow = np.zeros((_SIZE, _SIZE), np.float32)
    low, high = person.brow_height, person.brow_height + 0.04 + 0.07 * person.brow_arch
    for side in (-1, 1):
        spine = [(0.17, low), (0.36, (low + high) / 2 + 0.02), (0.58, high), (0.86, low - 0.03)]
        widths = [0.95, 1.1, 0.85, 0.3]
        _ribbon(brow, [(side * x, y) for x, y in spine], [person.brow_width * w for w in widths])
    streaks = cv2.GaussianBlur(noise, (0, 0), sigmaX=1.6, sigmaY=0.6)
    brow = cv2.GaussianBlur(brow, (0, 0), 1.3) * np.clip(0.55 + 5 * (streaks - 0.42), 0.35, 1)
    y, x = np.mgrid[0:_SIZE, 0:_SIZE].astype(np.float32)
    x, y = LEFT + WIDE * (x + 0.5) / _SIZE, BOTTOM + HIGH * (y + 0.5) / _SIZE
    nose, corner = float(rig.rest[rig.landmarks[0], 1]), float(rig.rest[rig.landmarks[1], 1])
    jaw = _ramp(nose - 0.22 - y, 0.12) * _ramp(0.75 * np.abs(x) - 0.12 - (y - corner), 0.18)
    moustache = _ramp(0.5 - np.abs(x), 0.12) * _ramp(nose - 0.18 - y, 0.06)
    beard = (
        np.clip(np.maximum(jaw, moustache), 0, 1) * person.beard * (0.55 + 0.6 * cv2.GaussianBlur(noise, (0, 0), 0.7))
    )
    freckles = _ramp(cv2.GaussianBlur(noise, (0, 0), 1.1) - 0.5 - 0.09, 0.02) * float(rng.random() < 0.25)
    blush = np.exp(-(((np.abs(x) - 0.62) / 0.3) ** 2) - ((y - nose * 0.9) / 0.25) ** 2)
    blush = np.maximum(blush, 0.8 * np.exp(-((x / 0.2) ** 2) - ((y - nose) / 0.16) ** 2))
    return _stack([brow, beard, freckles, blush])


def crease_map(rig: Rig) -> UInt8[np.ndarray, "256 256 4"]:
    """Creases of forehead, glabella, nose root and cheeks, 0..255; the first row is the bottom."""
    nose, corner_x = float(rig.rest[rig.landmarks[0], 1]), float(rig.rest[rig.landmarks[2], 0])
    corner_y = float(rig.rest[rig.landmarks[2], 1])
    maps = [np.zeros((_SIZE, _SIZE), np.float32) for _ in range(4)]
    for height in (0.58, 0.70, 0.82):
        line = [(x, height + 0.05 * np.cos(3.2 * x) - 0.03) for x in np.linspace(-0.62, 0.62, 9)]
        _ribbon(maps[0], line, [0.022] * 9)
    for side in (-1, 1):
        _ribbon(maps[1], [(side * 0.10, 0.16), (side * 0.105, 0.32), (side * 0.13, 0.46)], [0.02, 0.04, 0.015])
        _ribbon(maps[2], [(side * 0.05, 0.02), (side * 0.15, -0.10), (side * 0.19, -0.2)], [0.02, 0.035, 0.015])
        _ribbon(maps[2], [(side * 0.04, -0.10), (side * 0.13, -0.22), (side * 0.17, -0.30)], [0.02, 0.03, 0.015])
        fold = [
            (0.26, nose + 0.12),
            (0.40, nose - 0.12),
            (corner_x + 0.12, corner_y + 0.08),
            (corner_x + 0.15, corner_y - 0.1),
        ]
        _ribbon(maps[3], [(side * x, y) for x, y in fold], [0.03, 0.045, 0.04, 0.015])
        _ribbon(maps[2], [(side * x, y) for x, y in fold[:3]], [0.03, 0.035, 0.015])
        for rise in (-0.12, 0.0, 0.12):
            _ribbon(maps[3], [(side * 0.86, 0.3 * rise), (side * 1.04, rise)], [0.015, 0.015])
        _ribbon(maps[3], [(side * 0.28, -0.2), (side * 0.5, -0.3), (side * 0.74, -0.22)], [0.015, 0.03, 0.015])
    return _stack([cv2.GaussianBlur(m, (0, 0), 1.2) for m in maps])


def crease_strengths(weights: Float32[np.ndarray, "T K"], age: float) -> Float32[np.ndarray, "T 4"]:
    """How deep each of the four creases is folded by the expression's weights, plus what age has left there."""

    def mean(name: str) -> Float32[np.ndarray, "T"]:
        both = (weights[:, UNITS.index(name + "Left")] + weights[:, UNITS.index(name + "Right")]) / 2
        return np.asarray(both, np.float32)

    raised = np.clip(0.5 * mean("browInnerUp") + 0.6 * mean("browOuterUp") - 0.2 * mean("browDown"), 0, 1.2)
    frown = np.clip(mean("browDown") + 0.3 * mean("noseSneer"), 0, 1.4)
    sneer = np.clip(mean("noseSneer") + 0.15 * mean("mouthUpperUp"), 0, 1.4)
    cheek = np.clip(0.6 * mean("mouthSmile") + 0.5 * mean("cheekSquint") + 0.3 * mean("mouthFrown"), 0, 1.2)
    rest = np.float32(0.35 * age) * np.array([0.8, 0.6, 0.3, 1.0], np.float32)
    return np.asarray(np.stack([raised, frown, sneer, cheek], 1) * (0.75 + 0.35 * age) + rest, np.float32)


def grain() -> UInt8[np.ndarray, "256 256"]:
    """Tiling noise of three scales: skin, hair and cloth are grained with it."""
    rng = np.random.default_rng(20230711)
    total = np.zeros((_SIZE, _SIZE), np.float32)
    for cells, share in ((16, 0.5), (48, 0.3), (128, 0.2)):
        coarse = rng.random((cells, cells), np.float32)
        tiled = cv2.resize(np.tile(coarse, (3, 3)), (3 * _SIZE, 3 * _SIZE), interpolation=cv2.INTER_CUBIC)
        total += share * tiled[_SIZE : 2 * _SIZE, _SIZE : 2 * _SIZE]
    return np.clip(total * 255, 0, 255).astype(np.uint8)


def _ramp(x: Float32[np.ndarray, "..."], width: float) -> Float32[np.ndarray, "..."]:
    """0 below ``-width``, 1 above ``width``."""
    return np.asarray(np.clip(0.5 + x / (2 * width), 0, 1), np.float32)


def _ribbon(canvas: Float32[np.ndarray, "S S"], spine: list[tuple[float, float]], widths: list[float]) -> None:
    """Draw a band of varying width along ``spine`` (eye distances) into ``canvas``."""
    steps = np.linspace(0, 1, 24)
    at = np.linspace(0, 1, len(spine))
    x = np.interp(steps, at, [p[0] for p in spine])
    y = np.interp(steps, at, [p[1] for p in spine])
    w = np.interp(steps, at, widths) / 2
    upper, lower = np.stack([x, y + w], 1), np.stack([x, y - w], 1)
    if np.ptp(y) > np.ptp(x):
        upper, lower = np.stack([x + w, y], 1), np.stack([x - w, y], 1)
    outline = (np.concatenate([upper, lower[::-1]]) - [LEFT, BOTTOM]) / [WIDE, HIGH] * _SIZE
    cv2.fillPoly(canvas, [np.round(outline * 16).astype(np.int32)], 1.0, cv2.LINE_8, 4)


def _stack(maps: list[Float32[np.ndarray, "S S"]]) -> UInt8[np.ndarray, "S S 4"]:
    """Four maps 0..1 as one image."""
    return np.ascontiguousarray((np.clip(np.stack(maps, -1), 0, 1) * 255).astype(np.uint8))
