"""The annotated video: as long as its source, in sync, upright, and marked where and when faces were there."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from maedfer.errors import DecodeError, OutputError
from maedfer.report import FaceBox, ModelIdentity, Prediction, Settings, WindowPrediction
from maedfer.report.annotate import write_annotated
from maedfer.report.colours import colour_of
from maedfer.video.decode import probe, read_frames
from maedfer.video.encode import write_timed
from maedfer.video.types import Frame

LABELS = ("happy", "sad", "neutral")
SIZE = (320, 240)
FLASH_S = 1.0


def frames(times: Sequence[float], size: tuple[int, int] = SIZE) -> list[Frame]:
    """Grey pictures; one at ``FLASH_S`` is white."""
    width, height = size
    return [Frame(t, np.full((height, width, 3), 250 if abs(t - FLASH_S) < 1e-6 else 90, np.uint8)) for t in times]


def steady(seconds: float, rate: float = 25.0) -> list[float]:
    return [k / rate for k in range(round(seconds * rate))]


def clicking(path: Path, seconds: float) -> Path:
    """The steady film with a click at the flash, sound in AAC."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        sound = container.add_stream("aac", rate=48000)
        sound.codec_context.layout = "mono"
        for index, frame in enumerate(frames(steady(seconds))):
            picture = av.VideoFrame.from_ndarray(frame.image, format="rgb24")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            container.mux(video.encode(picture))
            time_s = (index * 1920 + np.arange(1920)) / 48000
            wave = np.where((time_s >= FLASH_S) & (time_s < FLASH_S + 0.02), np.sin(6000 * (time_s - FLASH_S)), 0)
            heard = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), format="fltp", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = 48000, index * 1920, Fraction(1, 48000)
            container.mux(sound.encode(heard))
        container.mux(video.encode())
        container.mux(sound.encode())
    return path


def path_of(time_s: float) -> tuple[float, float, float, float]:
    """Where the face is: it moves to the right at 20 pixels a second."""
    x = 60.0 + 20 * time_s
    return (x, 80.0, x + 60, 150.0)


def sightings(first_s: float, last_s: float, track: int = 0) -> list[FaceBox]:
    times = [k * 0.16 for k in range(100) if first_s <= k * 0.16 <= last_s]
    return [FaceBox(track, t, path_of(t), 0.9) for t in times]


def window(start: float, end: float, label: str, track: int = 0, confidence: float = 0.8) -> WindowPrediction:
    rest = (1 - confidence) / (len(LABELS) - 1)
    rows = tuple(confidence if name == label else rest for name in LABELS)
    return WindowPrediction(track, start, end, label, confidence, rows, 1.0)


def prediction(source: Path, faces: Sequence[FaceBox] = (), windows: Sequence[WindowPrediction] = ()) -> Prediction:
    info = probe(source)
    return Prediction(
        video=info,
        duration_s=info.duration_s or 1.0,
        labels=LABELS,
        model=ModelIdentity("tiny", None, "0"),
        settings=Settings(1.28, 2.56, 0.5, "cpu", "FakeDetector"),
        windows=tuple(windows),
        unseen=(),
        faces=tuple(sorted(faces, key=lambda face: face.time_s)),
    )


def duration(path: Path) -> float:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return float(stream.duration * stream.time_base)


def rgb(label: str) -> np.ndarray:
    colour = colour_of(label, LABELS)
    return np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])


def edge_is(frame: Frame, label: str) -> bool:
    """The colour of ``label`` on the left edge of the box, where the face is at that time."""
    x, y = round(path_of(frame.time_s)[0]), 115
    patch = frame.image[y - 2 : y + 3, x - 1 : x + 2].astype(int).mean(axis=(0, 1))
    return float(np.abs(patch - rgb(label)).max()) < 45


def inside_is_free(frame: Frame) -> bool:
    x0, y0, x1, y1 = (round(value) for value in path_of(frame.time_s))
    return float(np.abs(frame.image[y0 + 10 : y1 - 10, x0 + 10 : x1 - 10].astype(int) - 90).max()) < 25


def test_boxes_follow_the_face_and_are_not_drawn_in_gaps(tmp_path: Path) -> None:
    source, out = tmp_path / "a.mp4", tmp_path / "b.mp4"
    write_timed(source, frames([t for t in steady(4.0) if t != FLASH_S]), rate=25.0)
    faces = [*sightings(0.0, 1.3), *sightings(2.2, 3.3)]
    made = prediction(source, faces, [window(0.0, 1.5, "happy"), window(1.5, 4.0, "sad")])
    assert write_annotated(made, out) == out
    for frame in read_frames(out):
        shown = "happy" if frame.time_s < 1.5 else "sad"
        if frame.time_s <= 1.28 or 2.24 <= frame.time_s <= 3.2:
            assert edge_is(frame, shown), frame.time_s
            assert inside_is_free(frame), frame.time_s
        else:
            assert float(np.abs(frame.image[:200].astype(int) - 90).max()) < 25, frame.time_s


