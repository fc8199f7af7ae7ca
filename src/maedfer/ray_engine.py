"""Many videos over many workers with Ray Data (extra ``ray``): on one machine, or on the cluster that Ray is given.

The places of the results, the stamps that let a later run keep them and the locks are those of :mod:`maedfer.batch`: a
video that was done before its worker died is kept by the next one, one that was not is begun anew. Each worker holds
one model. The driver collects what became of each video; pixels never travel.
"""

import json
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import cv2
import numpy as np
from jaxtyping import Shaped

from maedfer import errors
from maedfer.batch import Facts, Outcome, Work, attempt, folder_of
from maedfer.errors import ConfigError, MaedferError
from maedfer.reading import Progress
from maedfer.result_folder import ResultFolder
from maedfer.video.find import FoundVideo
from maedfer.video.source import STDIN, shown

__all__ = ["RayEngine"]

_Column = Shaped[np.ndarray, "..."]


@dataclass(frozen=True)
class _Job:
    video: FoundVideo
    folder: ResultFolder


class RayEngine:
    """See :class:`maedfer.batch.Engine`.

    With ``RAY_ADDRESS`` in the environment the workers are processes of that cluster, whose machines must see the
    videos and ``out`` under the same paths; otherwise they are processes of this machine, and end with this one.

    Args:
        make: builds the work inside each worker; must be picklable, for example a ``functools.partial`` of a class.
        workers: processes, each with one model.
        again: also read videos whose results from an earlier run still fit.
        retries: how often a video is begun anew after its worker died of it, or of something else; then it counts as
            failed, and the others go on.
        gpus: share of a GPU that a worker takes; 0 for the processor.

    Raises:
        ConfigError: a setting is out of range, or Ray is not installed.
    """

    def __init__(
        self, make: Callable[[], Work], *, workers: int, again: bool = False, retries: int = 3, gpus: float = 0.0
    ) -> None:
        if not 1 <= workers <= 4096:
            raise ConfigError(f"workers: expected 1 to 4096 processes, got {workers}; one a core is common")
        if not 0 <= retries <= 100:
            raise ConfigError(f"retries: expected 0 to 100, got {retries}; 3 is common")
        _library()
        self._make, self._again, self._workers, self._retries, self._gpus = make, again, workers, retries, gpus

    def process(self, videos: Sequence[FoundVideo], out: Path, work: Work) -> Iterator[Outcome]:
        """Do ``work`` on each video, by its twins in the workers.

        Args:
            videos: what, and where under ``out`` the results belong.
            out: folder of all results.
            work: as ``make`` gives it; here it only says what is asked for.

        Yields:
            One outcome a video, in the order in which they end.

        Raises:
            ConfigError: standard input is among the videos, or Ray cannot be started.
        """
        if any(str(video.source) == STDIN for video in videos):
            raise ConfigError("--engine ray: expected videos that every worker can open, got standard input; save it")
        jobs, taken = list[_Job](), set[Path]()
        for video in videos:
            folder = folder_of(video, out.resolve(), work, taken)
            taken.add(folder.path)
            jobs.append(_Job(video, folder))
        left = dict(enumerate(jobs))
        with _Running(self._workers):
            for index, answer in self._answers(jobs):
                yield _outcome(left.pop(index), answer, out)
        for job in left.values():
            error = MaedferError(
                f"{shown(job.video.source)}: its worker ended {self._retries + 1} times while it was read; perhaps it "
                "needs more memory than there is: try it alone, with --engine local"
            )
            yield Outcome(job.video, _under(job, out), "failed", None, error)

    def _answers(self, jobs: list[_Job]) -> Iterator[tuple[int, dict[str, Any]]]:
        data = _library().data
        # One row a block: a worker that dies takes one video with it, and only that one is begun anew.
        rows = data.from_items([{"index": index} for index in range(len(jobs))], override_num_blocks=len(jobs))
        told = rows.map_batches(
            _Worker,
            fn_constructor_args=(jobs, self._make, self._again, os.getcwd()),
            batch_size=1,
            compute=data.ActorPoolStrategy(size=self._workers, max_tasks_in_flight_per_actor=1),
            num_cpus=1,
            num_gpus=self._gpus,
            max_restarts=-1,
            max_task_retries=self._retries,
        )
        for row in told.iter_rows():
            yield int(row["index"]), json.loads(row["answer"])


