"""Two models on the same clips: is one better, or were these clips kind to it?"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from scipy.stats import binomtest

from maedfer.errors import ConfigError
from maedfer.evaluate.bootstrap import Interval, percentiles, rates_of, resampled_counts
from maedfer.evaluate.evaluation import Evaluation

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True)
class Comparison:
    """What the second model does better (above 0) or worse on the same clips.

    Attributes:
        count: clips.
        only_first: clips that only the first model judges right.
        only_second: clips that only the second judges right.
        p_value: exact McNemar test (two-sided binomial) of these two counts being drawn alike; it takes clips as
            independent, so where people have several clips each, look at the intervals.
        war: difference of the accuracies, second minus first, -1..1.
        uar: difference of the mean class recalls.
        war_interval: 95 % bootstrap interval of ``war``, both models judged on the same resamples.
        uar_interval: that of ``uar``.
        unit: what was drawn: clips, or whole subjects where all are known.
        resamples: number of draws.
        seed: of the draws.
    """

    count: int
    only_first: int
    only_second: int
    p_value: float
    war: float
    uar: float
    war_interval: Interval
    uar_interval: Interval
    unit: Literal["clip", "subject"]
    resamples: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def to_markdown(self) -> str:
        """Two tables: the differences in points with their intervals, and the counts of the test."""
        lines = [f"| second minus first | points | 95 % by {self.unit} |", "| :-- | --: | --: |"]
        for name, value, (low, high) in (("UAR", self.uar, self.uar_interval), ("WAR", self.war, self.war_interval)):
            lines.append(f"| {name} | {100 * value:+.2f} | {100 * low:+.2f} to {100 * high:+.2f} |")
        lines += [
            "",
            "| clips | right by the first alone | by the second alone | McNemar p |",
            "| --: | --: | --: | --: |",
            f"| {self.count} | {self.only_first} | {self.only_second} | {self.p_value:.3g} |",
        ]
        return "\n".join(lines) + "\n"


def compare(first: Evaluation, second: Evaluation, *, resamples: int = 1000, seed: int = 0) -> Comparison:
    """Compare two evaluations clip by clip; their order may differ.

    Args:
        first: of the model to be beaten.
        second: of the other, on the same clips and classes.
        resamples: at least 100.
        seed: of the draws.

    Raises:
        ConfigError: other clips, other classes or another truth, or too few resamples.
    """
    labels = first.scores.labels
    if set(labels) != set(second.scores.labels):
        raise ConfigError(
            f"compare: expected the same classes, got {', '.join(labels)} and {', '.join(second.scores.labels)}"
        )
    others = {result.clip: result for result in second.clips}
    different = {result.clip for result in first.clips} ^ set(others)
    if different:
        raise ConfigError(f"compare: expected the same clips, {len(different)} are in one alone, as {min(different)}")
    for result in first.clips:
        if others[result.clip].truth != result.truth:
            raise ConfigError(
                f"compare: {result.clip} is {result.truth} in the first and {others[result.clip].truth} in the second"
            )
    classes, truth, one = len(labels), first.truth, first.predicted
    two = np.array([labels.index(others[result.clip].predicted) for result in first.clips])
    cells, place = np.unique((truth * classes + one) * classes + two, return_inverse=True)
    counts = resampled_counts(place, len(cells), groups=first.subjects, resamples=resamples, seed=seed)
    drawn = [rates_of(_matrices(counts, cells // classes, classes))]
    drawn.append(rates_of(_matrices(counts, cells // classes**2 * classes + cells % classes, classes)))
    right = (truth == one, truth == two)
    ahead, behind = int((right[1] & ~right[0]).sum()), int((right[0] & ~right[1]).sum())
    return Comparison(
        count=len(truth),
        only_first=behind,
        only_second=ahead,
        p_value=float(binomtest(ahead, ahead + behind).pvalue) if ahead + behind else 1.0,
        war=second.scores.war - first.scores.war,
        uar=second.scores.uar - first.scores.uar,
        war_interval=percentiles(drawn[1].war - drawn[0].war),
        uar_interval=percentiles(drawn[1].uar - drawn[0].uar),
        unit="clip" if first.subjects is None else "subject",
        resamples=resamples,
        seed=seed,
    )


def _matrices(counts: np.ndarray, pair: np.ndarray, classes: int) -> np.ndarray:
    """Confusion matrices from counts of (truth, answer, answer), where ``pair`` is each cell's (truth, answer)."""
    belongs = np.zeros((counts.shape[1], classes**2), dtype=np.int64)
    belongs[np.arange(counts.shape[1]), pair] = 1
    return (counts @ belongs).reshape(-1, classes, classes)
