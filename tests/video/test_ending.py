"""A file that breaks off is noticed; one that is whole never is, whatever its container says."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from maedfer.errors import DecodeError
from maedfer.video.decode import probe, read_frames
from maedfer.video.ending import ending_lost_s

SECONDS = 8
CODECS = {".webm": ("libvpx", "libopus"), ".avi": ("mpeg4", "mp3"), ".mxf": ("mpeg2video", "pcm_s16le")}
QUICK = {"libx264": {"preset": "ultrafast"}, "libvpx": {"deadline": "realtime", "cpu-used": "8"}}


def film(
    path: Path,
    *,
    sound_s: float = SECONDS,
    times: list[float] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Noise for 8 s (or pictures at ``times``) with a tone of another length, interleaved as a camera would."""
    video, audio = CODECS.get(path.suffix, ("libx264", "aac"))
    noise = np.random.default_rng(0).integers(0, 255, (8, 48, 64, 3), dtype=np.uint8)
    stamps = [k / 25 for k in range(SECONDS * 25)] if times is None else times
    with av.open(str(path), "w", options=options or {}) as container:
        pictures = container.add_stream(video, rate=25, options=QUICK.get(video, {}))
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        pictures.codec_context.gop_size = 25
        if times is not None:
            pictures.codec_context.time_base = Fraction(1, 1000)
        sound = container.add_stream(audio, rate=48000, layout="mono") if sound_s else None
        packets = []
        for index, time_s in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(noise[index % len(noise)], format="rgb24")
            frame.pts, frame.time_base = (index, Fraction(1, 25)) if times is None else (
                round(time_s * 1000), Fraction(1, 1000))  # fmt: skip
            packets += pictures.encode(frame)
        packets += pictures.encode()
        if sound is not None:
            packets += tone(sound, sound_s)
        for packet in sorted(packets, key=lambda p: float((p.dts or 0) * p.time_base)):
            container.mux(packet)
    return path


def tone(stream: av.AudioStream, seconds: float) -> list[av.Packet]:
    packets: list[av.Packet] = []
    resampler = av.AudioResampler(stream.codec_context.format, "mono", 48000, stream.codec_context.frame_size or 960)
    for index in range(round(seconds * 50)):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, index * 960, Fraction(1, 48000)
        for part in resampler.resample(frame):
            packets += stream.encode(part)
    return packets + stream.encode()


def cut(path: Path, share: float = 0.6) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def lost(path: Path) -> tuple[float | None, float]:
    info = probe(path)
    decoded_s = list(read_frames(path, rate=25.0))[-1].time_s + 0.04
    return ending_lost_s(path, info, decoded_s), decoded_s


NAMES = ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.avi", "a.flv", "a.mxf"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_cut_short_is_noticed(tmp_path: Path, name: str):
    options = {"movflags": "faststart"} if name in ("a.mp4", "a.mov") else {}
    path = film(tmp_path / name, options=options)
    assert lost(path) == (None, pytest.approx(SECONDS, abs=0.1))
    missing, decoded_s = lost(cut(path))
    assert 3 < decoded_s < 6
    assert missing == pytest.approx(SECONDS - decoded_s, abs=0.15)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_a_file_whose_end_was_never_filled_in_is_noticed(tmp_path: Path, name: str):
    path = film(tmp_path / name, options={"movflags": "faststart"} if name == "a.mp4" else {})
    size = path.stat().st_size
    cut(path)
    with path.open("r+b") as file:
        file.truncate(size)
    missing, decoded_s = lost(path)
    assert missing == pytest.approx(SECONDS - decoded_s, abs=0.15)


def test_an_index_that_was_cut_off_is_refused_before(tmp_path: Path):
    with pytest.raises(DecodeError):
        probe(cut(film(tmp_path / "a.mp4")))


@pytest.mark.parametrize("name", ["a.ts", "a.mpg"])
def test_formats_that_do_not_say_how_long_they_are_hide_nothing(tmp_path: Path, make_video, numbered, name: str):
    path = make_video(tmp_path / name, numbered(100), codec="mpeg2video")
    assert lost(path)[0] is None
    assert lost(cut(path))[0] is None


