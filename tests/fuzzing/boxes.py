"""Where the numbers lie inside a file: the boxes of MP4, the elements of Matroska, the chunks of AVI, archives, JSON.

Bit flips alone nearly always hit compressed pictures. Headers lie by their numbers, and these are few: here they are
found, so that each can be made to lie.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

__all__ = ["Part", "parts_of"]

_MASTERS = frozenset(
    {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"udta", b"moof", b"traf", b"mvex", b"tref"}
)
# Segment, Info, Tracks, TrackEntry, Video, Audio, Cluster, BlockGroup, Cues, CuePoint, CueTrackPositions, SeekHead,
# Seek, Tags, Tag, SimpleTag, EBML.
_EBML_MASTERS = frozenset(
    {
        0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0, 0xE1, 0x1F43B675, 0xA0, 0x1C53BB6B, 0xBB, 0xB7, 0x114D9B74,
        0x4DBB, 0x1254C367, 0x7373, 0x67C8, 0x1A45DFA3,
    }
)  # fmt: skip
_MOST = 2000
_DEEPEST = 12
_DIGITS = re.compile(rb"-?\d+(\.\d+)?")


@dataclass(frozen=True)
class Part:
    """A piece of structure.

    Attributes:
        name: what its format calls it.
        start: of the whole piece, bytes.
        body: where its content begins.
        stop: behind its end.
        big: whether its numbers begin with the highest byte.
    """

    name: str
    start: int
    body: int
    stop: int
    big: bool = True


def parts_of(data: bytes) -> list[Part]:
    """The pieces of a whole file of a known structure, outer before inner; none for other files."""
    if data[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
        found = _boxes(data, 0, len(data), 0)
    elif data[:4] == b"\x1aE\xdf\xa3":
        found = _elements(data, 0, len(data), 0)
    elif data[:4] == b"RIFF":
        found = _chunks(data, 0, len(data), 0)
    elif data[:8] == b"\x89PNG\r\n\x1a\n":
        found = _png(data)
    elif data[:4] == b"PK\x03\x04":
        found = _archive(data)
    elif data[8:9] == b"{" or data[:1] == b"{":  # safetensors, whose header has a length before it; settings
        found = (Part("number", m.start(), m.start(), m.end()) for m in _DIGITS.finditer(data[: 1 << 16]))
    else:
        return []
    return list(islice(found, _MOST))


def _boxes(data: bytes, start: int, stop: int, depth: int) -> Iterator[Part]:
    while start + 8 <= stop and depth < _DEEPEST:
        length, name = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8]
        end = stop if length == 0 else min(stop, start + max(length, 8))
        yield Part(name.decode("latin-1"), start, start + 8, end)
        if name in _MASTERS:
            yield from _boxes(data, start + 8, end, depth + 1)
        elif name == b"stsd":  # a count, then boxes: the sizes of the picture, then the decoder's settings
            yield from _boxes(data, start + 16, end, depth + 1)
            yield from _boxes(data, start + 16 + 8 + 78, end, depth + 1)
        start = end


def _elements(data: bytes, start: int, stop: int, depth: int) -> Iterator[Part]:
    while start < stop and depth < _DEEPEST:
        mark = _vint(data, start)
        size = None if mark is None else _vint(data, start + mark[1])
        if mark is None or size is None:
            return
        name, body = mark[0], start + mark[1] + size[1]
        most = (1 << 7 * size[1]) - 1
        length = size[0] & most
        end = stop if length == most else min(stop, body + length)  # all ones: unknown
        yield Part(f"{name:X}", start, body, end)
        if name in _EBML_MASTERS:
            yield from _elements(data, body, end, depth + 1)
        start = max(end, start + 1)


def _vint(data: bytes, at: int) -> tuple[int, int] | None:
    """The raw number with its marker, and its length in bytes."""
    if at >= len(data) or not data[at]:
        return None
    length = 9 - data[at].bit_length()
    return int.from_bytes(data[at : at + length], "big"), length


def _chunks(data: bytes, start: int, stop: int, depth: int) -> Iterator[Part]:
    while start + 8 <= stop and depth < _DEEPEST:
        name, length = data[start : start + 4], int.from_bytes(data[start + 4 : start + 8], "little")
        end = min(stop, start + 8 + length)
        yield Part(name.decode("latin-1"), start, start + 8, end, big=False)
        if name in (b"RIFF", b"LIST"):
            yield from _chunks(data, start + 12, end, depth + 1)
        start = end + (end - start) % 2


def _png(data: bytes) -> Iterator[Part]:
    start = 8
    while start + 12 <= len(data):
        stop = min(len(data), start + 12 + int.from_bytes(data[start : start + 4], "big"))
        yield Part(data[start + 4 : start + 8].decode("latin-1"), start, start + 8, stop)
        start = stop


def _archive(data: bytes) -> Iterator[Part]:
    """Headers of a zip's entries, and the pickle inside."""
    for mark in (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06"):
        yield from (Part(f"PK{mark[2]}", m.start(), m.start() + 4, m.start() + 46, big=False)
                    for m in re.finditer(re.escape(mark), data))  # fmt: skip
    for found in re.finditer(rb"\x80\x02.*?\.(?=PK)", data, re.DOTALL):
        yield Part("pickle", found.start(), found.start(), min(found.end(), found.start() + 8192), big=False)
