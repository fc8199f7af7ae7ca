"""Pictures at chosen instants of a regular grid, for training: nothing is decoded, read or converted without need.

A training clip is sixteen pictures of a video that was seen a thousand times before. :func:`opened_grid` opens it once,
starts at the key frame before the first instant, leaves out pictures that no other refers to and that are not shown at
a chosen instant, ends with the last one that is, and makes only the chosen ones RGB. Of a folder of frames only the
chosen images are read. The pictures are those that :func:`~maedfer.video.decode.read_frames` gives at the same
instants.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8

from maedfer.video.container import MAX_HOLD_S, Clock, duration_of, file_pictures, nominal_s_of, pixel_aspect
from maedfer.video.decode import sample_by_time
from maedfer.video.folder_at import GridFolder
from maedfer.video.opening import Opened, opened
from maedfer.video.picture import Picture

__all__ = ["Grid", "GridVideo", "opened_grid"]

T = TypeVar("T")
# Time and duration in seconds, and the decoder's picture.
_Shown = tuple[float, float, av.VideoFrame]

_EPSILON_S = 1e-3  # as in decode: a picture stamped so much late is still the one meant
# Packets that are looked at before one is decoded: H.264 and HEVC show a picture at most 16 places later.
_AHEAD = 20
_TOGETHER = 96  # packets that are judged at once
# Codecs whose decoder leaves out exactly the pictures that no other refers to.
_SKIPPING = frozenset({"h264", "hevc"})


@runtime_checkable
class Grid(Protocol):
    """A video at the instants ``k / rate``."""

    duration_s: float | None
    last: int | None

    def at(
        self, wanted: Sequence[int], convert: Callable[[UInt8[np.ndarray, "H W 3"]], T], shorter: int | None = None
    ) -> list[T]:
        """What ``convert`` makes of the RGB picture on screen at each instant; see :class:`GridVideo`."""


@contextmanager
def opened_grid(source: Path, rate: float, *, folder_fps: float = 25.0) -> Iterator[Grid]:
    """A video file or a folder of frames, open until the context ends.

    Args:
        source: the file or folder.
        rate: instants per second.
        folder_fps: frames per second of a folder; files tell their own.

    Raises:
        DecodeError: it cannot be opened or holds no pictures.
    """
    if source.is_dir():
        yield GridFolder(source, rate, folder_fps)
        return
    with opened(source) as found:
        found[1].codec_context.thread_count = 1  # one process a core: threads would only share it
        yield GridVideo(source, found, rate)


class GridVideo:
    """A video file at the instants ``k / rate``; one call of :meth:`at` for each opening.

    Attributes:
        duration_s: seconds by the container, a claim; ``None`` when it does not say.
        last: the last instant there is, when :meth:`at` came upon it (-1: none behind the first one asked for).
    """

    def __init__(self, source: Path, found: Opened, rate: float) -> None:
        self._source = source
        self._container, self._stream = found
        self._rate = rate
        self._aspect = pixel_aspect(found[1])
        self._reformatter, self._shrinking = VideoReformatter(), VideoReformatter()
        self.duration_s = duration_of(*found)
        self.last: int | None = None

    def at(
        self, wanted: Sequence[int], convert: Callable[[UInt8[np.ndarray, "H W 3"]], T], shorter: int | None = None
    ) -> list[T]:
        """What ``convert`` makes of the RGB picture on screen at each instant.

        Args:
            wanted: instants in ascending order, from 0, maybe repeated.
            convert: is called once for each different picture.
            shorter: pictures come shrunk so that their shorter side has about this many pixels, which is cheaper while
                they become RGB than after; ``None``: as they are.

        Returns:
            One item for each instant; instants behind the end have the item of the last one before it. Empty when the
            first instant lies behind the end.

        Raises:
            DecodeError: nothing can be decoded.
        """
        first, last = wanted[0] / self._rate, (wanted[-1] + 0.5) / self._rate
        shown = self._needed(first, sorted({index / self._rate for index in wanted}))
        if shown is None:
            shown = (
                (picture.time_s, picture.duration_s, picture.raw) for picture in file_pictures(self._source, first)
            )
        chosen, made, previous, current, index = set(wanted), dict[int, T](), None, None, -1
        for time_s, current in sample_by_time(shown, self._rate, first, last):
            index = round(time_s * self._rate)
            if index in chosen:
                made[index] = made[max(made)] if current is previous else convert(self._rgb(current, shorter))
                previous = current
        if index < wanted[-1]:  # the video ends before
            self.last = index
        if current is None:
            return []
        if index < wanted[-1]:  # its last picture stands
            made[wanted[-1]] = made[max(made)] if current is previous else convert(self._rgb(current, shorter))
        known = sorted(made)
        return [made[known[bisect_left(known, index)]] for index in wanted]

    def _rgb(self, raw: av.VideoFrame, shorter: int | None) -> UInt8[np.ndarray, "H W 3"]:
        picture = Picture(0.0, 0.0, raw, self._aspect, self._source, self._reformatter)
        if shorter is None:
            return picture.rgb()
        low, high = sorted(picture.size())
        if low <= shorter:
            return picture.rgb()
        longer = round(high * shorter / low)
        return picture.shrunk(longer, self._shrinking).rgb(longer)

    def _needed(self, first_s: float, wanted_s: list[float]) -> Iterator[_Shown] | None:
        """Pictures from the key frame before ``first_s``, less those that nobody needs; ``None``: not a plain file."""
        packets = _packets(self._container, self._stream)
        head = list(islice(packets, _AHEAD))
        origin = _origin(head)
        if origin is None or self._stream.time_base is None:
            return None
        base = self._stream.time_base
        if first_s > 0 and self._has_later_key_frame(origin + int(first_s / base)):
            wanted = origin + int(first_s / base)
            for stamp in (wanted, wanted - round(1 / base)):  # a file is sought by decoding time, the lesser one
                try:
                    self._container.seek(max(stamp, origin), stream=self._stream)
                except (av.error.FFmpegError, OverflowError):
                    return None
                packets = _packets(self._container, self._stream)
                head = list(islice(packets, _AHEAD))
                if head and head[0].is_keyframe and head[0].pts is not None and head[0].pts <= wanted:
                    break
            else:
                return None
        return self._decoded(chain(head, packets), float(origin * base), wanted_s)

    def _has_later_key_frame(self, stamp: int) -> bool:
        """Whether the index knows a key frame after the first at or before ``stamp``; without an index: maybe."""
        entries = self._stream.index_entries
        return len(entries) == 0 or entries.search_timestamp(stamp) > 0

    def _decoded(self, packets: Iterator[av.Packet], origin_s: float, wanted_s: list[float]) -> Iterator[_Shown]:
        context, stream = self._stream.codec_context, self._stream
        clock = Clock(nominal_s_of(stream))
        clock.origin = origin_s
        numerator, denominator = stream.time_base.numerator, stream.time_base.denominator
        skipping, before = context.name in _SKIPPING, True
        raw: av.VideoFrame | None = None
        for packet, needed, next_s in _judged(packets, stream.time_base, origin_s, wanted_s):
            try:
                if skipping and needed is not before:
                    context.skip_frame, before = "DEFAULT" if needed else "NONREF", needed
                frames = context.decode(packet)
            except av.error.FFmpegError:
                skipping, context.skip_frame = False, "DEFAULT"  # damage: what is shown instead is the one before
                continue
            for raw in frames:
                stamp = None if raw.pts is None else raw.pts * numerator / denominator
                length = min(raw.duration * numerator / denominator, MAX_HOLD_S) if raw.duration else clock.nominal_s
                yield clock.tick(stamp), length, raw
            if next_s is not None and raw is not None:  # the last one stands until then, whatever it says of itself
                yield next_s, 0.0, raw


def _packets(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.Packet]:
    """Compressed pictures in the file's order; damage ends them."""
    try:
        for packet in container.demux(stream):
            if packet.size == 0:
                return
            yield packet
    except av.error.FFmpegError:
        return


