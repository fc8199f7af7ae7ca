"""The tables of the study of the paper's claims: means with 95 % intervals over seeds, and which claims hold."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.table import Table
from scipy.stats import t

from claims_groups import Claim, Group, Line
from claims_plan import Results
from claims_runs import BATCH, PRETRAIN_BATCH, Job
from claims_variants import LABELS, PRETRAININGS, VARIANTS, Kind
from maedfer.errors import ManifestError
from maedfer.output import write_text

BEGIN, END = "<!-- claims: begin -->", "<!-- claims: end -->"
Verdict = Literal["holds", "does not hold", "undecided", ""]


@dataclass(frozen=True)
class Mean:
    """A mean over seeds.

    Attributes:
        value: the mean.
        half: half of its 95 % interval, by the t distribution; ``None``: one seed says nothing of that.
        seeds: how many.
    """

    value: float
    half: float | None
    seeds: int

    def shown(self, factor: float = 1.0, digits: int = 1, sign: str = "") -> str:
        """As text, times ``factor``: ``41.2 ± 3.4``, with one seed ``41.2 (1 seed)``."""
        spread = " (1 seed)" if self.half is None else f" ± {factor * self.half:.{digits}f}"
        return f"{factor * self.value:{sign}.{digits}f}{spread}"


def mean_of(values: Sequence[float]) -> Mean | None:
    """Mean and interval of one value a seed; ``None`` without values."""
    if not values:
        return None
    number = len(values)
    half = None
    if number > 1:
        half = float(t.ppf(0.975, number - 1)) * statistics.stdev(values) / math.sqrt(number)
    return Mean(statistics.fmean(values), half, number)


def difference(values: Mapping[int, float], reference: Mapping[int, float]) -> Mean | None:
    """Mean of the differences of equal seeds."""
    return mean_of([values[seed] - reference[seed] for seed in sorted(values.keys() & reference.keys())])


def verdict(claim: Claim, found: Mean | None) -> Verdict:
    """Whether the whole interval lies in the claim's range, outside of it, or neither; one seed decides nothing."""
    if found is None:
        return ""
    if found.half is None:
        return "undecided"
    low, high = found.value - found.half, found.value + found.half
    if claim.low < low and high < claim.high:
        return "holds"
    return "does not hold" if high <= claim.low or low >= claim.high else "undecided"


def measured(results: Results, kind: Literal["pretrain"] | Kind, name: str, field: str) -> dict[int, float]:
    """One number of every finished run of a job with its present settings, by seed."""
    seeds = sorted({row["seed"] for row in results.rows if (row["kind"], row["name"]) == (kind, name)})
    rows = {seed: results.of(Job(kind, name, seed)) for seed in seeds}
    return {seed: float(row[field]) for seed, row in rows.items() if row is not None}


def cells(results: Results, group: Group, line: Line, kinds: Sequence[Kind]) -> list[str]:
    """A line of a group's table: its words, then UAR, difference and verdict for each of ``kinds``."""
    shown = [line.words]
    for kind in kinds:
        own = measured(results, kind, line.variant, "uar")
        other = group.compared(line)
        apart = None if other is None else difference(own, measured(results, kind, other, "uar"))
        mean = mean_of(list(own.values()))
        shown += ["" if mean is None else mean.shown(100), "" if apart is None else apart.shown(100, sign="+")]
        claim = line.claim if line.claim is not None and kind in line.claim.kinds else None
        said = "" if claim is None else verdict(claim, mean if claim.of == "uar" else apart)
        shown.append(f"{claim.words}: {said}" if claim is not None and said else "")
    return shown


#: How the tokens are read, and the kinds of runs that say so: each group has a table of each.
WAYS: dict[str, tuple[Kind, Kind]] = {
    "Ridge regression on the tokens as they are": ("probe-expression", "probe-timing"),
    "Fine-tuned": ("expression", "timing"),
}

