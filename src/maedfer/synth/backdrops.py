"""Made-up places behind a face: walls, windows, shelves, lights, leaves, crowds; sharp or out of focus."""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

__all__ = ["backdrop"]


def backdrop(rng: np.random.Generator, height: int, width: int) -> UInt8[np.ndarray, "H W 3"]:
    """A place, with things in it, as a camera focused on the face sees it.

    Args:
        rng: draws it.
        height: pixels.
        width: pixels.
    """
    places = (_room, _wall, _window, _shelf, _lights, _leaves, _crowd, _studio)
    place = places[int(rng.choice(len(places), p=[0.22, 0.2, 0.12, 0.1, 0.08, 0.1, 0.06, 0.12]))]
    image = place(rng, height, width)
    image = (image - image.mean()) * rng.uniform(0.5, 1.0) + np.clip(image.mean(), 12, 230) * rng.uniform(0.6, 1.15)
    blur = float(rng.choice([0.0, rng.uniform(0.002, 0.012), rng.uniform(0.012, 0.06)], p=[0.2, 0.4, 0.4])) * height
    if blur > 0.3:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    return np.asarray(np.clip(image, 0, 255), np.uint8)


def _colour(rng: np.random.Generator, bright: float, spread: float = 18.0) -> tuple[float, float, float]:
    """A rather grey colour near a brightness; most of what people stand before is hardly coloured."""
    warm = float(rng.normal(0, spread * 0.6))
    r, g, b = np.clip(bright + np.array([warm, 0.15 * warm, -warm]) + rng.normal(0, spread * 0.45, 3), 0, 255)
    return float(r), float(g), float(b)


def _gradient(rng: np.random.Generator, height: int, width: int, bright: float) -> Float32[np.ndarray, "H W 3"]:
    """A plain surface, lit unevenly."""
    across, down = np.meshgrid(np.linspace(-0.5, 0.5, width), np.linspace(-0.5, 0.5, height))
    lit = 1 + rng.normal(0, 0.3) * across + rng.normal(0.05, 0.25) * down
    x, y = rng.uniform(-0.6, 0.6, 2)
    lit = lit * (1 + rng.uniform(-0.3, 0.5) * np.exp(-((across - x) ** 2 + (down - y) ** 2) / 0.15))
    return np.asarray(lit[..., None] * np.array(_colour(rng, bright)), np.float32)


def _mottle(rng: np.random.Generator, image: Float32[np.ndarray, "H W 3"], strength: float, cells: int) -> None:
    """Cloudy unevenness of any scale, in place."""
    height, width = image.shape[:2]
    noise = rng.normal(0, strength, (cells, cells, 1)) + rng.normal(0, 0.2 * strength, (cells, cells, 3))
    image += cv2.resize(noise.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)


def _boxes(
    rng: np.random.Generator, image: Float32[np.ndarray, "H W 3"], count: int, bright: float, contrast: float
) -> None:
    """Furniture: upright boxes of several tones, in place."""
    height, width = image.shape[:2]
    for _ in range(count):
        x, y = rng.uniform(-0.2, 1.0) * width, rng.uniform(0.0, 1.0) * height
        w, h = rng.uniform(0.05, 0.5) * width, rng.uniform(0.05, 0.6) * height
        colour = _colour(rng, bright + float(rng.normal(0, contrast)), 22.0)
        corners = (int(x), int(y)), (int(x + w), int(y + h))
        cv2.rectangle(image, *corners, colour, -1)
        if rng.random() < 0.4:
            edge = _colour(rng, bright + float(rng.normal(0, contrast)))
            cv2.rectangle(image, *corners, edge, max(1, int(0.012 * height)))


def _room(rng: np.random.Generator, height: int, width: int) -> Float32[np.ndarray, "H W 3"]:
    """A wall, furniture, perhaps a lamp."""
    bright = float(rng.uniform(30, 210))
    image = _gradient(rng, height, width, bright)
    _boxes(rng, image, int(rng.integers(2, 9)), bright * 0.85, 45.0)
    _mottle(rng, image, float(rng.uniform(0, 7)), int(rng.integers(4, 40)))
    if rng.random() < 0.3:
        centre = (int(rng.uniform(0, width)), int(rng.uniform(0, 0.6 * height)))
        glow = np.zeros_like(image)
        cv2.circle(glow, centre, int(rng.uniform(0.04, 0.12) * height), (255.0, 225.0, 170.0), -1)
        image += glow + 0.8 * cv2.GaussianBlur(glow, (0, 0), 0.12 * height)
    return image


