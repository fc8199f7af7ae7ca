import numpy as np
import pytest
import torch

from maedfer.data.crops import CroppedClips
from maedfer.data.dataset import CachedDataset, DecodedDataset, frame_choice, span_choice
from maedfer.data.manifest import ClipEntry
from maedfer.errors import DecodeError
from maedfer.video.encode import write_video


@pytest.mark.parametrize(("available", "wanted"), [(16, 4), (16, 16), (16, 2), (17, 4), (5, 5)])
def test_chosen_frames_are_even_and_inside(available, wanted):
    for seed in range(20):
        chosen = frame_choice(available, wanted, np.random.default_rng(seed))
        assert len(chosen) == wanted
        assert chosen[0] >= 0
        assert chosen[-1] < available
        assert len(set(np.diff(chosen))) <= 1


def test_a_short_video_repeats_its_last_frame():
    assert span_choice(10, 4, 4, None) == [0, 4, 8, 9]
    assert span_choice(1, 4, 4, np.random.default_rng(0)) == [0, 0, 0, 0]


def test_a_long_video_gives_a_random_span_of_64_source_frames():
    starts = {span_choice(200, 16, 4, np.random.default_rng(seed))[0] for seed in range(50)}
    assert len(starts) > 20
    assert max(starts) <= 200 - 64
    assert span_choice(200, 16, 4, None)[0] == 68


def test_cached_choice_depends_on_epoch_and_row_alone():
    pixels = np.arange(3 * 16, dtype=np.uint8).reshape(3, 1, 16, 1, 1).repeat(3, 1)
    data = CachedDataset(CroppedClips(pixels, np.ones(3)), [2, 0], [5, 6], 4, train=True, seed=1)
    first = [data[0].clip[0, :, 0, 0].tolist() for _ in range(3)]
    assert first[0] == first[1] == first[2]
    seen = set()
    for epoch in range(12):
        data.epoch = epoch
        seen.add(tuple(data[0].clip[0, :, 0, 0].tolist()))
    assert len(seen) > 2
    assert (data[0].target, data[0].row, data[1].row) == (5, 2, 0)
    assert data[0].clip.dtype == torch.uint8


def numbered_video(path, count, size=(224, 224), fps=25.0):
    frames = [np.full((size[1], size[0], 3), 2 * index, np.uint8) for index in range(count)]
    write_video(path, frames, fps)
    return ClipEntry(0, path.name, path, "happy", "s", "train")


def test_decoded_clip_takes_every_fourth_source_frame(tmp_path):
    entry = numbered_video(tmp_path / "a.mp4", 80)
    data = DecodedDataset((entry,), [0], frames=16, size=32, crop="centre", sampling="span", train=False)
    clip = data[0].clip
    assert clip.shape == (3, 16, 32, 32)
    levels = clip.float().mean((0, 2, 3))
    assert torch.allclose(levels, torch.tensor([2.0 * (8 + 4 * k) for k in range(16)]), atol=4)


def test_fewer_frames_spread_over_the_same_span(tmp_path):
    entry = numbered_video(tmp_path / "a.mp4", 80)
    data = DecodedDataset((entry,), [0], frames=4, size=32, crop="centre", sampling="span", train=False)
    levels = data[0].clip.float().mean((0, 2, 3))
    assert torch.allclose(levels, torch.tensor([2.0 * (8 + 16 * k) for k in range(4)]), atol=4)


def test_a_decoded_clip_that_is_too_short_repeats_its_last_frame(tmp_path):
    entry = numbered_video(tmp_path / "a.mp4", 10)
    data = DecodedDataset((entry,), [0], frames=16, size=32, crop="centre", sampling="span", train=True)
    levels = data[0].clip.float().mean((0, 2, 3))
    assert torch.allclose(levels, torch.tensor([0.0, 8.0, 16.0] + [18.0] * 13), atol=3)


def test_voxceleb2_crop_refuses_another_size(tmp_path):
    entry = numbered_video(tmp_path / "a.mp4", 4, size=(96, 64))
    data = DecodedDataset((entry,), None, frames=4, size=160, crop="voxceleb2", sampling="span", train=False)
    with pytest.raises(DecodeError, match="224x224"):
        data[0]
