"""The windows of a prediction as rows of one table, which CSV, DataFrame and Parquet have in common."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from maedfer.report.answers import Answer
from maedfer.report.prediction import Prediction
from maedfer.report.windows import UNSEEN, WindowPrediction
from maedfer.video.types import Window

__all__ = ["Row", "answered", "columns", "rows", "rows_of"]

_BEFORE = ("track", "start_s", "end_s", "label", "confidence")
_AFTER = ("coverage", "answer", "answer_confidence")


@dataclass(frozen=True)
class Row:
    """One window of the table, judged or not.

    Attributes:
        track: identity of the face; ``None`` where no face was there at all.
        start_s: seconds.
        end_s: seconds.
        label: the most probable class as the model said it; ``None`` where it was not asked.
        confidence: its probability, 0..1, or ``None``.
        probabilities: of every class as the model said them; empty where it was not asked.
        coverage: share of the window's sampled instants at which the face was seen, 0..1.
        answer: after smoothing and threshold: a class, ``"unsure"``, or ``"unseen"`` for a window that was not judged.
        answer_confidence: the probability of the most probable class after smoothing, 0..1, or ``None``.
    """

    track: int | None
    start_s: float
    end_s: float
    label: str | None
    confidence: float | None
    probabilities: tuple[float, ...]
    coverage: float
    answer: str
    answer_confidence: float | None


def columns(labels: Sequence[str]) -> tuple[str, ...]:
    """Names of the table's columns: track,start_s,end_s,label,confidence,<classes>,coverage,answer,answer_confidence.

    A class keeps its name, unless it is empty or one of ours whatever the letter case: then ``p_`` is put before it
    until it is no other column's name. No two columns are called the same.
    """
    taken = {name.casefold() for name in (*_BEFORE, *_AFTER)}
    own = {label.casefold() for label in labels}
    names = []
    for label in labels:
        name = label
        while not name.strip() or name.casefold() in taken or (name != label and name.casefold() in own):
            name = f"p_{name}"
        if name != label:
            taken.add(name.casefold())
        names.append(name)
    return (*_BEFORE, *names, *_AFTER)


def rows(prediction: Prediction) -> list[Row]:
    """All windows, those that could not be judged among them, by (track, start); those without a track come last."""
    return rows_of(answered(prediction), prediction.unseen)


def rows_of(judged: Iterable[tuple[WindowPrediction, Answer]], unseen: Iterable[Window]) -> list[Row]:
    """The same of windows with their answers, and of windows that could not be judged."""
    found = [
        Row(
            track=window.track,
            start_s=window.start_s,
            end_s=window.end_s,
            label=window.label,
            confidence=window.confidence,
            probabilities=window.probabilities,
            coverage=window.coverage,
            answer=answer.label,
            answer_confidence=answer.confidence,
        )
        for window, answer in judged
    ]
    found += [Row(gap.track, gap.start_s, gap.end_s, None, None, (), gap.coverage, UNSEEN, None) for gap in unseen]
    return sorted(found, key=lambda row: (row.track is None, row.track or 0, row.start_s))


def answered(prediction: Prediction) -> Iterator[tuple[WindowPrediction, Answer]]:
    """Each window with what is said of it, by (track, start)."""
    windows = sorted(prediction.windows, key=lambda window: (window.track, window.start_s))
    answers = (answer for track in prediction.tracks() for answer in prediction.answers(track))
    return zip(windows, answers, strict=True)