def _wall(rng: np.random.Generator, height: int, width: int) -> Float32[np.ndarray, "H W 3"]:
    """Plaster, panels or bricks, perhaps with a picture."""
    bright = float(rng.uniform(40, 235))
    image = _gradient(rng, height, width, bright)
    _mottle(rng, image, float(rng.uniform(0.5, 6)), int(rng.integers(30, 120)))
    kind = rng.random()
    step = max(4, int(rng.uniform(0.06, 0.2) * height))
    if kind < 0.2:
        for x in range(int(rng.integers(step)), width, step):
            cv2.line(image, (x, 0), (x, height), _colour(rng, bright * 0.75, 6.0), max(1, step // 12))
    elif kind < 0.35:
        for row, y in enumerate(range(0, height, step)):
            for x in range(-step * (row % 2), width, 2 * step):
                tone = _colour(rng, bright * float(rng.uniform(0.75, 1.0)), 10.0)
                cv2.rectangle(image, (x + 1, y + 1), (x + 2 * step - 2, y + step - 2), tone, -1)
    if rng.random() < 0.35:
        _boxes(rng, image, int(rng.integers(1, 3)), bright * 0.8, 50.0)
    return image


def _window(rng: np.random.Generator, height: int, width: int) -> Float32[np.ndarray, "H W 3"]:
    """A dim room with a bright window."""
    image = _gradient(rng, height, width, float(rng.uniform(25, 120)))
    _boxes(rng, image, int(rng.integers(0, 4)), 80.0, 35.0)
    x, y = int(rng.uniform(-0.2, 0.7) * width), int(rng.uniform(-0.2, 0.25) * height)
    w, h = int(rng.uniform(0.25, 0.6) * width), int(rng.uniform(0.5, 0.9) * height)
    cv2.rectangle(image, (x, y), (x + w, y + h), _colour(rng, float(rng.uniform(200, 250.0)), 10.0), -1)
    if rng.random() < 0.5:
        cv2.rectangle(image, (x, y + int(0.65 * h)), (x + w, y + h), _colour(rng, 150.0, 30.0), -1)
    bars = _colour(rng, float(rng.uniform(40, 220.0)))
    for share in np.linspace(0, 1, int(rng.integers(2, 5))):
        at = x + int(share * w)
        cv2.line(image, (at, y), (at, y + h), bars, max(1, width // 60))
    if rng.random() < 0.3:
        for line in range(y, y + h, max(3, height // 24)):
            cv2.line(image, (x, line), (x + w, line), bars, 1)
    return image


def _shelf(rng: np.random.Generator, height: int, width: int) -> Float32[np.ndarray, "H W 3"]:
    """Rows of books."""
    bright = float(rng.uniform(40, 170))
    image = _gradient(rng, height, width, bright * 0.5)
    row = int(rng.uniform(0.15, 0.3) * height)
    for top in range(-int(rng.integers(row)), height, row):
        x = 0
        while x < width:
            w = max(2, int(rng.uniform(0.015, 0.06) * width))
            h = int(row * rng.uniform(0.55, 0.92))
            if rng.random() < 0.9:
                tone = _colour(rng, bright + float(rng.normal(0, 45.0)), 45.0)
                cv2.rectangle(image, (x, top + row - h), (x + w - 1, top + row - 3), tone, -1)
            x += w
        cv2.line(image, (0, top + row), (width, top + row), _colour(rng, bright, 12.0), max(1, row // 12))
    return image


def _lights(rng: np.random.Generator, height: int, width: int) -> Float32[np.ndarray, "H W 3"]:
    """A town at night: discs of light out of focus."""
    image = _gradient(rng, height, width, float(rng.uniform(8, 60)))
    radius = rng.uniform(0.02, 0.08) * height
    for _ in range(int(rng.integers(8, 40))):
        spot = np.zeros_like(image)
        centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        cv2.circle(spot, centre, int(radius * rng.uniform(0.7, 1.3)) + 1, _colour(rng, 150.0, 70.0), -1)
        image += float(rng.uniform(0.2, 0.9)) * spot
    return image


def _leaves(rng: np.random.Generator, height: int, width: int) -> Float32[np.ndarray, "H W 3"]:
    """Trees and sky."""
    green = np.array([0.75, 1.0, 0.5]) * float(rng.uniform(40, 130)) * np.exp(rng.normal(0, 0.15, 3))
    image = np.tile(green.astype(np.float32), (height, width, 1))
    for cells, share in ((6, 0.35), (18, 0.4), (50, 0.4)):
        noise = cv2.resize(
            rng.normal(0, share, (cells, cells)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
        )
        image *= np.exp(noise)[..., None]
    if rng.random() < 0.6:
        sky = np.array(_colour(rng, float(rng.uniform(170, 250.0)), 15.0))
        gaps = rng.normal(0, 1, (12, 12)) + np.linspace(rng.uniform(0, 2.5), -2, 12)[:, None]
        smooth = cv2.resize(gaps.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        open_sky = 1 / (1 + np.exp(-4 * smooth))[..., None]
        image = image * (1 - open_sky) + sky.astype(np.float32) * open_sky
    return np.asarray(image, np.float32)


def _crowd(rng: np.random.Generator, height: int, width: int) -> Float32[np.ndarray, "H W 3"]:
    """Other people, far away: heads and shoulders without faces."""
    bright = float(rng.uniform(30, 150))
    image = _gradient(rng, height, width, bright)
    size = rng.uniform(0.03, 0.08) * height
    for y in np.sort(rng.uniform(0.1, 1.0, int(rng.integers(8, 30)))):
        x, r = int(rng.uniform(0, width)), int(size * (0.6 + 0.8 * y)) + 1
        down = int(y * height)
        cv2.ellipse(image, (x, down + 3 * r), (2 * r, 2 * r), 0, 180, 360, _colour(rng, bright, 50.0), -1)
        skin = np.array([1.0, 0.76, 0.62]) * float(rng.uniform(60, 210))
        cv2.ellipse(image, (x, down), (int(0.8 * r), r), 0, 0, 360, tuple(skin.tolist()), -1)
        cv2.ellipse(image, (x, down - r // 3), (int(0.85 * r), r), 0, 180, 360, _colour(rng, 35.0, 15.0), -1)
    return image


def _studio(rng: np.random.Generator, height: int, width: int) -> Float32[np.ndarray, "H W 3"]:
    """A plain or coloured cloth, as of portraits and recordings in a laboratory."""
    image = _gradient(rng, height, width, float(rng.choice([rng.uniform(5, 40), rng.uniform(90, 245)])))
    if rng.random() < 0.3:
        image *= np.exp(rng.normal(0, 0.35, 3)).astype(np.float32)
    return image
