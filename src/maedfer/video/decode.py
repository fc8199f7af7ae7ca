"""Any source of pictures in, :class:`~maedfer.video.types.Frame` values out: a file, a folder of frames, one
image, an address.

Sampling is by time, not by counting: asked for ``rate`` pictures a second, :func:`read_frames` gives what is on screen
at the instants ``start_s + k / rate``, so that the same scene filmed at 25, 60 or a varying number of frames a second
gives the same clip.
"""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from maedfer.errors import ConfigError, DecodeError
from maedfer.video.container import MAX_HOLD_S, file_info, file_pictures
from maedfer.video.encode import write_video
from maedfer.video.find import frames_in
from maedfer.video.picture import Picture
from maedfer.video.source import STDIN, is_url
from maedfer.video.types import Frame, VideoInfo

__all__ = ["probe", "read_frames", "sample_by_time", "write_video"]

T = TypeVar("T")

# Containers round times to milliseconds: a picture stamped 0.5 ms late is still the one meant.
_EPSILON_S = 1e-3


def probe(source: Path | str, *, folder_fps: float = 25.0) -> VideoInfo:
    """Facts about a video file, an image, a folder of frames or an address; decodes its first picture.

    Width and height are those of the frames that :func:`read_frames` gives without ``max_side``.

    Args:
        source: a file, a folder whose images are the frames in natural order of their names, or an address that ffmpeg
            opens (``https://``, ``rtsp://``; see :data:`maedfer.video.source.URL_SCHEMES`).
        folder_fps: frames per second of a folder; files tell their own.

    Raises:
        DecodeError: nothing there can be read as pictures.
        ConfigError: ``folder_fps`` is not a positive number.
    """
    _check_positive("folder_fps", folder_fps)
    place = _existing(source)
    if isinstance(place, str) or not place.is_dir():
        return file_info(place)
    images = frames_in(place)
    first = file_info(images[0])
    return VideoInfo(
        str(place), first.width, first.height, len(images) / folder_fps, folder_fps, "images", first.rotation
    )


def read_frames(
    source: Path | str,
    *,
    rate: float | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    max_side: int | None = None,
    folder_fps: float = 25.0,
) -> Iterator[Frame]:
    """Stream the frames of a video file, an image, a folder of frames or an address: RGB, upright, square pixels.

    Args:
        source: a file, a folder whose images are the frames in natural order of their names, or an address that ffmpeg
            opens (``https://``, ``rtsp://``; see :data:`maedfer.video.source.URL_SCHEMES`).
        rate: sampled instants per second; each Frame is what is on screen at its instant, and ``time_s`` is the
            instant. ``None`` gives every frame with its own time.
        start_s: the first instant, seconds after the first frame of the video.
        end_s: instants before this time only; ``None``: to the end.
        max_side: larger pictures are shrunk to this many pixels on their longer side.
        folder_fps: frames per second of a folder; files tell their own.

    Yields:
        Frames in order of time. None at all when ``start_s`` lies behind the end.

    Raises:
        DecodeError: nothing can be decoded; damage after the first good frame only ends the stream or holds a frame.
        ConfigError: a setting is out of its range.
    """
    _check_positive("folder_fps", folder_fps)
    if rate is not None:
        _check_positive("rate", rate)
    if not (math.isfinite(start_s) and start_s >= 0) or (end_s is not None and not end_s > start_s):
        raise ConfigError(f"expected 0 <= start_s < end_s, got start_s={start_s}, end_s={end_s}; correct the span")
    if max_side is not None and max_side < 1:
        raise ConfigError(f"expected max_side of at least 1 pixel, got {max_side}; leave it out for full size")
    place = _existing(source)
    if isinstance(place, Path) and place.is_dir():
        pictures = _folder_pictures(frames_in(place), folder_fps)
    else:
        pictures = _file_pictures(place, start_s)
    if rate is None:
        return _every(pictures, start_s, end_s, max_side)
    return _sampled(sample_by_time(pictures, rate, start_s, end_s), max_side)


def sample_by_time(
    shown: Iterable[tuple[float, float, T]], rate: float, start_s: float = 0.0, end_s: float | None = None
) -> Iterator[tuple[float, T]]:
    """What is shown at the instants ``start_s + k / rate``.

    Args:
        shown: (time, duration, item) in order of time, seconds. The duration matters for the last item only.
        rate: instants per second.
        start_s: the first instant.
        end_s: instants before this time only.

    Yields:
        (instant, item): the last item with time <= instant (within 1 ms). Instants before the first item are left out.
    """
    instant, current, until = 0, None, math.inf if end_s is None else end_s - _EPSILON_S
    for time_s, duration_s, item in shown:
        while current is not None and (now := start_s + instant / rate) < min(time_s - _EPSILON_S, until):
            yield now, current[1]
            instant += 1
        if start_s + instant / rate >= until:
            return
        if current is None:
            instant = max(0, math.ceil((time_s - _EPSILON_S - start_s) * rate))
        current = (time_s + max(duration_s - _EPSILON_S, _EPSILON_S), item)
    while current is not None and (now := start_s + instant / rate) < min(current[0], until):
        yield now, current[1]
        instant += 1


def _sampled(instants: Iterator[tuple[float, Picture]], max_side: int | None) -> Iterator[Frame]:
    previous, image = None, None
    for time_s, picture in instants:
        if image is None or picture is not previous:
            previous, image = picture, picture.rgb(max_side)
        yield Frame(time_s, image)


def _every(
    pictures: Iterator[tuple[float, float, Picture]], start_s: float, end_s: float | None, max_side: int | None
) -> Iterator[Frame]:
    for time_s, _, picture in pictures:
        if end_s is not None and time_s >= end_s - _EPSILON_S:
            return
        if time_s >= start_s - _EPSILON_S:
            yield Frame(time_s, picture.rgb(max_side))


def _file_pictures(source: Path | str, start_s: float) -> Iterator[tuple[float, float, Picture]]:
    return ((picture.time_s, picture.duration_s, picture) for picture in file_pictures(source, start_s))


def _folder_pictures(images: list[Path], fps: float) -> Iterator[tuple[float, float, Picture]]:
    last: Picture | None = None
    for index, image in enumerate(images):
        try:
            last = next(file_pictures(image))
        except DecodeError:
            if last is None:
                raise
        yield index / fps, min(1 / fps, MAX_HOLD_S), last


def _existing(source: Path | str) -> Path | str:
    """An address as it is, anything else as the path of a file or folder that is there."""
    if is_url(source):
        return source
    path = Path(source)
    try:
        there, regular = path.exists(), path.is_file() or path.is_dir()
    except OSError as error:  # a name too long for any file, a folder that may not be entered
        raise DecodeError(f"{path}: expected a path that can be looked up, got: {error.strerror}") from error
    if not there:
        remedy = "save standard input to a file first" if str(source) == STDIN else "check the path"
        raise DecodeError(f"{path}: expected a video, an image or a folder of frames, found nothing; {remedy}")
    if not regular:
        raise DecodeError(f"{path}: expected a file or a folder, got a device or pipe; save the video to a file first")
    return path


def _check_positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and 0 < value <= 1000):
        raise ConfigError(f"expected {name} between 0 and 1000 per second, got {value}; 25 is common")
