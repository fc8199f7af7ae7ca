"""Scores of a classifier, as the field reports them: WAR, UAR, F1 and the confusion matrix. scikit-learn counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from maedfer.errors import ConfigError

__all__ = ["Scores", "score", "scores_of_confusion"]


@dataclass(frozen=True)
class Scores:
    """How well the predictions agree with the truth. All rates are 0..1.

    Attributes:
        labels: class names in index order.
        confusion: counts; rows are the truth, columns the prediction.
        war: weighted average recall, which is the accuracy.
        uar: unweighted average recall: mean recall of the classes that occur in the truth.
        macro_f1: mean F1 of the classes that occur in the truth or in the predictions.
        weighted_f1: F1 of each class weighted by its true count.
        recall: of each class; ``None`` for a class that does not occur in the truth.
        precision: of each class; ``None`` for a class that was never predicted.
        f1: of each class; ``None`` for a class that occurs in neither.
    """

    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    war: float
    uar: float
    macro_f1: float
    weighted_f1: float
    recall: tuple[float | None, ...]
    precision: tuple[float | None, ...]
    f1: tuple[float | None, ...]

    @property
    def count(self) -> int:
        """Number of clips."""
        return sum(sum(row) for row in self.confusion)

    @property
    def micro_f1(self) -> float:
        """F1 over all answers together: where a clip has one label and one answer, that is the accuracy."""
        return self.war

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without NaN."""
        return {
            "count": self.count,
            "war": self.war,
            "uar": self.uar,
            "macro_f1": self.macro_f1,
            "weighted_f1": self.weighted_f1,
            "micro_f1": self.micro_f1,
            "labels": list(self.labels),
            "recall": dict(zip(self.labels, self.recall, strict=True)),
            "precision": dict(zip(self.labels, self.precision, strict=True)),
            "f1": dict(zip(self.labels, self.f1, strict=True)),
            "confusion": [list(row) for row in self.confusion],
        }

    def to_markdown(self) -> str:
        """Two tables: the scores in percent, and the confusion matrix with the recall of each class."""
        names = [label.replace("|", "\\|") for label in self.labels]
        lines = [
            "| clips | UAR % | WAR % | macro F1 % | weighted F1 % |",
            "| --: | --: | --: | --: | --: |",
            f"| {self.count} | {100 * self.uar:.2f} | {100 * self.war:.2f} | {100 * self.macro_f1:.2f} "
            f"| {100 * self.weighted_f1:.2f} |",
            "",
            f"| truth \\ predicted | {' | '.join(names)} | recall % |",
            f"| :-- | {'--: | ' * len(names)}--: |",
        ]
        for name, row, recall in zip(names, self.confusion, self.recall, strict=True):
            shown = "–" if recall is None else f"{100 * recall:.1f}"
            lines.append(f"| {name} | {' | '.join(str(count) for count in row)} | {shown} |")
        return "\n".join(lines) + "\n"


def score(truth: Sequence[int], predicted: Sequence[int], labels: Sequence[str]) -> Scores:
    """Compare class indices.

    Args:
        truth: one index per clip, 0 <= index < len(labels).
        predicted: one index per clip.
        labels: class names in index order.

    Raises:
        ConfigError: nothing to score, different lengths, an index outside the labels, or scikit-learn is missing.
    """
    if not truth or len(truth) != len(predicted):
        raise ConfigError(
            f"scores: expected as many predictions as truths and at least one, got {len(predicted)} and {len(truth)}"
        )
    outside = {index for index in (*truth, *predicted) if not 0 <= index < len(labels)}
    if outside:
        raise ConfigError(f"scores: expected class indices from 0 to {len(labels) - 1}, got {sorted(outside)[:5]}")
    metrics = _sklearn_metrics()
    everything = list(range(len(labels)))
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        truth, predicted, labels=everything, zero_division=np.nan
    )
    either = sorted(set(truth) | set(predicted))
    confusion = metrics.confusion_matrix(truth, predicted, labels=everything)
    return Scores(
        labels=tuple(labels),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        war=float(metrics.accuracy_score(truth, predicted)),
        uar=float(np.nanmean(recall)),
        macro_f1=float(metrics.f1_score(truth, predicted, labels=either, average="macro", zero_division=0.0)),
        weighted_f1=float(metrics.f1_score(truth, predicted, labels=either, average="weighted", zero_division=0.0)),
        recall=_known(recall),
        precision=_known(precision),
        f1=_known(f1),
    )


def _known(rates: Float[np.ndarray, " C"]) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(rate) else float(rate) for rate in rates)


def scores_of_confusion(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> Scores:
    """The scores of a printed confusion matrix (rows are the truth), for comparison with published ones.

    Raises:
        ConfigError: not a square matrix of counts with one row per label.
    """
    counts = np.asarray(confusion)
    classes = len(labels)
    if counts.shape != (classes, classes) or counts.dtype.kind not in "iu" or counts.min() < 0:
        raise ConfigError(
            f"confusion matrix: expected {classes} x {classes} counts, got shape {counts.shape} of {counts.dtype}"
        )
    truth, predicted = np.indices(counts.shape)
    repeats = counts.ravel()
    return score(np.repeat(truth.ravel(), repeats).tolist(), np.repeat(predicted.ravel(), repeats).tolist(), labels)


def _sklearn_metrics() -> Any:
    try:
        from sklearn import metrics
    except ImportError as error:
        raise ConfigError(
            "evaluation needs scikit-learn, which is not installed; run: pip install 'maedfer[train]'"
        ) from error
    return metrics
