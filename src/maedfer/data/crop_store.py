"""The files of a crop cache: two mapped arrays in a folder that one process at a time fills."""

import errno
import json
import math
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from maedfer.errors import ManifestError
from maedfer.video.clips import ClipSpec

__all__ = ["alone", "map_store", "open_store"]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the lock of ``folder``, which is made when missing.

    The processes of a distributed run want the same crops at once: the first makes them, the others wait.

    Raises:
        ManifestError: the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("w")
    except OSError as error:
        raise _cannot_keep(folder, error) from error
    with file:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)  # ends with the file, or with the process
        yield


def open_store(
    folder: Path, shape: tuple[int, ...], spec: ClipSpec
) -> tuple[UInt8[np.ndarray, "N 3 T S S"], Float[np.ndarray, " N"]]:
    """Pixels and coverage (not a number: still to be made), mapped; made when missing.

    Args:
        folder: of the cache.
        shape: of the pixels.
        spec: of the clips, written down for whoever looks into the folder.

    Raises:
        ManifestError: the folder cannot be written, has too little space or holds damaged files.
    """
    try:
        (folder / "spec.json").write_text(json.dumps(asdict(spec)))
        for name, kind, size in (("pixels.npy", np.uint8, shape), ("coverage.npy", np.float64, shape[:1])):
            if not (folder / name).exists():
                _require_space(folder, math.prod(size) * np.dtype(kind).itemsize)
                fresh = np.lib.format.open_memmap(folder / f".{name}", mode="w+", dtype=kind, shape=size)
                if kind is np.float64:
                    fresh[:] = np.nan
                fresh.flush()
                os.replace(folder / f".{name}", folder / name)
    except OSError as error:
        raise _cannot_keep(folder, error) from error
    try:
        pixels, coverage = map_store(folder)
    except (OSError, ValueError) as error:
        raise ManifestError(f"{folder}: the face crops kept there are damaged ({error}); delete that folder") from error
    if pixels.shape != shape or coverage.shape != shape[:1]:
        raise ManifestError(f"{folder}: expected crops of shape {shape}, found {pixels.shape}; delete that folder")
    return pixels, coverage


def _cannot_keep(folder: Path, error: OSError) -> ManifestError:
    return ManifestError(
        f"{folder}: the face crops cannot be kept there ({error}); free some space, or copy the manifest and its clips "
        "to a folder that can be written"
    )


def _require_space(folder: Path, size: int) -> None:
    """A mapped file takes its space page by page; on a full disk the process would be killed in the middle."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OSError(errno.ENOSPC, f"{size} bytes are needed, {free} are free")


def map_store(folder: Path) -> tuple[UInt8[np.ndarray, "N 3 T S S"], Float[np.ndarray, " N"]]:
    """Pixels and coverage as they are; raises OSError or ValueError when they are not there or damaged."""
    return np.load(folder / "pixels.npy", mmap_mode="r+"), np.load(folder / "coverage.npy", mmap_mode="r+")
