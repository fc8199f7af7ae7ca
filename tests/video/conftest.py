"""Videos made on the spot, and a detector that knows the truth in them."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from maedfer.video.align import TEMPLATE
from maedfer.video.types import Face

VideoMaker = Callable[..., Path]


class DiscDetector:
    """Finds strongly coloured discs on grey and calls them faces; landmarks lie where the template has them."""

    def __init__(self, smallest: float = 6.0) -> None:
        self.smallest, self.calls = smallest, 0

    def detect(self, image: np.ndarray) -> list[Face]:
        self.calls += 1
        colour = image.max(axis=2).astype(int) - image.min(axis=2)
        count, _, stats, centres = cv2.connectedComponentsWithStats((colour > 100).astype(np.uint8))
        faces = []
        for index in range(1, count):
            radius = np.sqrt(stats[index, cv2.CC_STAT_AREA] / np.pi)
            if radius >= self.smallest:
                faces.append(disc_face(centres[index], float(radius)))
        return faces


def disc_face(centre: np.ndarray, radius: float, score: float = 0.9) -> Face:
    corner = np.asarray(centre, dtype=np.float64) - radius
    box = np.concatenate([corner, corner + 2 * radius]).astype(np.float32)
    return Face(box, score, (TEMPLATE * 2 * radius + corner).astype(np.float32))


def draw_discs(
    size: tuple[int, int], discs: Sequence[tuple[float, float, float, tuple[int, int, int]]], grey: int = 90
) -> np.ndarray:
    """A picture of (height, width) ``size`` with (x, y, radius, colour) discs."""
    image = np.full((*size, 3), grey, np.uint8)
    for x, y, radius, colour in discs:
        cv2.circle(image, (round(x * 16), round(y * 16)), round(radius * 16), colour, -1, cv2.LINE_AA, 4)
    return image


def encode(
    path: Path,
    images: Sequence[np.ndarray],
    *,
    times: Sequence[float] | None = None,
    fps: int = 25,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rotation: int = 0,
    aspect: Fraction | None = None,
    keyframes: int = 12,
) -> Path:
    """Write a video in the container that the name asks for; ``times`` in seconds make it one of varying frame rate."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if codec == "mpeg4":
            stream.bit_rate = 4_000_000
        if codec != "gif":
            stream.codec_context.gop_size = keyframes
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        base = Fraction(1, fps) if times is None else Fraction(1, 1000)
        stream.codec_context.time_base = base
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = index if times is None else round(times[index] * 1000)
            frame.time_base = base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def level(index: int) -> int:
    """Grey value that tells the number of a frame, modulo 40, after lossy coding."""
    return 20 + 5 * (index % 40)


def grey_frames(count: int, size: tuple[int, int] = (64, 96)) -> list[np.ndarray]:
    return [np.full((*size, 3), level(index), np.uint8) for index in range(count)]


def frame_number(image: np.ndarray) -> int:
    return round((float(image.mean()) - 20) / 5)


@pytest.fixture
def disc_detector() -> DiscDetector:
    return DiscDetector()


@pytest.fixture
def make_face() -> Callable[..., Face]:
    return disc_face


@pytest.fixture
def draw() -> Callable[..., np.ndarray]:
    return draw_discs


@pytest.fixture
def make_video() -> VideoMaker:
    return encode


@pytest.fixture
def numbered() -> Callable[..., list[np.ndarray]]:
    return grey_frames


@pytest.fixture
def number_of() -> Callable[[np.ndarray], int]:
    return frame_number
