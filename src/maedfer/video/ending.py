"""Did a video break off before its end? Asked after a pass, because a decoder takes the end of a file for the end.

A download that stopped half-way plays without complaint. Three claims are compared with what was decoded: the duration
that the container says, the bytes that its outermost structure says, and the packets that lie behind the last picture.
"""

import os
import re
import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import av

from maedfer.errors import DecodeError
from maedfer.video.opening import Opened, opened
from maedfer.video.source import is_url
from maedfer.video.types import VideoInfo

__all__ = ["ending_lost_s"]

# Containers whose header says a duration that the writer knew; others estimate it from the bytes that are there.
_SAYING = ("mov", "matroska", "avi", "flv", "mxf")
# Of these the outermost structure says how many bytes there are.
_MEASURED = ("mov", "matroska", "avi", "flv")
# Addresses that lead to a file; a stream that has ended has ended.
_FILE_SCHEMES = ("ftp", "http", "https")
_LEAST_S, _LEAST_SHARE = 1.0, 0.05
# Enough for several key frames of one stream among the packets of others.
_PACKETS = 4000
_BOXES = 100_000
_TAIL_BYTES = 4096
_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067


def ending_lost_s(source: Path | str, info: VideoInfo, decoded_s: float) -> float | None:
    """Seconds that the pictures of a video lack at its end, against what its container says.

    Sound that goes on after the pictures, a last picture that stands long, edit lists, and headers that are wrong by
    less than 5 % or 1 s are no loss. MPEG transport streams, GIF and recordings that were never finished do not say how
    long they are: there is nothing to find in them.

    Args:
        source: what was read to its end.
        info: what :func:`maedfer.video.decode.probe` said of it before.
        decoded_s: seconds from the first picture to the end of the last one.

    Returns:
        Seconds, more than 1 and more than 5 % of the whole; ``None`` when nothing is missing, or nothing says so.
    """
    path = None if is_url(source) else Path(source)
    if info.codec == "images" or (path is None and str(source).split(":")[0].lower() not in _FILE_SCHEMES):
        return None
    if path is None and _lack(info.duration_s, decoded_s) is None:
        return None  # opening an address a second time is for suspects
    try:
        with opened(source) as found:
            kind = found[0].format.name
            if not kind.startswith(_SAYING):
                return None
            said_s, measured, cut = _said(found, info), False, False
            if path is not None and kind.startswith(_MEASURED):
                measured, cut = True, _breaks_off(path)
                said_s = max(said_s or 0.0, _avi_s(path)) if cut and kind == "avi" else said_s
            lost = _lack(said_s, decoded_s)
            if lost is None or said_s is None or cut or _goes_on(found, decoded_s + _tolerance(said_s)):
                return lost
            # Where the bytes cannot be counted, something near the end, if only sound, must show that there is one.
            whole = measured or _goes_on(found, said_s - _tolerance(said_s), any_stream=True)
            return None if whole else lost
    except (DecodeError, OSError):
        # It could be opened before the pass: the server went away meanwhile, or the file did.
        return _lack(info.duration_s, decoded_s)


def _tolerance(said_s: float) -> float:
    return max(_LEAST_S, _LEAST_SHARE * said_s)


def _lack(said_s: float | None, decoded_s: float) -> float | None:
    return None if said_s is None or said_s - decoded_s <= _tolerance(said_s) else said_s - decoded_s


def _said(found: Opened, info: VideoInfo) -> float | None:
    """The stream's own duration where it has one. Matroska keeps it in a tag; its container counts the sound too."""
    tag = re.fullmatch(r"(\d{1,6}):(\d\d):(\d\d(?:\.\d{1,9})?)", found[1].metadata.get("DURATION", ""))
    if found[1].duration or tag is None:
        return info.duration_s
    seconds = int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3]) - _start(found)
    return seconds if seconds > 0 else info.duration_s


def _start(found: Opened) -> float:
    """Time stamp of the first picture in seconds."""
    stream = found[1]
    return float(stream.start_time * stream.time_base) if stream.start_time and stream.time_base else 0.0


