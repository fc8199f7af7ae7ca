"""What the laboratory knows of each frame: the unit tracks of a set of clips in one file, ``units.npz``.

Arrays: ``units`` float16 (clips, frames, units) in the manifest's row order, and ``names`` of the units. A track is a
function of its spec, so the file is made without rendering, and again whenever the manifest is.
"""

from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float16

from maedfer.errors import ConfigError, ManifestError
from maedfer.output import write_whole
from maedfer.synth.clips import ClipSpec
from maedfer.synth.performance import unit_track
from maedfer.synth.rig import UNITS

__all__ = ["read_units", "unit_tracks", "write_units"]


def unit_tracks(specs: Sequence[ClipSpec]) -> Float16[np.ndarray, "N T K"]:
    """The tracks of clips of one length.

    Raises:
        ConfigError: no clips, or clips of different lengths.
    """
    lengths = sorted({spec.frames for spec in specs})
    if len(lengths) != 1:
        raise ConfigError(f"expected one or more clips of one length, got {len(specs)} of lengths {lengths}; sort them")
    tracks = np.empty((len(specs), lengths[0], len(UNITS)), np.float16)
    for row, spec in zip(tracks, specs, strict=True):
        row[:] = unit_track(spec)
    return tracks


def write_units(path: Path, specs: Sequence[ClipSpec]) -> Path:
    """Write ``units`` and ``names`` of ``specs`` to an ``.npz``, whole or not at all.

    Raises:
        ConfigError: no clips, or clips of different lengths.
        OutputError: the folder cannot be written.
    """
    tracks = unit_tracks(specs)

    def save(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez(file, units=tracks, names=np.array(UNITS))

    write_whole(path, save)
    return path


def read_units(path: Path, clips: int) -> tuple[Float16[np.ndarray, "N T K"], tuple[str, ...]]:
    """Tracks and unit names of ``units.npz``.

    Args:
        path: the file.
        clips: rows of the manifest beside it.

    Raises:
        ManifestError: the file is missing, damaged, or belongs to another manifest.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            units, names = arrays["units"], tuple(str(name) for name in arrays["names"])
    except (OSError, KeyError, ValueError, EOFError, BadZipFile) as error:
        raise ManifestError(
            f"{path}: expected arrays units and names, got: {error}; run the same maedfer synth again"
        ) from error
    fits = units.dtype == np.float16 and units.ndim == 3 and units.shape[::2] == (clips, len(names))
    if not fits or not np.isfinite(units).all():
        raise ManifestError(
            f"{path}: expected finite float16 ({clips}, frames, {len(names)}), got {units.dtype} {units.shape}; "
            "give the manifest.csv beside it (timing.csv has other rows), or run the same maedfer synth again"
        )
    return units, names
