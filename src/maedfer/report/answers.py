"""From a face's raw windows to what is said of it: smoothed over time, "unsure" where nothing is probable, merged.

Every function takes the windows of one face and gives new values; the raw windows stay as they are.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from maedfer.report.usual import against_usual
from maedfer.report.windows import UNSURE, Baseline, WindowPrediction

__all__ = ["Answer", "Segment", "answers_of", "own_times", "segments_of"]

#: Two windows of a track that are further apart than this (seconds) have a gap between them.
_TOUCHING_S = 1e-3

#: Windows further away than this many standard deviations weigh nothing; their share would be below 0.01 %.
_REACH = 4.0

#: Weights that are held at once while smoothing: 8 MB, however long the video is.
_BLOCK = 2**20


@dataclass(frozen=True)
class Answer:
    """What is said of one window.

    Attributes:
        track: identity of the face in this video.
        start_s: seconds, the window's start.
        end_s: seconds, the window's end.
        label: the most probable class after baseline and smoothing, or ``"unsure"``.
        confidence: the probability of the most probable class after both, 0..1, also where the label is unsure.
        probabilities: of every class after both; they sum to 1.
    """

    track: int
    start_s: float
    end_s: float
    label: str
    confidence: float
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class Segment:
    """A span of time in which one face showed one expression.

    Attributes:
        track: identity of the face in this video.
        start_s: seconds.
        end_s: seconds.
        label: the expression, or ``"unsure"``.
        confidence: mean of the confidences of the merged answers, 0..1.
    """

    track: int
    start_s: float
    end_s: float
    label: str
    confidence: float


def answers_of(
    windows: Sequence[WindowPrediction],
    labels: Sequence[str],
    smoothing_s: float,
    min_confidence: float,
    baseline: Baseline = "none",
) -> tuple[Answer, ...]:
    """One answer a window, by start.

    Smoothing is the mean of the probabilities of a face's windows, weighted by a Gaussian of their distance in time. It
    never reaches across a gap: what a face showed before it went away says nothing about its return.

    Without smoothing and with a threshold of 0 the answers are the model's own labels.

    Args:
        windows: of one face, in any order; of one span, so that a later one never ends earlier.
        labels: class names in index order.
        smoothing_s: standard deviation of the Gaussian, seconds; 0 = none.
        min_confidence: below it the label is "unsure".
        baseline: ``"person"``: against the face's usual look, before smoothing.

    Raises:
        ConfigError: that is asked for, and no class is a resting face.
    """
    if baseline == "person":
        windows = against_usual(windows, labels)
    answers: list[Answer] = []
    for run in _runs(sorted(windows, key=lambda window: window.start_s)):
        for window, (label, confidence, probabilities) in zip(run, _read(run, labels, smoothing_s), strict=True):
            said = label if confidence >= min_confidence else UNSURE
            answers.append(Answer(window.track, window.start_s, window.end_s, said, confidence, probabilities))
    return tuple(answers)


def segments_of(answers: Sequence[Answer]) -> tuple[Segment, ...]:
    """Consecutive answers of one label merged into spans that never overlap.

    Windows overlap when the hop is shorter than the window. Each window is then given the time up to the middle of its
    overlap with the next one, so a change of expression is placed at that middle. A gap between two windows (the face
    was away) ends a span, whatever the labels.

    Args:
        answers: of one face, by start.
    """
    segments: list[Segment] = []
    merged: list[Answer] = []
    start = end = 0.0
    for answer, (own_start, own_end) in zip(answers, own_times(answers), strict=True):
        if merged and (merged[-1].label != answer.label or own_start != end):
            segments.append(_merge(merged, start, end))
            merged = []
        start = start if merged else own_start
        end = own_end
        merged.append(answer)
    return (*segments, _merge(merged, start, end)) if merged else ()


def own_times(answers: Sequence[Answer]) -> list[tuple[float, float]]:
    """The time (start_s, end_s) that belongs to each window alone: neighbours share their overlap, half each.

    Two windows without a gap between them meet at exactly the same number.

    Args:
        answers: of one face, by start.
    """
    starts = [answer.start_s for answer in answers]
    ends = [answer.end_s for answer in answers]
    for position, (answer, following) in enumerate(itertools.pairwise(answers)):
        if following.start_s <= answer.end_s + _TOUCHING_S:
            ends[position] = starts[position + 1] = (answer.end_s + following.start_s) / 2
    return list(zip(starts, ends, strict=True))


def _runs(windows: Sequence[WindowPrediction]) -> Iterator[list[WindowPrediction]]:
    """Windows without a gap between them."""
    run: list[WindowPrediction] = []
    for window in windows:
        if run and window.start_s > run[-1].end_s + _TOUCHING_S:
            yield run
            run = []
        run.append(window)
    if run:
        yield run


def _read(
    run: Sequence[WindowPrediction], labels: Sequence[str], smoothing_s: float
) -> Iterator[tuple[str, float, tuple[float, ...]]]:
    """The most probable class, its probability and all probabilities of each window."""
    if smoothing_s == 0:
        for window in run:
            yield window.label, window.confidence, window.probabilities
        return
    for row in _smoothed(run, smoothing_s):
        best = max(range(len(labels)), key=row.__getitem__)
        yield labels[best], row[best], row


def _smoothed(run: Sequence[WindowPrediction], smoothing_s: float) -> Iterator[tuple[float, ...]]:
    """Weighted means; each window meets only those in its reach, a block of windows at a time."""
    raw = np.array([window.probabilities for window in run], dtype=np.float64)
    # Accumulated, so that the search below holds for whatever windows were given; it changes nothing of ours.
    middles = np.maximum.accumulate([(window.start_s + window.end_s) / 2 for window in run])
    first = np.searchsorted(middles, middles - _REACH * smoothing_s, side="left").tolist()
    stop = np.searchsorted(middles, middles + _REACH * smoothing_s, side="right").tolist()
    row = 0
    while row < len(run):
        until = min(len(run), row + max(1, min(256, _BLOCK // (stop[row] - first[row]))))
        near = slice(first[row], stop[until - 1])
        weights = _weights(middles[row:until], middles[near], smoothing_s)
        yield from map(tuple, (weights @ raw[near] / weights.sum(axis=1, keepdims=True)).tolist())
        row = until


def _weights(
    own: Float[np.ndarray, "N"], other: Float[np.ndarray, "M"], smoothing_s: float
) -> Float[np.ndarray, "N M"]:
    distance = np.abs(other[None, :] - own[:, None])
    reached = distance <= _REACH * smoothing_s
    scaled = np.divide(distance, smoothing_s, out=np.zeros_like(distance), where=reached)
    return np.where(reached, np.exp(-(scaled**2) / 2), 0.0)


def _merge(answers: Sequence[Answer], start_s: float, end_s: float) -> Segment:
    confidence = sum(answer.confidence for answer in answers) / len(answers)
    return Segment(answers[0].track, start_s, end_s, answers[0].label, confidence)
