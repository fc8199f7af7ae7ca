"""Many broken files through a few processes, counted: the fuzzer's own loop."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzzing.bases import make_bases
from fuzzing.mutate import mutate
from fuzzing.watch import BAD, Limits, Reader, Verdict
from fuzzing.weight_bases import make_weight_bases
from fuzzing.worker import STEPS

__all__ = ["Campaign", "Case", "Plan", "run"]

_MOST_EXAMPLES = 3


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes:
        seconds: until no new file is begun.
        files: at most.
        first: number of the first file; the next run can go on with others.
        processes: that read at the same time.
        predict_every: each n-th video goes through prediction and its files too.
        weights_every: each n-th file is one of weights.
        limits: of each step.
    """

    seconds: float = 300.0
    files: int = 1_000_000
    first: int = 0
    processes: int = 2
    predict_every: int = 5
    weights_every: int = 8
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Case:
    """One broken file: number ``number`` of the base ``base``; number 0 is the base itself, whole."""

    base: str
    number: int

    @property
    def seed(self) -> str:
        """What decides how it is broken."""
        return f"{self.base}:{self.number}"


@dataclass
class Campaign:
    """What was found so far."""

    files: int = 0
    mutated: int = 0
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    bases: dict[str, Counter[str]] = field(default_factory=dict)
    mutations: dict[str, Counter[str]] = field(default_factory=dict)
    failures: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    most_mb: int = 0
    most_s: float = 0.0
    seconds: float = 0.0

    def add(self, case: Case, done: str, verdicts: list[Verdict]) -> list[Verdict]:
        """Count one file; those of its verdicts that are bad."""
        bad = [verdict for verdict in verdicts if verdict.verdict in BAD]
        whole = bad[0].verdict if bad else min((v.verdict for v in verdicts), key=("result", "refused").index)
        self.files, self.mutated = self.files + 1, self.mutated + (case.number > 0)
        self.bases.setdefault(case.base, Counter())[whole] += 1
        for name in done.split("+"):
            self.mutations.setdefault(name, Counter())[whole] += 1
        for verdict in verdicts:
            self.verdicts[verdict.step, verdict.verdict] += 1
            if verdict.verdict not in BAD:
                self.most_mb = max(self.most_mb, verdict.grown_mb)
                self.most_s = max(self.most_s, verdict.worked_s)
        for verdict in bad:
            key = " ".join((verdict.verdict, verdict.step, *verdict.where[-1:], verdict.message.split(":")[0][:60]))
            seen = self.failures.setdefault(key, [])
            seen.append({"seed": case.seed, "mutations": done} | verdict.as_json())
        return bad

    def as_json(self) -> dict[str, Any]:
        """Counts, and some examples of each failure."""
        steps: dict[str, dict[str, int]] = {}
        for (step, verdict), count in sorted(self.verdicts.items()):
            steps.setdefault(step, {})[verdict] = count
        return {
            "files": self.files,
            "mutated": self.mutated,
            "seconds": round(self.seconds, 1),
            "steps": steps,
            "most MiB of a file without failure": self.most_mb,
            "most seconds of work of a step without failure": round(self.most_s, 2),
            "mutations": {name: dict(counts) for name, counts in sorted(self.mutations.items())},
            "bases": {name: dict(counts) for name, counts in sorted(self.bases.items())},
            "failures": [
                {"what": key, "count": len(seen), "examples": seen[:_MOST_EXAMPLES]}
                for key, seen in sorted(self.failures.items(), key=lambda pair: -len(pair[1]))
            ],
        }


def cases(plan: Plan, videos: list[str], weights: list[str]) -> Iterator[Case]:
    """All bases whole, then broken ones in turn."""
    yield from (Case(base, 0) for base in (*videos, *weights))
    number, which = plan.first, 0
    while True:
        number += 1
        if number % plan.weights_every == 0:
            yield Case(weights[number // plan.weights_every % len(weights)], number)
        else:
            which += 1
            yield Case(videos[which % len(videos)], number)


async def run(plan: Plan, out: Path) -> Campaign:
    """Break and read files until the time or their number is over.

    Args:
        plan: how many.
        out: files that failed go to ``failures`` there, counts to ``fuzz.json``, as they come.
    """
    videos, weights = make_bases(out / "bases"), make_weight_bases(out / "bases" / "weights")
    found, began = Campaign(), time.monotonic()
    waiting = cases(plan, list(videos), list(weights))
    others = [path.read_bytes() for path in videos.values()]

    async def work(number: int) -> None:
        place = out / f"process-{number}"
        readers = {
            False: Reader(place / "videos", plan.limits),
            True: Reader(place / "weights", plan.limits, weights=True),
        }
        for case in waiting:
            if time.monotonic() - began > plan.seconds or found.files >= plan.files:
                break
            whole = (videos | weights)[case.base]
            data, done = whole.read_bytes(), "none"
            if case.number:
                data, done = mutate(data, case.seed, others)
            bad = found.add(case, done, await _verdicts(case, data, whole, readers, place, plan))
            found.seconds = time.monotonic() - began
            if bad:
                _keep(case, data, bad, out / "failures")
            if bad or found.files % 25 == 0:
                (out / "fuzz.json").write_text(json.dumps(found.as_json(), indent=1) + "\n", encoding="utf-8")
        for reader in readers.values():
            await reader.close()

    await asyncio.gather(*(work(number) for number in range(plan.processes)))
    found.seconds = time.monotonic() - began
    (out / "fuzz.json").write_text(json.dumps(found.as_json(), indent=1) + "\n", encoding="utf-8")
    return found


async def _verdicts(
    case: Case, data: bytes, whole: Path, readers: dict[bool, Reader], place: Path, plan: Plan
) -> list[Verdict]:
    is_weights = whole.suffix in (".pth", ".safetensors", ".json")
    file = place / f"{case.number % 10}{whole.suffix}"
    file.write_bytes(data)
    try:
        if is_weights:
            return [await readers[True].read(file, "load", whole)]
        steps = list(STEPS) + (["predict"] if case.number % plan.predict_every == 0 else [])
        return [await readers[False].read(file, step, place / "results") for step in steps]
    finally:
        file.unlink()


def _keep(case: Case, data: bytes, bad: list[Verdict], folder: Path) -> None:
    """The file, with its verdicts beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{case.number:06d}-{case.base}"
    (folder / name).write_bytes(data)
    facts = {"seed": case.seed, "verdicts": [verdict.as_json() for verdict in bad]}
    (folder / f"{name}.txt").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
