"""Pictures as they come: from a camera, a stream that ffmpeg opens, standard input, or a file at its own pace."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import av
import cv2
import numpy as np
from av.format import Flags
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8

from maedfer.errors import DecodeError
from maedfer.video.container import file_pictures
from maedfer.video.given import bounded
from maedfer.video.opening import Opened, opened
from maedfer.video.picture import MAX_PIXELS, Picture
from maedfer.video.source import is_url, shown

__all__ = ["Shot", "shots"]

# ffmpeg's input devices, asked for as in "v4l2:/dev/video2".
_DEVICES = ("avfoundation", "dshow", "gdigrab", "lavfi", "v4l2", "x11grab")
_TIMEOUT_S = 10.0
# Behind its own clock by more than this while pictures are ready to be read, a stream is decoded by key frames only.
_LATE_S = 2.0
_READY_S = 0.002
# A time stamp that runs ahead of the pictures' arrival by more than this is a jump of the sender's clock.
_JUMP_S = 10.0
_TRIES = 5


@dataclass(frozen=True)
class Shot:
    """A picture that came in.

    Attributes:
        time_s: seconds since the first one: its time stamp, or the time of arrival for a camera.
        duration_s: how long it is shown, as far as the source says.
        rgb: its pixels (RGB, 0..255), no side longer than the argument.
    """

    time_s: float
    duration_s: float
    rgb: Callable[[int], UInt8[np.ndarray, "H W 3"]]


def shots(source: str, stopping: Event) -> Iterator[Shot]:
    """Every picture of a source in order of time, as soon as it can be read; nothing here waits for a pace.

    Args:
        source: ``"0"``, ``"1"`` ... for a camera; ``"-"`` for a video on standard input; a URL; ``"FORMAT:NAME"`` for
            another input device of ffmpeg, such as ``"v4l2:/dev/video2"``; otherwise a video file.
        stopping: ends the pictures when set.

    Raises:
        DecodeError: the source cannot be opened, gives no picture, or breaks off.
    """
    if source.isdecimal():
        return _camera(int(source), stopping)
    device, _, name = source.partition(":")
    if source.startswith("/dev/video"):
        device, name = "v4l2", source
    if source == "-":
        return _stream("pipe:0", "standard input", None, stopping)
    if device in _DEVICES and name:
        return _stream(name, source, device, stopping)
    if is_url(source):
        return _stream(source, shown(source), None, stopping)
    return _file(Path(source), stopping)


def _file(path: Path, stopping: Event) -> Iterator[Shot]:
    if not path.is_file():
        raise DecodeError(
            f"{path}: expected a camera's number, a URL, - or a video file, found no such file; "
            "the first camera is 0: maedfer live 0"
        )
    for picture in file_pictures(path):
        if stopping.is_set():
            return
        yield Shot(picture.time_s, picture.duration_s, picture.rgb)


def _camera(number: int, stopping: Event) -> Iterator[Shot]:
    with _quiet_opencv():
        camera = cv2.VideoCapture(number)
    try:
        if not camera.isOpened():
            raise DecodeError(
                f"camera {number}: expected a camera of this number, none could be opened; check that it is plugged "
                "in, free, and that you may use it, or try another number (0 is the first)"
            )
        # Pictures that wait inside the driver are old ones.
        camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        start, failed = None, 0
        while not stopping.is_set() and failed < _TRIES:
            good, image = camera.read()
            now = time.monotonic()
            failed = 0 if good else failed + 1
            if good:
                start = now if start is None else start
                yield Shot(now - start, 0.0, _from_bgr(image))
        if failed:
            raise DecodeError(f"camera {number}: it stopped giving pictures; check its cable, or start again")
    finally:
        camera.release()


def _from_bgr(image: UInt8[np.ndarray, "h w 3"]) -> Callable[[int], UInt8[np.ndarray, "H W 3"]]:
    def rgb(max_side: int) -> UInt8[np.ndarray, "H W 3"]:
        converted: np.ndarray = cv2.cvtColor(bounded(image, max_side), cv2.COLOR_BGR2RGB)
        return converted

    return rgb


class _Arrivals:
    """Time stamps of a stream as seconds since its first picture; where they are missing or jump, time of arrival."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._shift: float | None = None
        self._last = self._last_now = 0.0

    def now_s(self) -> float:
        """Seconds since the first picture came; 0 before it."""
        return 0.0 if self._start is None else time.monotonic() - self._start

    def tick(self, stamp_s: float | None) -> float:
        """The next picture's time in seconds, later than the one before."""
        now = self.now_s()
        time_s = now if stamp_s is None else stamp_s + self._shift_to(stamp_s, now)
        if self._start is None:
            self._start = time.monotonic()
        else:
            time_s = max(time_s, self._last + 1e-3)
        self._last, self._last_now = time_s, now
        return time_s

    def _shift_to(self, stamp_s: float, now: float) -> float:
        if self._shift is not None:
            step = stamp_s + self._shift - self._last
            if -1.0 <= step <= now - self._last_now + _JUMP_S:
                return self._shift
        self._shift = now - stamp_s
        return self._shift


