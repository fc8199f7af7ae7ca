"""True times, true orientation, honest errors."""

import socket
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from maedfer.errors import ConfigError, DecodeError
from maedfer.video.container import Clock
from maedfer.video.decode import probe, read_frames, sample_by_time
from maedfer.video.frames_at import opened_grid

RATE = 6.25


def corner_image(size: tuple[int, int] = (64, 96)) -> np.ndarray:
    """White top left quarter on black."""
    image = np.zeros((*size, 3), np.uint8)
    image[: size[0] // 2, : size[1] // 2] = 255
    return image


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mkv", "libx264", "yuv420p10le"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.mov", "mpeg4", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.ts", "libx264", "yuv420p"),
        ("a.gif", "gif", "rgb8"),
    ],
)
def test_every_container_gives_all_frames_at_their_times(
    tmp_path: Path, make_video, numbered, number_of, name, codec, pix_fmt
):
    path = make_video(tmp_path / name, numbered(30), codec=codec, pix_fmt=pix_fmt)
    frames = list(read_frames(path))
    assert [f.time_s for f in frames] == pytest.approx([k / 25 for k in range(30)], abs=2e-3)
    assert all(f.image.shape == (64, 96, 3) and f.image.dtype == np.uint8 for f in frames)
    if codec != "gif":  # its palette is too coarse to count by
        assert [number_of(f.image) for f in frames] == list(range(30))
    info = probe(path)
    assert (info.width, info.height, info.rotation) == (96, 64, 0)
    assert info.frame_rate == pytest.approx(25, rel=0.01)
    assert info.duration_s is None or info.duration_s == pytest.approx(1.2, abs=0.1)


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60])
def test_sampling_gives_the_frame_shown_at_each_instant(tmp_path: Path, make_video, numbered, number_of, fps):
    path = make_video(tmp_path / "a.mkv", numbered(2 * fps), fps=fps)
    frames = list(read_frames(path, rate=RATE))
    instants = [k / RATE for k in range(13)]
    assert [f.time_s for f in frames] == pytest.approx(instants, abs=1e-9)
    shown = [number_of(f.image) for f in frames]
    assert shown == [int(t * fps + 1e-6) % 40 for t in instants]


def test_varying_frame_rate_is_sampled_by_time(tmp_path: Path, make_video, numbered, number_of):
    times = [0.0, 0.04, 0.5, 0.54, 0.58, 1.3, 1.34]
    path = make_video(tmp_path / "a.mp4", numbered(len(times)), times=times)
    frames = [f for f in read_frames(path, rate=10.0) if f.time_s <= 1.35]
    assert [f.time_s for f in frames] == pytest.approx([k / 10 for k in range(14)])
    assert [number_of(f.image) for f in frames] == [0, 1, 1, 1, 1, 2, 4, 4, 4, 4, 4, 4, 4, 5]


def test_first_frame_is_time_zero_when_stamps_start_late_or_below_zero(tmp_path: Path, make_video, numbered):
    for start in (5.0, -0.2):
        path = make_video(tmp_path / "a.mkv", numbered(5), times=[start + k / 25 for k in range(5)])
        assert [f.time_s for f in read_frames(path)] == pytest.approx([k / 25 for k in range(5)], abs=2e-3)


def test_clock_survives_missing_doubled_and_jumping_stamps():
    clock = Clock(0.04)
    stamps = [None, 9.04, 9.04, 9.16, 1e6, 1e6 + 0.04, 2.0, 2.04]
    times = [clock.tick(stamp) for stamp in stamps]
    assert times == pytest.approx([0, 0.04, 0.08, 0.16, 0.2, 0.24, 0.28, 0.32])


