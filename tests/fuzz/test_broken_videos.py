"""Broken videos that once went wrong, or that show a limit: each is made here, small, from its seed."""

import re
import struct
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from fuzzing.bases import BASES, Film
from fuzzing.boxes import parts_of
from maedfer.errors import DecodeError
from maedfer.video.decode import probe, read_frames
from maedfer.video.ending import ending_lost_s
from maedfer.video.opening import MAX_MOVING_PIXELS

RATE = 6.25


def made(path: Path, name: str) -> Path:
    BASES[name](path)
    return path


def test_a_small_file_cannot_claim_pictures_that_fill_the_memory(tmp_path: Path) -> None:
    path = made(tmp_path / "a.webm", "vp8.webm")
    sides = re.compile(rb"\x9d\x01\x2a....", re.DOTALL)  # in each key frame
    assert len(sides.findall(path.read_bytes())) >= 2
    whole = path.read_bytes()
    for side in (6400, 14000):
        path.write_bytes(sides.sub(b"\x9d\x01\x2a" + struct.pack("<HH", side, side), whole))
        assert side**2 > MAX_MOVING_PIXELS
        with pytest.raises(DecodeError, match="none could be decoded"):
            list(read_frames(path, rate=RATE))


def test_a_video_beyond_the_limit_is_told_it(tmp_path: Path) -> None:
    path = made(tmp_path / "a.avi", "raw.avi")
    data = path.read_bytes()
    sides = data.index(b"strf") + 8 + 4
    assert struct.unpack_from("<ii", data, sides)[0] == 64
    path.write_bytes(data[:sides] + struct.pack("<ii", 16000, 16000) + data[sides + 8 :])
    with pytest.raises(DecodeError, match=rf"at most {MAX_MOVING_PIXELS} pixels .* got 16000x16000; make it smaller"):
        list(read_frames(path))


def test_large_photographs_are_still_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((7000, 6000), np.uint8))
    assert MAX_MOVING_PIXELS < 7000 * 6000
    assert (probe(path).width, probe(path).height) == (6000, 7000)


@pytest.mark.parametrize("digits", [18, 400, 5000])
def test_a_duration_of_any_length_is_no_more_than_a_claim(tmp_path: Path, digits: int) -> None:
    path = tmp_path / "a.mkv"
    Film(".mkv", "ffv1", "gray", (16, 16), 3).make(path)
    data, parts = path.read_bytes(), {part.name: part for part in parts_of(path.read_bytes())}
    tags, segment, track = parts["1254C367"], parts["18538067"], parts["73C5"]
    target = element(0x63C0, element(0x63C5, data[track.body : track.stop]))
    claim = element(0x67C8, element(0x45A3, b"DURATION") + element(0x4487, b"9" * digits + b":00:00"))
    endless = data[: segment.body - 8] + b"\x01" + b"\xff" * 7  # the segment goes to the end of the file
    lying = element(0x1254C367, element(0x7373, target + claim))
    path.write_bytes(endless + data[segment.body : tags.start] + lying + data[tags.stop :])
    with av.open(str(path)) as container:
        assert len(container.streams.video[0].metadata["DURATION"]) == digits + 6
    assert ending_lost_s(path, probe(path), 0.48) is None


def element(name: int, content: bytes) -> bytes:
    """An element of Matroska."""
    mark = name.to_bytes((name.bit_length() + 7) // 8, "big")
    return mark + (len(content) | 1 << 56).to_bytes(8, "big") + content
