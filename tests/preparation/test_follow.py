"""A disc that moves is followed: it stays in the middle of its crop in every picture of the whole file."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from discs import DiscFinder
from maedfer.errors import ConfigError
from maedfer.video import probe, read_frames, write_video
from maedfer.video.align import TEMPLATE
from maedfer.video.face_video import write_face_video
from maedfer.video.follow import follow_face

RADIUS = 20


def scene(centres: list[tuple[float, float] | None]) -> list[np.ndarray]:
    """Pictures with a red disc at (x, y), or none."""
    images = []
    for centre in centres:
        image = np.full((120, 240, 3), 90, np.uint8)
        if centre is not None:
            cv2.circle(image, (round(centre[0]), round(centre[1])), RADIUS, (230, 30, 30), -1, cv2.LINE_AA)
        images.append(image)
    return images


def centre_of(crop: np.ndarray) -> np.ndarray:
    """Centre of the red pixels, in sides of the crop."""
    colour = crop.max(axis=2).astype(int) - crop.min(axis=2)
    rows, columns = np.nonzero(colour > 100)
    return np.array([columns.mean(), rows.mean()]) / len(crop) if len(rows) else np.array([np.nan, np.nan])


def cropped(folder: Path, images: list[np.ndarray], fps: float = 25.0) -> list[np.ndarray]:
    write_video(folder / "source.mp4", images, fps, crf=10)
    written = write_face_video(folder / "source.mp4", folder / "crop.mp4", DiscFinder(), size=64)
    assert written is not None
    assert written.frames == len(images)
    assert written.fps == pytest.approx(fps, rel=1e-3)
    assert probe(folder / "crop.mp4").frame_rate == pytest.approx(fps, rel=1e-3)
    return [frame.image for frame in read_frames(folder / "crop.mp4")]


def middle(crops: list[np.ndarray]) -> np.ndarray:
    return np.stack([centre_of(crop) for crop in crops])


def test_a_moving_face_stays_in_place_in_every_picture(tmp_path: Path) -> None:
    # A third of a face's width a second, to and fro, over more than a window of one scale (10 s).
    places = [(120 + 60 * np.sin(i / 60), 60 + 10 * np.cos(i / 40)) for i in range(400)]
    crops = cropped(tmp_path, scene(list(places)))
    off = middle(crops) - np.median(middle(crops), axis=0)
    assert np.abs(off).max() < 0.05
    assert np.abs(np.diff(off, axis=0)).max() < 0.04  # no jump where windows meet


def test_another_rate_gives_the_same_crops(tmp_path: Path) -> None:
    for name in ("slow", "fast"):
        (tmp_path / name).mkdir()
    moves = [(70 + i, 60.0) for i in range(100)]
    fast = cropped(tmp_path / "fast", scene(list(moves)), 50.0)
    slow = cropped(tmp_path / "slow", scene(list(moves[::2])), 25.0)
    assert middle(fast)[::2] == pytest.approx(middle(slow), abs=0.03)


def test_a_face_that_comes_back_elsewhere_is_followed_there(tmp_path: Path) -> None:
    here, there = (60.0, 60.0), (190.0, 50.0)
    crops = cropped(tmp_path, scene([here] * 50 + [None] * 50 + [there] * 40))
    found = middle(crops)
    assert found[10] == pytest.approx(found[130], abs=0.04)
    assert np.isnan(found[60:95]).all()


def test_without_a_face_nothing_is_written_unless_asked(tmp_path: Path) -> None:
    write_video(tmp_path / "source.mp4", scene([None] * 20), 25.0)
    out = tmp_path / "crop.mp4"
    assert write_face_video(tmp_path / "source.mp4", out, DiscFinder(), size=64) is None
    assert list(tmp_path.iterdir()) == [tmp_path / "source.mp4"]
    written = write_face_video(tmp_path / "source.mp4", out, DiscFinder(), size=64, keep_faceless=True)
    assert written is not None
    assert (written.frames, written.coverage) == (20, 0.0)
    with pytest.raises(ConfigError, match="even size"):
        write_face_video(tmp_path / "source.mp4", out, DiscFinder(), size=65)


def test_the_larger_face_is_the_main_one(tmp_path: Path) -> None:
    images = scene([(60.0, 60.0)] * 30)
    for image in images:
        cv2.circle(image, (200, 60), 12, (30, 230, 30), -1, cv2.LINE_AA)
    write_video(tmp_path / "source.mp4", images, 25.0)
    face = follow_face(tmp_path / "source.mp4", DiscFinder(), 64)
    assert face is not None
    middle_of_face = TEMPLATE.mean(axis=0) * 2 * RADIUS + np.array([40.0, 40.0])
    assert face.at(0.5) @ np.array([*middle_of_face, 1.0]) == pytest.approx(TEMPLATE.mean(axis=0) * 64, abs=3)