def _origin(head: list[av.Packet]) -> int | None:
    """The time stamp of the first picture shown; ``None`` where only decoding tells (no stamps, edited starts)."""
    if not head or not head[0].is_keyframe or any(p.pts is None or p.is_discard or p.is_corrupt for p in head):
        return None
    first = head[0].pts
    return first if all(packet.pts >= first for packet in head) else None


def _judged(
    packets: Iterator[av.Packet], base: Fraction, origin_s: float, wanted_s: list[float]
) -> Iterator[tuple[av.Packet | None, bool, float | None]]:
    """Each packet with whether its picture may be on screen at a wanted instant; ``None``, the end, flushes.

    The end is the file's, or comes when all packets shown up to the last instant are through: the decoder then gives
    what it holds back, and the packets behind need not be decoded to get it; when the first of those is shown comes
    with the end. Packets are judged many at once, because between two pictures a decoder leaves nothing of Python in
    the cache.
    """
    numerator, denominator = base.numerator, base.denominator  # quicker than fractions, and as exact
    end_s = wanted_s[-1] + 2 * _EPSILON_S
    ahead: list[av.Packet] = []
    times: list[float] = []  # of the packets ahead
    gone: list[float] = []  # of the latest ones before them
    beyond = 0  # the latest packets that are all shown after the end
    for packet in packets:
        pts = packet.pts
        time_s = -math.inf if pts is None else pts * numerator / denominator - origin_s
        ahead.append(packet)
        times.append(time_s)
        beyond = beyond + 1 if time_s > end_s else 0
        if beyond > _AHEAD:
            yield from zip(ahead, _needed(times, gone, wanted_s)[:-beyond], repeat(None), strict=False)
            yield None, True, min(times[-beyond:])
            return
        if len(ahead) == _TOGETHER + _AHEAD:
            yield from zip(ahead, _needed(times, gone, wanted_s)[:_TOGETHER], repeat(None), strict=False)
            gone = times[_TOGETHER - 4 * _AHEAD : _TOGETHER]
            del ahead[:_TOGETHER], times[:_TOGETHER]
    until = max(0, len(ahead) - _AHEAD)
    seen = [*_needed(times, gone, wanted_s)[:until], *(True for _ in ahead[until:])]
    yield from zip(ahead, seen, repeat(None), strict=False)
    yield None, True, None


def _needed(times: list[float], gone: list[float], wanted_s: list[float]) -> list[bool]:
    """Whether a picture shown from each of these times on, until the next one known, is seen at a wanted instant."""
    known = sorted(gone + times)
    needed = []
    for time_s in times:
        after = bisect_right(known, time_s)
        until = known[after] if after < len(known) else math.inf
        place = bisect_left(wanted_s, time_s - 2 * _EPSILON_S)
        needed.append(time_s == -math.inf or (place < len(wanted_s) and wanted_s[place] < until))
    return needed
