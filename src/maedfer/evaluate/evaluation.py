"""Run a model over labelled clips and keep what it said about each."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from maedfer.errors import ConfigError
from maedfer.evaluate.confidence import Confidence, confidence_of
from maedfer.evaluate.metrics import Scores, score
from maedfer.evaluate.views import average_views
from maedfer.inference import class_probabilities
from maedfer.models import ExpressionClassifier

__all__ = ["ClipResult", "Evaluation", "LabelledViews", "evaluate_model", "judge_views"]

#: A clip's name, its views (uint8, V 3 T H W) and its class index.
LabelledViews = tuple[str, UInt8[np.ndarray, "V 3 T H W"], int]


@dataclass(frozen=True)
class ClipResult:
    """What the model said about one labelled clip.

    Attributes:
        clip: the clip's name.
        truth: its class.
        predicted: the most probable class.
        probabilities: mean of the views' softmax, in the order of the model's labels.
        views: how many views were averaged.
    """

    clip: str
    truth: str
    predicted: str
    probabilities: tuple[float, ...]
    views: int


@dataclass(frozen=True)
class Evaluation:
    """Scores and the table they come from, in the order of the clips.

    Attributes:
        scores: over all clips.
        clips: one row a clip.
        faceless: names of the clips in which no face was found; their middle square was judged.
    """

    scores: Scores
    clips: tuple[ClipResult, ...]
    faceless: tuple[str, ...] = ()

    @property
    def confidence(self) -> Confidence:
        """How far the probabilities can be taken at their word."""
        labels = self.scores.labels
        probabilities = np.array([result.probabilities for result in self.clips])
        return confidence_of(probabilities, np.array([labels.index(result.truth) for result in self.clips]))


def evaluate_model(
    model: ExpressionClassifier,
    clips: Iterable[LabelledViews],
    *,
    batch_size: int = 16,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Classify every clip (softmax averaged over its views) and score the answers.

    Clips are read one by one and forgotten after their batch. No clip is skipped.

    Args:
        model: on any device; its mode is left as it was.
        clips: (name, uint8 views, class index in ``model.config.labels``).
        batch_size: views that are classified together, at least; one clip's views stay together.
        progress: is called with the number of clips done.

    Raises:
        ConfigError: no clip, or a class index outside the labels, or scikit-learn is missing.
        MaedferError: the model gave a number that is not finite.
    """
    labels = model.config.labels
    results: list[ClipResult] = []
    for name, rows, label in judge_views(model, clips, batch_size=batch_size):
        mean = average_views(rows)
        best = labels[int(mean.argmax())]
        results.append(ClipResult(name, labels[label], best, tuple(map(float, mean)), len(rows)))
        if progress is not None:
            progress(len(results))
    truth = [labels.index(result.truth) for result in results]
    predicted = [labels.index(result.predicted) for result in results]
    return Evaluation(score(truth, predicted, labels), tuple(results))


def judge_views(
    model: ExpressionClassifier, clips: Iterable[LabelledViews], *, batch_size: int = 16
) -> Iterator[tuple[str, Float[np.ndarray, "V C"], int]]:
    """The probabilities of every view, clip by clip, in the order of the clips; no clip is skipped.

    Args:
        model: on any device; its mode is left as it was.
        clips: (name, uint8 views, class index in ``model.config.labels``).
        batch_size: views that are classified together, at least; one clip's views stay together.

    Yields:
        (name, one row of probabilities a view, class index).

    Raises:
        ConfigError: a class index outside the labels.
        MaedferError: the model gave a number that is not finite; the clip is named.
    """
    classes = len(model.config.labels)
    for batch in _batches(clips, batch_size):
        for name, _, label in batch:
            if not 0 <= label < classes:
                raise ConfigError(f"{name}: expected a class index from 0 to {classes - 1}, got {label}")
        views = [entry[1] for entry in batch]
        names = [name for name, pixels, _ in batch for _ in range(len(pixels))]
        rows = class_probabilities(model, np.concatenate(views), names)
        for (name, _, label), own in zip(batch, _split(rows, views), strict=True):
            yield name, own, label


def _batches(clips: Iterable[LabelledViews], batch_size: int) -> Iterator[list[LabelledViews]]:
    batch: list[LabelledViews] = []
    for clip in clips:
        batch.append(clip)
        if sum(len(pixels) for _, pixels, _ in batch) >= batch_size:
            yield batch
            batch = []
    if batch:
        yield batch


def _split(rows: np.ndarray, views: list[np.ndarray]) -> list[np.ndarray]:
    """The rows of each clip."""
    return np.split(rows, np.cumsum([len(pixels) for pixels in views])[:-1])
