"""Do the claims of the MAE-DFER paper hold on the rendered laboratory? Pre-training, target, architecture, masks, time.

Small encoders are pre-trained and fine-tuned on clips whose truth is known, over seeds, on two kinds of labels: the
expression, and whether it comes or goes. Every finished run is kept at once in ``benchmarks/results/claims.json``; the
same command goes on where it stopped::

    maedfer synth --out lab/studio --clips 3500 --seed 7 --size 96 --fps 6.25 --test-share 0.2 --studio
    python benchmarks/claims.py --train lab/studio --test lab/studio --plan          # what there is to do, and how long
    python benchmarks/claims.py --train lab/studio --test lab/studio --budget 120    # two hours of it
    python benchmarks/claims.py --markdown                                           # the tables into docs/claims.md

Several processes may fill one file of results, each with seeds of its own (``--seeds``), best with a thread each
(``OMP_NUM_THREADS=1``).

What is trained and compared: ``claims_variants.py``, ``claims_groups.py``; how a run is made: ``claims_runs.py``.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from claims_data import read_clips
from claims_groups import Group
from claims_plan import Clock, Results, chosen_groups, left, plan, work_through
from claims_runs import Job, Study
from claims_table import insert, markdown, rich_tables
from maedfer.errors import ConfigError, MaedferError
from record import RESULTS

PAGE = Path(__file__).parents[1] / "docs" / "claims.md"


@dataclass(frozen=True)
class Settings:
    """Settings of the study.

    Attributes:
        train: folder of ``maedfer synth``; its clips of split train are learnt from. Left out: only the tables.
        test: folder of other people; its clips of split test are scored.
        work: folder of tables, crops, checkpoints and pre-trained weights.
        results: file of the finished runs.
        seeds: of weights, order, masks, augmentation and of the labels that are left.
        only: letters of the groups, separated by commas (a,c); all where it is empty.
        probes: leave the fine-tunings out, which take longest.
        budget: minutes after which no further run begins; nor does one that would not end by then.
        plan: only show the runs: done, or left with an estimate.
        markdown: write the tables into docs/claims.md.
        pretrain_steps: updates of a pre-training, by 64 clips.
        finetune_steps: updates of a fine-tuning, by 32 clips.
    """

    train: Path | None = None
    test: Path | None = None
    work: Path = Path("outputs/claims")
    results: Path = RESULTS / "claims.json"
    seeds: tuple[int, ...] = (0, 1, 2)
    only: str = ""
    probes: bool = False
    budget: float | None = None
    plan: bool = False
    markdown: bool = False
    pretrain_steps: int = 300
    finetune_steps: int = 300


def main(settings: Settings) -> None:
    """Run what is left and fits, then show the tables."""
    console = Console()
    groups = chosen_groups(settings.only)
    results = Results(settings.results)
    if settings.train is not None and settings.test is not None:
        study = Study(
            read_clips(settings.train, "train", settings.work),
            read_clips(settings.test, "test", settings.work),
            settings.work,
            settings.pretrain_steps,
            settings.finetune_steps,
        )
        results.begin(study.facts())
        _study(settings, study, results, groups, console)
    elif settings.train is not None or settings.test is not None or settings.plan:
        raise ConfigError("expected --train FOLDER and --test FOLDER of maedfer synth, got one of them or none")
    if not settings.plan:
        for table in rich_tables(results, groups):
            console.print(table)
    if settings.markdown:
        insert(PAGE, markdown(results, chosen_groups("")))
        console.print(f"wrote {PAGE.name}")


def _study(settings: Settings, study: Study, results: Results, groups: Sequence[Group], console: Console) -> None:
    jobs = plan(groups, settings.seeds, probes_only=settings.probes)
    todo, clock = left(jobs, results, study.pretrained), Clock(study, results)
    if settings.plan:
        console.print(_planned(jobs, todo, clock))
        return

    if todo:
        study.prepare()

    def do(job: Job) -> None:
        row = study.run(job)
        results.add(row)
        console.print(_said(row), highlight=False)

    budget_s = None if settings.budget is None else 60 * settings.budget
    rest = work_through(todo, do, clock.seconds, budget_s=budget_s, now=time.monotonic)
    minutes = sum(map(clock.seconds, rest)) / 60
    console.print(f"{len(todo) - len(rest)} runs made, {len(rest)} left, about {minutes:.0f} minutes")


def _planned(jobs: Sequence[Job], todo: Sequence[Job], clock: Clock) -> Table:
    seconds = {job: clock.seconds(job) for job in todo}
    table = Table(caption=f"{len(todo)} of {len(jobs)} runs left, about {sum(seconds.values()) / 3600:.1f} hours")
    for head in ("run", "labels", "seed", "minutes"):
        table.add_column(head, justify="right" if head in ("seed", "minutes") else "left")
    for job in jobs:
        state = f"{seconds[job] / 60:.1f}" if job in seconds else "done"
        table.add_row(job.name, job.kind, str(job.seed), state)
    return table


def _said(row: dict[str, Any]) -> str:
    score = f"UAR {100 * row['uar']:.1f} %" if "uar" in row else f"loss {row['loss']:.4f}"
    step = f" ({row['step_seconds']} a step)" if "step_seconds" in row else ""
    return f"{row['kind']} {row['name']} seed {row['seed']}: {score}, {row['seconds']:.0f} s{step}"


if __name__ == "__main__":
    try:
        main(tyro.cli(Settings))
    except MaedferError as error:
        sys.exit(f"claims: {error}")
