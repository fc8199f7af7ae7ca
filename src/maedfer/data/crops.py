"""Aligned face crops of a manifest, made once and kept as one memory-mapped array.

Detection and alignment cost far more than a training step of a small model, so they are paid once. The cache lies
beside the manifest, is keyed by the clips and the crop's settings, is filled by several processes and resumes where it
stopped. A part of the manifest finds its clips in the cache of the whole.
"""

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8

from maedfer.data.crop_store import alone, map_store, open_store
from maedfer.data.manifest import ClipEntry, Manifest
from maedfer.data.worker_process import begin_worker
from maedfer.errors import DecodeError, ManifestError
from maedfer.output import write_text
from maedfer.video.clips import ClipSpec
from maedfer.video.crop import crop_clip
from maedfer.video.detect import CenterFace, FaceDetector

__all__ = ["CroppedClips", "crop_manifest"]

_LOOK_EVERY_S = 0.48  # seconds between two pictures in which faces are looked for
_CROP_VERSION = 3  # counted up whenever sampling, detection or alignment changes, so that stale crops are not taken
_MARKS, _BROKEN = "clips.txt", "broken.jsonl"  # which clips a cache has; which of them could not be read
_FOLDER_FPS = 25.0  # of a folder of frames where its manifest does not say
_CHUNK = 16  # clips per task: large enough to hide a task's cost, small enough to lose little when stopped


class CroppedClips:
    """Aligned crops of the clips of a manifest, in its order.

    Args:
        pixels: RGB, 0..255, memory-mapped.
        coverage: share of each clip's instants in which the detector saw the face; below 0: it could not be read.
        broken: why those clips could not be read, by position, each with its name.
        places: row of ``pixels`` of each clip; ``None``: its position.

    Attributes:
        pixels: as given.
        coverage: as given.
        broken: as given.
    """

    def __init__(
        self,
        pixels: UInt8[np.ndarray, "M 3 T S S"],
        coverage: Float[np.ndarray, " N"],
        broken: Mapping[int, str] | None = None,
        places: Int[np.ndarray, " N"] | None = None,
    ) -> None:
        self.pixels = pixels
        self.coverage = coverage
        self.broken = dict(broken or {})
        self._places = places

    def __len__(self) -> int:
        return len(self.coverage)

    @property
    def faceless(self) -> list[int]:
        """Positions of the clips in which no face was found; their crop is the middle square of the whole picture."""
        return [int(position) for position in np.flatnonzero(self.coverage == 0)]

    def clip(self, position: int) -> UInt8[np.ndarray, "3 T S S"]:
        """The crop of one clip; raises DecodeError, naming it, when it could not be read."""
        if self.coverage[position] < 0:
            raise DecodeError(self.broken.get(position, f"clip {position} could not be read when faces were cropped"))
        pixels: UInt8[np.ndarray, "3 T S S"] = self.pixels[
            position if self._places is None else int(self._places[position])
        ]
        return pixels


def crop_manifest(
    manifest: Manifest, spec: ClipSpec, *, workers: int = 2, progress: Callable[[int, int], None] | None = None
) -> CroppedClips:
    """Crop every clip of ``manifest``, or open the finished cache: its own, or one that has all of its clips.

    A clip that cannot be read does not stop the others: it is marked, and named when it is asked for.

    Args:
        manifest: N clips, a whole table or a part of one.
        spec: T frames over its span, S pixels a side.
        workers: processes, at least one.
        progress: called with (clips done, clips in all).

    Raises:
        ManifestError: the cache's folder cannot be written, has too little space or holds damaged files; or a process
            was ended from outside.
    """
    marks = _file_marks(manifest)
    folder = manifest.path.parent / ".maedfer-crops" / f"{manifest.digest()}-{_settings(spec)}"
    if not folder.is_dir() and (found := _larger(folder, marks)) is not None:
        return found
    shape = (len(manifest.entries), 3, spec.num_frames, spec.size, spec.size)
    with alone(folder):
        pixels, coverage = open_store(folder, shape, spec)
        _keep_marks(folder, marks)
        _fill(manifest, folder, spec, coverage, workers, progress)
        return CroppedClips(pixels, coverage, _broken(folder))


