"""An evaluation as files: numbers for programs, a table of predictions, a page for people, a figure for papers."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from maedfer.evaluate.bootstrap import Interval, Intervals
from maedfer.evaluate.evaluation import Evaluation
from maedfer.evaluate.figure import draw_evaluation, draw_folds
from maedfer.evaluate.folds import FoldScores
from maedfer.evaluate.stored import EVALUATION_FILE, PREDICTIONS_FILE, Facts, evaluation_json, predictions_csv
from maedfer.output import write_text, write_whole

__all__ = ["classes_table", "intervals_table", "known_intervals", "write_evaluation", "write_folds"]

_NAMED = 20  # clips without a face that the page names


def write_evaluation(
    evaluation: Evaluation, directory: Path, facts: Facts, *, resamples: int = 1000
) -> tuple[Path, Path, Path, Path]:
    """Write ``evaluation.json``, ``evaluation.md``, ``predictions.csv`` and ``evaluation.png`` into ``directory``.

    Args:
        evaluation: the scores and the table of clips.
        directory: where the files go; made when missing.
        facts: what was evaluated (weights, manifest, split, ...); stands at the head of the JSON and the page.
        resamples: of the bootstrap intervals, at least 100.

    Returns:
        The four paths.

    Raises:
        OutputError: the folder cannot be made or written.
        ConfigError: matplotlib is missing, a fact is NaN, or there are too few resamples.
    """
    intervals = known_intervals(evaluation, resamples)
    figure = directory / "evaluation.png"
    write_whole(figure, lambda temporary: draw_evaluation(evaluation, intervals[-1], temporary))
    page = directory / "evaluation.md"
    write_text(page, _page("Evaluation", facts, evaluation, evaluation.scores.to_markdown(), intervals, figure.name))
    table = directory / PREDICTIONS_FILE
    write_text(table, predictions_csv(evaluation))
    numbers = directory / EVALUATION_FILE
    write_text(numbers, evaluation_json(evaluation, facts, _stored(intervals)))
    return numbers, page, table, figure


def write_folds(
    folds: FoldScores, directory: Path, facts: Facts, *, resamples: int = 1000
) -> tuple[Path, Path, Path, Path]:
    """Write ``folds.json``, ``folds.md``, ``predictions.csv`` (of all folds) and ``folds.png`` into ``directory``.

    Arguments, result and errors are those of :func:`write_evaluation`; the intervals are those of the pooled clips.
    """
    pooled = folds.pooled
    intervals = known_intervals(pooled, resamples)
    figure = directory / "folds.png"
    write_whole(figure, lambda temporary: draw_folds(folds, intervals[-1], temporary))
    page = directory / "folds.md"
    tables = f"{folds.to_markdown()}\n## All clips pooled\n\n{pooled.scores.to_markdown()}"
    write_text(page, _page("Folds", facts, pooled, tables, intervals, figure.name))
    table = directory / PREDICTIONS_FILE
    write_text(table, predictions_csv(pooled))
    numbers = directory / "folds.json"
    content = {"facts": dict(facts), **folds.to_dict(), **_stored(intervals)}
    write_text(numbers, json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
    return numbers, page, table, figure


def known_intervals(evaluation: Evaluation, resamples: int = 1000) -> tuple[Intervals, ...]:
    """Intervals by clip and, where all subjects are known, by subject; the last are the ones to quote.

    Raises:
        ConfigError: too few resamples.
    """
    found = [evaluation.intervals("clip", resamples=resamples)]
    if evaluation.subjects is not None:
        found.append(evaluation.intervals("subject", resamples=resamples))
    return tuple(found)


def intervals_table(intervals: Sequence[Intervals]) -> str:
    """A table: 95 % intervals of the scores, in percent, a row a unit."""
    lines = ["| 95 % interval | UAR % | WAR % | macro F1 % | weighted F1 % |", "| :-- " + "| --: " * 4 + "|"]
    for one in intervals:
        cells = (one.uar, one.war, one.macro_f1, one.weighted_f1)
        lines.append(f"| by {one.unit} ({one.units}) | {' | '.join(map(_shown, cells))} |")
    return "\n".join(lines) + "\n"


def classes_table(evaluation: Evaluation, intervals: Intervals) -> str:
    """A table: recall with its interval, precision and F1 of each class, in percent."""
    scores = evaluation.scores
    lines = [
        f"| class | clips | recall % | 95 % by {intervals.unit} | precision % | F1 % |",
        "| :-- " + "| --: " * 5 + "|",
    ]
    rows = zip(
        scores.labels, scores.confusion, scores.recall, intervals.recall, scores.precision, scores.f1, strict=True
    )
    for label, row, recall, interval, precision, f1 in rows:
        name, between = label.replace("|", "\\|"), "–" if interval is None else _shown(interval)
        lines.append(
            f"| {name} | {sum(row)} | {_percent(recall)} | {between} | {_percent(precision)} | {_percent(f1)} |"
        )
    return "\n".join(lines) + "\n"


def _page(
    title: str, facts: Facts, evaluation: Evaluation, tables: str, intervals: Sequence[Intervals], figure: str
) -> str:
    head = "".join(f"- {name}: {value}\n" for name, value in facts.items())
    parts = [
        f"# {title}\n\n{head}",
        tables,
        intervals_table(intervals),
        classes_table(evaluation, intervals[-1]),
        evaluation.confidence.to_markdown(),
        f"![confusion matrix, recalls and reliability]({figure})\n",
    ]
    if evaluation.crossing is not None:
        gone = ", ".join(f"{count} of {label}" for label, count in evaluation.left_out) or "none"
        parts.append(f"## Classes of two label sets\n\n{evaluation.crossing.to_markdown()}\nClips left out: {gone}.\n")
    if evaluation.faceless:
        named = "".join(f"- {name}\n" for name in evaluation.faceless[:_NAMED])
        more = len(evaluation.faceless) - _NAMED
        rest = f"- and {more} more (see the JSON)\n" if more > 0 else ""
        parts.append(f"## No face found, middle square judged\n\n{named}{rest}")
    return "\n".join(parts)


def _stored(intervals: Sequence[Intervals]) -> Mapping[str, Any]:
    return {"intervals": {one.unit: one.to_dict() for one in intervals}}


def _shown(interval: Interval) -> str:
    return f"{100 * interval[0]:.2f}–{100 * interval[1]:.2f}"


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{100 * rate:.1f}"
