"""Frames at the pace of the world: on time or not at all, and every loss counted."""

import functools
import http.server
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

import maedfer
from maedfer.errors import ConfigError, DecodeError
from maedfer.video import capture
from maedfer.video.decode import read_frames
from maedfer.video.live import LiveFrames
from maedfer.video.types import Frame

RATE = 12.5


@pytest.fixture
def clip(tmp_path: Path, make_video: Callable[..., Path], numbered: Callable[..., list[np.ndarray]]) -> Path:
    """1.2 s at 25 frames a second; the grey level tells the frame."""
    return make_video(tmp_path / "clip.mp4", numbered(30))


def left_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("maedfer")]


def test_a_file_gives_the_instants_of_the_video_each_at_its_time(clip: Path) -> None:
    frames = LiveFrames(clip, rate=RATE, waiting_s=1.0)
    taken: list[Frame] = []
    late = []
    for frame in frames:
        taken.append(frame)
        late.append(frames.now_s() - frame.time_s)
    expected = list(read_frames(clip, rate=RATE))
    assert [frame.time_s for frame in taken] == [frame.time_s for frame in expected]
    assert all(np.array_equal(one.image, two.image) for one, two in zip(taken, expected, strict=True))
    assert min(late) > -1e-3
    assert np.median(late) < 0.06
    assert frames.dropped == 0
    assert frames.ended
    assert not left_threads()


def test_a_late_consumer_gets_the_newest_and_every_loss_is_counted(clip: Path) -> None:
    frames = LiveFrames(clip, rate=RATE, waiting_s=0.17)
    taken = []
    for frame in frames:
        taken.append(round(frame.time_s * RATE))
        if len(taken) == 2:
            time.sleep(0.6)
    assert taken[:2] == [0, 1]
    assert taken == sorted(set(taken))
    # Two may wait; what came earlier while nobody asked is gone.
    assert taken[2] >= 5
    assert frames.dropped == 15 - len(taken) > 0


def test_a_picture_that_stays_is_the_same_object(
    tmp_path: Path, make_video: Callable[..., Path], numbered: Callable[..., list[np.ndarray]]
) -> None:
    slow = make_video(tmp_path / "slow.mp4", numbered(3), fps=5)
    images = [frame.image for frame in LiveFrames(slow, rate=RATE, waiting_s=1.0)]
    assert len(images) == 8
    assert len({id(image) for image in images}) == 3


def test_stop_ends_the_frames_and_their_thread(clip: Path) -> None:
    frames = LiveFrames(clip, rate=RATE, waiting_s=1.0)
    count = 0
    for _ in frames:
        count += 1
        if count == 3:
            frames.stop()
    assert 3 <= count <= 5
    assert not left_threads()


def test_leaving_the_loop_ends_the_thread(clip: Path) -> None:
    with LiveFrames(clip, rate=RATE, waiting_s=1.0) as frames:
        assert next(iter(frames)).time_s == 0
    assert not left_threads()


def test_it_ends_after_the_seconds_asked_for(clip: Path) -> None:
    times = [frame.time_s for frame in LiveFrames(clip, rate=RATE, waiting_s=1.0, seconds=0.4)]
    assert times == pytest.approx([0, 0.08, 0.16, 0.24, 0.32])


def test_arrivals_are_remembered(clip: Path) -> None:
    frames = LiveFrames(clip, rate=RATE, waiting_s=1.0, seconds=0.3)
    assert frames.now_s() == 0
    times = [frame.time_s for frame in frames]
    arrived = [frames.arrival_s(time_s) for time_s in times]
    assert arrived == sorted(arrived)
    assert all(came >= time_s - 1e-3 for came, time_s in zip(arrived, times, strict=True))
    assert frames.arrival_s(times[1] + 0.04) == arrived[1]


class FakeCamera:
    """A camera of 100 pictures a second that sleeps for a while, and breaks after a few."""

    def __init__(self, number: int) -> None:
        self.number, self.count, self.released = number, 0, False

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self.number == 0

    def set(self, name: int, value: float) -> bool:
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.count += 1
        if self.count > 40:
            return False, None
        time.sleep(1.4 if self.count == 20 else 0.01)
        return True, np.full((48, 64, 3), (255, 0, 0), np.uint8)

    def release(self) -> None:
        self.released = True


