"""What lies on the skin: brows, beard, make-up, moles, freckles, shadows under the eyes.

Maps are drawn in the rig's rest frame seen from the front (:data:`LEFT`..., in eye distances), so they move with the
skin and need no texture coordinates.
"""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from maedfer.synth.identity import Identity
from maedfer.synth.rig import Rig

__all__ = ["BOTTOM", "HIGH", "LEFT", "TINT_ONE", "WIDE", "grain", "paint_map", "ribbon", "stack"]

#: The part of the rest frame that the maps cover: left edge, bottom edge, width, height.
LEFT, BOTTOM, WIDE, HIGH = -1.6, -2.2, 3.2, 3.6
#: Value of a tint that leaves the skin's colour as it is; those above make it lighter.
TINT_ONE = 0.8
_SIZE = 256


def paint_map(rig: Rig, person: Identity) -> UInt8[np.ndarray, "256 256 4"]:
    """Factor on the skin's colour (red, green, blue; :data:`TINT_ONE` is 1) and hairs of brows and beard, 0..255.

    The first row is the bottom.
    """
    rng = np.random.default_rng(person.paint_seed)
    noise = rng.random((_SIZE, _SIZE), np.float32)
    y, x = np.mgrid[0:_SIZE, 0:_SIZE].astype(np.float32)
    x, y = LEFT + WIDE * (x + 0.5) / _SIZE, BOTTOM + HIGH * (y + 0.5) / _SIZE
    tint = np.ones((_SIZE, _SIZE, 3), np.float32)
    _blemish(tint, x, y, person, rng)
    _blush(tint, x, y, float(rig.rest[rig.landmarks[0], 1]), person)
    _lids(tint, x, y, person)
    beard, stubble = _beard(x, y, noise, rig, person)
    tint *= 1 - stubble[..., None] * np.array([0.42, 0.36, 0.3], np.float32)
    tuft = np.maximum(_brows(noise, person, rng), beard)
    return stack([*np.moveaxis(np.clip(tint, 0, 1.25) * TINT_ONE, -1, 0), tuft])


def grain() -> UInt8[np.ndarray, "256 256"]:
    """Tiling noise of three scales: skin, hair and cloth are grained with it."""
    rng = np.random.default_rng(20230711)
    total = np.zeros((_SIZE, _SIZE), np.float32)
    for cells, share in ((16, 0.5), (48, 0.3), (128, 0.2)):
        coarse = rng.random((cells, cells), np.float32)
        tiled = cv2.resize(np.tile(coarse, (3, 3)), (3 * _SIZE, 3 * _SIZE), interpolation=cv2.INTER_CUBIC)
        total += share * tiled[_SIZE : 2 * _SIZE, _SIZE : 2 * _SIZE]
    return np.clip(total * 255, 0, 255).astype(np.uint8)


def _brows(noise: Float32[np.ndarray, "S S"], person: Identity, rng: np.random.Generator) -> Float32[np.ndarray, "S S"]:
    """Two brows of short hairs, not quite alike."""
    brow = np.zeros((_SIZE, _SIZE), np.float32)
    low, high = person.brow_height, person.brow_height + 0.04 + 0.07 * person.brow_arch
    for side in (-1, 1):
        inner, lift = 0.17 + rng.normal(0, 0.012), rng.normal(0, 0.008)
        spine = [(inner, low), (0.36, (low + high) / 2 + 0.02), (0.58, high), (0.86, low - 0.03)]
        widths = [0.95, 1.1, 0.85, 0.3]
        ribbon(brow, [(side * x, y + lift) for x, y in spine], [person.brow_width * w for w in widths])
    streaks = cv2.GaussianBlur(noise, (0, 0), sigmaX=1.6, sigmaY=0.6)
    hairs = np.clip(0.5 + 0.45 * person.brow_density + 5 * (streaks - 0.45), 0.15, 1)
    soft = cv2.GaussianBlur(brow, (0, 0), 1.2) * hairs * (0.7 + 0.35 * person.brow_density)
    return np.asarray(soft, np.float32)


def _beard(
    x: Float32[np.ndarray, "S S"],
    y: Float32[np.ndarray, "S S"],
    noise: Float32[np.ndarray, "S S"],
    rig: Rig,
    person: Identity,
) -> tuple[Float32[np.ndarray, "S S"], Float32[np.ndarray, "S S"]]:
    """Long hairs, and the shade of shaven ones."""
    kind, density = person.beard.kind, person.beard.density
    nose, corner = float(rig.rest[rig.landmarks[0], 1]), float(rig.rest[rig.landmarks[1], 1])
    jaw = _ramp(nose - 0.22 - y, 0.12) * _ramp(0.75 * np.abs(x) - 0.12 - (y - corner), 0.18)
    lip = _ramp(0.5 - np.abs(x), 0.1) * _ramp(nose - 0.18 - y, 0.06) * _ramp(y - corner + 0.02, 0.06)
    chin = _ramp(0.42 - np.abs(x), 0.1) * _ramp(corner - 0.18 - y, 0.1)
    goatee = np.maximum(np.maximum(lip, chin), _ramp(0.06 - np.abs(np.abs(x) - 0.46), 0.06) * (y < corner + 0.1))
    goatee = goatee * (y > corner - 1.0)
    moustache = _ramp(0.5 - np.abs(x), 0.12) * _ramp(nose - 0.18 - y, 0.06)
    area = np.clip(np.maximum(jaw, moustache), 0, 1)
    grown = {"none": 0 * area, "stubble": 0.28 * area, "full": area, "moustache": lip, "goatee": goatee}[kind]
    hairs = np.clip(0.6 + 3.0 * (cv2.GaussianBlur(noise, (0, 0), sigmaX=0.6, sigmaY=1.2) - 0.45), 0.15, 1)
    shade = area * (0.16 * (person.male > 0.5) * (1 - 0.5 * person.age) + 0.5 * density * (kind == "stubble"))
    return np.asarray(0.9 * grown * density * hairs, np.float32), np.asarray(shade, np.float32)


