"""Things before the face, and things laid over the picture: hands, microphones, telephones, captions, borders."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8

__all__ = ["Occluder", "OccluderKind", "draw_occluder"]

OccluderKind: TypeAlias = Literal["hand", "microphone", "phone", "caption", "border"]

#: Kinds and the share of all clips that shows each; together less than an eighth.
_SHARES: tuple[tuple[OccluderKind, float], ...] = (
    *(("hand", 0.045), ("microphone", 0.025), ("phone", 0.01), ("caption", 0.025), ("border", 0.012)),
)
_LETTERS = "abcdefghijklmnoprstuvwyz ABDEGHKMNRST  "
# Drawn at twice the size, so that outlines are smooth.
_OVER = 2


@dataclass(frozen=True)
class Occluder:
    """One thing in its course.

    Attributes:
        kind: what it is.
        at: its middle in each frame, in pixels.
        size: height of the face in pixels, its unit.
        angle: of a hand or telephone, radians; 0 points up.
        colour: RGB, 0..255.
        seed: of its details.
    """

    kind: OccluderKind
    at: Float64[np.ndarray, "T 2"]
    size: float
    angle: float
    colour: tuple[float, float, float]
    seed: int

    def over(self, image: UInt8[np.ndarray, "H W 3"], frame: int) -> UInt8[np.ndarray, "H W 3"]:
        """The picture with the thing before it."""
        rng = np.random.default_rng(self.seed)
        if self.kind == "caption":
            return _caption(image, rng, self.colour)
        if self.kind == "border":
            return _border(image, rng, self.colour)
        height, width = image.shape[:2]
        x, y = self.at[frame] * _OVER
        paint = np.zeros((height * _OVER, width * _OVER, 3), np.float32)
        cover = np.zeros((height * _OVER, width * _OVER), np.float32)
        strokes = {"hand": _hand, "microphone": _microphone, "phone": _phone}[self.kind](rng)
        turn = np.array([[np.cos(self.angle), -np.sin(self.angle)], [np.sin(self.angle), np.cos(self.angle)]])
        scale = self.size * _OVER
        for ends, thick, tone in strokes:
            points = np.round((ends @ turn.T * scale + [x, y]) * 16).astype(np.int32)
            colour = tuple(float(c * tone) for c in self.colour)
            for canvas, value in ((paint, colour), (cover, (1.0,))):
                cv2.polylines(canvas, [points], False, value, max(1, round(thick * scale)), cv2.LINE_8, 4)
        soft = max(0.4, 0.012 * scale)
        paint, cover = cv2.GaussianBlur(paint, (0, 0), soft), cv2.GaussianBlur(cover, (0, 0), soft)
        # Rounded: darker towards its edges.
        body = 0.6 + 0.4 * np.clip(2 * cv2.GaussianBlur(cover, (0, 0), 0.07 * scale) - 0.6, 0, 1)
        paint = cv2.resize(paint * body[..., None], (width, height), interpolation=cv2.INTER_AREA)
        bare = 1 - cv2.resize(cover, (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(np.clip(image * bare[..., None] + paint, 0, 255), np.uint8)


def draw_occluder(
    rng: np.random.Generator,
    boxes: Float64[np.ndarray, "T 4"],
    skin: tuple[float, float, float],
    times: Float64[np.ndarray, "T"],
) -> Occluder | None:
    """Mostly nothing; else one thing, which comes near mouth, chin or cheek and moves.

    Args:
        rng: draws it; always the same count of numbers.
        boxes: of the face in each frame, in pixels.
        skin: colour of the face in the picture, for a hand.
        times: of the frames, in seconds.
    """
    chosen, detail = float(rng.random()), np.random.default_rng(int(rng.integers(2**62)))
    kinds, shares = zip(*_SHARES, strict=True)
    number = int(np.searchsorted(np.cumsum(shares), chosen))
    if number == len(kinds):
        return None
    kind: OccluderKind = kinds[number]
    size = float((boxes[:, 3] - boxes[:, 1]).mean())
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    side = float(detail.choice([-1.0, 1.0]))
    if kind == "microphone":
        offset = np.array([side * detail.uniform(0.0, 0.3), detail.uniform(0.45, 0.7)])
        angle = side * float(detail.uniform(-0.1, 0.5))
    else:
        offset = np.array([side * detail.uniform(0.1, 0.5), detail.uniform(0.3, 0.62)])
        angle = -side * float(detail.uniform(-0.2, 0.9))
    stays = kind == "microphone" or detail.random() < 0.3
    comes, lasts = detail.uniform(-0.3, 0.7), detail.uniform(0.25, 0.6)
    share = times / max(float(times[-1]), 1e-6)
    near = np.ones(len(times)) if stays else _step((share - comes) / 0.15) - _step((share - comes - lasts) / 0.15)
    if kind == "hand" and stays:
        offset[1] = max(offset[1], 0.6)
    sway = np.stack([np.sin(2 * np.pi * detail.uniform(0.2, 0.8) * times + detail.uniform(0, 6)) for _ in range(2)], 1)
    away = np.array([side * 0.6, 1.9])
    at = middle + size * (offset + (1 - near[:, None]) * away + 0.02 * sway)
    tone = np.array(skin) * np.exp(detail.normal(0, 0.1)) if kind == "hand" else detail.uniform(8, 80) * np.ones(3)
    if kind == "border" or (kind == "caption" and detail.random() < 0.5):
        tone = detail.uniform(0, 255, 3)
    red, green, blue = (float(c) for c in np.clip(tone, 0, 255))
    return Occluder(kind, at, size, angle, (red, green, blue), int(detail.integers(2**31)))


def _step(x: Float64[np.ndarray, "T"]) -> Float64[np.ndarray, "T"]:
    """0 below 0, 1 above 1, straight between."""
    return np.asarray(np.clip(x, 0, 1), np.float64)


_Stroke: TypeAlias = tuple[Float32[np.ndarray, "P 2"], float, float]


def _hand(rng: np.random.Generator) -> list[_Stroke]:
    """Forearm, palm, four fingers and a thumb; fingers lie side by side with dark gaps or spread."""
    strokes: list[_Stroke] = [
        _stroke([(0.02, 1.6), (0.0, 0.5)], 0.3, 0.92),
        _stroke([(0.0, 0.5), (0.0, 0.28)], 0.4, 1.0),
    ]
    spread, bend = rng.uniform(0.0, 0.3), rng.uniform(0.4, 1.0)
    for k in range(4):
        root = (k - 1.5) * 0.105
        tip = root + (k - 1.5) * 0.11 * spread
        long = (0.36, 0.42, 0.39, 0.3)[k] * bend
        finger = [(root, 0.22), ((root + tip) / 2, 0.22 - 0.5 * long), (tip, 0.2 - long)]
        strokes += [_stroke(finger, 0.112, 0.62), _stroke(finger, 0.088, 1.02)]
    thumb = [(0.17, 0.45), (0.28, 0.25), (0.3, 0.12)]
    return [*strokes, _stroke(thumb, 0.125, 0.65), _stroke(thumb, 0.1, 1.0)]


def _microphone(rng: np.random.Generator) -> list[_Stroke]:
    """A grille, a ring and a stick."""
    head = rng.uniform(0.16, 0.28)
    ring = rng.uniform(0.8, 3.0)
    return [
        _stroke([(0.0, 0.1), (0.0, 1.8)], 0.5 * head, 0.7),
        _stroke([(-0.45 * head, 0.5 * head), (0.45 * head, 0.5 * head)], 0.12, ring),
        _stroke([(0.0, -0.1 * head), (0.0, 0.1 * head)], head, 1.3),
    ]


def _phone(rng: np.random.Generator) -> list[_Stroke]:
    """A dark slab with a lens, or a cup."""
    wide = rng.uniform(0.2, 0.34)
    return [_stroke([(0.0, 0.0), (0.0, 0.42)], wide, 1.0), _stroke([(0.2 * wide, 0.0), (0.2 * wide, 0.02)], 0.06, 2.0)]


def _stroke(points: list[tuple[float, float]], thick: float, tone: float) -> _Stroke:
    """A line with round ends: points and thickness in heights of the face, and a factor on the colour."""
    return np.array(points, np.float32), thick, tone


def _caption(
    image: UInt8[np.ndarray, "H W 3"], rng: np.random.Generator, colour: tuple[float, float, float]
) -> UInt8[np.ndarray, "H W 3"]:
    """A line or two of writing below or above, with or without a bar."""
    height, width = image.shape[:2]
    seen = image.copy()
    scale = height / 144 * float(rng.uniform(0.3, 0.6))
    low = int(height * (rng.uniform(0.86, 0.97) if rng.random() < 0.8 else rng.uniform(0.08, 0.12)))
    if rng.random() < 0.5:
        top = max(0, low - int(26 * scale))
        strip = seen[top : low + int(8 * scale)]
        strip[:] = (strip * 0.3 + np.array(colour) * 0.7).astype(np.uint8)
    text = "".join(_LETTERS[int(k)] for k in rng.integers(0, len(_LETTERS), int(rng.integers(6, 24))))
    ink = tuple(int(c) for c in ((255, 255, 255), (255, 240, 80), (20, 20, 20))[int(rng.integers(3))])
    left = int(rng.uniform(0.02, 0.3) * width)
    for thick, tone in ((3, tuple(255 - c for c in ink)), (1, ink)):
        cv2.putText(seen, text, (left, low), cv2.FONT_HERSHEY_SIMPLEX, scale, tone, thick, cv2.LINE_AA)
    return seen


def _border(
    image: UInt8[np.ndarray, "H W 3"], rng: np.random.Generator, colour: tuple[float, float, float]
) -> UInt8[np.ndarray, "H W 3"]:
    """A frame around the picture, or bars at two sides."""
    height, width = image.shape[:2]
    seen = image.copy()
    wide, high = int(rng.uniform(0.02, 0.09) * width), int(rng.uniform(0.02, 0.08) * height)
    tone = np.array(colour).astype(np.uint8)
    if rng.random() < 0.7:
        seen[:, :wide], seen[:, width - wide :] = tone, tone
    if rng.random() < 0.5:
        seen[:high], seen[height - high :] = tone, tone
    return seen
