"""Labelled clips as the model's views, read by processes of their own, in order, never one left out.

The processes load no torch: this module and what it imports stay clear of it.
"""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np
from jaxtyping import UInt8

from maedfer.data.worker_process import begin_worker
from maedfer.errors import ConfigError, DecodeError, MaedferError
from maedfer.evaluate.facing import face_windows
from maedfer.evaluate.views import SOURCE_RATE, ViewPlan, clip_views, kept_views
from maedfer.video.align import middle_square
from maedfer.video.clips import DECODED_SIDE
from maedfer.video.decode import probe, read_frames
from maedfer.video.detect import CenterFace
from maedfer.video.types import Frame

__all__ = ["ClipReader", "ClipTask", "ReadClip", "read_clip"]

_I = TypeVar("_I")
_T = TypeVar("_T")
_NAMED = 3  # unreadable clips that an error names
_PROBED = 16  # clips that one look at their first pictures takes together


@dataclass(frozen=True)
class ClipTask:
    """One clip to be read.

    Attributes:
        clip: its name in messages.
        path: a video file or a folder of frames.
        face: find, follow and align the face; else the middle square, of what is a face crop already.
        fps: frames per second of a folder of frames; files tell their own.
    """

    clip: str
    path: Path
    face: bool
    fps: float = SOURCE_RATE


@dataclass(frozen=True)
class ReadClip:
    """The pixels of one clip.

    Attributes:
        views: RGB, 0..255; windows in which no face was seen are left out as long as there is another.
        faceless: a face was looked for and never seen; the views show the middle square.
    """

    views: UInt8[np.ndarray, "V 3 T H W"]
    faceless: bool = False


def read_clip(task: ClipTask, plan: ViewPlan) -> ReadClip:
    """Decode one clip and cut its views.

    Raises:
        DecodeError: it cannot be read; it is named.
        ConfigError: it is too long for so many windows; it is named.
    """
    try:
        if task.face:
            windows = kept_views(face_windows(_frames(task, plan), plan, _detector()), plan)
            if windows:
                return ReadClip(np.stack(windows))
        squares = (middle_square(frame.image, plan.spec.size) for frame in _frames(task, plan))
        return ReadClip(clip_views(squares, plan), faceless=task.face)
    except (DecodeError, ConfigError) as error:
        raise type(error)(f"{task.clip}: {error}") from error


def _frames(task: ClipTask, plan: ViewPlan) -> Iterator[Frame]:
    """Pictures at the plan's rate: of the whole clip, or of the window around its middle."""
    rate, start_s, end_s = plan.spec.rate, 0.0, None
    if plan.views == "middle":
        duration_s = probe(task.path, folder_fps=task.fps).duration_s or 0.0
        start_s = max(0.0, (duration_s - plan.spec.span_s) / 2)
        # Half an instant short of the span, so that rounding cannot add a picture.
        end_s = start_s + (plan.spec.num_frames - 0.5) / rate
    side = DECODED_SIDE if task.face else None
    count = 0
    for frame in read_frames(task.path, rate=rate, start_s=start_s, end_s=end_s, max_side=side, folder_fps=task.fps):
        count += 1
        yield frame
    if not count and start_s:  # the container promised more than the file holds
        end_s = (plan.spec.num_frames - 0.5) / rate
        yield from read_frames(task.path, rate=rate, end_s=end_s, max_side=side, folder_fps=task.fps)


@cache
def _detector() -> CenterFace:
    """One a process: loading the network costs more than a clip."""
    return CenterFace()


class ClipReader:
    """Reads clips ahead in processes of its own; ``with ClipReader(plan, workers) as reader``.

    At most two clips a process wait, so memory is bounded by clips, not by the set.

    Args:
        plan: which views.
        workers: processes; 0 reads in the calling one.
    """

    def __init__(self, plan: ViewPlan, workers: int) -> None:
        if workers < 0:
            raise ConfigError(f"workers: expected 0 or more processes, got {workers}; 0 reads in this one")
        self._plan, self._ahead = plan, max(1, 2 * workers)
        self._pool: ProcessPoolExecutor | None = None
        if workers:
            context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
            self._pool = ProcessPoolExecutor(workers, mp_context=context, initializer=begin_worker)

    def __enter__(self) -> "ClipReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def check(self, tasks: Sequence[ClipTask], progress: Callable[[int], None] | None = None) -> None:
        """Decode the first picture of each clip, so that all unreadable ones are known before the work, not after it.

        Args:
            tasks: the clips.
            progress: is called with the number of clips looked at.

        Raises:
            DecodeError: some cannot be read; the first three are named.
        """
        groups = [tuple(tasks[start : start + _PROBED]) for start in range(0, len(tasks), _PROBED)]
        broken: list[str] = []
        done = 0
        for group, found in zip(groups, self._map(_unreadable, groups), strict=True):
            broken += found
            done += len(group)
            if progress is not None:
                progress(done)
        if broken:
            more = f" (and {len(broken) - _NAMED} more)" if len(broken) > _NAMED else ""
            raise DecodeError(
                f"{len(broken)} of {len(tasks)} clips cannot be read: {'; '.join(broken[:_NAMED])}{more}; an "
                "evaluation leaves none out: mend them, or take them from the manifest"
            )

    def read(self, tasks: Sequence[ClipTask]) -> Iterator[ReadClip]:
        """The clips in the order of ``tasks``.

        Raises:
            DecodeError, ConfigError: as :func:`read_clip`.
        """
        return self._map(partial(read_clip, plan=self._plan), tasks)

    def _map(self, work: Callable[[_I], _T], items: Sequence[_I]) -> Iterator[_T]:
        if self._pool is None:
            yield from map(work, items)
            return
        waiting: deque[Future[_T]] = deque()
        try:
            for item in items:
                waiting.append(self._pool.submit(work, item))
                if len(waiting) > self._ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise MaedferError(
                "a process that reads clips ended early, perhaps for want of memory; with fewer workers it needs less"
            ) from error


def _unreadable(tasks: tuple[ClipTask, ...]) -> list[str]:
    broken = []
    for task in tasks:
        try:
            probe(task.path, folder_fps=task.fps)
        except DecodeError as error:
            broken.append(f"{task.clip} ({error})")
    return broken
