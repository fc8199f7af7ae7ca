"""Everything in the picture that is not the face: light, background, lens, and what a cheap camera makes of it."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

__all__ = ["Camera", "Lighting", "backdrop", "draw_camera", "draw_lighting", "shoot"]


@dataclass(frozen=True)
class Lighting:
    """Three directional lights and the light of the surroundings, linear.

    Attributes:
        toward: unit vectors to the lights, one a row.
        light: their colours, one a row.
        sky: light from above.
        ground: light from below.
        exposure: factor before the tone curve.
    """

    toward: Float32[np.ndarray, "3 3"]
    light: Float32[np.ndarray, "3 3"]
    sky: Float32[np.ndarray, "3"]
    ground: Float32[np.ndarray, "3"]
    exposure: float


@dataclass(frozen=True)
class Camera:
    """What happens between the light and the file.

    Attributes:
        grey: a picture without colour.
        gain: contrast around mid-grey, per colour.
        blur: standard deviation in pixels; 0 is sharp.
        noise: standard deviation in grey levels.
        shrink: resolution as a share of the picture's size, 0..1.
        crf: constant rate factor of H.264.
    """

    grey: bool
    gain: Float32[np.ndarray, "3"]
    blur: float
    noise: float
    shrink: float
    crf: int


def draw_lighting(rng: np.random.Generator, brightness: float) -> Lighting:
    """A key light somewhere in front, a weaker fill from the other side, a rim or top light.

    Args:
        rng: draws them.
        brightness: mean albedo of the face, which a camera's automatic exposure would meet half-way.
    """
    side = float(rng.normal(0, 0.7))
    toward = np.array(
        [
            [side, rng.uniform(-0.1, 1.0), rng.uniform(0.6, 1.2)],
            [-np.sign(side) * rng.uniform(0.3, 1.4), rng.uniform(-0.4, 0.7), rng.uniform(0.4, 1.0)],
            [rng.normal(0, 1.0), rng.uniform(0.2, 1.2), rng.uniform(-0.9, 0.3)],
        ]
    )
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    warmth = rng.normal(0, 0.10, (3, 1)) * np.array([[1.0, 0.1, -1.1]]) + rng.normal(0, 0.02, (3, 3))
    light = np.exp(warmth) * np.array([[rng.uniform(0.7, 1.3)], [rng.uniform(0.1, 0.5)], [rng.uniform(0, 0.6)]])
    tint = np.exp(rng.normal(0, 0.08, 3))
    sky = rng.uniform(0.25, 0.6) * tint
    exposure = float((0.46 / (0.12 + brightness)) ** 0.45 * np.exp(rng.normal(0, 0.15)))
    return Lighting(
        toward.astype(np.float32),
        light.astype(np.float32),
        sky.astype(np.float32),
        (sky * rng.uniform(0.3, 0.8)).astype(np.float32),
        exposure,
    )


def draw_camera(rng: np.random.Generator) -> Camera:
    """A camera between a good one and a video call on a bad line."""
    return Camera(
        grey=bool(rng.random() < 0.08),
        gain=np.exp(rng.normal(0, 0.05) + rng.normal(0, 0.04, 3)).astype(np.float32),
        blur=float(rng.uniform(0.4, 1.1)) if rng.random() < 0.4 else 0.0,
        noise=float(rng.uniform(0.5, 5.5)) if rng.random() < 0.6 else 0.5,
        shrink=float(rng.uniform(0.5, 0.9)) if rng.random() < 0.25 else 1.0,
        crf=int(rng.integers(17, 31)),
    )


def backdrop(rng: np.random.Generator, height: int, width: int) -> UInt8[np.ndarray, "H W 3"]:
    """A made-up room out of focus: a gradient, some surfaces and things in it, some texture."""
    top, bottom = rng.uniform(15, 225, (2, 1, 1, 1)) + rng.normal(0, 22, (2, 1, 1, 3))
    calm = rng.uniform(0.15, 0.9)
    grey = float((top + bottom).mean() / 2)
    slope = np.linspace(0, 1, height)[:, None, None]
    image = (top * (1 - slope) + bottom * slope) * calm + grey * (1 - calm)
    image = np.ascontiguousarray(np.broadcast_to(image, (height, width, 3)), dtype=np.float32)
    for _ in range(int(rng.integers(0, 9))):
        x, y = rng.uniform(-0.2, 1.0, 2) * (width, height)
        w, h = rng.uniform(0.05, 0.7, 2) * (width, height)
        colour = tuple(float(c) for c in np.clip(grey + rng.normal(0, 50) + rng.normal(0, 18, 3), 0, 255))
        if rng.random() < 0.7:
            cv2.rectangle(image, (int(x), int(y)), (int(x + w), int(y + h)), colour, -1)
        else:
            cv2.circle(image, (int(x), int(y)), int(min(w, h) / 2) + 1, colour, -1)
    cells = int(rng.integers(3, 24))
    mottle = rng.normal(0, rng.uniform(0, 16), (cells, cells, 1)) + rng.normal(0, 3, (cells, cells, 3))
    image += cv2.resize(mottle.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    blur = float(rng.uniform(0.004, 0.05)) * height
    return np.asarray(np.clip(cv2.GaussianBlur(image, (0, 0), blur), 0, 255), np.uint8)


def shoot(image: UInt8[np.ndarray, "H W 3"], camera: Camera, rng: np.random.Generator) -> UInt8[np.ndarray, "H W 3"]:
    """The picture as ``camera`` records it (all but the codec)."""
    height, width = image.shape[:2]
    seen = image.astype(np.float32)
    if camera.shrink < 1:
        small = (max(8, round(width * camera.shrink)), max(8, round(height * camera.shrink)))
        seen = cv2.resize(cv2.resize(seen, small, interpolation=cv2.INTER_AREA), (width, height))
    if camera.blur > 0:
        seen = cv2.GaussianBlur(seen, (0, 0), camera.blur)
    if camera.grey:
        seen = np.repeat(seen @ np.array([[0.299], [0.587], [0.114]], np.float32), 3, axis=2)
    seen = (seen - 110) * camera.gain + 110
    seen += rng.standard_normal((height, width, 1), np.float32) * np.float32(camera.noise)
    return np.asarray(np.clip(seen + 0.5, 0, 255), np.uint8)
