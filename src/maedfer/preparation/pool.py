"""Jobs in parallel processes, each result remembered as it comes; a clip that kills its process is found and named."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import av

from maedfer.data.worker_process import begin_worker
from maedfer.errors import ConfigError, DecodeError, ManifestError
from maedfer.preparation.jobs import Failure, Job
from maedfer.preparation.journal import Journal

__all__ = ["Progress", "perform"]

R = TypeVar("R")
#: Called with (done, in all, what is being done).
Progress = Callable[[int, int, str], None]

_QUEUED_PER_WORKER = 4
_TITLES = {"facts": "reading", "look": "measuring", "crop": "cropping"}


def perform(
    jobs: Sequence[Job[R]], journal: Journal, *, workers: int, progress: Progress | None = None
) -> dict[str, R | Failure]:
    """Do all jobs that the journal does not know yet.

    Args:
        jobs: of one kind, with distinct names.
        journal: remembers results; failures are tried again by the next run.
        workers: processes, started afresh ("spawn"); 0: in this process.
        progress: called after each result.

    Returns:
        Result or failure by the job's name.

    Raises:
        OutputError: a result cannot be written.
        DetectorError: there is no face detector.
        ManifestError: processes cannot be started, or end at once.
    """
    results: dict[str, R | Failure] = {}
    todo: list[tuple[Job[R], str]] = []
    for job in jobs:
        try:
            mark = job.mark()
        except OSError as error:
            results[job.name] = Failure(error.strerror or str(error))
            continue
        kept = journal.find(job.kind, job.name, mark)
        result = None if kept is None else job.restored(kept)
        if result is None:
            todo.append((job, mark))
        else:
            results[job.name] = result
    marks = {job.name: mark for job, mark in todo}
    outcomes = _in_processes([job for job, _ in todo], workers) if workers else ((j, _attempt(j)) for j, _ in todo)
    for job, outcome in outcomes:
        results[job.name] = outcome
        if not isinstance(outcome, Failure):
            journal.add(job.kind, job.name, marks[job.name], _plain(outcome))
        if progress is not None:
            progress(len(results), len(jobs), _TITLES[job.kind])
    return results


def _plain(result: Any) -> dict[str, Any]:
    return asdict(result)


def _attempt(job: Job[R]) -> R | Failure:
    try:
        return job.run()
    except (DecodeError, ConfigError, OSError, av.error.FFmpegError) as error:
        return Failure(_reason(error, job.source))


def _reason(error: Exception, source: Path) -> str:
    """One line, without the clip's path, which stands beside it."""
    return " ".join(str(error).removeprefix(f"{source}:").split()) or type(error).__name__


def _in_processes(jobs: list[Job[R]], workers: int) -> Iterator[tuple[Job[R], R | Failure]]:
    waiting = deque(jobs)
    while waiting:
        running: dict[Future[R | Failure], Job[R]] = {}
        try:
            yield from _until_broken(waiting, running, min(workers, len(waiting)))
        except BrokenProcessPool as error:
            # One of those at work killed its process, and the pool with it.
            suspects = list(running.values())
            outcomes = _one_by_one(suspects)
            crashed = sum(outcome is None for _, outcome in outcomes)
            if not suspects or (crashed == len(suspects) and crashed > 1):
                raise ManifestError(
                    "the processes that read clips end at once; give them more memory, or fewer --workers, and call "
                    'from a script only under if __name__ == "__main__":'
                ) from error
            for job, outcome in outcomes:
                yield job, outcome if outcome is not None else Failure("the process that reads it crashes on it")


def _until_broken(
    waiting: deque[Job[R]], running: dict[Future[R | Failure], Job[R]], workers: int
) -> Iterator[tuple[Job[R], R | Failure]]:
    """Takes from ``waiting``; when the pool breaks, the jobs without a result are in ``running``."""
    with _pool(workers) as pool:
        try:
            while waiting or running:
                while waiting and len(running) < _QUEUED_PER_WORKER * workers:
                    running[pool.submit(_attempt, waiting[0])] = waiting[0]
                    waiting.popleft()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    outcome = future.result()
                    yield running.pop(future), outcome
        finally:
            pool.shutdown(cancel_futures=True)


def _one_by_one(jobs: list[Job[R]]) -> list[tuple[Job[R], R | Failure | None]]:
    """One at a time, so that who crashes the process is known: its outcome is ``None``."""
    left, outcomes = deque(jobs), list[tuple[Job[R], R | Failure | None]]()
    while left:
        with _pool(1) as pool:
            try:
                while left:
                    outcomes.append((left[0], pool.submit(_attempt, left[0]).result()))
                    left.popleft()
            except BrokenProcessPool:
                outcomes.append((left.popleft(), None))
    return outcomes


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), begin_worker)