class _Worker:
    """One process: one model, one video at a time."""

    def __init__(self, jobs: list[_Job], make: Callable[[], Work], again: bool, folder: str) -> None:
        os.chdir(folder)  # so that relative names mean the same, and are written the same, as in one process
        # As in one process: faces are found in one thread while the model runs.
        cv2.setNumThreads(1)
        self._jobs, self._work, self._again = jobs, make(), again

    def __call__(self, batch: dict[str, _Column]) -> dict[str, _Column]:
        answers = [json.dumps(self._answer(self._jobs[int(index)])) for index in batch["index"]]
        return {"index": batch["index"], "answer": np.array(answers, dtype=object)}

    def _answer(self, job: _Job) -> dict[str, Any]:
        outcome = attempt(job.video, job.folder, self._work, self._again, _no_stdin, _unwatched, wait=True)
        if outcome is None:
            raise MaedferError(f"{job.folder.path}: expected to wait for another run, did not; please report it")
        error = outcome.error
        told = None if error is None else {"kind": type(error).__name__, "message": str(error)}
        if error is not None and not isinstance(error, MaedferError):
            told = {"kind": "MaedferError", "message": _unforeseen(job, error)}
        return {"state": outcome.state, "facts": outcome.facts and asdict(outcome.facts), "error": told}


def _outcome(job: _Job, answer: dict[str, Any], out: Path) -> Outcome:
    facts, told = answer["facts"], answer["error"]
    error = None
    if told is not None:
        kind = getattr(errors, told["kind"], MaedferError) if told["kind"] in errors.__all__ else MaedferError
        error = kind(told["message"])
    return Outcome(job.video, _under(job, out), answer["state"], None if facts is None else Facts(**facts), error)


def _under(job: _Job, out: Path) -> Path:
    return out / job.folder.path.relative_to(out.resolve())


def _unforeseen(job: _Job, error: Exception) -> str:
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(where.filename).name}, line {where.lineno}"
    return f"{shown(job.video.source)}: unexpected {type(error).__name__}: {error} ({place}); please report it"


def _no_stdin() -> BinaryIO:
    raise ConfigError("a worker has no standard input")


def _unwatched(video: FoundVideo) -> AbstractContextManager[Progress]:
    return nullcontext(lambda done, total: None)


class _Running(AbstractContextManager[None]):
    """Ray for the time of one run; one that runs already in this process is used and left alone."""

    def __init__(self, workers: int) -> None:
        self._workers, self._own = workers, False

    def __enter__(self) -> None:
        ray = _library()
        if not ray.is_initialized():
            self._own = True
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing of a run is told to anybody
            elsewhere = bool(os.environ.get("RAY_ADDRESS"))
            cpus = None if elsewhere else max(self._workers, os.cpu_count() or 1)
            address = None if elsewhere else "local"
            try:
                ray.init(
                    address=address, num_cpus=cpus, include_dashboard=None if elsewhere else False,
                    logging_level="ERROR", log_to_driver=False,
                )  # fmt: skip
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise ConfigError(
                    f"Ray could not be started ({error}); check RAY_ADDRESS, or unset it for this machine alone"
                ) from error
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = -1  # a video whose worker dies again and again must not end the others

    def __exit__(self, *_: object) -> None:
        if self._own:
            _library().shutdown()


def _library() -> ModuleType:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ConfigError(
            f"--engine ray needs Ray Data, not installed here ({error}); run: pip install 'maedfer[ray]'"
        ) from error
    return ray
