"""Frames out: an H.264 file that every player and browser opens, at a constant rate or at the frames' own times."""

import math
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from jaxtyping import UInt8

from maedfer.errors import ConfigError, OutputError
from maedfer.output import write_whole
from maedfer.video.remux import Sound, opened_sound
from maedfer.video.types import Frame

__all__ = ["write_timed", "write_video"]

# Whole numbers of ticks for 24, 25, 30, 50, 60 and 29.97 frames a second, 11 microseconds for all others.
_TICKS = 90_000
# 3 ms of one core a 640x360 frame, 11 ms at 1280x720; "superfast" takes as long for twice the bytes. No frame refers
# to a later one: else mp4 needs negative decoding times, and a varying rate makes its durations wrong.
_OPTIONS = {"preset": "veryfast", "bf": "0"}
_MATRIX = Colorspace.ITU709


def write_video(path: Path, frames: Iterable[UInt8[np.ndarray, "H W 3"]], fps: float, *, crf: int = 23) -> None:
    """Write RGB frames as H.264 in mp4 (yuv420p), streaming, complete or not at all.

    The file appears under its name only when all frames are in it. Odd sizes gain one row or column, a copy of the
    last, because yuv420p shares colours between 2x2 pixels.

    Args:
        path: ends in ``.mp4``; its folder exists.
        frames: RGB, all of one size; a generator is consumed one by one.
        fps: frames per second.
        crf: quality from 0 (lossless) to 51 (worst).

    Raises:
        ConfigError: ``fps`` or ``crf`` is out of range.
        OutputError: no frame came, the frames are not of one size, or the place cannot be written.
    """
    path = Path(path)
    _check("fps", fps, crf)
    if not path.parent.is_dir():
        raise OutputError(f"{path}: expected an existing folder, there is no {path.parent}; make it first")
    part = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part.mp4")
    try:
        _encode(part, path, frames, Fraction(fps).limit_denominator(1001), crf)
        os.replace(part, path)
    except (av.error.FFmpegError, OSError) as error:
        raise OutputError(f"{path}: the video cannot be written ({error.strerror}); check space and rights") from error
    finally:
        part.unlink(missing_ok=True)


def _encode(part: Path, path: Path, frames: Iterable[UInt8[np.ndarray, "H W 3"]], rate: Fraction, crf: int) -> None:
    size = None
    with av.open(str(part), "w", format="mp4") as container:
        for image in frames:
            if size is None:
                size = image.shape
                stream = container.add_stream("libx264", rate=rate, options={"crf": str(crf)})
                stream.width, stream.height = size[1] + size[1] % 2, size[0] + size[0] % 2
                stream.pix_fmt = "yuv420p"
                stream.codec_context.thread_count = min(4, os.cpu_count() or 1)
            if image.shape != size:
                raise OutputError(f"{path}: expected frames of shape {size}, got {image.shape}; resize them first")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_even(image), format="rgb24")))
        if size is None:
            raise OutputError(f"{path}: expected at least one frame, got none; nothing was written")
        container.mux(stream.encode())


def write_timed(
    path: Path,
    frames: Iterable[Frame],
    *,
    rate: float,
    end_s: float | None = None,
    sound: Path | None = None,
    crf: int = 23,
    key_every_s: float = 2.0,
) -> None:
    """Write frames at their own times as H.264 in mp4 (yuv420p), streaming, complete or not at all, with sound.

    Time stamps are exact to 11 microseconds, whatever the frame rate does. Sound and pictures are interleaved, so that
    memory depends on the picture's size only. Odd sizes gain one row or column, as in :func:`write_video`.

    Args:
        path: ends in ``.mp4``; its folder is made when missing.
        frames: RGB of one size, from 0 s, times increasing; a generator is consumed one by one.
        rate: usual frames per second.
        end_s: the last frame is shown until then; ``None``, or a time before it: for ``1 / rate`` seconds.
        sound: video file whose default sound is carried over, so placed that 0 s is that file's first picture: copied
            where mp4 can hold it, else made AAC. ``None``, or a file without sound: none.
        crf: quality from 0 (lossless) to 51 (worst).
        key_every_s: seconds from one key frame to the next: players and training loaders jump to them.

    Raises:
        ConfigError: ``rate`` or ``crf`` is out of range.
        DecodeError: ``sound`` cannot be read.
        OutputError: no frame came, the frames are not of one size, or the place cannot be written.
    """
    _check("rate", rate, crf)
    path = Path(path)

    def write(part: Path) -> None:
        with (
            nullcontext() if sound is None else opened_sound(sound) as heard,
            av.open(str(part), "w", format="mp4", options={"movflags": "faststart"}) as container,
        ):
            pictures = _pictures(path, container, _lasting(frames, 1 / rate, end_s), rate, crf, heard, key_every_s)
            for packet in pictures if heard is None else _interleaved(pictures, heard):
                container.mux(packet)

    try:
        write_whole(path, write)
    except av.error.FFmpegError as error:
        raise OutputError(f"{path}: the video cannot be written ({error.strerror}); check space and rights") from error