def test_a_camera_is_rgb_and_what_nobody_saw_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    cameras: list[FakeCamera] = []

    def make(number: int) -> FakeCamera:
        cameras.append(FakeCamera(number))
        return cameras[-1]

    monkeypatch.setattr(cv2, "VideoCapture", make)
    frames = LiveFrames(0, rate=RATE, waiting_s=1.0, max_side=32)
    taken: list[Frame] = []
    with pytest.raises(DecodeError, match="camera 0: it stopped"):
        taken.extend(frames)
    assert all(frame.image.shape == (24, 32, 3) and (frame.image == (0, 0, 255)).all() for frame in taken)
    steps = np.diff([frame.time_s for frame in taken])
    # A picture is believed for a second, not longer: the sleep leaves a hole.
    assert sum(step > 0.3 for step in steps) == 1
    assert cameras[0].released
    assert not left_threads()


def test_a_missing_camera_says_what_to_do() -> None:
    with pytest.raises(DecodeError, match=r"camera 97: expected a camera.*plugged in"):
        list(LiveFrames("97", rate=RATE, waiting_s=1.0))


@pytest.mark.parametrize("source", ["nothing.mp4", "v4l2:nothing", "http://127.0.0.1:9/a.ts", "gopher://host/a"])
def test_what_cannot_be_opened_is_an_error_of_the_consumer(source: str) -> None:
    with pytest.raises(DecodeError):
        list(LiveFrames(source, rate=RATE, waiting_s=1.0))
    assert not left_threads()


def test_text_is_no_stream(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    with pytest.raises(DecodeError, match=r"text\.mp4"):
        list(LiveFrames(text, rate=RATE, waiting_s=1.0))


@pytest.mark.skipif("lavfi" not in av.formats_available, reason="this FFmpeg has no lavfi device")
def test_a_device_of_ffmpeg_never_ends_by_itself() -> None:
    frames = LiveFrames("lavfi:testsrc=size=64x48:rate=25", rate=RATE, waiting_s=1.0, seconds=0.4)
    taken = list(frames)
    assert [frame.time_s for frame in taken] == pytest.approx([0, 0.08, 0.16, 0.24, 0.32])
    assert taken[0].image.shape == (48, 64, 3)


def test_standard_input_is_played_at_its_pace(
    tmp_path: Path, make_video: Callable[..., Path], numbered: Callable[..., list[np.ndarray]]
) -> None:
    pipe = make_video(tmp_path / "clip.ts", numbered(20))
    code = (
        "from maedfer.video.live import LiveFrames\n"
        "frames = LiveFrames('-', rate=12.5, waiting_s=2.0)\n"
        "for frame in frames: print(round(frame.time_s, 2), frames.now_s() >= frame.time_s - 1e-3)"
    )
    source = str(Path(maedfer.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {source!r})\n{code}"],
        input=pipe.read_bytes(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    lines = [line.split() for line in done.stdout.decode().splitlines()]
    assert [float(when) for when, _ in lines] == pytest.approx([round(k / 12.5, 2) for k in range(len(lines))])
    assert 9 <= len(lines) <= 10
    assert {paced for _, paced in lines} == {"True"}


def test_an_address_is_played_at_its_pace(
    tmp_path: Path, make_video: Callable[..., Path], numbered: Callable[..., list[np.ndarray]]
) -> None:
    make_video(tmp_path / "clip.ts", numbered(10))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            frames = LiveFrames(f"http://127.0.0.1:{server.server_port}/clip.ts", rate=RATE, waiting_s=1.0)
            taken = [frame.time_s for frame in frames]
        finally:
            server.shutdown()
            thread.join()
    assert taken == pytest.approx([k / RATE for k in range(len(taken))])
    assert 4 <= len(taken) <= 5


def test_stream_times_survive_missing_and_jumping_stamps(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(capture, "time", type("clock", (), {"monotonic": staticmethod(lambda: now[0])}))
    clock, times = capture._Arrivals(), []
    for arrived, stamp in enumerate([50.0, 50.04, None, 50.12, 9000.0, 9000.04, 2.0, 2.0, 2.04, 1.99]):
        now[0] = 100 + 0.04 * arrived
        times.append(clock.tick(stamp))
    # A jump is taken for the time of arrival; a stamp that does not advance comes a millisecond after the last one.
    assert times == pytest.approx([0, 0.04, 0.08, 0.12, 0.16, 0.20, 0.24, 0.241, 0.28, 0.281])


@pytest.mark.parametrize(("rate", "waiting_s"), [(0.0, 1.0), (float("nan"), 1.0), (6.25, -1.0), (6.25, 1e9)])
def test_impossible_settings_are_refused(rate: float, waiting_s: float) -> None:
    with pytest.raises(ConfigError, match="waiting_s"):
        LiveFrames("0", rate=rate, waiting_s=waiting_s)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf")])
def test_impossible_seconds_are_refused(seconds: float) -> None:
    with pytest.raises(ConfigError, match="seconds"):
        LiveFrames("0", rate=RATE, waiting_s=1.0, seconds=seconds)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not left_threads()
