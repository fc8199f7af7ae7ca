"""What of the study of the paper's claims is done, what is left, and how long it takes; the file of finished runs."""

import fcntl
import json
import os
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claims_groups import GROUPS, Group
from claims_runs import BATCH, PRETRAIN_BATCH, Job, Study, multiply_adds
from claims_variants import LABELS, PRETRAININGS, VARIANTS
from maedfer.errors import ConfigError, ManifestError
from maedfer.output import write_text
from record import circumstances

Row = dict[str, Any]

#: Operations a second on which estimates stand until there is a finished run: an assumption about two idle cores.
ASSUMED_SPEED = 3.5e10


class Results:
    """The finished runs in one file; each is written at once, whole or not at all, and beside those of other processes.

    Args:
        path: the file.

    Raises:
        ManifestError: it is there and is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.study: Row | None = None
        self.rows: list[Row] = []
        self._read()

    def _read(self) -> None:
        if not self.path.exists():
            return
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            self.study, self.rows = found["study"], list(found["runs"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ManifestError(f"{self.path}: expected the results of this study, got {error!r}") from error

    def begin(self, study: Row | None) -> None:
        """Go on with the study that the file holds, or begin one.

        Raises:
            ConfigError: the file holds runs with other clips, lengths or rates, which cannot stand in one table.
        """
        if self.rows and self.study != study:
            held, given = self.study or {}, study or {}
            other = sorted(name for name in given.keys() | held.keys() if given.get(name) != held.get(name))
            raise ConfigError(
                f"{self.path}: expected runs of this study, its {', '.join(other)} differ; give another --results"
            )
        self.study = study

    def of(self, job: Job) -> Row | None:
        """The run of ``job`` with its present settings; ``None``: it is not done."""
        settings = job.settings()
        for row in self.rows:
            if (row["kind"], row["name"], row["seed"]) == (job.kind, job.name, job.seed):
                return row if row["config"] == settings else None
        return None

    def add(self, row: Row) -> None:
        """Keep a finished run, in place of an older one of the same job, and write the file."""
        about = circumstances()
        row = row | {name: about[name] for name in ("commit", "processor", "cores", "torch")}
        place = ("kind", "name", "seed")
        with _alone_in(self.path.parent):
            study = self.study
            self._read()
            self.begin(study)
            others = [other for other in self.rows if any(other[name] != row[name] for name in place)]
            self.rows = [*others, row]
            runs = ",\n".join(map(json.dumps, self.rows))  # one line a run
            head = f'"run": {json.dumps(about)},\n"study": {json.dumps(self.study)}'
            write_text(self.path, f'{{{head},\n"runs": [\n{runs}\n]}}\n')


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Other processes that write results into ``folder`` wait meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def chosen_groups(only: str) -> tuple[Group, ...]:
    """The groups whose letters ``only`` names, separated by commas; all where it is empty.

    Raises:
        ConfigError: there is no such group.
    """
    wanted = [letter.strip() for letter in only.split(",") if letter.strip()]
    known = {group.letter: group for group in GROUPS}
    if unknown := [letter for letter in wanted if letter not in known]:
        raise ConfigError(f"--only: expected letters of {', '.join(known)}, got {', '.join(unknown)}")
    return tuple(group for letter, group in known.items() if letter in wanted or not wanted)


def plan(groups: Iterable[Group], seeds: Sequence[int], *, probes_only: bool = False) -> list[Job]:
    """All jobs in order, each once: first pre-trainings and probes, group by group and seed by seed; then fine-tunings.

    A probe takes seconds, and its score hangs less on the seed: what a short budget can say is said first.
    """
    groups = list(groups)
    jobs: dict[Job, None] = {}
    for probes in (True,) if probes_only else (True, False):
        kinds = [kind for kind in LABELS if kind.startswith("probe") == probes]
        for group in groups:
            for seed in seeds:
                for name in group.variants:
                    begin = VARIANTS[name].pretraining
                    if begin is not None:
                        jobs[Job("pretrain", begin, seed)] = None
                    jobs.update(dict.fromkeys(Job(kind, name, seed) for kind in kinds))
    return list(jobs)


def left(jobs: Sequence[Job], results: Results, pretrained: Callable[[Job], bool]) -> list[Job]:
    """The jobs to be done: those without a finished run, and pre-trainings that they need and that are not kept."""
    todo = {job for job in jobs if job.kind != "pretrain" and results.of(job) is None}
    needed = {(VARIANTS[job.name].pretraining, job.seed) for job in todo}
    return [
        job
        for job in jobs
        if job in todo or (job.kind == "pretrain" and (job.name, job.seed) in needed and not pretrained(job))
    ]


@dataclass(frozen=True)
class Clock:
    """Estimates how long jobs take, from the operations of their steps and the speed of finished runs.

    Attributes:
        study: the lengths of runs.
        results: the finished runs.
    """

    study: Study
    results: Results

    def seconds(self, job: Job) -> float:
        """Estimate for one job, forward and backward; the scoring of fine-tuned models is in the speed."""
        return self._operations(job, self._multiply_adds(job)) / self._speed(job)

    def _operations(self, job: Job, multiply_adds: float) -> float:
        if job.kind.startswith("probe"):
            return 2 * multiply_adds * (len(self.study.train.rows) + len(self.study.test.rows))
        study, first = self.study, job.kind == "pretrain"
        clips = PRETRAIN_BATCH * study.pretrain_steps if first else BATCH * study.finetune_steps
        return 2 * 3 * multiply_adds * clips  # the backward pass is twice the forward one

    def _speed(self, job: Job) -> float:
        alike = [row for row in self.results.rows if _way(row["kind"]) == _way(job.kind)]
        speeds = [self._operations(job, row["multiply_adds"]) / row["seconds"] for row in alike if row["seconds"] > 0]
        return statistics.median(speeds) if speeds else ASSUMED_SPEED

    def _multiply_adds(self, job: Job) -> float:
        for row in self.results.rows:
            if (row["kind"], row["name"]) == (job.kind, job.name):
                return float(row["multiply_adds"])
        config = PRETRAININGS[job.name] if job.kind == "pretrain" else VARIANTS[job.name].classifier(job.kind)
        return multiply_adds(config)


def _way(kind: str) -> str:
    """Pre-training, probe or fine-tuning: each has its own speed."""
    return kind if kind == "pretrain" else "probe" if kind.startswith("probe") else "finetune"


def work_through(
    jobs: Sequence[Job],
    do: Callable[[Job], None],
    seconds: Callable[[Job], float],
    *,
    budget_s: float | None,
    now: Callable[[], float],
) -> list[Job]:
    """Do ``jobs`` in their order until the next would not fit into the budget; those that were not done.

    Args:
        jobs: in order.
        do: does one.
        seconds: estimate for one, asked right before it.
        budget_s: seconds in all; ``None``: no end.
        now: a clock in seconds.
    """
    began = now()
    for number, job in enumerate(jobs):
        if budget_s is not None and now() - began + seconds(job) > budget_s:
            return list(jobs[number:])
        do(job)
    return []