def _check(name: str, rate: float, crf: int) -> None:
    if not (math.isfinite(rate) and 0 < rate <= 1000):
        raise ConfigError(f"expected {name} between 0 and 1000, got {rate}; 25 is common")
    if not 0 <= crf <= 51:
        raise ConfigError(f"expected crf between 0 (lossless) and 51 (worst), got {crf}; 23 is common")


def _even(image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H2 W2 3"]:
    if image.shape[0] % 2 or image.shape[1] % 2:
        return np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)), mode="edge")
    return image


def _lasting(frames: Iterable[Frame], nominal_s: float, end_s: float | None) -> Iterator[tuple[int, int, Frame]]:
    """(time, duration, frame) in ticks; a duration is known when the next frame has come."""
    held, start = None, 0
    for frame in frames:
        if held is None:
            start = round(frame.time_s * _TICKS)
        else:
            following = max(start + 1, round(frame.time_s * _TICKS))
            yield start, following - start, held
            start = following
        held = frame
    if held is not None:
        until = start if end_s is None else round(end_s * _TICKS)
        yield start, until - start if until > start else round(nominal_s * _TICKS), held


def _pictures(
    path: Path,
    container: av.container.OutputContainer,
    frames: Iterator[tuple[int, int, Frame]],
    rate: float,
    crf: int,
    sound: Sound | None,
    key_every_s: float,
) -> Iterator[av.Packet]:
    size, durations = None, dict[int, int]()
    for start, duration, frame in frames:
        if size is None:
            size = frame.image.shape
            stream = _stream(container, size, rate, crf, key_every_s)
            if sound is not None:
                sound.join(container)
        if frame.image.shape != size:
            raise OutputError(f"{path}: expected frames of shape {size}, got {frame.image.shape}; resize them first")
        picture = av.VideoFrame.from_ndarray(_even(frame.image), format="rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace=_MATRIX, dst_color_range=ColorRange.MPEG, threads=1)
        picture.pts, picture.time_base = start, Fraction(1, _TICKS)
        durations[start] = duration
        yield from _timed(stream.encode(picture), durations)
    if size is None:
        raise OutputError(f"{path}: expected at least one frame, got none; nothing was written")
    yield from _timed(stream.encode(), durations)


def _stream(
    container: av.container.OutputContainer, size: tuple[int, ...], rate: float, crf: int, key_every_s: float
) -> av.VideoStream:
    options = {"crf": str(crf), **_OPTIONS}
    stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001), options=options)
    stream.width, stream.height = size[1] + size[1] % 2, size[0] + size[0] % 2
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.time_base = Fraction(1, _TICKS)
    context.gop_size = max(1, min(250, round(key_every_s * rate)))
    context.thread_count = min(4, os.cpu_count() or 1)
    context.colorspace, context.color_range = _MATRIX, ColorRange.MPEG
    return stream


def _timed(packets: Iterable[av.Packet], durations: dict[int, int]) -> Iterator[av.Packet]:
    """Packets with the durations of their frames, which the encoder forgets."""
    for packet in packets:
        packet.duration = durations.pop(packet.pts, packet.duration)
        yield packet


def _interleaved(pictures: Iterator[av.Packet], sound: Sound) -> Iterator[av.Packet]:
    """Both in order of time; the sound is read no further than the pictures are."""
    heard: Iterator[tuple[float, av.Packet]] = iter(())
    waiting = None
    for number, picture in enumerate(pictures):
        if number == 0:
            heard = sound.packets()
            waiting = next(heard, None)
        while waiting is not None and waiting[0] <= picture.dts * picture.time_base:
            yield waiting[1]
            waiting = next(heard, None)
        yield picture
    while waiting is not None:
        yield waiting[1]
        waiting = next(heard, None)