def _blemish(
    tint: Float32[np.ndarray, "S S 3"],
    x: Float32[np.ndarray, "S S"],
    y: Float32[np.ndarray, "S S"],
    person: Identity,
    rng: np.random.Generator,
) -> None:
    """Uneven colour, freckles, moles, spots of age, and dark rings under the eyes."""
    noise = rng.random((_SIZE, _SIZE), np.float32)
    blotch = cv2.resize(rng.normal(0, 1, (9, 9)).astype(np.float32), (_SIZE, _SIZE), interpolation=cv2.INTER_CUBIC)
    uneven = np.float32(0.02 + 0.05 * person.pores)
    tint *= 1 + uneven * blotch[..., None] * np.array([0.4, 1.0, 1.0], np.float32)
    if rng.random() < 0.18 * (1.3 - person.tone):
        freckles = _ramp(cv2.GaussianBlur(noise, (0, 0), 1.1) - 0.59, 0.02) * np.exp(-((y + 0.3) ** 2) / 0.2)
        tint *= 1 - freckles[..., None] * np.array([0.14, 0.24, 0.28], np.float32)
    spots = int(rng.poisson(1.5 + 5 * person.age + 3 * person.pores))
    for cx, cy, size in zip(
        rng.uniform(-0.9, 0.9, spots), rng.uniform(-1.6, 1.0, spots), rng.gamma(2, 0.007, spots), strict=True
    ):
        spot = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / max(size, 0.008) ** 2)
        colour = np.array([0.55, 0.68, 0.72] if rng.random() < 0.5 else [0.05, 0.25, 0.22], np.float32)
        tint *= 1 - spot[..., None] * colour
    ring = np.exp(-(((np.abs(x) - 0.42) / 0.24) ** 2) - ((y + 0.25) / 0.09) ** 2)
    deep = np.float32(np.clip(rng.normal(0.08, 0.08) + 0.14 * person.age, 0, 0.35))
    tint *= 1 - ring[..., None] * deep * np.array([0.9, 1.0, 0.85], np.float32)


def _blush(
    tint: Float32[np.ndarray, "S S 3"],
    x: Float32[np.ndarray, "S S"],
    y: Float32[np.ndarray, "S S"],
    nose: float,
    person: Identity,
) -> None:
    """Red cheeks, nose and chin."""
    blush = np.exp(-(((np.abs(x) - 0.66) / 0.28) ** 2) - ((y - nose * 0.85) / 0.25) ** 2)
    blush = np.maximum(blush, 0.7 * np.exp(-((x / 0.2) ** 2) - ((y - nose) / 0.16) ** 2))
    strength = np.float32(0.3 + 0.7 * person.makeup.blush)
    tint *= 1 - strength * blush[..., None] * np.array([0.0, 0.22, 0.2], np.float32)


def _lids(
    tint: Float32[np.ndarray, "S S 3"], x: Float32[np.ndarray, "S S"], y: Float32[np.ndarray, "S S"], person: Identity
) -> None:
    """The crease of the upper lid, and eye shadow."""
    away = np.abs(x) - 0.5
    arch = 0.21 - 0.55 * away**2 + 0.04 * away
    crease = np.exp(-(((y - arch) / 0.022) ** 2)) * _ramp(0.3 - np.abs(away), 0.06)
    tint *= 1 - crease[..., None] * np.float32(0.3 + 0.15 * person.age) * np.array([0.85, 1.0, 1.0], np.float32)
    lid = np.exp(-(((y - arch + 0.05) / 0.09) ** 2) - (away / 0.33) ** 4)
    tint *= 1 - lid[..., None] * person.makeup.shadow * (1 - person.makeup.shadow_colour)


def _ramp(x: Float32[np.ndarray, "..."], width: float) -> Float32[np.ndarray, "..."]:
    """0 below ``-width``, 1 above ``width``."""
    return np.asarray(np.clip(0.5 + x / (2 * width), 0, 1), np.float32)


def ribbon(canvas: Float32[np.ndarray, "S S"], spine: list[tuple[float, float]], widths: list[float]) -> None:
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


def stack(maps: list[Float32[np.ndarray, "S S"]]) -> UInt8[np.ndarray, "S S 4"]:
    """Four maps 0..1 as one image."""
    return np.ascontiguousarray((np.clip(np.stack(maps, -1), 0, 1) * 255).astype(np.uint8))
