"""Aligned face crops of a manifest, made once and kept as one memory-mapped array.

Detection and alignment cost far more than a training step of a small model, so they are paid once. The cache lies
beside the manifest, is keyed by the clips and the crop's settings, is filled by several processes and resumes where it
stopped.
"""

import errno
import hashlib
import json
import math
import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from maedfer.data.manifest import Manifest
from maedfer.errors import DecodeError, ManifestError
from maedfer.video.clips import ClipSpec
from maedfer.video.crop import crop_clip
from maedfer.video.detect import CenterFace, FaceDetector

__all__ = ["CroppedClips", "crop_manifest"]

_LOOK_EVERY_S = 0.48  # seconds between two pictures in which faces are looked for
_CROP_VERSION = 2  # counted up whenever detection or alignment changes, so that stale crops are not taken
_CHUNK = 16  # clips per task: large enough to hide a task's cost, small enough to lose little when stopped


class CroppedClips:
    """Aligned crops of the clips of a manifest, in its order.

    Attributes:
        pixels: RGB, 0..255, memory-mapped.
        coverage: share of each clip's instants in which the detector saw the face.
    """

    def __init__(self, pixels: UInt8[np.ndarray, "N 3 T S S"], coverage: Float[np.ndarray, " N"]) -> None:
        self.pixels = pixels
        self.coverage = coverage

    def __len__(self) -> int:
        return len(self.pixels)


def crop_manifest(
    manifest: Manifest, spec: ClipSpec, *, workers: int = 2, progress: Callable[[int, int], None] | None = None
) -> CroppedClips:
    """Crop every clip of ``manifest``, or open the finished cache.

    Args:
        manifest: N clips.
        spec: T frames over its span, S pixels a side.
        workers: processes, at least one.
        progress: called with (clips done, clips in all).

    Raises:
        DecodeError: a clip cannot be read (it is named).
        ManifestError: the cache's folder cannot be written, has too little space or holds damaged files; or a process
            was ended from outside.
    """
    folder = manifest.path.parent / ".maedfer-crops" / f"{manifest.digest()}-{_settings(spec)}"
    shape = (len(manifest.entries), 3, spec.num_frames, spec.size, spec.size)
    with _alone(folder):
        pixels, coverage = _open(folder, shape, spec)
        _fill(manifest, folder, spec, coverage, workers, progress)
    return CroppedClips(pixels, coverage)


def _settings(spec: ClipSpec) -> str:
    """Names what decides the crops besides the clips: their shape, and how faces are found and aligned."""
    facts = json.dumps([asdict(spec), _LOOK_EVERY_S, _CROP_VERSION])
    return f"{spec.size}x{spec.num_frames}-{hashlib.sha256(facts.encode()).hexdigest()[:8]}"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """The processes of a distributed run want the same crops at once: the first makes them, the others wait."""
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


def _fill(
    manifest: Manifest,
    folder: Path,
    spec: ClipSpec,
    coverage: Float[np.ndarray, " N"],
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    todo = np.flatnonzero(np.isnan(coverage))
    done = len(coverage) - len(todo)
    chunks = [todo[start : start + _CHUNK] for start in range(0, len(todo), _CHUNK)]
    tasks = [(folder, spec, [(int(i), manifest.entries[i].path) for i in chunk]) for chunk in chunks]
    if not tasks:
        return
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(max(1, workers), mp_context=context, initializer=_single_thread) as pool:
            for count in pool.map(_crop_chunk, tasks):
                done += count
                if progress is not None:
                    progress(done, len(coverage))
    except BrokenProcessPool as error:
        raise ManifestError(
            f"{folder}: a process that crops faces ended early, perhaps for want of memory; the same command goes on "
            "where it stopped, with fewer workers it needs less"
        ) from error


def _open(
    folder: Path, shape: tuple[int, ...], spec: ClipSpec
) -> tuple[UInt8[np.ndarray, "N 3 T S S"], Float[np.ndarray, " N"]]:
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
        pixels, coverage = _map(folder)
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


def _map(folder: Path) -> tuple[UInt8[np.ndarray, "N 3 T S S"], Float[np.ndarray, " N"]]:
    return np.load(folder / "pixels.npy", mmap_mode="r+"), np.load(folder / "coverage.npy", mmap_mode="r+")


def _single_thread() -> None:
    import cv2

    cv2.setNumThreads(1)


_detector: FaceDetector | None = None  # one a process: loading the network costs more than a clip


def _crop_chunk(task: tuple[Path, ClipSpec, list[tuple[int, Path]]]) -> int:
    global _detector
    folder, spec, clips = task
    if _detector is None:
        _detector = CenterFace()
    pixels, coverage = _map(folder)
    for index, path in clips:
        try:
            clip = crop_clip(path, spec, _detector, detect_every=max(1, round(_LOOK_EVERY_S * spec.rate)))
        except DecodeError as error:
            raise DecodeError(f"{error} (clip {index} of the manifest)") from error
        pixels[index] = clip.pixels
        coverage[index] = clip.coverage
    return len(clips)