def _file_marks(manifest: Manifest) -> list[str]:
    """What tells whether a clip is still the one that was cropped: its name, size and time, a folder's rate too."""
    marks = []
    for entry in manifest.entries:
        stat = entry.path.stat()
        rate = f"\0{entry.fps or _FOLDER_FPS}" if entry.path.is_dir() else ""
        text = f"{entry.clip_id}\0{stat.st_size}\0{stat.st_mtime_ns}{rate}"
        marks.append(hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16])
    return marks


def _larger(folder: Path, marks: list[str]) -> CroppedClips | None:
    """Crops of these clips out of a finished cache of more, made with the same settings."""
    wanted = folder.name.split("-", 1)[1]
    for other in sorted(folder.parent.glob(f"*-{wanted}")):
        try:
            rows = {mark: row for row, mark in enumerate((other / _MARKS).read_text(encoding="utf-8").split())}
            if not all(mark in rows for mark in marks):
                continue
            pixels, coverage = map_store(other)
            places = np.array([rows[mark] for mark in marks], dtype=np.int64)
            own = np.array(coverage[places])
        except (OSError, ValueError, IndexError):  # not finished, or damaged: it is no loss to make these anew
            continue
        if not np.isnan(own).any():
            broken = _broken(other)
            named = {position: broken[row] for position, row in enumerate(places.tolist()) if row in broken}
            return CroppedClips(pixels, own, named, places)
    return None


def _keep_marks(folder: Path, marks: list[str]) -> None:
    if not (folder / _MARKS).exists():
        write_text(folder / _MARKS, "\n".join(marks) + "\n")


def _broken(folder: Path) -> dict[int, str]:
    """Why clips could not be read, by row, as the processes that crop wrote it down."""
    try:
        lines = (folder / _BROKEN).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    found: dict[int, str] = {}
    for line in lines:
        try:
            row, reason = json.loads(line)
            found[int(row)] = str(reason)
        except (ValueError, TypeError, OverflowError):
            continue  # cut off when the process was killed; the clip was not marked by then and is tried again
    return found


def _settings(spec: ClipSpec) -> str:
    """Names what decides the crops besides the clips: their shape, and how faces are found and aligned."""
    facts = json.dumps([asdict(spec), _LOOK_EVERY_S, _CROP_VERSION])
    return f"{spec.size}x{spec.num_frames}-{hashlib.sha256(facts.encode()).hexdigest()[:8]}"


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
    entries = manifest.entries
    tasks = [(folder, spec, [(int(i), entries[i]) for i in chunk]) for chunk in chunks]
    if not tasks:
        return
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(max(1, workers), mp_context=context, initializer=begin_worker) as pool:
            for count in pool.map(_crop_chunk, tasks):
                done += count
                if progress is not None:
                    progress(done, len(coverage))
    except BrokenProcessPool as error:
        raise ManifestError(
            f"{folder}: a process that crops faces ended early, perhaps for want of memory; the same command goes on "
            "where it stopped, with fewer workers it needs less"
        ) from error


_detector: FaceDetector | None = None  # one a process: loading the network costs more than a clip


def _crop_chunk(task: tuple[Path, ClipSpec, list[tuple[int, ClipEntry]]]) -> int:
    global _detector
    folder, spec, clips = task
    if _detector is None:
        _detector = CenterFace()
    pixels, coverage = map_store(folder)
    for index, entry in clips:
        try:
            clip = crop_clip(
                entry.path,
                spec,
                _detector,
                detect_every=max(1, round(_LOOK_EVERY_S * spec.rate)),
                folder_fps=entry.fps or _FOLDER_FPS,
            )
        except DecodeError as error:
            with (folder / _BROKEN).open("a", encoding="utf-8") as file:
                file.write(
                    "\n" + json.dumps([index, f"{entry.clip_id}: {error}"]) + "\n"
                )  # a line cut off before stands alone
            coverage[index] = -1.0
            continue
        pixels[index] = clip.pixels
        coverage[index] = clip.coverage
    return len(clips)
