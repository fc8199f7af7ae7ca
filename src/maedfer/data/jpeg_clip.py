"""One clip inside a shard: its pictures as JPEG, one behind the other, and the facts that say where each is.

Sixteen pictures of some two hundred are read at a visit. As JPEG each stands alone: a visit reads and decodes sixteen.
H.264 with a key frame every 4 to 16 pictures has a quarter of the bytes or less, and takes six to eight times as long
to read (benchmarks/clip_formats.py). The member is a plain MJPEG stream, which players open.
"""

import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from maedfer.errors import DecodeError
from maedfer.video.align import middle_square
from maedfer.video.folder_at import image_extent

__all__ = ["MOST_INSTANTS", "ClipFacts", "PackedClip", "encode_pictures", "read_facts"]

#: Instants of a packed clip at most: 60 s at 25 a second.
MOST_INSTANTS = 1500
_MOST_BYTES = 1 << 26  # of one picture
_MOST_SIDE = 4096


@dataclass(frozen=True)
class ClipFacts:
    """What a shard says about a clip.

    Attributes:
        clip_id: path in the manifest that was packed.
        row: position in it.
        label: class name, empty when unlabelled.
        label_set: to which it belongs, empty when none.
        subject: the person, empty when unknown.
        split: train, val, test or empty.
        fold: the fold that tests the clip; ``None``: none.
        sha256: of the source, as the manifest said.
        fps: instants a second.
        instants: picture on screen at each instant, from 0.
        sizes: bytes of each picture.
        sums: CRC-32 of each.
    """

    clip_id: str
    row: int
    label: str
    label_set: str
    subject: str
    split: str
    fold: int | None
    sha256: str
    fps: float
    instants: tuple[int, ...]
    sizes: tuple[int, ...]
    sums: tuple[int, ...]

    def to_json(self) -> bytes:
        """As it stands in the shard."""
        facts = {name: value for name, value in vars(self).items() if name != "instants"}
        facts["frames"] = len(self.instants)
        if self.instants != tuple(range(len(self.sizes))):
            facts["instants"] = self.instants
        return json.dumps(facts).encode()


@dataclass(frozen=True)
class PackedClip:
    """A clip whose pictures are still to be read.

    Attributes:
        facts: about it.
        read: bytes of its pictures from one place up to another.
    """

    facts: ClipFacts
    read: Callable[[int, int], bytes]

    def frames(self, wanted: Sequence[int], size: int) -> list[UInt8[np.ndarray, "S S 3"]]:
        """The RGB pictures at some instants, ``size`` pixels a side; instants behind the end have the last one.

        Raises:
            DecodeError: they are not the bytes that were written, or no pictures.
        """
        facts = self.facts
        ends = np.cumsum(facts.sizes).tolist()
        made: dict[int, UInt8[np.ndarray, "S S 3"]] = {}
        chosen = [facts.instants[min(index, len(facts.instants) - 1)] for index in wanted]
        for number in dict.fromkeys(chosen):
            data = self.read(ends[number] - facts.sizes[number], ends[number])
            if len(data) != facts.sizes[number] or zlib.crc32(data) != facts.sums[number]:
                raise DecodeError(f"{facts.clip_id}: picture {number} is not as it was packed; copy the shard again")
            made[number] = _decoded(data, facts.clip_id, size)
        return [made[number] for number in chosen]


def encode_pictures(
    images: Iterable[UInt8[np.ndarray, "S S 3"]], quality: int
) -> tuple[bytes, tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """JPEG of the pictures at the instants of a clip; one shown again (the same array) is stored once.

    Args:
        images: RGB, one an instant.
        quality: 1 to 100.

    Returns:
        The bytes; picture of each instant; size and CRC-32 of each picture.
    """
    parts: list[bytes] = []
    instants: list[int] = []
    previous = None
    for image in images:
        if image is not previous:
            bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
            parts.append(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())
            previous = image
        instants.append(len(parts) - 1)
    sums = tuple(zlib.crc32(part) for part in parts)
    return b"".join(parts), tuple(instants), tuple(len(part) for part in parts), sums


def read_facts(data: bytes, where: str) -> ClipFacts:
    """Check what a shard says about a clip; nothing in it is trusted.

    Raises:
        DecodeError: it is not what was written.
    """
    try:
        raw = json.loads(data)
        sizes = tuple(int(size) for size in raw["sizes"])
        instants = tuple(int(number) for number in raw.get("instants", range(len(sizes))))
        facts = ClipFacts(
            clip_id=str(raw["clip_id"]),
            row=int(raw["row"]),
            label=str(raw["label"]),
            label_set=str(raw["label_set"]),
            subject=str(raw["subject"]),
            split=str(raw["split"]),
            fold=None if raw["fold"] is None else int(raw["fold"]),
            sha256=str(raw["sha256"]),
            fps=float(raw["fps"]),
            instants=instants,
            sizes=sizes,
            sums=tuple(int(value) for value in raw["sums"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DecodeError(f"{where}: expected the facts of a packed clip, got something else ({error!r})") from error
    sound = facts.row >= 0 and 0 < len(instants) <= MOST_INSTANTS and len(sizes) == len(facts.sums) <= MOST_INSTANTS
    if not sound or not all(0 < s <= _MOST_BYTES for s in sizes) or not all(0 <= i < len(sizes) for i in instants):
        raise DecodeError(f"{where}: the facts of {facts.clip_id} contradict each other; pack it again")
    return facts


def _decoded(data: bytes, name: str, size: int) -> UInt8[np.ndarray, "S S 3"]:
    extent = image_extent(data)
    if extent is None or not 0 < max(extent) <= _MOST_SIDE:
        raise DecodeError(f"{name}: expected JPEG pictures of up to {_MOST_SIDE} pixels a side, got {extent}")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise DecodeError(f"{name}: expected JPEG pictures, got bytes that cannot be decoded")
    rgb: UInt8[np.ndarray, "S S 3"] = image if image.shape[:2] == (size, size) else middle_square(image, size)
    return rgb