@pytest.mark.parametrize("name", [name for name in NAMES if name != "a.mxf"])
@pytest.mark.parametrize("sound_s", [3.0, 14.0])
def test_sound_of_another_length_is_no_loss(tmp_path: Path, name: str, sound_s: float):
    assert lost(film(tmp_path / name, sound_s=sound_s))[0] is None


def test_sound_of_another_length_hides_no_loss(tmp_path: Path):
    missing, decoded_s = lost(cut(film(tmp_path / "a.mkv", sound_s=14.0)))
    assert missing == pytest.approx(SECONDS - decoded_s, abs=0.15)


def test_recordings_that_were_never_finished_hide_nothing(tmp_path: Path):
    for name in ("a.mkv", "a.webm", "a.mp4"):
        options = {"live": "1"} if name != "a.mp4" else {"movflags": "frag_keyframe+empty_moov"}
        path = film(tmp_path / name, options=options)
        assert lost(path)[0] is None
        cut(path)
        assert (lost(path)[0] or 0.0) < 2  # a part of the last fragment


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_varying_rates_and_slide_shows_are_no_loss(tmp_path: Path, name: str):
    slides = [0.0, 1.0, 8.0, 8.5]
    jitter = [k / 25 + 0.01 * (k % 3) for k in range(100) if k % 7]
    for times in (slides, jitter) if name != "a.avi" else (jitter,):
        assert lost(film(tmp_path / name, times=times, sound_s=0.0))[0] is None


def test_a_last_picture_that_stands_long_is_no_loss(tmp_path: Path):
    for name in ("a.mkv", "a.mp4"):
        path = film(tmp_path / name, times=[0.0, 0.04, 0.08], sound_s=20.0)
        info = probe(path)
        assert ending_lost_s(path, replace(info, duration_s=20.0), 0.12) is None


def test_a_trimmed_copy_with_an_edit_list_is_no_loss(tmp_path: Path):
    whole = film(tmp_path / "whole.mp4", sound_s=0.0)
    trimmed = tmp_path / "trimmed.mp4"
    with av.open(str(whole)) as source, av.open(str(trimmed), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.pts -= round(2.5 / packet.time_base)
                packet.dts -= round(2.5 / packet.time_base)
                packet.stream = stream
                target.mux(packet)
    missing, decoded_s = lost(trimmed)
    assert missing is None
    assert decoded_s < SECONDS - 1


@pytest.mark.parametrize("share", [0.96, 1.0, 1.2])
def test_headers_that_lie_a_little_are_no_loss(tmp_path: Path, share: float):
    path = film(tmp_path / "a.mkv", sound_s=0.0)
    assert ending_lost_s(path, probe(path), share * SECONDS) is None


def test_pictures_behind_damage_that_stopped_the_decoder_are_noticed(tmp_path: Path):
    path = film(tmp_path / "a.mkv", sound_s=0.0)
    assert ending_lost_s(path, probe(path), 3.0) == pytest.approx(SECONDS - 3, abs=0.1)


def test_images_folders_and_animations_have_no_end_to_lose(tmp_path: Path, make_video, numbered):
    path = make_video(tmp_path / "a.gif", numbered(50), codec="gif", pix_fmt="rgb8")
    assert lost(path)[0] is None
    assert ending_lost_s(tmp_path, replace(probe(path), codec="images", duration_s=100.0), 1.0) is None


def test_a_source_that_has_gone_meanwhile_is_judged_by_what_it_said(tmp_path: Path):
    path = film(tmp_path / "a.mkv", sound_s=0.0)
    info = probe(path)
    path.unlink()
    assert ending_lost_s(path, info, 3.0) == pytest.approx(SECONDS - 3, abs=0.1)
    assert ending_lost_s(path, info, 7.9) is None


def test_headers_of_nonsense_end_the_search(tmp_path: Path):
    for name in ("a.mp4", "a.mkv", "a.avi"):
        path = film(tmp_path / name, sound_s=0.0)
        with path.open("ab") as file:
            file.write(np.random.default_rng(1).bytes(5000))
        assert lost(path)[0] is None
