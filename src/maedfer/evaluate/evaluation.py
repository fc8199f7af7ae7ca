"""Run a model over labelled clips and keep what it said about each."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, UInt8

from maedfer.errors import ConfigError
from maedfer.evaluate.bootstrap import Intervals, intervals_of
from maedfer.evaluate.confidence import Confidence, confidence_of
from maedfer.evaluate.crossing import Crossing
from maedfer.evaluate.metrics import Scores, score
from maedfer.evaluate.views import average_views
from maedfer.inference import Precision, class_probabilities
from maedfer.models import ExpressionClassifier

__all__ = ["ClipResult", "Evaluation", "LabelledViews", "evaluate_model", "judge_views", "scored"]

#: A clip's name, its views (uint8, V 3 T H W) and a number that is handed back: its class index, or its position.
LabelledViews = tuple[str, UInt8[np.ndarray, "V 3 T H W"], int]


@dataclass(frozen=True)
class ClipResult:
    """What the model said about one labelled clip.

    Attributes:
        clip: the clip's name.
        truth: its class.
        predicted: the most probable class.
        probabilities: mean of the views' softmax, in the order of the judged classes.
        views: how many views were averaged.
        subject: the person, empty when unknown.
        fold: the fold in whose test part the clip is; ``None`` where there are no folds.
    """

    clip: str
    truth: str
    predicted: str
    probabilities: tuple[float, ...]
    views: int
    subject: str = ""
    fold: int | None = None


@dataclass(frozen=True)
class Evaluation:
    """Scores and the table they come from, in the order of the clips.

    Attributes:
        scores: over all clips.
        clips: one row a clip.
        faceless: names of the clips in which no face was found; their middle square was judged.
        crossing: how classes of two label sets were matched; ``None`` when the model's own were judged.
        left_out: (class, its number of clips) that the model does not have; they are in no score.
    """

    scores: Scores
    clips: tuple[ClipResult, ...]
    faceless: tuple[str, ...] = ()
    crossing: Crossing | None = None
    left_out: tuple[tuple[str, int], ...] = ()

    @property
    def truth(self) -> Int[np.ndarray, " N"]:
        """True class index of each clip."""
        return np.array([self.scores.labels.index(result.truth) for result in self.clips])

    @property
    def predicted(self) -> Int[np.ndarray, " N"]:
        """Class index of each answer."""
        return np.array([self.scores.labels.index(result.predicted) for result in self.clips])

    @property
    def probabilities(self) -> Float[np.ndarray, "N C"]:
        """One row a clip."""
        return np.array([result.probabilities for result in self.clips])

    @property
    def subjects(self) -> tuple[str, ...] | None:
        """The subject of each clip; ``None`` unless all are known and there are at least two."""
        names = tuple(result.subject for result in self.clips)
        return names if all(names) and len(set(names)) > 1 else None

    @property
    def confidence(self) -> Confidence:
        """How far the probabilities can be taken at their word."""
        return confidence_of(self.probabilities, self.truth)

    def intervals(self, by: Literal["clip", "subject"] = "clip", *, resamples: int = 1000, seed: int = 0) -> Intervals:
        """Bootstrap intervals of the scores.

        Args:
            by: draw clips, or whole subjects (see :mod:`maedfer.evaluate.bootstrap`).
            resamples: at least 100.
            seed: of the draws.

        Raises:
            ConfigError: subjects are not known, or too few resamples.
        """
        groups = self.subjects if by == "subject" else None
        if by == "subject" and groups is None:
            raise ConfigError("intervals by subject: expected a known subject for each clip, and two or more; use clip")
        return intervals_of(
            self.truth, self.predicted, len(self.scores.labels), groups=groups, resamples=resamples, seed=seed
        )


def scored(
    clips: Sequence[ClipResult],
    labels: tuple[str, ...],
    *,
    faceless: Sequence[str] = (),
    crossing: Crossing | None = None,
    left_out: Sequence[tuple[str, int]] = (),
) -> Evaluation:
    """The evaluation that a table of clips makes.

    Raises:
        ConfigError: no clip, a class outside ``labels``, or scikit-learn is missing.
    """
    try:
        truth = [labels.index(result.truth) for result in clips]
        predicted = [labels.index(result.predicted) for result in clips]
    except ValueError as error:
        raise ConfigError(f"evaluation: expected classes of {', '.join(labels)}; {error}") from error
    scores = score(truth, predicted, labels)
    return Evaluation(scores, tuple(clips), tuple(faceless), crossing, tuple(left_out))


def evaluate_model(
    model: ExpressionClassifier,
    clips: Iterable[LabelledViews],
    *,
    precision: Precision = "float32",
    batch_size: int = 16,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Classify every clip (softmax averaged over its views) and score the answers.

    Clips are read one by one and forgotten after their batch. No clip is skipped.

    Args:
        model: on any device; its mode is left as it was.
        clips: (name, uint8 views, class index in ``model.config.labels``).
        precision: what the model computes in, see :func:`maedfer.inference.class_probabilities`.
        batch_size: views that are classified together, at most.
        progress: is called with the number of clips done.

    Raises:
        ConfigError: no clip, or a class index outside the labels, or scikit-learn is missing.
        MaedferError: the model gave a number that is not finite.
    """
    labels = model.config.labels
    results: list[ClipResult] = []
    for name, rows, label in judge_views(model, clips, precision=precision, batch_size=batch_size):
        if not 0 <= label < len(labels):
            raise ConfigError(f"{name}: expected a class index from 0 to {len(labels) - 1}, got {label}")
        mean = average_views(rows)
        best = labels[int(mean.argmax())]
        results.append(ClipResult(name, labels[label], best, tuple(map(float, mean)), len(rows)))
        if progress is not None:
            progress(len(results))
    return scored(results, labels)


def judge_views(
    model: ExpressionClassifier,
    clips: Iterable[LabelledViews],
    *,
    precision: Precision = "float32",
    batch_size: int = 16,
) -> Iterator[tuple[str, Float[np.ndarray, "V C"], int]]:
    """The probabilities of every view, clip by clip, in the order of the clips; no clip is skipped.

    Args:
        model: on any device; its mode is left as it was.
        clips: (name, uint8 views, number).
        precision: see :func:`evaluate_model`.
        batch_size: views that are classified together, at most.

    Yields:
        (name, one row of probabilities a view, the clip's number).

    Raises:
        MaedferError: the model gave a number that is not finite; the clip is named.
    """
    for batch in _batches(clips, batch_size):
        views = np.concatenate([pixels for _, pixels, _ in batch])
        names = [name for name, pixels, _ in batch for _ in range(len(pixels))]
        rows = np.concatenate(
            [
                class_probabilities(model, views[part], names[part], precision)
                for part in (slice(start, start + batch_size) for start in range(0, len(views), batch_size))
            ]
        )
        ends = np.cumsum([len(pixels) for _, pixels, _ in batch])
        for (name, _, number), own in zip(batch, np.split(rows, ends[:-1]), strict=True):
            yield name, own, number


def _batches(clips: Iterable[LabelledViews], batch_size: int) -> Iterator[list[LabelledViews]]:
    batch: list[LabelledViews] = []
    waiting = 0
    for clip in clips:
        batch.append(clip)
        waiting += len(clip[1])
        if waiting >= batch_size:
            yield batch
            batch, waiting = [], 0
    if batch:
        yield batch
