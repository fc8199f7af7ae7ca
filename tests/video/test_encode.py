"""What is written can be read back, and nothing half-written stays."""

from pathlib import Path

import numpy as np
import pytest

from maedfer.errors import ConfigError, OutputError
from maedfer.video.decode import probe, read_frames, write_video


def test_round_trip(tmp_path: Path, draw):
    images = [draw((96, 128), [(20 + 4 * k, 48, 15, (220, 40, 40))]) for k in range(20)]
    path = tmp_path / "a.mp4"
    write_video(path, iter(images), 12.5, crf=12)
    frames = list(read_frames(path))
    assert [f.time_s for f in frames] == pytest.approx([k / 12.5 for k in range(20)])
    assert max(np.abs(f.image.astype(int) - image).mean() for f, image in zip(frames, images, strict=True)) < 3
    assert probe(path).codec == "h264"


def test_odd_sizes_gain_a_copy_of_the_border(tmp_path: Path):
    path = tmp_path / "a.mp4"
    write_video(path, [np.full((33, 47, 3), 120, np.uint8)] * 2, 25.0)
    image = next(read_frames(path)).image
    assert image.shape == (34, 48, 3)
    assert np.abs(image.astype(int) - 120).max() < 5


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "a.mp4"
    path.write_text("old")
    image = np.zeros((32, 32, 3), np.uint8)

    def breaking():
        yield image
        raise RuntimeError("renderer stopped")

    with pytest.raises(RuntimeError):
        write_video(path, breaking(), 25.0)
    with pytest.raises(OutputError, match="one frame"):
        write_video(path, [], 25.0)
    with pytest.raises(OutputError, match="shape"):
        write_video(path, [image, np.zeros((34, 32, 3), np.uint8)], 25.0)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert path.read_text() == "old"


def test_settings_out_of_range(tmp_path: Path):
    image = [np.zeros((32, 32, 3), np.uint8)]
    for fps, crf in ((0.0, 23), (float("inf"), 23), (25.0, 60)):
        with pytest.raises(ConfigError):
            write_video(tmp_path / "a.mp4", image, fps, crf=crf)
    with pytest.raises(OutputError, match="folder"):
        write_video(tmp_path / "no" / "a.mp4", image, 25.0)
