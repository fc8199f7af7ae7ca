"""Who is read when: a bounded queue before a few workers, and results that are kept for a time.

Everything here happens in the thread of one event loop, so nothing is locked; what takes long happens in the workers.
"""

import asyncio
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

from maedfer.errors import MaedferError
from maedfer.serve.job import Failure, Job, JobState, Place, Progress, failure_of
from maedfer.serve.metrics import Metrics
from maedfer.serve.process import Worker, worker_command
from maedfer.serve.settings import ServeSettings

__all__ = ["JobRunner"]

_LOG = logging.getLogger("maedfer.serve")

_SWEEP_S = 1.0
# A result stays at least so long, whatever the settings, for the answer that is just being sent.
_SHORTEST_STAY_S = 5.0
_PAUSE_S = 5.0


class JobRunner:
    """The workers, the queue, the results, and the private folder in which all that lies.

    Use it as an asynchronous context: entering waits until every worker has loaded its model.

    Attributes:
        folder: private to this user, removed at the end.
        draining: no new video is taken, because the service is about to end.

    Args:
        settings: limits.
        metrics: are counted up.
        command: starts a worker; ``None`` for the real one.

    Raises:
        ConfigError: a worker cannot start.
    """

    def __init__(self, settings: ServeSettings, metrics: Metrics, command: Sequence[str] | None = None) -> None:
        self._settings, self._metrics = settings, metrics
        self._command = worker_command(settings.reading) if command is None else tuple(command)
        self._temporary = tempfile.TemporaryDirectory(prefix="maedfer-serve-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name).resolve()
        self.draining = False
        self._numbers = count(1)
        self._jobs: dict[str, Job] = {}
        self._queue: asyncio.Queue[Job] = asyncio.Queue()
        self._runs: dict[Job, asyncio.Task[dict[str, Any]]] = {}
        self._reserved = 0
        self._workers = [Worker(self._command, self.folder) for _ in range(settings.workers)]
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "JobRunner":
        try:
            await asyncio.gather(*(worker.start() for worker in self._workers))
        except BaseException:
            await self._close()
            raise
        self._tasks = [asyncio.create_task(self._slot(worker)) for worker in self._workers]
        self._tasks.append(asyncio.create_task(self._sweep()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    @property
    def facts(self) -> dict[str, Any]:
        """What the first worker said of its model: labels, model, settings."""
        return self._workers[0].facts

    @property
    def workers(self) -> tuple[int, ...]:
        """Process ids of the workers that run."""
        return tuple(worker.pid for worker in self._workers if worker.pid is not None)

    @property
    def open_jobs(self) -> int:
        """Videos that wait or are read."""
        return sum(not job.ended for job in self._jobs.values())

    @property
    def full(self) -> bool:
        """Whether no further video is taken now."""
        return self.draining or self.open_jobs + self._reserved >= self._settings.places

    @contextmanager
    def place(self) -> Iterator[Place | None]:
        """Room for one video while the context lasts; ``None`` when there is none."""
        if self.full:
            yield None
            return
        self._reserved += 1
        place = Place(Path(tempfile.mkdtemp(prefix="job-", dir=self.folder)))
        try:
            yield place
        finally:
            self._reserved -= 1
            if not place.used:
                shutil.rmtree(place.folder, ignore_errors=True)

    def submit(self, place: Place, *, name: str, source: Path, annotate: bool, salvage: bool) -> Job:
        """Queue a video that lies in its place or below an allowed root."""
        job = Job(next(self._numbers), place.folder, name, source, annotate, salvage)
        place.used = True
        self._jobs[job.id] = job
        self._queue.put_nowait(job)
        self._gauge()
        return job

    def find(self, job_id: str) -> Job | None:
        """The job of this secret name."""
        return self._jobs.get(job_id)

    def ahead(self, job: Job) -> int:
        """Jobs that will be read before a waiting one."""
        if job.state != "queued":
            return 0
        return sum(other.state == "queued" and other.number < job.number for other in self._jobs.values())

    def remove(self, job: Job) -> None:
        """Stop it if need be, and forget it with its results."""
        self._stop(job, "cancelled", Failure(410, "the job was cancelled"))
        self._jobs.pop(job.id, None)
        # A worker that still writes gets its folder taken away when it has stopped.
        if job not in self._runs:
            shutil.rmtree(job.folder, ignore_errors=True)
        self._gauge()

    async def drain(self, grace_s: float) -> None:
        """Take nothing new, give what runs ``grace_s`` seconds to finish, and interrupt the rest, with the reason.

        Clients get the rest of these seconds to fetch what finished meanwhile.
        """
        self.draining, start = True, time.monotonic()
        begun = [job for job in self._jobs.values() if not job.ended]
        while time.monotonic() < start + grace_s:
            if all(job.ended and (job.state != "done" or job.fetched) for job in begun):
                break
            await asyncio.sleep(0.05)
        reason = "the service was stopped before the video was read; send it again when it is back"
        for job in [job for job in self._jobs.values() if not job.ended]:
            self._stop(job, "interrupted", Failure(503, reason))

    async def _close(self) -> None:
        self.draining = True
        for job in [job for job in self._jobs.values() if not job.ended]:
            self._stop(job, "interrupted", Failure(503, "the service was stopped before the video was read"))
        for task in (*self._tasks, *self._runs.values()):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for worker in self._workers:
            await worker.kill()
        self._temporary.cleanup()

    def _stop(self, job: Job, state: JobState, failure: Failure) -> None:
        if not job.ended:
            self._end(job, state, failure)
            if job in self._runs:
                self._runs[job].cancel()

    def _end(self, job: Job, state: JobState, failure: Failure | None) -> None:
        job.end(state, failure)
        self._metrics.jobs.labels(state).inc()
        _LOG.info("job ended", extra={"facts": {"job": job.number, "state": state}})
        self._gauge()

    def _gauge(self) -> None:
        self._metrics.count([job.state for job in self._jobs.values()])

    async def _slot(self, worker: Worker) -> None:
        """What one worker does, for ever."""
        while True:
            job = await self._queue.get()
            if job.ended:
                continue
            while worker.pid is None and not job.ended:
                await self._restart(worker)
            if not job.ended:
                await self._read(worker, job)
            self._tidy(job)

    async def _restart(self, worker: Worker) -> None:
        self._metrics.restarts.inc()
        try:
            await worker.start()
        except (MaedferError, OSError) as error:
            _LOG.error("a worker cannot start", extra={"facts": {"reason": str(error)}})
            await asyncio.sleep(_PAUSE_S)

    async def _read(self, worker: Worker, job: Job) -> None:
        def progress(message: dict[str, Any]) -> None:
            job.progress = Progress(str(message["stage"]), float(message["done_s"]), message["total_s"])
            job.note()

        job.state, begun = "running", time.monotonic()
        job.note()
        self._gauge()
        run = asyncio.create_task(worker.run(job.task(self._settings.max_duration_s), progress))
        self._runs[job] = run
        try:
            await asyncio.wait({run}, timeout=self._settings.max_time_s)
            if not run.done():
                limit = f"reading took more than {self._settings.max_time_s:g} s; send a shorter video"
                self._stop(job, "failed", Failure(504, limit))
                await asyncio.wait({run})
            answer = {"event": "stopped"} if run.cancelled() else run.result()
        finally:
            del self._runs[job]
            self._metrics.job_seconds.observe(time.monotonic() - begun)
        if answer["event"] == "gone" or (answer["event"] == "stopped" and not await worker.cancel()):
            await worker.kill()
        self._conclude(job, answer)

    def _conclude(self, job: Job, answer: dict[str, Any]) -> None:
        if job.ended:
            return
        failure = failure_of(answer)
        if failure is None:
            job.facts = answer
            self._metrics.faces.inc(answer["faces"])
            self._metrics.windows.inc(answer["windows"])
            self._metrics.video_seconds.inc(answer["duration_s"])
        elif failure.status >= 500:
            facts = {name: answer.get(name) for name in ("event", "kind", "where")}
            _LOG.error("a video could not be read", extra={"facts": {"job": job.number, **facts}})
        self._end(job, "done" if failure is None else "failed", failure)

    def _tidy(self, job: Job) -> None:
        """Of a job that ended the upload goes at once, and everything if there are no results or nobody wants them."""
        if job.state != "done" or job.id not in self._jobs:
            shutil.rmtree(job.folder, ignore_errors=True)
        elif job.source.is_relative_to(job.folder):
            job.source.unlink(missing_ok=True)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            ended = sorted((job for job in self._jobs.values() if job.ended), key=lambda job: job.ended_at)
            now, surplus = time.monotonic(), len(ended) - self._settings.max_kept
            for index, job in enumerate(ended):
                age = now - job.ended_at
                if age > _SHORTEST_STAY_S and (index < surplus or age > self._settings.keep_s):
                    with suppress(OSError):
                        self.remove(job)