def _goes_on(found: Opened, time_s: float, *, any_stream: bool = False) -> bool:
    """Whether there is a packet for later than ``time_s`` after the first picture: of the pictures, or of anything."""
    container, stream = found
    stamp_s = _start(found) + time_s
    try:
        container.seek(int(stamp_s / stream.time_base), stream=stream)
        packets = container.demux() if any_stream else container.demux(stream)
        return any(
            packet.pts is not None and not packet.is_discard and float(packet.pts * packet.time_base) > stamp_s
            for packet in islice(packets, _PACKETS)
        )
    except (av.error.FFmpegError, OverflowError):
        return False


def _breaks_off(path: Path) -> bool:
    """Whether the file is shorter than its outermost structure says, or ends in bytes that were never filled in."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        if not any(file.read(_TAIL_BYTES)):
            return True
        file.seek(0)
        head = file.read(4)
        file.seek(0)
        if head == b"RIFF":
            ends = _riff_ends(file)
        elif head[:3] == b"FLV":
            return not _ends_with_a_tag(file, size)
        elif head == _EBML.to_bytes(4, "big"):
            ends = _ebml_ends(file)
        else:
            ends = _box_ends(file)
        return any(end > size for end in islice(ends, _BOXES))


def _riff_ends(file: BinaryIO) -> Iterator[int]:
    """Ends of the chunks of an AVI file; one of more than a gigabyte has several."""
    position = 0
    while len(head := file.read(8)) == 8 and head[:4] in (b"RIFF", b"LIST", b"idx1", b"JUNK"):
        length = int.from_bytes(head[4:], "little")
        if length >= 2**31 - 1:  # never filled in: the recorder stopped without closing the file
            return
        position += 8 + length
        yield position
        file.seek(position + position % 2)


def _ends_with_a_tag(file: BinaryIO, size: int) -> bool:
    """Whether the last number of a Flash file is, as it must be, the size of the tag before it."""
    file.seek(max(0, size - 4))
    length = int.from_bytes(file.read(4), "big")
    if not 11 <= length <= size - 4:
        return False
    file.seek(size - 4 - length)
    return int.from_bytes(file.read(4)[1:], "big") == length - 11


def _box_ends(file: BinaryIO) -> Iterator[int]:
    """Ends of the outer boxes of an MP4 or QuickTime file."""
    position = 0
    while len(head := file.read(16)) >= 8:
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:], "big")
        if length < 8 or not head[4:8].isascii():  # 0: to the end of the file
            return
        position += length
        yield position
        file.seek(position)


def _ebml_ends(file: BinaryIO) -> Iterator[int]:
    """Ends of the outer elements of a Matroska or WebM file, as far as they say one."""
    position = 0
    while (mark := _vint(file, keep_marker=True)) is not None and (length := _vint(file)) is not None:
        position = file.tell() + length
        yield position
        if mark not in (_EBML, _SEGMENT):
            return
        file.seek(position)


def _vint(file: BinaryIO, *, keep_marker: bool = False) -> int | None:
    """A number of varying length (RFC 8794, 4); ``None`` at the end, or where a length is unknown (all ones)."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    raw = first + file.read(more)
    value = int.from_bytes(raw, "big")
    if len(raw) <= more or keep_marker:
        return value if len(raw) > more else None
    value &= (1 << 7 * (more + 1)) - 1
    return None if value == (1 << 7 * (more + 1)) - 1 else value


def _avi_s(path: Path) -> float:
    """Seconds by the main header of an AVI file, which is true where the index that follows is lost; 0 when unsaid."""
    with path.open("rb") as file:
        head = file.read(52)
    if len(head) < 52 or head[24:28] != b"avih":
        return 0.0
    microseconds, frames = struct.unpack_from("<I", head, 32)[0], struct.unpack_from("<I", head, 48)[0]
    return float(microseconds * frames / 1e6)
