"""Scores of a cross-validation: the mean over folds and the score of all clips together, for papers report either."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from maedfer.errors import ConfigError
from maedfer.evaluate.evaluation import Evaluation, scored
from maedfer.evaluate.metrics import Scores

__all__ = ["FoldScores", "Summary", "aggregate"]

_SHOWN = {"UAR": "uar", "WAR": "war", "macro F1": "macro_f1", "weighted F1": "weighted_f1"}


@dataclass(frozen=True)
class Summary:
    """Four scores, 0..1 each.

    Attributes:
        war: accuracy.
        uar: mean class recall.
        macro_f1: mean class F1.
        weighted_f1: F1 weighted by the true counts.
    """

    war: float
    uar: float
    macro_f1: float
    weighted_f1: float

    @staticmethod
    def of(scores: Scores) -> "Summary":
        """The four of ``scores``."""
        return Summary(scores.war, scores.uar, scores.macro_f1, scores.weighted_f1)


@dataclass(frozen=True)
class FoldScores:
    """Several folds taken together.

    Attributes:
        names: one a fold.
        each: the evaluation of each fold.
        mean: of the folds' scores, each fold counting alike: the usual number of DFEW and MAFW.
        deviation: sample standard deviation over the folds (n - 1); 0 for one fold.
        pooled: all clips of all folds scored as one set: a rare class, of which a fold holds a handful, counts by its
            clips and not by its folds.
    """

    names: tuple[str, ...]
    each: tuple[Evaluation, ...]
    mean: Summary
    deviation: Summary
    pooled: Evaluation

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without NaN and without the clips."""
        return {
            "folds": {name: one.scores.to_dict() for name, one in zip(self.names, self.each, strict=True)},
            "mean": vars(self.mean),
            "deviation": vars(self.deviation),
            "pooled": self.pooled.scores.to_dict(),
        }

    def to_markdown(self) -> str:
        """A table: a row a fold, then mean and deviation, then the pooled scores; all in percent."""
        lines = [f"| fold | clips | {' | '.join(f'{name} %' for name in _SHOWN)} |", "| :-- " + "| --: " * 5 + "|"]
        for name, one in zip(self.names, self.each, strict=True):
            lines.append(_row(name.replace("|", "\\|"), one.scores.count, Summary.of(one.scores)))
        total = self.pooled.scores.count
        lines.append(_row("**mean of folds**", total, self.mean))
        lines.append(_row("deviation", len(self.each), self.deviation).replace(f"| {len(self.each)} |", "|  |", 1))
        lines.append(_row("**pooled clips**", total, Summary.of(self.pooled.scores)))
        return "\n".join(lines) + "\n"


def aggregate(evaluations: Sequence[Evaluation], names: Sequence[str] | None = None) -> FoldScores:
    """Take the evaluations of several folds together.

    Args:
        evaluations: one a fold, of the same classes; no clip in two of them.
        names: one a fold; ``None``: the fold that all its clips say, else 1, 2, ...

    Raises:
        ConfigError: no fold, other classes, names that do not fit, or a clip that was tested twice.
    """
    if not evaluations or (names is not None and len(names) != len(evaluations)):
        raise ConfigError(f"folds: expected one name for each of at least one fold, got {len(evaluations)} folds")
    labels = evaluations[0].scores.labels
    for one in evaluations[1:]:
        if one.scores.labels != labels:
            raise ConfigError(
                f"folds: expected the classes {', '.join(labels)} in all, got {', '.join(one.scores.labels)}"
            )
    clips = [result for one in evaluations for result in one.clips]
    seen: set[str] = set()
    for result in clips:
        if result.clip in seen:
            raise ConfigError(f"folds: {result.clip} was tested twice; give each fold's evaluation once")
        seen.add(result.clip)
    table = np.array([list(vars(Summary.of(one.scores)).values()) for one in evaluations])
    spread = table.std(axis=0, ddof=1) if len(table) > 1 else np.zeros(table.shape[1])
    gone: dict[str, int] = {}
    for label, count in (pair for one in evaluations for pair in one.left_out):
        gone[label] = gone.get(label, 0) + count
    pooled = scored(
        clips,
        labels,
        faceless=[name for one in evaluations for name in one.faceless],
        crossing=evaluations[0].crossing,
        left_out=sorted(gone.items()),
    )
    return FoldScores(
        names=tuple(names) if names is not None else _names(evaluations),
        each=tuple(evaluations),
        mean=Summary(*map(float, table.mean(axis=0))),
        deviation=Summary(*map(float, spread)),
        pooled=pooled,
    )


def _names(evaluations: Sequence[Evaluation]) -> tuple[str, ...]:
    own = [{result.fold for result in one.clips} for one in evaluations]
    known = [folds.pop() if len(folds) == 1 else None for folds in own]
    if None in known or len(set(known)) < len(known):
        return tuple(str(number) for number in range(1, len(known) + 1))
    return tuple(map(str, known))


def _row(name: str, count: int, four: Summary) -> str:
    return f"| {name} | {count} | {' | '.join(f'{100 * getattr(four, key):.2f}' for key in _SHOWN.values())} |"
