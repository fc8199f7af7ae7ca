"""The command of ``make fuzz``: breaks files for some minutes and says what became of them.

PYTHONPATH=tests:benchmarks python -m fuzzing --minutes 5

Ends with 1 when something happened that must not; the files lie in ``OUT/failures``.
"""

import asyncio
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table

from fuzzing.campaign import Campaign, Plan, run
from fuzzing.watch import BAD, Limits
from record import write

_ORDER = ("result", "refused", *BAD)


@dataclass(frozen=True)
class Settings:
    """Settings of a run.

    Attributes:
        minutes: until no new file is begun.
        files: at most.
        first: number of the first broken file: other numbers are other files.
        out: for broken files that failed, and counts.
        processes: that read at the same time.
        memory_mb: MiB that a file may cost.
        seconds: of work that a step on a file may cost.
        record: also write the counts to this name in benchmarks/results.
    """

    minutes: float = 5.0
    files: int = 1_000_000
    first: int = 0
    out: Path = Path("outputs/fuzz")
    processes: int = 2
    memory_mb: int = 1536
    seconds: float = 30.0
    record: str | None = None


def main(settings: Settings) -> int:
    """Break, read, count; the exit code."""
    os.environ.setdefault("SVT_LOG", "1")  # the encoder talks a lot
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    plan = Plan(
        seconds=60 * settings.minutes,
        files=settings.files,
        first=settings.first,
        processes=settings.processes,
        limits=Limits(settings.memory_mb, settings.seconds),
    )
    settings.out.mkdir(parents=True, exist_ok=True)
    found = asyncio.run(run(plan, settings.out))
    show(found)
    if settings.record:
        write(settings.record, {"limits": asdict(plan.limits)} | found.as_json())
    return 1 if found.failures else 0


def show(found: Campaign) -> None:
    """The counts as tables."""
    console = Console()
    console.print(f"{found.files} files ({found.mutated} broken) in {found.seconds:.0f} s")
    table = Table("step", *_ORDER)
    for step, counts in found.as_json()["steps"].items():
        table.add_row(step, *(str(counts.get(verdict, 0)) for verdict in _ORDER))
    console.print(table)
    if found.failures:
        failures = Table("what happened", "times", "first seed")
        for failure in found.as_json()["failures"]:
            failures.add_row(failure["what"], str(failure["count"]), failure["examples"][0]["seed"])
        console.print(failures)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings)))
