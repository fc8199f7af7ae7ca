"""Aligned face crops of a manifest, made once and kept as one memory-mapped array.

Detection and alignment cost far more than a training step of a small model, so they are paid once. The cache lies
beside the manifest, is keyed by the clips and the crop's settings, is filled by several processes and resumes where it
stopped.
"""

import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from maedfer.data.manifest import Manifest
from maedfer.errors import DecodeError, ManifestError
from maedfer.video.clips import ClipSpec
from maedfer.video.detect import CenterFace, FaceDetector
from maedfer.video.faces import crop_clip

__all__ = ["CroppedClips", "crop_manifest"]

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
        workers: processes.
        progress: called with (clips done, clips in all).

    Raises:
        DecodeError: a clip cannot be read (it is named).
        ManifestError: the cache's folder cannot be written.
    """
    folder = manifest.path.parent / ".maedfer-crops" / f"{manifest.digest()}-{spec.size}x{spec.num_frames}"
    shape = (len(manifest.entries), 3, spec.num_frames, spec.size, spec.size)
    pixels, coverage = _open(folder, shape, spec)
    todo = np.flatnonzero(np.isnan(coverage))
    done = len(coverage) - len(todo)
    chunks = [todo[start : start + _CHUNK] for start in range(0, len(todo), _CHUNK)]
    tasks = [(folder, spec, [(int(i), manifest.entries[i].path) for i in chunk]) for chunk in chunks]
    if tasks:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_single_thread) as pool:
            for count in pool.map(_crop_chunk, tasks):
                done += count
                if progress is not None:
                    progress(done, len(coverage))
    return CroppedClips(pixels, coverage)


def _open(
    folder: Path, shape: tuple[int, ...], spec: ClipSpec
) -> tuple[UInt8[np.ndarray, "N 3 T S S"], Float[np.ndarray, " N"]]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "spec.json").write_text(json.dumps(asdict(spec)))
        for name, kind, size in (("pixels.npy", np.uint8, shape), ("coverage.npy", np.float64, shape[:1])):
            if not (folder / name).exists():
                fresh = np.lib.format.open_memmap(folder / f".{name}", mode="w+", dtype=kind, shape=size)
                if kind is np.float64:
                    fresh[:] = np.nan
                fresh.flush()
                os.replace(folder / f".{name}", folder / name)
    except OSError as error:
        raise ManifestError(
            f"{folder}: the face crops cannot be kept there ({error}); free some space or copy the manifest"
        ) from error
    pixels, coverage = _map(folder)
    if pixels.shape != shape or coverage.shape != shape[:1]:
        raise ManifestError(f"{folder}: expected crops of shape {shape}, found {pixels.shape}; delete that folder")
    return pixels, coverage


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
            clip = crop_clip(path, spec, _detector, detect_every=3)
        except DecodeError as error:
            raise DecodeError(f"{error} (clip {index} of the manifest)") from error
        pixels[index] = clip.pixels
        coverage[index] = clip.coverage
    return len(clips)
