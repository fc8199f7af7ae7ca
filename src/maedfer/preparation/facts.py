"""What a clip really is: its frames, their rate, whether it can be decoded to its end, a hash of its content.

Frames of a video file are counted as packets, without decoding: in the formats of the public sets a packet is a frame,
and 120 of them, 963x720, are counted in 4 ms where decoding takes 290 ms. The first picture and those of the last
second are decoded (from the key frame before it on, in a short clip often all); ``deep`` decodes them all.
"""

import hashlib
import re
from dataclasses import dataclass
from itertools import pairwise
from math import gcd
from pathlib import Path

from maedfer.errors import DecodeError
from maedfer.video.container import file_info, file_pictures
from maedfer.video.decode import probe
from maedfer.video.ending import ending_lost_s
from maedfer.video.find import frames_in
from maedfer.video.opening import opened
from maedfer.video.types import VideoInfo

__all__ = ["ClipFacts", "content_mark", "read_facts"]

# What may lack at the end before a clip counts as broken off: containers count a frame or two that are never shown.
_SPARE_FRAMES, _SPARE_SHARE, _SPARE_S = 2, 0.02, 0.5
_LAST_S = 1.0
_CHUNK_BYTES = 1 << 20
_NUMBER = re.compile(r"(\d+)\D*$")


@dataclass(frozen=True)
class ClipFacts:
    """Facts about one clip.

    Attributes:
        frames: pictures in it.
        fps: frames per second on average; ``None`` for a folder of frames, which does not say.
        width: pixels as shown.
        height: pixels as shown.
        sha256: of the file, or of the images of a folder in natural order of their names, in hexadecimal. Names do not
            count, so that a copy of a folder under other names is still a copy.
        skipped: numbers that lack in the names of a folder's frames.
    """

    frames: int
    fps: float | None
    width: int
    height: int
    sha256: str
    skipped: int = 0


def read_facts(path: Path, *, deep: bool = False) -> ClipFacts:
    """Look into one clip.

    Args:
        path: video file or folder of frames.
        deep: decode all of it.

    Raises:
        DecodeError: it cannot be read, breaks off, or does not decode at its beginning or end (``deep``: anywhere).
        OSError: it cannot be opened.
    """
    return _folder_facts(path, deep) if path.is_dir() else _file_facts(path, deep)


def content_mark(path: Path) -> str:
    """A short text that changes with the clip: size and time of the file, or of all files of a folder.

    Raises:
        OSError: it is not there.
    """
    stat = path.stat()
    if not path.is_dir():
        return f"{stat.st_size}-{stat.st_mtime_ns}"
    marks = hashlib.sha256()
    for file in sorted(path.iterdir()):
        stat = file.stat()
        marks.update(f"{file.name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return marks.hexdigest()[:16]


def _folder_facts(path: Path, deep: bool) -> ClipFacts:
    images = frames_in(path)
    total = hashlib.sha256()
    for image in images:
        total.update(image.stat().st_size.to_bytes(8, "little"))
        _digest(image, total)
    first = file_info(images[0])
    for image in images[1:] if deep else images[-1:]:
        file_info(image)
    skipped = _skipped([image.stem for image in images])
    return ClipFacts(len(images), None, first.width, first.height, total.hexdigest(), skipped)


def _skipped(stems: list[str]) -> int:
    """How many numbers lack between the first and the last; every second or third number is a numbering too."""
    found = [_NUMBER.search(stem) for stem in stems]
    numbers = sorted({int(match[1]) for match in found if match})
    if len(numbers) != len(stems) or len(numbers) < 3:
        return 0
    step = gcd(*(after - before for before, after in pairwise(numbers)))
    return (numbers[-1] - numbers[0]) // step + 1 - len(numbers)


def _file_facts(path: Path, deep: bool) -> ClipFacts:
    info = probe(path)
    total = hashlib.sha256()
    _digest(path, total)
    if info.codec == "images":
        return ClipFacts(1, None, info.width, info.height, total.hexdigest())
    counted, said, last_s = _packets(path)
    if counted < said - _spare(said):
        raise DecodeError(f"{path}: breaks off, {counted} of {said} frames are there; copy or download it again")
    decoded, span_s, end_s = _decoded(path, 0.0 if deep else max(0.0, last_s - _LAST_S))
    lost_s = ending_lost_s(path, info, end_s)
    if lost_s is None and last_s - (end_s - (1 / info.frame_rate if info.frame_rate else 0.0)) > _SPARE_S:
        lost_s = last_s - end_s
    if lost_s is not None:
        raise DecodeError(f"{path}: its last {lost_s:.1f} s cannot be decoded; copy or download it again")
    if deep and decoded < counted - _spare(counted):
        raise DecodeError(f"{path}: {decoded} of {counted} frames can be decoded; copy or download it again")
    frames, fps = (decoded, _rate(decoded, span_s, info)) if deep else (max(1, counted), info.frame_rate)
    return ClipFacts(frames, fps, info.width, info.height, total.hexdigest())


def _spare(frames: int) -> int:
    return max(_SPARE_FRAMES, round(_SPARE_SHARE * frames))


def _rate(frames: int, span_s: float, info: VideoInfo) -> float | None:
    return (frames - 1) / span_s if frames > 1 and span_s > 0 else info.frame_rate


def _packets(path: Path) -> tuple[int, int, float]:
    """(frames that are in the file, frames that its index says, seconds from the first to the last)."""
    counted, first, last = 0, None, 0
    with opened(path) as (container, stream):
        said, base = int(stream.frames or 0), float(stream.time_base or 0)
        for packet in container.demux(stream):
            if not packet.size or packet.is_discard:
                said -= bool(packet.size)
                continue
            counted += 1
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None:
                first = stamp if first is None else min(first, stamp)
                last = max(last, stamp)
    return counted, said, (last - first) * base if first is not None else 0.0


def _decoded(path: Path, start_s: float) -> tuple[int, float, float]:
    """Pictures decoded from about ``start_s`` on: how many, seconds from first to last, and when the last one ends."""
    count, first_s, last_s, end_s = 0, 0.0, 0.0, 0.0
    for picture in file_pictures(path, start_s):
        first_s = picture.time_s if not count else first_s
        last_s, end_s, count = picture.time_s, picture.time_s + picture.duration_s, count + 1
    return count, last_s - first_s, end_s


def _digest(path: Path, total: "hashlib._Hash") -> None:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            total.update(chunk)
