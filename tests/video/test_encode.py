"""What is written can be read back, and nothing half-written stays."""

import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from maedfer.errors import ConfigError, OutputError
from maedfer.video.decode import probe, read_frames, write_video
from maedfer.video.encode import write_timed
from maedfer.video.types import Frame


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


RATE = 48000
FLASH_S = 1.2


def film(
    path: Path,
    codec: str,
    *,
    seconds: float = 2.0,
    picture_from_s: float = 0.0,
    sound_from_s: float = 0.0,
    layout: str = "stereo",
    two_sounds: bool = False,
    hole: tuple[int, int] = (0, 0),
) -> Path:
    """A grey film with a white flash and a click together, ``FLASH_S`` after its first picture."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        sounds = [container.add_stream(codec, rate=RATE) for _ in range(1 + two_sounds)]
        for sound in sounds:
            sound.codec_context.layout = layout
            sound.disposition = Disposition.default if sound is sounds[-1] else Disposition(0)
            if codec == "vorbis":
                sound.codec_context.options = {"strict": "-2"}
        for index in range(round(seconds * 25)):
            grey = 235 if index == round(FLASH_S * 25) else 40
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), grey, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index + round(picture_from_s * 25), Fraction(1, 25)
            container.mux(video.encode(frame))
            for number, sound in enumerate([] if hole[0] <= index < hole[1] else sounds):
                container.mux(samples_of(sound, index, picture_from_s, sound_from_s, loud=number == two_sounds))
        for stream in (video, *sounds):
            container.mux(stream.encode())
    return path


def samples_of(sound: av.AudioStream, index: int, picture_from_s: float, sound_from_s: float, loud: bool) -> list:
    """One picture's time of sound: silence with a click where the flash is."""
    step = RATE // 25
    first = index * step
    if index == 0 and sound_from_s < picture_from_s:
        first, step = (
            round((sound_from_s - picture_from_s) * RATE),
            step + round((picture_from_s - sound_from_s) * RATE),
        )
    if (first + step) / RATE <= sound_from_s - picture_from_s:
        return []
    times = (first + np.arange(step)) / RATE
    inside = (times >= FLASH_S) & (times < FLASH_S + 0.02)
    wave = np.where(inside, (0.9 if loud else 0.1) * np.sin(2 * np.pi * 1000 * (times - FLASH_S)), 0)
    channels = sound.codec_context.channels
    frame = av.AudioFrame.from_ndarray(
        np.tile(wave.astype(np.float32), (channels, 1)), format="fltp", layout=sound.codec_context.layout.name
    )
    frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
    frame.pts = first + round(picture_from_s * RATE)
    return sound.encode(frame)


def flash_and_click(path: Path) -> tuple[float, float]:
    """When both are seen and heard, seconds after the first picture."""
    flash = next(frame.time_s for frame in read_frames(path) if frame.image.mean() > 150)
    with av.open(str(path)) as container:
        picture = next(container.decode(video=0))
        origin = float(picture.pts * picture.time_base)
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=RATE)
        for frame in container.decode(container.streams.audio[0]):
            start = frame.time - origin
            for made in resampler.resample(frame):
                loud = np.flatnonzero(np.abs(made.to_ndarray()) > 0.3)
                if len(loud):
                    return flash, start + loud[0] / RATE
    raise AssertionError(f"{path}: no click")


def packets_of(path: Path, kind: str) -> list[bytes]:
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


def lengths(path: Path) -> dict[str, float]:
    """Seconds of each kind of stream; by ffprobe too, where it is installed."""
    with av.open(str(path)) as container:
        found = {s.type: float(s.duration * s.time_base) for s in container.streams}
    if (probe_tool := shutil.which("ffprobe")) is not None:
        said = subprocess.run(
            [probe_tool, "-v", "error", "-show_entries", "stream=codec_type,duration", "-of", "json", str(path)],
            check=True,
            capture_output=True,
        )
        for stream in json.loads(said.stdout)["streams"]:
            assert float(stream["duration"]) == pytest.approx(found[stream["codec_type"]], abs=1e-3)
    return found


def annotated(source: Path, out: Path) -> Path:
    write_timed(out, read_frames(source), rate=25.0, sound=source)
    return out


def test_frames_keep_their_own_times(tmp_path: Path, numbered, number_of):
    times = [0.0, 0.04, 0.2, 0.2334, 1.0, 1.011, 1.9]
    images = numbered(len(times))
    path = tmp_path / "new" / "a.mp4"
    write_timed(path, (Frame(t, image) for t, image in zip(times, images, strict=True)), rate=25.0, end_s=2.5)
    frames = list(read_frames(path))
    assert [frame.time_s for frame in frames] == pytest.approx(times, abs=1e-4)
    assert [number_of(frame.image) for frame in frames] == list(range(len(times)))
    assert lengths(path)["video"] == pytest.approx(2.5, abs=1e-3)


def test_times_that_are_too_close_stay_in_order(tmp_path: Path, numbered):
    path = tmp_path / "a.mp4"
    write_timed(path, (Frame(t, image) for t, image in zip((0.0, 1e-6, 0.04), numbered(3), strict=True)), rate=25.0)
    times = [frame.time_s for frame in read_frames(path)]
    assert len(times) == 3
    assert times == sorted(times)
    assert lengths(path)["video"] == pytest.approx(0.08, abs=1e-3)


