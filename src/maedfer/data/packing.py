"""One clip of a manifest, cropped through its whole length, as the bytes that go into a shard."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from maedfer.data.clip_frames import FOLDER_FPS, RATE, crop_square
from maedfer.data.jpeg_clip import MOST_INSTANTS, encode_pictures
from maedfer.data.manifest import ClipEntry
from maedfer.errors import DecodeError
from maedfer.video.align import warp
from maedfer.video.clips import DECODED_SIDE
from maedfer.video.decode import probe, read_frames
from maedfer.video.detect import CenterFace, FaceDetector
from maedfer.video.follow import FollowedFace, follow_face

__all__ = ["PackSpec", "PackedBytes", "pack_clip"]


@dataclass(frozen=True)
class PackSpec:
    """How clips are cropped and packed; see :func:`maedfer.data.pack.pack_manifest`."""

    crop: Literal["centre", "face", "voxceleb2"]
    size: int
    quality: int


@dataclass(frozen=True)
class PackedBytes:
    """A clip as it goes into a shard.

    Attributes:
        data: JPEG pictures, one behind the other.
        instants: picture on screen at each instant.
        sizes: bytes of each picture.
        sums: CRC-32 of each.
        fps: instants a second.
        coverage: share of the instants at which the face was seen; 0: none was; 1 where none was looked for.
        shortened: only the middle minute is here.
    """

    data: bytes
    instants: tuple[int, ...]
    sizes: tuple[int, ...]
    sums: tuple[int, ...]
    fps: float
    coverage: float
    shortened: bool


_detector: FaceDetector | None = None  # one a process: loading the network costs more than a clip


def pack_clip(entry: ClipEntry, spec: PackSpec) -> PackedBytes:
    """Crop and encode a clip at 25 instants a second, as training looks at it.

    Raises:
        DecodeError: it cannot be read.
    """
    global _detector
    fps = entry.fps or FOLDER_FPS if entry.path.is_dir() else FOLDER_FPS
    face, coverage = None, 1.0
    if spec.crop == "face":
        _detector = _detector or CenterFace()
        face = follow_face(entry.path, _detector, spec.size, folder_fps=fps)
        coverage = 0.0 if face is None else face.coverage
    duration_s = probe(entry.path, folder_fps=fps).duration_s or 0.0
    spare = max(0.0, duration_s - MOST_INSTANTS / RATE)
    start = round(spare / 2 * RATE)
    crops = _crops(entry, spec, face, fps, start)
    data, instants, sizes, sums = encode_pictures(crops, spec.quality)
    if not instants and start:  # the container promised more than the file holds
        data, instants, sizes, sums = encode_pictures(_crops(entry, spec, face, fps, 0), spec.quality)
    if not instants:
        raise DecodeError("expected at least one picture, none could be decoded; check that the file plays")
    shortened = spare > 0 or (not duration_s and len(instants) == MOST_INSTANTS)
    return PackedBytes(data, instants, sizes, sums, RATE, coverage, shortened)


def _crops(
    entry: ClipEntry, spec: PackSpec, face: FollowedFace | None, fps: float, start: int
) -> Iterator[UInt8[np.ndarray, "S S 3"]]:
    """The crop at each instant; the same array again while the same picture is on screen."""
    previous, crop = None, None
    for frame in read_frames(
        entry.path,
        rate=RATE,
        start_s=start / RATE,
        end_s=(start + MOST_INSTANTS - 0.5) / RATE,
        max_side=DECODED_SIDE,
        folder_fps=fps,
    ):
        if crop is None or frame.image is not previous:
            previous = frame.image
            if face is not None:
                crop = warp(frame.image, face.at(frame.time_s), spec.size)
            else:
                crop = crop_square(frame.image, "centre" if spec.crop == "face" else spec.crop, spec.size)
        yield crop
