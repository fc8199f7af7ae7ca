"""Is the stated probability the real one? NLL, Brier, calibration error, and what "unsure" costs and saves."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from maedfer.errors import ConfigError

__all__ = [
    "ANSWERED_FROM",
    "SMALLEST",
    "Confidence",
    "Reliability",
    "brier_score",
    "confidence_of",
    "expected_calibration_error",
    "negative_log_likelihood",
    "reliability",
    "selective_accuracy",
]

#: Below this confidence a prediction says "unsure", unless told otherwise.
ANSWERED_FROM = 0.5

#: Stands for a probability of 0, which is what a softmax in float32 makes of smaller ones.
SMALLEST = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Confidence:
    """How far the probabilities can be taken at their word.

    Attributes:
        count: number of judged clips.
        nll: mean negative logarithm of the true class's probability, nats; 0 is best, log(classes) is knowing nothing.
        brier: mean squared distance of the probabilities from the truth, 0..2; 0 is best.
        ece: expected calibration error, 0..1 (see :func:`expected_calibration_error`).
        threshold: confidence below which the answer is "unsure".
        answered: share of the clips that are answered, 0..1.
        accuracy_answered: share of right answers among them; ``None`` when nothing is answered.
    """

    count: int
    nll: float
    brier: float
    ece: float
    threshold: float
    answered: float
    accuracy_answered: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without NaN."""
        return asdict(self)

    def to_markdown(self) -> str:
        """A table of one row."""
        right = "–" if self.accuracy_answered is None else f"{100 * self.accuracy_answered:.2f}"
        return (
            f"| NLL | Brier | ECE % | answered % (from {self.threshold:g}) | accuracy of answered % |\n"
            "| --: | --: | --: | --: | --: |\n"
            f"| {self.nll:.4f} | {self.brier:.4f} | {100 * self.ece:.2f} | {100 * self.answered:.2f} | {right} |\n"
        )


def confidence_of(
    probabilities: Float[np.ndarray, "N C"], labels: Int[np.ndarray, " N"], *, threshold: float = ANSWERED_FROM
) -> Confidence:
    """All measures of :class:`Confidence` at once.

    Args:
        probabilities: rows that sum to 1.
        labels: class index of each row.
        threshold: confidence below which the answer is "unsure", 0..1.

    Raises:
        ConfigError: no row, rows that are no probabilities, or labels that do not fit them.
    """
    answered, right = selective_accuracy(probabilities, labels, threshold)
    return Confidence(
        count=len(labels),
        nll=negative_log_likelihood(probabilities, labels),
        brier=brier_score(probabilities, labels),
        ece=expected_calibration_error(probabilities, labels),
        threshold=threshold,
        answered=answered,
        accuracy_answered=right,
    )


def negative_log_likelihood(probabilities: Float[np.ndarray, "N C"], labels: Int[np.ndarray, " N"]) -> float:
    """Mean of -log p(true class), nats. A probability of 0 counts as the smallest normal float32 (87.3 nats).

    Raises:
        ConfigError: as for :func:`confidence_of`.
    """
    _require_probabilities(probabilities, labels)
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(own, SMALLEST)).mean())


def brier_score(probabilities: Float[np.ndarray, "N C"], labels: Int[np.ndarray, " N"]) -> float:
    """Mean over clips of the sum over classes of (p - truth) squared, 0..2 (Brier 1950, all classes).

    Raises:
        ConfigError: as for :func:`confidence_of`.
    """
    _require_probabilities(probabilities, labels)
    truth = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def expected_calibration_error(
    probabilities: Float[np.ndarray, "N C"], labels: Int[np.ndarray, " N"], bins: int = 15
) -> float:
    """Mean distance between confidence and accuracy over bins of equal width, weighted by their clips.

    The confidence is the largest probability of a row. Bins are equal in width, 15 by default, as in Guo et al. 2017
    (arXiv 1706.04599), so that published numbers compare. Few clips raise it: perfectly calibrated answers with the
    confidences of the default weights show 0.06 on 300 clips and 0.04 on 700 (mean of 300 simulated truths).

    Returns:
        0..1.

    Raises:
        ConfigError: as for :func:`confidence_of`, or no bin.
    """
    table = reliability(probabilities, labels, bins)
    surplus = table.counts * np.nan_to_num(table.confidence - table.accuracy)
    return float(np.abs(surplus).sum() / len(labels))


@dataclass(frozen=True)
class Reliability:
    """Confidence against accuracy, in bins of equal width from 0 to 1.

    Attributes:
        counts: clips of each bin.
        confidence: their mean largest probability, 0..1; NaN in an empty bin.
        accuracy: how many of them are judged right, 0..1; NaN in an empty bin.
    """

    counts: Int[np.ndarray, " K"]
    confidence: Float[np.ndarray, " K"]
    accuracy: Float[np.ndarray, " K"]


def reliability(probabilities: Float[np.ndarray, "N C"], labels: Int[np.ndarray, " N"], bins: int = 15) -> Reliability:
    """The table of a reliability diagram (Guo et al. 2017).

    Raises:
        ConfigError: as for :func:`confidence_of`, or no bin.
    """
    _require_probabilities(probabilities, labels)
    if bins < 1:
        raise ConfigError(f"calibration error: expected at least one bin, got {bins}; 15 is common")
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)  # a bin holds its upper end
    counts = np.bincount(place, minlength=bins)
    some = np.where(counts > 0, counts, np.nan)
    sums = (np.bincount(place, weights=values, minlength=bins) for values in (confidence, right))
    means = [total / some for total in sums]
    return Reliability(counts, means[0], means[1])


def selective_accuracy(
    probabilities: Float[np.ndarray, "N C"], labels: Int[np.ndarray, " N"], threshold: float
) -> tuple[float, float | None]:
    """What is answered when "unsure" is said below ``threshold``, and how often that is right.

    Args:
        probabilities: rows that sum to 1.
        labels: class index of each row.
        threshold: 0 (always answer) to 1.

    Returns:
        (share of the clips that are answered, accuracy among them); the accuracy is ``None`` when none is.

    Raises:
        ConfigError: as for :func:`confidence_of`, or a threshold out of range.
    """
    _require_probabilities(probabilities, labels)
    if not 0 <= threshold <= 1:
        raise ConfigError(f"threshold: expected 0 (always answer) to 1, got {threshold}; 0.5 is common")
    answered = probabilities.max(axis=1) >= threshold
    if not answered.any():
        return 0.0, None
    right = probabilities.argmax(axis=1)[answered] == labels[answered]
    return float(answered.mean()), float(right.mean())


def _require_probabilities(probabilities: Float[np.ndarray, "N C"], labels: Int[np.ndarray, " N"]) -> None:
    count, classes = probabilities.shape
    if not count or len(labels) != count:
        raise ConfigError(
            f"confidence: expected as many labels as rows and at least one, got {len(labels)} and {count}"
        )
    if not ((probabilities >= 0).all() and np.allclose(probabilities.sum(axis=1), 1, atol=1e-3)):
        raise ConfigError("confidence: expected rows of probabilities that sum to 1; take the softmax of logits first")
    if labels.min() < 0 or labels.max() >= classes:
        raise ConfigError(
            f"confidence: expected class indices from 0 to {classes - 1}, got {labels.min()} to {labels.max()}"
        )
