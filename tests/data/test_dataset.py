import itertools
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
import torch

from maedfer.data.clip_frames import FrameRoom, frame_choice, span_choice
from maedfer.data.crops import CroppedClips
from maedfer.data.dataset import CachedDataset, DecodedDataset
from maedfer.data.manifest import ClipEntry
from maedfer.errors import DecodeError
from maedfer.video import frames_at
from maedfer.video.container import Clock
from maedfer.video.decode import read_frames
from maedfer.video.encode import write_video
from maedfer.video.frames_at import opened_grid


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


def drawn(index, size=64):
    """A frame unlike its neighbours."""
    image = np.full((size, size, 3), 40 + index % 7 * 20, np.uint8)
    cv2.circle(image, (8 + index * 3 % (size - 16), 8 + index * 5 % (size - 16)), 7, (250, 10 * index % 255, 30), -1)
    return image


def encoded(path, times, options, codec="libx264"):
    """A video with pictures at given times (in 1/600 s)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 600)
        for index, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(drawn(index), format="rgb24")
            frame.pts, frame.time_base = int(time), Fraction(1, 600)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def uneven(count):
    return np.cumsum(np.random.default_rng(3).integers(8, 60, count))


VIDEOS = {
    "one group, B-frames": ("a.mp4", np.arange(110) * 24, {"bf": "3"}),
    "short groups": ("a.mp4", np.arange(110) * 24, {"g": "7", "bf": "2"}),
    "odd groups, pyramid": ("a.mkv", np.arange(110) * 24, {"g": "23", "bf": "5", "b-pyramid": "normal", "refs": "4"}),
    "open groups": ("a.mp4", np.arange(110) * 24, {"g": "9", "x264-params": "open-gop=1:bframes=3"}),
    "60 a second": ("a.mp4", np.arange(260) * 10, {"g": "30"}),
    "10 a second": ("a.mp4", np.arange(50) * 60, {"g": "11"}),
    "a varying rate": ("a.mp4", uneven(130), {"g": "16", "bf": "3"}),
    "a late start": ("a.mp4", 700 + np.arange(110) * 24, {"g": "20"}),
    "transport stream": ("a.ts", np.arange(110) * 24, {"g": "13", "bf": "3"}),
    "every picture a key": ("a.mp4", np.arange(110) * 24, {"g": "1"}),
}


@pytest.mark.parametrize("kind", VIDEOS)
def test_chosen_frames_are_those_of_a_whole_decode(tmp_path, kind):
    name, times, options = VIDEOS[kind]
    path = encoded(tmp_path / name, times, options)
    whole = [frame.image for frame in read_frames(path, rate=25.0)]
    assert len(whole) > 90
    for start in (0, 1, 22, 47, 63, 80, len(whole) - 1):
        wanted = [start + 3 * step for step in range(16)]
        with opened_grid(path, 25.0) as video:
            found = video.at(wanted, lambda image: image)
        expected = [whole[min(index, len(whole) - 1)] for index in wanted]
        assert [np.array_equal(a, b) for a, b in zip(found, expected, strict=True)] == [True] * 16
        assert (video.last is None) == (wanted[-1] < len(whole))
    with opened_grid(path, 25.0) as video:
        assert video.at([len(whole) + 1], lambda image: image) == []


def test_pictures_that_are_not_shown_are_not_decoded(tmp_path, monkeypatch):
    path = encoded(tmp_path / "a.mp4", np.arange(100) * 24, {"bf": "3", "b-pyramid": "none", "b_strategy": "0"})
    seen, tick = [], Clock.tick
    monkeypatch.setattr(Clock, "tick", lambda clock, stamp: seen.append(stamp) or tick(clock, stamp))
    with opened_grid(path, 25.0) as video:
        video.at([60, 64, 68], lambda image: image)
    assert len(seen) < 45  # of 69 up to the last one


def test_of_a_folder_only_the_chosen_images_are_read(tmp_path, monkeypatch):
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(90):
        cv2.imwrite(str(folder / f"f{index}.png"), drawn(index)[..., ::-1])
    (folder / "f30.png").write_bytes(b"broken")
    for fps in (25.0, 30.0, 10.0):
        whole = [frame.image for frame in read_frames(folder, rate=25.0, folder_fps=fps)]
        for start in (0, 26, 40):
            wanted = [start + 4 * step for step in range(16)]
            with opened_grid(folder, 25.0, folder_fps=fps) as video:
                found = video.at(wanted, lambda image: image)
            assert all(np.array_equal(a, whole[min(i, len(whole) - 1)]) for i, a in zip(wanted, found, strict=True))
    read = []
    original = cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda *given: read.append(1) or original(*given))
    entry = ClipEntry(0, "frames", folder, "happy", "s", "train", fps=25.0)
    data = DecodedDataset((entry,), [0], frames=16, size=32, crop="centre", sampling="span", train=True)
    assert data[0].clip.shape == (3, 16, 32, 32)
    assert 0 < len(read) <= 17


def test_repeats_are_what_single_visits_give_and_differ(tmp_path):
    path = encoded(tmp_path / "a.mp4", np.arange(150) * 24, {"g": "40"})
    entry = ClipEntry(7, "a", path, "", "", "train")
    data = DecodedDataset((entry,), None, frames=16, size=64, crop="centre", sampling="span", train=True, seed=5)
    together = data.clips(0, 2, (0, 1, 2))
    alone = [data.clips(0, 2, (repeat,))[0] for repeat in range(3)]
    assert all(torch.equal(a.clip, b.clip) for a, b in zip(together, alone, strict=True))
    assert not torch.equal(together[0].clip, together[1].clip)
    assert not torch.equal(together[0].clip, data.clips(0, 3, (0,))[0].clip)
    assert [sample.row for sample in together] == [7, 7, 7]


@pytest.mark.parametrize("colours", ["", "colorprim=bt709:colormatrix=bt709:range=pc"])
def test_a_picture_that_is_shrunk_before_it_is_rgb_is_the_mean_over_areas(tmp_path, colours):
    yy, xx = np.mgrid[0:224, 0:224] / 224.0
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "8", "x264-params": colours})
        stream.width, stream.height, stream.pix_fmt = 224, 224, "yuv420p"
        for index in range(20):
            image = np.stack([xx, yy, (1 + np.sin(9 * xx * yy + index / 5)) / 2], -1) * 200 + 20
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image.astype(np.uint8), format="rgb24")))
        container.mux(stream.encode())
    with opened_grid(path, 25.0) as video:
        small = video.at([12], np.copy, 160)[0]
    large = next(itertools.islice(read_frames(path, rate=25.0), 12, None)).image
    mean = cv2.resize(large, (160, 160), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(small - mean).mean() < 1
    assert np.abs((small - mean).mean((0, 1))).max() < 0.5  # no colour is brighter or darker


@pytest.mark.parametrize("pixels", ["yuv444p", "yuv422p"])
def test_what_is_no_420_is_shrunk_while_it_becomes_rgb(tmp_path, pixels):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, pixels
        for index in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(drawn(index), format="rgb24")))
        container.mux(stream.encode())
    with opened_grid(path, 25.0) as video:
        small = video.at([12], np.copy, 40)[0]
    direct = next(itertools.islice(read_frames(path, rate=25.0, max_side=40), 12, None)).image
    assert np.array_equal(small, direct)


def test_a_container_that_promises_too_much_is_read_from_the_start(tmp_path, monkeypatch):
    path = encoded(tmp_path / "a.mp4", np.arange(70) * 24, {})
    monkeypatch.setattr("maedfer.video.frames_at.duration_of", lambda *_: 400.0)
    entry = ClipEntry(0, "a", path, "", "", "train")
    data = DecodedDataset((entry,), None, frames=16, size=64, crop="centre", sampling="span", train=True)
    first = drawn(0).astype(int)
    clip = data[0].clip[:, 0].permute(1, 2, 0).numpy().astype(int)
    assert np.abs(clip - first).mean() < 8


@pytest.mark.parametrize("content", [b"", b"no video at all" * 40])
def test_what_is_no_video_is_named(tmp_path, content):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    entry = ClipEntry(0, "some/clip.mp4", path, "", "", "train")
    data = DecodedDataset((entry,), None, frames=4, size=32, crop="centre", sampling="span", train=True)
    with pytest.raises(DecodeError, match=r"some/clip\.mp4"):
        data[0]


def test_a_cut_off_video_gives_what_there_is(tmp_path):
    path = encoded(tmp_path / "a.ts", np.arange(100) * 24, {"g": "10"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    entry = ClipEntry(0, "a", path, "", "", "train")
    data = DecodedDataset((entry,), None, frames=16, size=32, crop="centre", sampling="span", train=True)
    assert data[0].clip.shape == (3, 16, 32, 32)


def test_a_broken_crop_is_named_when_it_is_asked_for():
    crops = CroppedClips(np.zeros((2, 3, 4, 8, 8), np.uint8), np.array([1.0, -1.0]), {1: "b.mp4: no pictures"})
    data = CachedDataset(crops, [0, 1], None, 4, train=True)
    assert data[0].row == 0
    with pytest.raises(DecodeError, match=r"b\.mp4"):
        data[1]


def test_no_more_is_decoded_than_leads_to_the_last_instant(tmp_path, monkeypatch):
    """The pictures are those of a whole pass, and the decoder gets hardly more than the packets up to the last."""
    rng = np.random.default_rng(5)
    still = rng.integers(0, 255, (48, 64, 3), np.uint8)
    path = tmp_path / "moves.mp4"
    write_video(path, [np.roll(still, index, axis=1) for index in range(90)], 25.0)
    whole = [frame.image for frame in read_frames(path, rate=25.0)]
    given = []
    judged = frames_at._judged

    def counted(*arguments):
        for packet, *more in judged(*arguments):
            given.append(packet)
            yield packet, *more

    monkeypatch.setattr(frames_at, "_judged", counted)
    with opened_grid(path, 25.0) as video:
        found = video.at([3, 10, 30], np.copy)
        assert video.last is None
    for index, image in zip((3, 10, 30), found, strict=True):
        assert np.array_equal(image, whole[index])
    assert 31 <= len([packet for packet in given if packet is not None]) <= 36  # B-pictures wait for a later one


@pytest.mark.parametrize("steps", [(10, 40, 40, 90), (40, 40, 40, 40, 40, 2000)])
def test_the_last_picture_of_an_uneven_video_with_b_pictures_stands_until_the_next(tmp_path, steps):
    """In mp4 a packet's duration is that to the next packet of the file, not to the next picture shown."""
    rng = np.random.default_rng(3)
    times = np.concatenate([[0], np.cumsum(rng.choice(steps, 79))])
    path = encoded(tmp_path / "a.mp4", times, {"bf": "8", "g": "250", "preset": "veryfast"})
    whole = {round(frame.time_s * 25): frame.image for frame in read_frames(path, rate=25.0)}
    for index in range(0, max(whole), max(1, max(whole) // 40)):
        with opened_grid(path, 25.0) as video:
            (image,) = video.at([index], np.copy)
        assert np.array_equal(image, whole[index])


def test_a_file_that_vanished_is_named(tmp_path):
    entry = ClipEntry(0, "some/clip.mp4", tmp_path / "gone.mp4", "", "", "train")
    data = DecodedDataset((entry,), None, frames=4, size=32, crop="centre", sampling="span", train=True)
    with pytest.raises(DecodeError, match=r"some/clip\.mp4.*No such file"):
        data[0]


def test_repeats_that_are_drawn_alike_do_not_share_their_memory(tmp_path):
    entry = ClipEntry(0, "a", encoded(tmp_path / "a.mp4", np.arange(20) * 24, {}), "", "", "train")
    data = DecodedDataset((entry,), None, frames=16, size=32, crop="centre", sampling="every", train=False)
    one, other = (sample.clip for sample in data.clips(0, 0, (0, 1)))
    assert torch.equal(one, other)
    assert one.data_ptr() != other.data_ptr()


def test_room_is_for_pictures_of_one_size():
    room = FrameRoom(2, 8)
    with pytest.raises(ValueError, match=r"\(8, 8\) pixels, got \(9, 9, 3\)"):
        room.add(np.zeros((9, 9, 3), np.uint8))