def test_a_face_that_is_there_at_the_end_stays_to_the_end(tmp_path: Path) -> None:
    source, out = tmp_path / "a.mp4", tmp_path / "b.mp4"
    write_timed(source, frames(steady(0.88)), rate=25.0)
    write_annotated(prediction(source, sightings(0.0, 0.81), [window(0.0, 0.88, "sad")]), out)
    last = list(read_frames(out))[-1]
    x, y = round(path_of(0.8)[0]), 115
    assert float(np.abs(last.image[y, x].astype(int) - rgb("sad")).max()) < 45


def test_short_misses_are_bridged_and_unjudged_faces_are_grey(tmp_path: Path) -> None:
    source, out = tmp_path / "a.mp4", tmp_path / "b.mp4"
    write_timed(source, frames(steady(0.96)), rate=25.0)
    faces = [face for face in sightings(0.0, 0.9) if face.time_s not in (0.32, 0.48)]
    write_annotated(prediction(source, faces), out)
    assert all(edge_is(frame, "unseen") for frame in read_frames(out) if frame.time_s <= 0.8)


@pytest.mark.parametrize(
    "times", [steady(2.0), steady(2.0, 30000 / 1001), [0.0, 0.03, 0.4, 0.5, 1.0, 1.2, 1.21, 1.9], [0.0, 0.5]]
)
def test_times_and_duration_are_the_sources(tmp_path: Path, times: list[float]) -> None:
    source, out = tmp_path / "a.mp4", tmp_path / "b.mp4"
    write_timed(source, frames(times), rate=25.0, end_s=times[-1] + 0.3)
    write_annotated(prediction(source, sightings(0.0, 0.9)), out)
    assert [f.time_s for f in read_frames(out)] == pytest.approx([f.time_s for f in read_frames(source)], abs=1e-4)
    assert duration(out) == pytest.approx(duration(source), abs=1e-3)


def test_phone_videos_come_out_upright(tmp_path: Path) -> None:
    source, out = tmp_path / "a.mp4", tmp_path / "b.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.set_display_rotation(90)
        for index, frame in enumerate(frames(steady(1.0))):
            picture = av.VideoFrame.from_ndarray(frame.image, format="rgb24")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    write_annotated(prediction(source, sightings(0.0, 1.0), [window(0.0, 1.0, "sad")]), out)
    info = probe(out)
    assert (info.width, info.height, info.rotation) == (240, 320, 0)
    assert duration(out) == pytest.approx(duration(source), abs=0.04)
    assert all(edge_is(frame, "sad") for frame in read_frames(out))


def test_click_and_flash_stay_together_and_the_sound_is_the_same(tmp_path: Path) -> None:
    source, out = clicking(tmp_path / "a.mp4", 2.0), tmp_path / "b.mp4"
    write_annotated(prediction(source, sightings(0.0, 2.0), [window(0.0, 2.0, "happy")]), out)
    packets = []
    for path in (source, out):
        with av.open(str(path)) as container:
            packets.append([bytes(packet) for packet in container.demux(audio=0) if packet.size])
    assert packets[0] == packets[1]
    flash = next(frame.time_s for frame in read_frames(out) if frame.image.mean() > 180)
    with av.open(str(out)) as container:
        heard = [(f.time, np.abs(f.to_ndarray()[0])) for f in container.decode(audio=0)]
    click = next(t + np.argmax(wave > 0.3) / 48000 for t, wave in heard if wave.max() > 0.3)
    assert flash == pytest.approx(FLASH_S, abs=0.001)
    assert click == pytest.approx(flash, abs=0.04)


def test_odd_and_small_pictures_become_even_and_legible(tmp_path: Path) -> None:
    source, out = tmp_path / "a.mkv", tmp_path / "b.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 177, 101, "bgr0"
        for index, frame in enumerate(frames(steady(0.4), (177, 101))):
            picture = av.VideoFrame.from_ndarray(frame.image, format="rgb24")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    write_annotated(prediction(source, [FaceBox(0, 0.0, (10.0, 10.0, 50.0, 60.0), 0.9)]), out)
    info = probe(out)
    assert (info.width, info.height) == (532, 304)


def test_a_folder_of_frames_and_progress(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for index, frame in enumerate(frames(steady(0.4))):
        cv2.imwrite(str(folder / f"{index:03d}.png"), frame.image)
    seen: list[tuple[float, float | None]] = []
    out = write_annotated(
        prediction(folder), tmp_path / "b.mp4", progress=lambda done, total: seen.append((done, total))
    )
    assert duration(out) == pytest.approx(0.4, abs=1e-3)
    assert [done for done, _ in seen] == pytest.approx(steady(0.4))
    assert {total for _, total in seen} == {0.4}


def test_what_is_no_file_is_refused_with_a_remedy(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    write_timed(source, frames(steady(0.2)), rate=25.0)
    made = prediction(source)
    before = source.read_bytes()
    with pytest.raises(OutputError, match="another"):
        write_annotated(made, source)
    assert source.read_bytes() == before
    memory = replace(made, video=replace(made.video, codec="frames", source=str(tmp_path)))
    url = replace(made, video=replace(made.video, source="https://example.org/" + "a" * 5000))
    source.unlink()
    for gone in (made, memory, url):
        with pytest.raises(DecodeError, match="save"):
            write_annotated(gone, tmp_path / "b.mp4")
    assert list(tmp_path.iterdir()) == []