#: Heads of a group's table.
HEADS = ("", "expression, UAR %", "difference", "claim", "time, UAR %", "difference", "claim")
COST_HEADS = ("", "classifier, M multiply-adds", "seconds a step", "pre-training, M multiply-adds", "seconds a step")


def costs(results: Results) -> list[list[str]]:
    """Multiply-adds of a clip, forward, and seconds of a training step, of each model."""
    lines = []
    for name in (*PRETRAININGS, "sixteen-frames"):
        begin = str(VARIANTS[name].pretraining)
        adds = [_mean(results, kind, name, "multiply_adds") for kind in LABELS]
        found = (
            next(filter(None, adds), None),
            _mean(results, "expression", name, "step_seconds"),
            _mean(results, "pretrain", begin, "multiply_adds"),
            _mean(results, "pretrain", begin, "step_seconds"),
        )
        if found[0] is not None:
            lines.append([name, *(_cost(mean, adds=number % 2 == 0) for number, mean in enumerate(found))])
    return lines


def _cost(found: Mean | None, *, adds: bool) -> str:
    if found is None:
        return ""
    return f"{found.value / 1e6:.1f}" if adds else found.shown(digits=3)


def _mean(results: Results, kind: Literal["pretrain"] | Kind, name: str, field: str) -> Mean | None:
    return mean_of(list(measured(results, kind, name, field).values()))


def rich_tables(results: Results, groups: Sequence[Group]) -> list[Table]:
    """For a terminal."""
    made = [
        _rich(f"({group.letter}) {group.title}: {way}", HEADS, lines)
        for group in groups
        for way, lines in _filled(results, group)
    ]
    return [*made, _rich("Costs", COST_HEADS, costs(results))]


def markdown(results: Results, groups: Sequence[Group]) -> str:
    """For the documentation; without a finished run it says so."""
    if not results.rows:
        return "No run is recorded yet."
    parts = [_circumstances(results)]
    for group in groups:
        tables = [f"{way}:\n\n{_markdown(HEADS, lines)}" for way, lines in _filled(results, group)]
        if tables:
            parts.append("\n\n".join([f"### ({group.letter}) {group.title}", group.says, *tables]))
    parts.append(
        "### Costs\n\nForward, one clip; seconds: median of a training step, mean over seeds.\n\n"
        + _markdown(COST_HEADS, costs(results))
    )
    return "\n\n".join(parts)


def _filled(results: Results, group: Group) -> list[tuple[str, list[list[str]]]]:
    """The ways of which a group has a run besides its reference, which groups share, with their cells."""
    found = []
    for way, kinds in WAYS.items():
        below = [cells(results, group, line, kinds) for line in group.lines]
        if any(any(line[1:]) for line in below):
            found.append((way, [cells(results, group, group.reference, kinds), *below]))
    return found


def insert(page: Path, tables: str) -> None:
    """Put ``tables`` between the marks of a page.

    Raises:
        ManifestError: the page has no marks.
        OutputError: it cannot be written.
    """
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ManifestError(f"{page}: expected the marks {BEGIN} and {END}, found none; put them where tables belong")
    write_text(page, f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}")


def _circumstances(results: Results) -> str:
    rows = results.rows
    study: dict[str, Any] = results.study or {}
    machines = sorted({f"{row['cores']} cores of {row['processor']}" for row in rows})
    commits = sorted({row["commit"] for row in rows})
    hours = sum(row["seconds"] for row in rows) / 3600
    return (
        f"{len(rows)} runs, {hours:.1f} hours on {'; '.join(machines)}; commits {', '.join(commits)}. "
        f"{study['train']['clips']} training and {study['test']['clips']} test clips; {study['pretrain']['steps']} "
        f"steps of pre-training with {PRETRAIN_BATCH} clips, {study['finetune']['steps']} of fine-tuning with {BATCH}."
    )


def _rich(title: str, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number and head != "claim" else "left")
    for line in lines:
        table.add_row(*line)
    return table


def _markdown(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    marks = ["--:" if number and head != "claim" else ":--" for number, head in enumerate(heads)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, marks, *lines))
