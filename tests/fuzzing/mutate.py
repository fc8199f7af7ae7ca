"""Breaks a whole file: by bytes, by cutting and joining, and by making the numbers of its structure lie.

The same base, other files and seed give the same broken file.
"""

import random
from collections.abc import Callable, Sequence

from fuzzing.boxes import Part, parts_of

__all__ = ["MUTATIONS", "mutate"]

_WORDS = (0, 1, 2, 3, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x3FFFFFFF)
_LONG = (1 << 63, (1 << 63) - 1, (1 << 64) - 1, 1 << 62, 1 << 40)
# Pieces whose numbers decide about time, size and place; drawn as often as all the others together.
_TELLING = frozenset(
    {
        "mvhd", "tkhd", "mdhd", "elst", "stts", "ctts", "stss", "stsc", "stsz", "stco", "co64", "stsd", "avc1", "avcC",
        "hvc1", "hvcC", "av01", "av1C", "vp09", "vpcC", "mp4v", "esds", "hdlr", "tfhd", "tfdt", "trun", "trex", "sidx",
        "2AD7B1", "4489", "B0", "BA", "54B0", "54BA", "23E383", "63A2", "86", "83", "E7", "A3", "A1", "9B", "4487",
        "avih", "strh", "strf", "indx", "idx1", "IHDR", "acTL", "fcTL", "pickle", "number",
    }
)  # fmt: skip
Mutation = Callable[[bytearray, random.Random, Sequence[bytes]], None]


def mutate(data: bytes, seed: str, others: Sequence[bytes]) -> tuple[bytes, str]:
    """A broken copy of ``data``.

    Args:
        data: a whole file.
        seed: decides everything.
        others: files that may be joined to it.

    Returns:
        The broken file, and the names of what was done to it.
    """
    draw = random.Random(seed)
    broken, done = bytearray(data), list[str]()
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        name = draw.choices(list(MUTATIONS), weights=[weight for weight, _ in MUTATIONS.values()])[0]
        MUTATIONS[name][1](broken, draw, others)
        done.append(name)
    return bytes(broken), "+".join(done)


def _place(data: bytearray, draw: random.Random) -> int:
    """Anywhere, and as often near the beginning or the end, where headers lie."""
    reach = min(len(data), draw.choice((1 << 62, 1024, 2048)))
    if not reach:
        return 0
    return draw.randrange(reach) if reach != 2048 else len(data) - 1 - draw.randrange(reach)


def _flip(data: bytearray, draw: random.Random, others: Sequence[bytes]) -> None:
    for _ in range(draw.choice((1, 2, 8, 64, 512)) if data else 0):
        data[_place(data, draw)] ^= 1 << draw.randrange(8)


def _cut(data: bytearray, draw: random.Random, others: Sequence[bytes]) -> None:
    del data[_place(data, draw) :]


def _zero(data: bytearray, draw: random.Random, others: Sequence[bytes]) -> None:
    start = _place(data, draw)
    stop = min(len(data), start + draw.choice((4, 64, 1024, 1 << 30)))
    data[start:stop] = bytes(stop - start)


def _noise(data: bytearray, draw: random.Random, others: Sequence[bytes]) -> None:
    start, length = _place(data, draw), draw.choice((1, 16, 256, 4096))
    stop = start + (length if draw.random() < 0.5 else 0)
    data[start:stop] = draw.randbytes(length)


def _drop(data: bytearray, draw: random.Random, others: Sequence[bytes]) -> None:
    start = _place(data, draw)
    del data[start : start + draw.choice((1, 7, 100, 5000))]


def _repeat(data: bytearray, draw: random.Random, others: Sequence[bytes]) -> None:
    start = _place(data, draw)
    piece = data[start : start + draw.choice((8, 200, 5000))]
    data[start:start] = piece * draw.choice((1, 2, 50))


def _join(data: bytearray, draw: random.Random, others: Sequence[bytes]) -> None:
    other = draw.choice(others) if others else b""
    data[_place(data, draw) :] = other[draw.randrange(max(1, len(other))) :][: 1 << 17]


def _word(data: bytearray, draw: random.Random, others: Sequence[bytes]) -> None:
    _write(data, _place(data, draw) // 4 * 4, draw, big=draw.random() < 0.5)


def _write(data: bytearray, at: int, draw: random.Random, *, big: bool) -> None:
    size = draw.choice((1, 2, 4, 4, 4, 8))
    value = draw.choice(_LONG if size == 8 else _WORDS) + draw.choice((0, 0, 0, -1, 1))
    data[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, "big" if big else "little")[: len(data) - at]


def _chosen(data: bytearray, draw: random.Random) -> Part | None:
    parts = parts_of(bytes(data))
    telling = [part for part in parts if part.name in _TELLING]
    pool = telling if telling and draw.random() < 0.7 else parts
    names = sorted({part.name for part in pool})  # by kind first: one index may have more entries than all the rest
    if not names:
        return None
    name = draw.choice(names)
    return draw.choice([part for part in pool if part.name == name])


def _lie(data: bytearray, draw: random.Random, others: Sequence[bytes]) -> None:
    for _ in range(draw.choice((1, 1, 2, 4))):
        part = _chosen(data, draw)
        if part is None:
            _word(data, draw, others)
        elif part.name == "number":
            text = draw.choice(("0", "-1", "1e400", "65536", str(1 << 62), "9" * 400, "null", "1.5", "[]", '"x"'))
            data[part.body : part.stop] = text.encode()
        else:
            reach = min(part.stop - part.body, draw.choice((8, 32, 100, 100, 4096)))
            _write(data, part.body + draw.randrange(max(1, reach)), draw, big=part.big)


def _length(data: bytearray, draw: random.Random, others: Sequence[bytes]) -> None:
    """A piece says another length than it has."""
    part = _chosen(data, draw)
    if part is not None and part.big:
        _write(data, part.start, draw, big=True)
    elif part is not None:
        _write(data, part.start + 4, draw, big=False)


def _lose(data: bytearray, draw: random.Random, others: Sequence[bytes]) -> None:
    """A piece is gone, or is there twice, or has another name."""
    part = _chosen(data, draw)
    if part is None or part.stop - part.start > 1 << 20:
        return
    way, piece = draw.randrange(3), data[part.start : part.stop]
    if way == 0:
        del data[part.start : part.stop]
    elif way == 1:
        data[part.stop : part.stop] = piece
    else:
        data[part.start + 4 : part.start + 8] = b"free"[: max(0, len(data) - part.start - 4)]


#: How often each is drawn, and what it does.
MUTATIONS: dict[str, tuple[int, Mutation]] = {
    "flip": (3, _flip),
    "cut": (2, _cut),
    "zero": (1, _zero),
    "noise": (1, _noise),
    "drop": (1, _drop),
    "repeat": (1, _repeat),
    "join": (1, _join),
    "word": (2, _word),
    "lie": (8, _lie),
    "length": (2, _length),
    "lose": (2, _lose),
}