@pytest.mark.parametrize(("counterclockwise", "clockwise"), [(90, 270), (180, 180), (-90, 90)])
def test_rotation_metadata_is_applied(tmp_path: Path, make_video, counterclockwise, clockwise):
    path = make_video(tmp_path / "a.mp4", [corner_image()] * 3, rotation=counterclockwise)
    info = probe(path)
    frame = next(read_frames(path))
    expected = np.rot90(corner_image(), counterclockwise // 90)
    assert info.rotation == clockwise
    assert (info.height, info.width) == expected.shape[:2] == frame.image.shape[:2]
    assert np.abs(frame.image.astype(int) - expected).mean() < 12
    with opened_grid(path, 25.0) as grid:
        small = grid.at([0], np.copy, 32)[0]
    shrunk = cv2.resize(np.ascontiguousarray(expected), small.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert min(small.shape[:2]) == 32
    assert np.abs(small.astype(int) - shrunk).mean() < 12


@pytest.mark.parametrize(("orientation", "quarters"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_a_photograph_is_turned_as_it_says(tmp_path: Path, orientation, quarters):
    jpeg = cv2.imencode(".jpg", corner_image())[1].tobytes()
    entry = (0x0112).to_bytes(2, "big") + (3).to_bytes(2, "big") + (1).to_bytes(4, "big")
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + entry + orientation.to_bytes(2, "big") + bytes(6)
    data = jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:]
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.jpg").write_bytes(data)
    expected = np.rot90(corner_image(), quarters)
    with opened_grid(tmp_path / "a", 25.0) as grid:
        chosen = grid.at([0], lambda image: image)[0]
    for image in (next(read_frames(tmp_path / "a" / "1.jpg")).image, chosen):
        assert image.shape == expected.shape
        assert np.abs(image.astype(int) - expected).mean() < 12


def test_pixels_become_square(tmp_path: Path, make_video, numbered):
    path = make_video(tmp_path / "a.mp4", numbered(3), aspect=Fraction(4, 3))
    assert (probe(path).width, probe(path).height) == (128, 64)
    assert next(read_frames(path)).image.shape == (64, 128, 3)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi"])
@pytest.mark.parametrize("start_s", [0.5, 2.6, 3.9])
def test_a_span_is_the_same_with_and_without_seeking(tmp_path: Path, make_video, numbered, number_of, name, start_s):
    codec = "mpeg4" if name == "a.avi" else "libx264"
    path = make_video(tmp_path / name, numbered(120), keyframes=25, codec=codec)
    part = list(read_frames(path, start_s=start_s, end_s=start_s + 0.4))
    whole = [f for f in read_frames(path) if start_s - 1e-6 <= f.time_s < start_s + 0.4 - 1e-6]
    assert [f.time_s for f in part] == pytest.approx([f.time_s for f in whole], abs=1e-6)
    assert len(part) == 10
    assert [number_of(f.image) for f in part] == [number_of(f.image) for f in whole]
    sampled = list(read_frames(path, rate=RATE, start_s=start_s, end_s=start_s + 0.64))
    assert [f.time_s for f in sampled] == pytest.approx([start_s + k / RATE for k in range(4)])
    assert list(read_frames(path, rate=RATE, start_s=50.0)) == []


def test_large_pictures_are_shrunk_and_small_ones_left(tmp_path: Path, make_video, numbered):
    path = make_video(tmp_path / "a.mp4", numbered(2, (120, 200)))
    assert next(read_frames(path, max_side=100)).image.shape == (60, 100, 3)
    assert next(read_frames(path, max_side=4000)).image.shape == (120, 200, 3)


def test_only_sampled_frames_are_converted(tmp_path: Path, make_video, numbered, monkeypatch):
    import maedfer.video.picture as picture

    calls = []
    convert = picture.Picture.rgb
    monkeypatch.setattr(picture.Picture, "rgb", lambda self, side=None: calls.append(1) or convert(self, side))
    frames = list(read_frames(make_video(tmp_path / "a.mp4", numbered(50)), rate=5.0))
    assert len(frames) == len(calls) == 10


def test_folder_in_natural_order(tmp_path: Path, number_of):
    for index in (0, 1, 2, 9, 10, 11):
        cv2.imwrite(str(tmp_path / f"frame_{index}.png"), np.full((32, 40, 3), 20 + 5 * index, np.uint8))
    (tmp_path / "notes.txt").write_text("not a frame")
    (tmp_path / ".hidden.png").write_text("not a frame")
    frames = list(read_frames(tmp_path, folder_fps=10.0))
    assert [number_of(f.image) for f in frames] == [0, 1, 2, 9, 10, 11]
    assert [f.time_s for f in frames] == pytest.approx([k / 10 for k in range(6)])
    info = probe(tmp_path, folder_fps=10.0)
    assert (info.codec, info.duration_s, info.frame_rate, info.width) == ("images", 0.6, 10, 40)
    assert len(list(read_frames(tmp_path, folder_fps=10.0, rate=5.0))) == 3


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp", "odd %03d [1].png", "odd*.jpg"])
def test_single_image_is_one_frame(tmp_path: Path, name):
    path = tmp_path / name
    ok, data = cv2.imencode(path.suffix, corner_image())
    assert ok
    path.write_bytes(data.tobytes())
    (frame,) = read_frames(path, rate=RATE)
    info = probe(path)
    assert (frame.time_s, info.duration_s, info.frame_rate, info.codec) == (0.0, None, None, "images")
    assert np.abs(frame.image.astype(int) - corner_image()).mean() < 6


@pytest.mark.parametrize("kind", ["grey", "alpha", "16 bit"])
def test_unusual_pixels_become_rgb(tmp_path: Path, kind):
    image = corner_image()
    stored = {
        "grey": image[..., 0],
        "alpha": np.dstack([image, np.full(image.shape[:2], 200, np.uint8)]),
        "16 bit": image.astype(np.uint16) * 257,
    }[kind]
    path = tmp_path / "a.png"
    assert cv2.imwrite(str(path), stored)
    (frame,) = read_frames(path)
    assert np.abs(frame.image.astype(int) - image).max() <= 2


def test_red_is_red(tmp_path: Path, make_video):
    path = make_video(tmp_path / "a.mp4", [np.full((64, 64, 3), (220, 30, 60), np.uint8)] * 2)
    assert np.abs(next(read_frames(path)).image.mean(axis=(0, 1)) - (220, 30, 60)).max() < 6


def test_truncated_file_delivers_what_came_before(tmp_path: Path, make_video, numbered, number_of):
    whole = make_video(tmp_path / "a.mkv", numbered(50))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    frames = list(read_frames(cut))
    assert 5 < len(frames) < 50
    assert [f.time_s for f in frames[:5]] == pytest.approx([k / 25 for k in range(5)])
    # Reordered pictures may be lost at the very end; those that came keep their own times.
    assert [number_of(f.image) for f in frames] == [round(f.time_s * 25) % 40 for f in frames]


def test_a_file_whose_index_was_cut_off_is_refused(tmp_path: Path, make_video, numbered):
    whole = make_video(tmp_path / "a.mp4", numbered(50))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(DecodeError, match="broken"):
        next(read_frames(cut))


def test_damage_inside_keeps_the_times_of_the_rest(tmp_path: Path, make_video, numbered):
    noise = np.random.default_rng(0).integers(0, 255, (100, 64, 96, 3), dtype=np.uint8)
    path = make_video(tmp_path / "a.ts", list(noise))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = b"\x55" * 300
    path.write_bytes(bytes(data))
    times = [f.time_s for f in read_frames(path)]
    assert 80 < len(times) <= 100
    assert times[-1] == pytest.approx(99 / 25, abs=2e-3)
    assert all(b > a for a, b in pairwise(times))
    assert np.allclose(np.array(times) * 25, np.round(np.array(times) * 25), atol=0.05)


def audio_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("name", "prepare", "word"),
    [
        ("missing.mp4", lambda p: None, "nothing"),
        ("empty.mp4", lambda p: p.write_bytes(b""), "empty"),
        ("text.mp4", lambda p: p.write_text("I am no video.\n" * 99), "something else"),
        ("text.txt", lambda p: p.write_text("I am no video.\n" * 99), "text file"),
        ("titles.srt", lambda p: p.write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n\n"), "only subtitle"),
        ("sound.mp4", audio_only, "only audio"),
        ("broken.jpg", lambda p: p.write_bytes(b"\xff\xd8\xff\xe0" + bytes(200)), "picture"),
        ("folder", lambda p: p.mkdir(), "no image"),
    ],
)
def test_unreadable_sources_say_so_in_one_line(tmp_path: Path, capfd, name, prepare, word):
    path = tmp_path / name
    prepare(path)
    for read in (probe, lambda p: list(read_frames(p))):
        with pytest.raises(DecodeError) as caught:
            read(path)
        message = str(caught.value)
        assert word in message
        assert message.startswith(str(path))
        assert "\n" not in message
    assert capfd.readouterr() == ("", "")


def test_absurd_dimensions_are_refused_before_they_are_decoded(tmp_path: Path):
    path = tmp_path / "wide.png"
    cv2.imwrite(str(path), np.zeros((2, 20000), np.uint8))
    with pytest.raises(DecodeError, match="at most 16384"):
        list(read_frames(path))


def test_settings_out_of_range(tmp_path: Path, make_video, numbered):
    path = make_video(tmp_path / "a.mp4", numbered(2))
    for wrong in (
        {"rate": 0.0},
        {"rate": float("nan")},
        {"start_s": -1.0},
        {"start_s": 2.0, "end_s": 1.0},
        {"max_side": 0},
    ):
        with pytest.raises(ConfigError):
            read_frames(path, **wrong)


def test_sampling_frames_that_start_late():
    shown = [(10.0, 0.0, "a"), (10.3, 0.0, "b")]
    assert list(sample_by_time(shown, 10.0)) == [
        (10.0, "a"), (pytest.approx(10.1), "a"), (pytest.approx(10.2), "a"), (pytest.approx(10.3), "b")
    ]  # fmt: skip


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.2,\n{}\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.m3u8", PLAYLIST),
        ("list.mp4", PLAYLIST),
        ("list.ffconcat", "ffconcat version 1.0\nfile {}\n"),
        ("list.mp4", "ffconcat version 1.0\nfile {}\n"),
        (
            "list.sdp",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        ),
    ],
)
@pytest.mark.parametrize("kind", ["neighbour", "absolute", "address"])
def test_a_file_cannot_make_us_open_another(tmp_path: Path, make_video, numbered, name, text, kind):
    other = make_video(tmp_path / "other.ts", numbered(30))
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/other.ts"
        target = {"neighbour": other.name, "absolute": str(other), "address": address}[kind]
        path = tmp_path / name
        path.write_text(text.replace("{}", target))
        for read in (probe, lambda p: list(read_frames(p))):
            with pytest.raises(DecodeError, match=r"playlist|something else"):
                read(path)
        with pytest.raises(TimeoutError):  # nobody called
            server.accept()


def test_a_path_may_be_a_string_and_look_like_a_protocol(tmp_path: Path, make_video, numbered, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "a.mp4", numbered(3)).rename("http:a.mp4")
    assert len(list(read_frames("http:a.mp4"))) == 3
    assert probe("http:a.mp4").source == "http:a.mp4"
    with pytest.raises(DecodeError, match="nothing"):
        probe("-")
    with pytest.raises(DecodeError, match="looked up"):
        probe("x" * 5000)


def test_a_bad_picture_in_a_folder_holds_the_one_before(tmp_path: Path) -> None:
    for index in range(5):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((16, 16, 3), 40 * index, np.uint8))
    (tmp_path / "3.png").write_bytes(b"no picture")
    assert [frame.image[0, 0, 0] for frame in read_frames(tmp_path)] == [0, 40, 80, 80, 160]
    (tmp_path / "0.png").write_bytes(b"no picture")
    with pytest.raises(DecodeError):
        list(read_frames(tmp_path))