def _stream(name: str, said: str, device: str | None, stopping: Event) -> Iterator[Shot]:
    # Slices, not frames: threads that work on later frames hold back the present one.
    with _opened(name, said, device) as (container, stream):
        clock, reformatter = _Arrivals(), VideoReformatter()
        # FFmpeg invents 25 pictures a second for formats without times; only their arrival is true.
        untimed = bool(container.format.flags & Flags.no_timestamps.value)
        aspect = float(stream.sample_aspect_ratio or 1)
        aspect = aspect if 1 / 8 <= aspect <= 8 else 1.0
        packets, first = container.demux(stream), True
        while not stopping.is_set():
            before = time.monotonic()
            packet = _next_packet(packets, said, first)
            if packet is None:
                break
            ready = time.monotonic() - before < _READY_S
            for raw in _pictures_of(packet):
                stamp = None if untimed or raw.pts is None or not raw.time_base else float(raw.pts * raw.time_base)
                time_s, first = clock.tick(stamp), False
                length = float(raw.duration * raw.time_base) if raw.duration and raw.time_base else 0.0
                yield Shot(time_s, min(length, 1.0), Picture(time_s, length, raw, aspect, said, reformatter).rgb)
                if ready and clock.now_s() - time_s > _LATE_S:
                    # Pictures are there, decoding them is what takes too long.
                    stream.codec_context.skip_frame = "NONKEY"
                elif raw.key_frame:  # from any other picture on, its references would be missing
                    stream.codec_context.skip_frame = "DEFAULT"
        if first and not stopping.is_set():
            raise DecodeError(f"{said}: expected at least one picture, none came; check that the source is on")


def _next_packet(packets: Iterator[av.Packet], said: str, first: bool) -> av.Packet | None:
    try:
        return next(packets, None)
    except av.error.EOFError:
        return None
    except (av.error.FFmpegError, OSError) as error:
        what = "could not be read" if first else "broke off"
        raise DecodeError(f"{said}: the stream {what} ({error.strerror}); check the connection") from None


def _pictures_of(packet: av.Packet) -> list[av.VideoFrame]:
    """None where the packet is damaged."""
    try:
        return list(packet.decode())
    except av.error.FFmpegError:
        return []


@contextmanager
def _opened(name: str, said: str, device: str | None) -> Iterator[Opened]:
    if is_url(name):
        with opened(name) as (container, stream):
            stream.thread_type = "SLICE"
            yield container, stream
        return
    options = {"max_pixels": str(MAX_PIXELS)} | ({} if device else {"protocol_whitelist": "pipe"})
    try:
        source = av.open(name, format=device, options=options, metadata_errors="replace", timeout=_TIMEOUT_S)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise DecodeError(
            f"{said}: expected a video stream, it could not be opened ({why}); check that the source is on"
        ) from error
    with source as container:
        if not container.streams.video:
            raise DecodeError(f"{said}: expected a video stream, got one without pictures; give another source")
        stream = container.streams.video[0]
        stream.thread_type = "SLICE"
        yield container, stream


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """A missing camera is told by an error, not by OpenCV's own lines on stderr."""
    log = cv2.utils.logging
    before = log.getLogLevel()
    log.setLogLevel(log.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        log.setLogLevel(before)
