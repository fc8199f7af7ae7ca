"""Clips as views: the right pictures of files and folders, the right face, in order whoever reads, none left out."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from jaxtyping import UInt8

from discs import DiscFinder
from maedfer.errors import ConfigError, DecodeError
from maedfer.evaluate.facing import face_windows
from maedfer.evaluate.reading import ClipReader, ClipTask, read_clip
from maedfer.evaluate.views import ViewPlan
from maedfer.video.align import TEMPLATE
from maedfer.video.encode import write_video
from maedfer.video.types import Frame

RED, BLUE = (230, 20, 20), (20, 20, 230)


def folder_of(path: Path, count: int) -> Path:
    """Frames whose grey is their number times 4."""
    path.mkdir()
    for index in range(count):
        cv2.imwrite(str(path / f"{index:05d}.png"), np.full((32, 32, 3), 4 * index, dtype=np.uint8))
    return path


def numbers(task: ClipTask, plan: ViewPlan) -> list[list[int]]:
    views = read_clip(task, plan).views
    seen: list[list[int]] = (views[:, 0, :, 16, 16] // 4).tolist()
    return seen


def disc(*discs: tuple[int, int, int, tuple[int, int, int]]) -> UInt8[np.ndarray, "H W 3"]:
    image = np.full((160, 240, 3), 128, dtype=np.uint8)
    for x, y, radius, colour in discs:
        cv2.circle(image, (x, y), radius, colour, -1)
    return image


def test_folders_are_played_at_the_manifests_rate(tmp_path: Path) -> None:
    frames = folder_of(tmp_path / "clip", 60)
    plan = ViewPlan.of(4, 32)  # 1.5625 pictures a second, every 16th frame at 25 fps
    assert numbers(ClipTask("clip", frames, face=False), plan) == [[0, 16, 32, 48]]
    assert numbers(ClipTask("clip", frames, face=False, fps=12.5), plan) == [[0, 8, 16, 24], [32, 40, 48, 56]]
    every = ViewPlan.of(4, 32, sampling="every")
    assert numbers(ClipTask("clip", frames, face=False), every) == [[0, 1, 2, 3], [56, 57, 58, 59]]


def test_the_middle_is_in_the_middle(tmp_path: Path) -> None:
    frames = folder_of(tmp_path / "clip", 60)
    middle = ViewPlan.of(4, 32, views="middle", sampling="every")
    assert numbers(ClipTask("clip", frames, face=False), middle) == [[28, 29, 30, 31]]
    short = ClipTask("short", folder_of(tmp_path / "short", 3), face=False)
    assert numbers(short, middle) == [[0, 1, 2, 2]]


def test_processes_give_the_same_clips_in_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    tasks = []
    for index in range(7):
        pictures = rng.integers(0, 256, (4 + 9 * index, 32, 32, 3), dtype=np.uint8)
        path = write_video(tmp_path / f"{index}.mp4", list(pictures), 6.25) or tmp_path / f"{index}.mp4"
        tasks.append(ClipTask(f"{index}", path, face=False))
    plan = ViewPlan.of(4, 32, views="dense")
    with ClipReader(plan, 0) as here, ClipReader(plan, 1) as there:
        there.check(tasks)
        pairs = list(zip(here.read(tasks), there.read(tasks), strict=True))
    assert len(pairs) == 7
    for own, other in pairs:
        assert np.array_equal(own.views, other.views)
    assert [len(own.views) for own, _ in pairs] == sorted(len(own.views) for own, _ in pairs)


def test_unreadable_clips_are_named_before_the_work(tmp_path: Path) -> None:
    good = folder_of(tmp_path / "good", 2)
    tasks = [ClipTask("good", good, face=False)]
    for index in range(5):
        (tmp_path / f"bad{index}.mp4").write_bytes(b"no video")
        tasks.append(ClipTask(f"bad{index}", tmp_path / f"bad{index}.mp4", face=False))
    looked: list[int] = []
    with ClipReader(ViewPlan.of(4, 32), 0) as reader:
        with pytest.raises(DecodeError, match=r"5 of 6 clips.*bad0.*bad1.*bad2.*and 2 more"):
            reader.check(tasks, looked.append)
        with pytest.raises(DecodeError, match="bad0"):
            list(reader.read(tasks))
    assert looked == [6]
    with pytest.raises(ConfigError, match="workers"):
        ClipReader(ViewPlan.of(4, 32), -1)


def test_the_face_fills_the_crop_wherever_it_goes() -> None:
    """A disc that wanders through the whole clip stays in the middle of every view; the ends show other colours."""
    frames = []
    for index in range(40):
        colour = (230, 20 + 5 * index, 20)
        frames.append(Frame(index / 6.25, disc((50 + 3 * index, 60 + index, 30, colour))))
    plan = ViewPlan.of(16, 48, views="dense")
    windows = list(face_windows(frames, plan, DiscFinder()))
    assert len(windows) == 4
    centre = TEMPLATE.mean(axis=0) * 48
    for window in windows:
        middle = window[:, :, round(centre[1]), round(centre[0])]
        assert (middle[0] > 200).all()
    greens = [window[1, 0, 24, 24] for window in windows]
    assert greens == sorted(set(greens))


def test_each_window_shows_its_own_main_face() -> None:
    """After a cut the same person is a new track; the smaller face beside it is never taken."""
    small = (215, 30, 14, BLUE)
    before = [Frame(index / 6.25, disc((60, 80, 34, RED), small)) for index in range(16)]
    after = [Frame(index / 6.25, 255 - disc((150, 70, 34, RED), small)[::-1]) for index in range(16, 32)]
    first, last = face_windows([*before, *after], ViewPlan.of(16, 48), DiscFinder())
    assert first[0, :, 24, 24].min() > 200
    assert last[1, :, 24, 24].min() > 200  # the complement of red


def test_windows_without_a_face_give_way_and_clips_without_one_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maedfer.evaluate.reading._detector", DiscFinder)
    seen = [disc((120, 80, 40, RED))] * 16
    write_video(tmp_path / "half.mp4", [*seen, *[disc()] * 32], 6.25)
    write_video(tmp_path / "none.mp4", [disc()] * 32, 6.25)
    plan = ViewPlan.of(16, 48)
    half = read_clip(ClipTask("half", tmp_path / "half.mp4", face=True), plan)
    none = read_clip(ClipTask("none", tmp_path / "none.mp4", face=True), plan)
    assert (len(half.views), half.faceless) == (1, False)
    assert (len(none.views), none.faceless) == (2, True)
    as_crop = read_clip(ClipTask("none", tmp_path / "none.mp4", face=False), plan)
    assert np.array_equal(as_crop.views, none.views)


@pytest.mark.skipif("MAEDFER_REAL_CLIPS" not in os.environ, reason="no real clips")
def test_a_real_face_is_found_at_both_ends() -> None:
    path = Path(os.environ["MAEDFER_REAL_CLIPS"]) / "carphone_pristine.mp4"
    found = read_clip(ClipTask("carphone", path, face=True), ViewPlan.of(4, 64))
    assert not found.faceless
    assert len(found.views) == 2
    skin = found.views[:, :, :, 26:40, 26:40].mean(axis=(0, 2, 3, 4))
    assert skin[0] > skin[1] > skin[2]  # red before green before blue, in the middle of an aligned face
