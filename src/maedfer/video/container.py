"""The pictures of one file or address in the order shown, with true times, past damage and silly time stamps."""

from collections.abc import Iterator
from pathlib import Path

import av
from av.video.reformatter import VideoReformatter

from maedfer.errors import DecodeError
from maedfer.video.opening import MAX_MOVING_PIXELS, REMEDY, Opened, is_still, opened
from maedfer.video.picture import Picture
from maedfer.video.source import shown
from maedfer.video.types import VideoInfo

__all__ = ["MAX_HOLD_S", "Clock", "duration_of", "file_info", "file_pictures", "nominal_s_of", "pixel_aspect"]

# A longer silence between two pictures is a jump of the clock (broadcast recordings, damage), not a still picture.
MAX_HOLD_S = 3600.0
# Decoding forward is cheaper than a seek that lands on a key frame just before.
_SEEK_FROM_S = 2.0
_MAX_BROKEN_PACKETS = 256


def file_info(source: Path | str) -> VideoInfo:
    """Facts about one video or image file, or an address; decodes its first picture. Raises :class:`DecodeError`."""
    with opened(source) as (container, stream):
        picture = next(_pictures(source, (container, stream), 0.0))
        width, height = picture.size()
        still = is_still(container)
        rate = stream.average_rate or stream.guessed_rate
        return VideoInfo(
            source=shown(source),
            width=width,
            height=height,
            duration_s=None if still else duration_of(container, stream),
            frame_rate=None if still or not rate else float(rate),
            codec="images" if still else stream.codec_context.name,
            rotation=picture.rotation(),
        )


def file_pictures(source: Path | str, start_s: float = 0.0) -> Iterator[Picture]:
    """Pictures of one file or address in the order shown, from the last key frame before ``start_s`` at the latest.

    Damage inside is stepped over: what can be decoded is delivered with its own time.

    Raises:
        DecodeError: the file holds no picture that can be decoded.
    """
    with opened(source) as found:
        yield from _pictures(source, found, start_s)


class Clock:
    """Times that begin at 0 and always advance, from time stamps that may be missing, negative, doubled or jumping."""

    def __init__(self, nominal_s: float) -> None:
        self.nominal_s = nominal_s
        self.origin: float | None = None
        self.last: float | None = None

    def tick(self, stamp_s: float | None) -> float:
        """The next picture's time in seconds."""
        expected = 0.0 if self.last is None else self.last + self.nominal_s
        if stamp_s is None:
            now = expected
        else:
            if self.origin is None:
                self.origin = stamp_s - expected
            now = stamp_s - self.origin
            if self.last is not None and not self.last - 1.0 <= now <= self.last + MAX_HOLD_S:
                now, self.origin = expected, stamp_s - expected
            if self.last is not None and now <= self.last:
                now = expected
        self.last = now
        return now

    def jump(self) -> None:
        """Forget the last time after a seek; the origin stays."""
        self.last = None


def _pictures(source: Path | str, found: Opened, start_s: float) -> Iterator[Picture]:
    container, stream = found
    clock = Clock(nominal_s_of(stream))
    reformatter = VideoReformatter()
    aspect, origin = pixel_aspect(stream), shown(source)
    width, height = stream.codec_context.width, stream.codec_context.height  # a decoder that fails forgets them

    def picture(raw: av.VideoFrame, time_s: float) -> Picture:
        length = float(raw.duration * raw.time_base) if raw.duration and raw.time_base else clock.nominal_s
        return Picture(time_s, min(length, MAX_HOLD_S), raw, aspect, origin, reformatter)

    frames = _decoded(container, stream)
    first = next(frames, None)
    if first is None:
        if width * height > MAX_MOVING_PIXELS and not is_still(container):
            raise DecodeError(
                f"{origin}: expected at most {MAX_MOVING_PIXELS} pixels in each picture of a video, got {width}x"
                f"{height}; make it smaller: ffmpeg -i INPUT -vf scale=1920:-2 output.mp4"
            )
        raise DecodeError(f"{origin}: expected at least one picture, none could be decoded; {REMEDY}")
    opening = picture(first, clock.tick(_stamp(first)))
    if start_s >= _SEEK_FROM_S and clock.origin is not None:
        landed = _sought(container, stream, clock.origin + start_s)
        if landed is None:
            yield from file_pictures(source)
            return
        frames, frame = landed
        clock.jump()
        opening = picture(frame, clock.tick(_stamp(frame)))
    yield opening
    for frame in frames:
        yield picture(frame, clock.tick(_stamp(frame)))


def _sought(
    container: av.container.InputContainer, stream: av.VideoStream, stamp_s: float
) -> tuple[Iterator[av.VideoFrame], av.VideoFrame] | None:
    """Pictures from a key frame at or before ``stamp_s``; None where the file cannot be sought that exactly."""
    try:
        container.seek(int(stamp_s / stream.time_base), stream=stream)
    except (av.error.FFmpegError, OverflowError):
        return None
    frames = _decoded(container, stream)
    frame = next(frames, None)
    stamp = None if frame is None else _stamp(frame)
    if frame is None or stamp is None or stamp > stamp_s:
        return None
    return frames, frame


def _decoded(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    broken = 0
    packets = container.demux(stream)
    while broken < _MAX_BROKEN_PACKETS:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            return
        if packet is None:
            return
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            broken += 1
            continue
        broken = 0 if frames else broken
        yield from frames


def _stamp(frame: av.VideoFrame) -> float | None:
    return None if frame.pts is None or not frame.time_base else float(frame.pts * frame.time_base)


def nominal_s_of(stream: av.VideoStream) -> float:
    """Seconds between two pictures by the header; 0.04 where it says nothing, or something absurd."""
    rate = float(stream.average_rate or stream.guessed_rate or 25)
    return 1 / rate if 0.01 <= rate <= 1000 else 1 / 25


def duration_of(container: av.container.InputContainer, stream: av.VideoStream) -> float | None:
    """Seconds by the header, a claim; ``None`` when it does not say."""
    if stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
    else:
        seconds = (container.duration or 0) / 1_000_000
    return seconds if seconds > 0 else None


def pixel_aspect(stream: av.VideoStream) -> float:
    """Width of a pixel over its height; headers that say something absurd are taken as square."""
    value = float(stream.sample_aspect_ratio or 1)
    return value if 1 / 8 <= value <= 8 else 1.0
