"""Bootstrap: how far a score would move with another draw of clips, or of people (Efron and Tibshirani 1993).

A resample of the clips only changes how often each (truth, answer) occurs, so counts of those cells are drawn instead
of clips: the outcome has the same distribution, and 1000 resamples of 10,000 clips take a moment. Clips of one person
are alike, so intervals over clips are too narrow as a statement about new people; those over subjects draw people.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from maedfer.errors import ConfigError

__all__ = ["Interval", "Intervals", "Rates", "intervals_of", "percentiles", "rates_of", "resampled_counts"]

Interval = tuple[float, float]

_LEVEL = 0.95
_TOGETHER = 100  # resamples drawn at once, which bounds memory


@dataclass(frozen=True)
class Rates:
    """Scores of R confusion matrices at once; NaN where a class does not occur in the truth.

    Attributes:
        war: accuracy.
        uar: mean recall of the classes that occur in the truth.
        macro_f1: mean F1 of the classes that occur in the truth or in the answers.
        weighted_f1: F1 weighted by the true counts.
        recall: of each class.
    """

    war: Float[np.ndarray, " R"]
    uar: Float[np.ndarray, " R"]
    macro_f1: Float[np.ndarray, " R"]
    weighted_f1: Float[np.ndarray, " R"]
    recall: Float[np.ndarray, "R C"]


@dataclass(frozen=True)
class Intervals:
    """Percentile intervals of the scores, 0..1 each.

    Attributes:
        unit: what was drawn: clips, or whole subjects.
        units: how many of them there are.
        level: share of the resamples inside, 0.95.
        resamples: number of draws.
        seed: of the draws; the same seed gives the same intervals.
        war, uar, macro_f1, weighted_f1: (low, high).
        recall: of each class; ``None`` for one that does not occur in the truth.
    """

    unit: Literal["clip", "subject"]
    units: int
    level: float
    resamples: int
    seed: int
    war: Interval
    uar: Interval
    macro_f1: Interval
    weighted_f1: Interval
    recall: tuple[Interval | None, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def intervals_of(
    truth: Int[np.ndarray, " N"],
    predicted: Int[np.ndarray, " N"],
    classes: int,
    *,
    groups: Sequence[str] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Intervals:
    """Intervals of all scores.

    Args:
        truth: class index of each clip, 0 <= index < classes.
        predicted: the answers.
        classes: number of classes.
        groups: the subject of each clip, to draw subjects; ``None`` draws clips.
        resamples: at least 100.
        seed: of the draws.

    Raises:
        ConfigError: no clip, too few resamples, or groups that do not fit.
    """
    counts = resampled_counts(truth * classes + predicted, classes**2, groups=groups, resamples=resamples, seed=seed)
    rates = rates_of(counts.reshape(-1, classes, classes))
    occurs = np.bincount(truth, minlength=classes) > 0
    return Intervals(
        unit="clip" if groups is None else "subject",
        units=len(truth) if groups is None else len(set(groups)),
        level=_LEVEL,
        resamples=resamples,
        seed=seed,
        war=percentiles(rates.war),
        uar=percentiles(rates.uar),
        macro_f1=percentiles(rates.macro_f1),
        weighted_f1=percentiles(rates.weighted_f1),
        recall=tuple(percentiles(rates.recall[:, i]) if occurs[i] else None for i in range(classes)),
    )


def resampled_counts(
    cells: Int[np.ndarray, " N"],
    number: int,
    *,
    groups: Sequence[str] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Int[np.ndarray, "R K"]:
    """How often each cell occurs in each resample; the arguments are those of :func:`intervals_of`.

    Args:
        cells: what happened to each clip, 0 <= cell < number.
        number: cells K.
        groups: whole groups are drawn; ``None``: clips.
        resamples: draws R.
        seed: of the draws.
    """
    if not len(cells) or (groups is not None and len(groups) != len(cells)):
        raise ConfigError(
            f"bootstrap: expected clips, and one group for each, got {len(cells)} and {len(groups or ())}"
        )
    if resamples < 100:
        raise ConfigError(f"bootstrap: expected at least 100 resamples, got {resamples}; 1000 are common")
    rng = np.random.default_rng(seed)
    if groups is None:
        drawn = rng.multinomial(len(cells), np.bincount(cells, minlength=number) / len(cells), size=resamples)
        return np.asarray(drawn, dtype=np.int64)
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    own = np.zeros((len(names), number))  # floats, which count exactly and multiply far faster than integers
    np.add.at(own, (place, cells), 1)
    even = np.full(len(names), 1 / len(names))
    parts = [
        rng.multinomial(len(names), even, size=min(_TOGETHER, resamples - start)) @ own
        for start in range(0, resamples, _TOGETHER)
    ]
    return np.concatenate(parts).astype(np.int64)


def rates_of(counts: Int[np.ndarray, "R C C"]) -> Rates:
    """The scores of each matrix; rows are the truth."""
    right = np.diagonal(counts, axis1=1, axis2=2).astype(np.float64)
    true, said = counts.sum(axis=2), counts.sum(axis=1)
    total = np.maximum(true.sum(axis=1), 1)
    recall = np.where(true > 0, right / np.maximum(true, 1), np.nan)
    f1 = 2 * right / np.maximum(true + said, 1)
    either = (true + said) > 0
    return Rates(
        war=right.sum(axis=1) / total,
        uar=np.nansum(recall, axis=1) / np.maximum((true > 0).sum(axis=1), 1),
        macro_f1=f1.sum(axis=1) / np.maximum(either.sum(axis=1), 1),
        weighted_f1=(f1 * true).sum(axis=1) / total,
        recall=recall,
    )


def percentiles(values: Float[np.ndarray, " R"]) -> Interval:
    """The middle 95 % of the values that are numbers."""
    known = values[~np.isnan(values)]
    tail = 50 * (1 - _LEVEL)
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)
