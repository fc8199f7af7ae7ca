"""Face crops from videos, pictures and manifests, cut as prediction cuts them: to calibrate, compare and adapt on."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import UInt8

from maedfer.config import ClassifierConfig
from maedfer.data.manifest import ClipEntry, read_manifest
from maedfer.errors import ConfigError
from maedfer.reading import open_source
from maedfer.video.clips import ClipSpec
from maedfer.video.crop import crop_clip
from maedfer.video.detect import CenterFace
from maedfer.video.faces import FaceClips

__all__ = ["sample_faces"]

_Item = TypeVar("_Item")
_MOST = 512  # clips of 1 MB each; the ranges no longer change much after some dozens


def sample_faces(
    sources: Sequence[Path], config: ClassifierConfig, *, most: int = 64
) -> UInt8[np.ndarray, "N 3 T S S"]:
    """Clips of faces from manifests and videos, in the shape that a model reads.

    Args:
        sources: manifests (``.csv``: the main face of the middle of each clip, evenly spread over the rows) and videos
            or pictures (each face in each window); none: the sample video inside the package.
        config: of the model.
        most: clips at most, evenly spread over the sources and within each, 1 to 512; of more sources, as many are
            read.

    Raises:
        ConfigError: ``most`` is out of range, or no face was found.
        DecodeError, ManifestError: a source cannot be read.
    """
    if not 1 <= most <= _MOST:
        raise ConfigError(f"clips of faces: expected 1 to {_MOST}, got {most}; 64 is common")
    spec = ClipSpec(num_frames=config.encoder.num_frames, size=config.encoder.image_size)
    chosen = tuple(sources) or (Path(str(files("maedfer").joinpath("assets", "sample", "sample.mp4"))),)
    share = -(-most // len(chosen))
    found = _spread([clip for source in _spread(chosen, most) for clip in _of_source(source, spec, share)], most)
    if not found:
        raise ConfigError(
            f"expected faces in {chosen[0]}, found none; give videos, pictures or manifests that show faces"
        )
    return np.stack(found)


def _of_source(source: Path, spec: ClipSpec, most: int) -> list[UInt8[np.ndarray, "3 T S S"]]:
    detector = CenterFace()
    if source.suffix.lower() == ".csv":
        entries: list[ClipEntry] = _spread(list(read_manifest(source).entries), most)
        return [crop_clip(entry.path, spec, detector).pixels for entry in entries]
    reading = open_source(FaceClips(detector, spec, hop_s=spec.span_s / 4), source, None)
    clips: list[UInt8[np.ndarray, "3 T S S"]] = []
    seen, stride = 0, 1
    for group in reading.groups(8, None):
        for clip in group.clips:
            if seen % stride == 0:
                clips.append(clip.pixels)
            seen += 1
            if len(clips) > 2 * most:  # never a whole film of clips; what stays is as far apart as what comes
                clips, stride = clips[::2], 2 * stride
    return _spread(clips, most)


def _spread(items: Sequence[_Item], most: int) -> list[_Item]:
    """At most so many, evenly spread."""
    if len(items) <= most:
        return list(items)
    return [items[index * len(items) // most] for index in range(most)]
