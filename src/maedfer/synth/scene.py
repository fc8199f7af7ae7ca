"""What surrounds the face: light, and what is behind it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float32, Float64

from maedfer.synth.backdrops import backdrop

__all__ = ["Lighting", "Mood", "backdrop", "draw_lighting", "studio_lighting"]

Mood: TypeAlias = Literal["room", "frontal", "window", "hard", "back", "top", "screen", "coloured", "overcast"]
#: Kinds of light and how often each is met.
_MOODS: tuple[tuple[Mood, float], ...] = (
    *(("room", 0.3), ("frontal", 0.13), ("window", 0.15), ("hard", 0.12), ("back", 0.07)),
    *(("top", 0.07), ("screen", 0.05), ("coloured", 0.04), ("overcast", 0.07)),
)


@dataclass(frozen=True)
class Lighting:
    """Three directional lights and the light of the surroundings, linear.

    Attributes:
        toward: unit vectors to the lights, one a row; the first is the key light.
        light: their colours, one a row.
        sky: light from above.
        ground: light from below.
        exposure: factor before the tone curve.
        hardness: of the key light's shadows, 0..1.
    """

    toward: Float32[np.ndarray, "3 3"]
    light: Float32[np.ndarray, "3 3"]
    sky: Float32[np.ndarray, "3"]
    ground: Float32[np.ndarray, "3"]
    exposure: float
    hardness: float


def draw_lighting(rng: np.random.Generator, brightness: float) -> Lighting:
    """A key light, a weaker fill from the other side, a rim or top light, in one of several moods.

    Args:
        rng: draws them.
        brightness: mean albedo of the face, which a camera's automatic exposure would meet half-way.
    """
    moods, shares = zip(*_MOODS, strict=True)
    mood: Mood = moods[int(rng.choice(len(moods), p=np.array(shares) / sum(shares)))]
    toward, power, around, hardness = _arrange(rng, mood)
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    spread = 0.45 if mood == "coloured" else 0.13
    warmth = rng.normal(0, spread, (3, 1)) * np.array([[1.0, 0.1, -1.1]]) + rng.normal(0, 0.2 * spread, (3, 3))
    light = np.exp(warmth) * power[:, None]
    sky = around * np.exp(rng.normal(0, 0.08) * np.array([-1.0, 0.0, 1.0]) + rng.normal(0, 0.05, 3))
    ground = sky * rng.uniform(0.3, 0.85) * np.exp(rng.normal(0.03, 0.06) * np.array([1.0, 0.2, -1.0]))
    meter = _metered(brightness, _received(toward, light, sky, ground))
    # Some pictures are too dark or washed out, whatever the meter says.
    wrong = float(
        rng.choice([rng.normal(0, 0.15), rng.uniform(-1.0, -0.4), rng.uniform(0.35, 0.75)], p=[0.8, 0.12, 0.08])
    )
    return Lighting(
        toward.astype(np.float32),
        light.astype(np.float32),
        sky.astype(np.float32),
        ground.astype(np.float32),
        float(meter * np.exp(wrong)),
        hardness,
    )


def studio_lighting(brightness: float) -> Lighting:
    """Two soft lights from the front and a bright room, metered for the face.

    Args:
        brightness: mean albedo of the face.
    """
    toward = np.array([[-0.6, 0.5, 1.0], [0.7, 0.3, 1.0], [0.0, 1.0, -0.4]])
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    light = np.array([[0.8], [0.5], [0.2]]) * np.ones(3)
    sky, ground = np.full(3, 0.5), np.full(3, 0.3)
    return Lighting(
        toward.astype(np.float32),
        light.astype(np.float32),
        sky.astype(np.float32),
        ground.astype(np.float32),
        _metered(brightness, _received(toward, light, sky, ground)),
        0.3,
    )


def _metered(brightness: float, received: float) -> float:
    """The factor that a camera's automatic exposure finds, half-way."""
    return float((0.46 / (0.12 + brightness)) ** 0.45 * (1.25 / received) ** 0.75)


def _arrange(
    rng: np.random.Generator, mood: Mood
) -> tuple[Float64[np.ndarray, "3 3"], Float64[np.ndarray, "3"], float, float]:
    """Directions and strengths of the lights, strength of the surroundings, hardness of the shadows."""
    left = float(rng.choice([-1.0, 1.0]))
    key = np.array([left * abs(rng.normal(0, 0.7)), rng.uniform(-0.1, 1.0), rng.uniform(0.6, 1.2)])
    fill = np.array([-left * rng.uniform(0.3, 1.4), rng.uniform(-0.4, 0.7), rng.uniform(0.4, 1.0)])
    rim = np.array([rng.normal(0, 1.0), rng.uniform(0.2, 1.2), rng.uniform(-0.9, 0.3)])
    power = np.array([rng.uniform(0.7, 1.3), rng.uniform(0.1, 0.5), rng.uniform(0, 0.6)])
    around, hardness = float(rng.uniform(0.25, 0.6)), float(rng.uniform(0.2, 0.7))
    if mood == "frontal":
        key, hardness = np.array([rng.normal(0, 0.2), rng.uniform(0, 0.4), 1.0]), 0.3
    elif mood == "window":
        key = np.array([left * rng.uniform(0.8, 1.6), rng.uniform(-0.1, 0.5), rng.uniform(0.1, 0.7)])
        power = np.array([rng.uniform(1.0, 2.0), rng.uniform(0.02, 0.2), 0.1])
        around, hardness = float(rng.uniform(0.12, 0.35)), 0.6
    elif mood == "hard":
        key = np.array([left * rng.uniform(0.4, 1.5), rng.uniform(0.1, 1.3), rng.uniform(0.2, 1.0)])
        power = np.array([rng.uniform(1.5, 2.4), 0.05, rng.uniform(0, 0.4)])
        around, hardness = float(rng.uniform(0.12, 0.3)), float(rng.uniform(0.8, 1.0))
    elif mood == "back":
        rim[2], power = -1.0, np.array([rng.uniform(0.2, 0.6), 0.15, rng.uniform(1.2, 2.5)])
    elif mood == "top":
        key, hardness = np.array([rng.normal(0, 0.25), 1.0, rng.uniform(0.25, 0.6)]), float(rng.uniform(0.5, 0.9))
    elif mood == "screen":
        key, around = np.array([rng.normal(0, 0.3), rng.uniform(-0.8, -0.2), 1.0]), float(rng.uniform(0.1, 0.3))
    elif mood == "overcast":
        power, around, hardness = power * 0.3, float(rng.uniform(0.8, 1.2)), 0.0
    return np.stack([key, fill, rim]), power, around, hardness


def _received(
    toward: Float64[np.ndarray, "3 3"],
    light: Float64[np.ndarray, "3 3"],
    sky: Float64[np.ndarray, "3"],
    ground: Float64[np.ndarray, "3"],
) -> float:
    """Mean light on the front of a face."""
    normals = np.array([[0, 0, 1], [0.6, 0, 0.8], [-0.6, 0, 0.8], [0, 0.5, 0.87]])
    direct = np.maximum(normals @ toward.T, 0) @ light
    up = 0.5 + 0.5 * normals[:, 1:2]
    return float((direct + up * sky + (1 - up) * ground).mean())
