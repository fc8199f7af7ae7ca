"""A few face clips to look at, from a video or drawn from a manifest."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from maedfer.config import TokenConfig
from maedfer.data.clip_frames import FOLDER_FPS
from maedfer.data.manifest import ClipEntry, Manifest, read_manifest
from maedfer.data.sources import ClipSource
from maedfer.errors import ConfigError
from maedfer.recipes import DataConfig
from maedfer.video.clips import ClipSpec
from maedfer.video.crop import crop_clip
from maedfer.video.detect import CenterFace, FaceDetector

__all__ = ["Crop", "FaceClip", "face_clips"]

Crop = Literal["auto", "face", "centre", "voxceleb2"]

_MOST = 16  # clips; a picture of more is not looked at any more


@dataclass(frozen=True)
class FaceClip:
    """One clip and what it is called.

    Attributes:
        name: the video's name, or the clip's in the manifest.
        label: its class, empty when not known.
        pixels: RGB, 0..255.
    """

    name: str
    label: str
    pixels: UInt8[np.ndarray, "3 T S S"]


def face_clips(
    source: Path, size: TokenConfig, *, crop: Crop = "auto", root: Path | None = None, count: int = 6, seed: int = 0
) -> list[FaceClip]:
    """Clips of the shape a model reads.

    Args:
        source: a video (the main face in its middle 2.56 s) or a manifest (``.csv``), of which ``count`` clips are
            drawn, classes in turn, test clips when there are any.
        size: the model's encoder.
        crop: what the pictures are, as in training; ``"auto"``: as the manifest says of each clip, ``"centre"`` for
            those it calls face crops and ``"face"`` for the others.
        root: where a manifest's paths start.
        count: clips of a manifest.
        seed: of the draw.

    Raises:
        ConfigError: no clip is asked for, or more than 16 would be drawn.
        DecodeError, ManifestError: the source cannot be read.
    """
    if count < 1:
        raise ConfigError(f"count: expected at least one clip, got {count}")
    if source.suffix.lower() == ".csv":
        manifest = read_manifest(source, root)
        part = manifest.part("test") if any(entry.split == "test" for entry in manifest.entries) else manifest
        if min(count, len(part.entries)) > _MOST:
            raise ConfigError(f"count: expected at most {_MOST} clips in a picture, got {count}; ask for fewer")
        entries = _drawn(part.entries, count, seed)
    else:
        entries = (ClipEntry(0, source.name, source, "", "", ""),)
    detector: FaceDetector | None = None
    clips = []
    for entry in entries:
        own = ("centre" if entry.crop == "face" else "face") if crop == "auto" else crop
        if own == "face":
            detector = detector or CenterFace()
            spec = ClipSpec(num_frames=size.num_frames, size=size.image_size)
            pixels = crop_clip(entry.path, spec, detector, folder_fps=entry.fps or FOLDER_FPS).pixels
        else:
            pixels = _given(entry, size, own)
        clips.append(FaceClip(entry.clip_id, entry.label, pixels))
    return clips


def _given(entry: ClipEntry, size: TokenConfig, crop: Literal["centre", "voxceleb2"]) -> UInt8[np.ndarray, "3 T S S"]:
    """A clip that is a face crop already."""
    alone = Manifest(entry.path, None, (entry,))
    reader = ClipSource(DataConfig(crop=crop), alone, size=size.image_size, frames=size.num_frames)
    pixels: UInt8[np.ndarray, "3 T S S"] = reader.samples(alone, None, train=False)[0].clip.numpy()
    return pixels


def _drawn(entries: tuple[ClipEntry, ...], count: int, seed: int) -> tuple[ClipEntry, ...]:
    """Classes in turn, so that a few clips show many of them; in the order of the manifest inside the choice."""
    rng = np.random.default_rng(seed)
    classes: dict[str, list[ClipEntry]] = {}
    for index in rng.permutation(len(entries)).tolist():
        classes.setdefault(entries[index].label, []).append(entries[index])
    drawn: list[ClipEntry] = []
    while len(drawn) < min(count, len(entries)):
        for label in sorted(classes):
            if classes[label] and len(drawn) < count:
                drawn.append(classes[label].pop())
    return tuple(drawn)