def test_timed_odd_sizes_and_colours(tmp_path: Path):
    path = tmp_path / "a.mp4"
    image = np.zeros((33, 47, 3), np.uint8)
    image[:] = (200, 60, 30)
    write_timed(path, [Frame(k / 25, image) for k in range(3)], rate=25.0, crf=10)
    shown = next(read_frames(path)).image
    assert shown.shape == (34, 48, 3)
    assert np.abs(shown.astype(int) - (200, 60, 30)).max() < 8


@pytest.mark.parametrize(
    ("codec", "suffix"), [("aac", "mp4"), ("aac", "mkv"), ("libopus", "mkv"), ("libmp3lame", "mp4")]
)
def test_sound_that_mp4_holds_is_copied(tmp_path: Path, codec: str, suffix: str):
    source = film(tmp_path / f"a.{suffix}", codec)
    out = annotated(source, tmp_path / "b.mp4")
    assert packets_of(out, "audio") == packets_of(source, "audio")
    flash, click = flash_and_click(out)
    assert flash == pytest.approx(FLASH_S, abs=1e-3)
    assert click == pytest.approx(FLASH_S, abs=0.02)
    assert lengths(out)["audio"] == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize(
    ("codec", "suffix", "layout"),
    [("vorbis", "mkv", "stereo"), ("pcm_s16le", "mov", "mono"), ("pcm_s16le", "mov", "5.1")],
)
def test_other_sound_becomes_aac(tmp_path: Path, codec: str, suffix: str, layout: str):
    source = film(tmp_path / f"a.{suffix}", codec, layout=layout)
    out = annotated(source, tmp_path / "b.mp4")
    with av.open(str(out)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
    flash, click = flash_and_click(out)
    assert click == pytest.approx(flash, abs=0.02)
    assert lengths(out)["video"] == pytest.approx(2.0, abs=0.04)


def test_sound_of_a_transport_stream_loses_only_its_headers(tmp_path: Path):
    source = film(tmp_path / "a.ts", "aac")
    out = annotated(source, tmp_path / "b.mp4")
    assert packets_of(out, "audio") == [packet[7:] for packet in packets_of(source, "audio")]
    assert flash_and_click(out) == pytest.approx((FLASH_S, FLASH_S), abs=0.02)


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
@pytest.mark.parametrize(("picture_from_s", "sound_from_s"), [(0.8, 0.0), (0.0, 0.6)])
def test_sound_that_begins_elsewhere_stays_in_sync(
    tmp_path: Path, codec: str, picture_from_s: float, sound_from_s: float
):
    source = film(tmp_path / "a.mkv", codec, picture_from_s=picture_from_s, sound_from_s=sound_from_s)
    before = flash_and_click(source)
    out = annotated(source, tmp_path / "b.mp4")
    assert before == pytest.approx((FLASH_S, FLASH_S), abs=0.02)
    assert flash_and_click(out) == pytest.approx((FLASH_S, FLASH_S), abs=0.02)
    with av.open(str(out)) as container:
        first = next(container.decode(container.streams.audio[0]))
        assert first.time == pytest.approx(max(0.0, sound_from_s - picture_from_s), abs=0.03)


@pytest.mark.parametrize("picture_from_s", [0.0, 0.6])
def test_a_hole_in_the_sound_is_filled_with_silence(tmp_path: Path, picture_from_s: float):
    source = film(tmp_path / "a.mkv", "pcm_s16le", picture_from_s=picture_from_s, hole=(5, 25))
    out = annotated(source, tmp_path / "b.mp4")
    assert flash_and_click(out) == pytest.approx((FLASH_S, FLASH_S), abs=0.02)
    assert lengths(out)["audio"] == pytest.approx(2.0, abs=0.05)


def test_the_default_of_several_sounds(tmp_path: Path):
    source = film(tmp_path / "a.mkv", "aac", two_sounds=True)
    with av.open(str(source)) as container:
        chosen = container.streams.audio[1]
        assert chosen.disposition & Disposition.default
        wanted = [bytes(packet) for packet in container.demux(chosen) if packet.size]
    assert packets_of(annotated(source, tmp_path / "b.mp4"), "audio") == wanted


def test_a_truncated_source_gives_what_it_holds(tmp_path: Path):
    whole = film(tmp_path / "a.ts", "aac")
    broken = tmp_path / "b.ts"
    broken.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    out = annotated(broken, tmp_path / "c.mp4")
    assert 0.5 < lengths(out)["video"] < 2.0


def test_no_sound_is_fine_and_failures_leave_nothing(tmp_path: Path, make_video, numbered):
    source = make_video(tmp_path / "a.mp4", numbered(10))
    assert "audio" not in lengths(annotated(source, tmp_path / "b.mp4"))
    frames = [Frame(0.0, np.zeros((32, 32, 3), np.uint8)), Frame(0.1, np.zeros((34, 32, 3), np.uint8))]
    for bad in (frames, []):
        with pytest.raises(OutputError, match="frame"):
            write_timed(tmp_path / "c.mp4", bad, rate=25.0)
    with pytest.raises(ConfigError):
        write_timed(tmp_path / "c.mp4", frames[:1], rate=0.0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]
