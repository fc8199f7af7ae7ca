"""What the page ``report.html`` knows of a prediction: each face's story, and all numbers as compact JSON values."""

import base64
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from maedfer.report.answers import Answer, Segment, segments_of
from maedfer.report.colours import colour_of, ink_on
from maedfer.report.page_words import made_visible
from maedfer.report.prediction import Prediction
from maedfer.report.summary import TrackSummary, summarise
from maedfer.report.windows import UNSURE, Portrait, WindowPrediction

__all__ = ["FaceStory", "JsonValue", "nearest_portrait", "page_data", "stories", "thinned"]

JsonValue = int | str | None | list["JsonValue"] | dict[str, "JsonValue"]

#: Windows that are further apart than this (seconds) have a gap between them, as in ``answers``.
_TOUCHING_S = 1e-3
#: Probabilities in one page; a page with more of them holds every k-th window, so that it still opens quickly.
_MOST_VALUES = 3_000_000
#: Base64 characters of all portraits in one page.
_MOST_PORTRAIT_CHARACTERS = 3_500_000


@dataclass(frozen=True)
class FaceStory:
    """One face, read once: its windows, what is said of them, and its pictures.

    Attributes:
        track: identity of the face in this video.
        windows: what the model said, by start.
        answers: what is said of each window, in the same order.
        segments: the spans made of the answers.
        summary: the face in a few numbers.
        gaps: (start, end) in seconds where the face was there but seen too rarely to be judged, by start.
        portraits: its small pictures, by time.
    """

    track: int
    windows: tuple[WindowPrediction, ...]
    answers: tuple[Answer, ...]
    segments: tuple[Segment, ...]
    summary: TrackSummary
    gaps: tuple[tuple[float, float], ...]
    portraits: tuple[Portrait, ...]


def stories(prediction: Prediction) -> tuple[FaceStory, ...]:
    """Every judged face, the longest judged first."""
    windows: dict[int, list[WindowPrediction]] = defaultdict(list)
    unseen: dict[int, list[tuple[float, float]]] = defaultdict(list)
    portraits: dict[int, list[Portrait]] = defaultdict(list)
    for window in prediction.windows:
        windows[window.track].append(window)
    for blind in prediction.unseen:
        if blind.track is not None:
            unseen[blind.track].append((blind.start_s, blind.end_s))
    for portrait in prediction.portraits:
        portraits[portrait.track].append(portrait)
    found = list[FaceStory]()
    for track, own in windows.items():
        own.sort(key=lambda window: window.start_s)
        answers = prediction.answers(track)
        segments = segments_of(answers)
        judged = [(own[first].start_s, own[last].end_s) for first, last in _runs(own)]
        found.append(
            FaceStory(
                track=track,
                windows=tuple(own),
                answers=answers,
                segments=segments,
                summary=summarise(track, answers, segments),
                gaps=tuple(_without(sorted(unseen[track]), judged)),
                portraits=tuple(sorted(portraits[track], key=lambda portrait: portrait.time_s)),
            )
        )
    return tuple(sorted(found, key=lambda story: (-story.summary.judged_s, story.track)))


def nearest_portrait(portraits: Sequence[Portrait], time_s: float) -> Portrait | None:
    """The picture nearest in time, ``None`` when there is none at all."""
    return min(portraits, key=lambda portrait: abs(portrait.time_s - time_s), default=None)


def page_data(prediction: Prediction, faces: Sequence[FaceStory]) -> dict[str, JsonValue]:
    """Everything the page draws, in whole numbers: milliseconds, and thousandths for probabilities.

    Lists hold plain numbers, never one object a window. Of a face: ``times`` is (step from the previous start, length,
    how often) repeated; ``runs`` is (first window, start, end) of each stretch without a gap; ``raw`` and ``smooth``
    are the probabilities window after window (``smooth`` is ``None`` where nothing is reworked); ``spans`` is (start,
    end, class, confidence), where class -1 is "unsure"; ``gaps`` is (start, end). ``labels`` are made visible.

    Args:
        prediction: its labels and settings are used.
        faces: the faces with a timeline, in the order of the page.
    """
    labels, settings = prediction.labels, prediction.settings
    smoothed = bool(prediction.reworked)
    values = sum(len(face.windows) for face in faces) * len(labels) * (2 if smoothed else 1)
    every = max(1, math.ceil(values / _MOST_VALUES))
    pictures = thinned([face.portraits for face in faces])
    colours = [colour_of(label, labels) for label in labels]
    return {
        "duration": _ms(prediction.duration_s),
        "hop": _ms(settings.hop_s),
        "threshold": _thousandths(settings.min_confidence),
        "reworked": prediction.reworked,
        "every": every,
        "labels": [made_visible(label) for label in labels],
        "colours": [*colours],
        "inks": [ink_on(colour) for colour in colours],
        "faces": [
            _face(face, labels, every, own, smoothed=smoothed) for face, own in zip(faces, pictures, strict=True)
        ],
    }


def thinned(portraits: Sequence[Sequence[Portrait]]) -> list[list[Portrait]]:
    """Every k-th portrait of each face, k as small as the page's limit allows."""
    every = 1
    while True:
        kept = [list(own[::every]) for own in portraits]
        size = sum(4 * len(portrait.jpeg) // 3 + 4 for own in kept for portrait in own)
        if size <= _MOST_PORTRAIT_CHARACTERS or every >= max(len(own) for own in portraits):
            return kept
        every += 1


def _face(
    face: FaceStory, labels: Sequence[str], every: int, portraits: Sequence[Portrait], *, smoothed: bool
) -> dict[str, JsonValue]:
    index = {UNSURE: -1} | {label: position for position, label in enumerate(labels)}
    kept, runs = list[int](), list[JsonValue]()
    for first, last in _runs(face.windows):
        runs += [len(kept), _ms(face.windows[first].start_s), _ms(face.windows[last].end_s)]
        kept += range(first, last + 1, every)
    spans = [
        (_ms(span.start_s), _ms(span.end_s), index[span.label], _thousandths(span.confidence)) for span in face.segments
    ]
    return {
        "track": face.track,
        "times": _times([face.windows[position] for position in kept]),
        "runs": runs,
        "raw": [round(1000 * value) for position in kept for value in face.windows[position].probabilities],
        "smooth": (
            [round(1000 * value) for position in kept for value in face.answers[position].probabilities]
            if smoothed
            else None
        ),
        "spans": [number for span in spans for number in span],
        "gaps": [_ms(time) for gap in face.gaps for time in gap],
        "pictures": [_ms(portrait.time_s) for portrait in portraits],
        "jpegs": [base64.b64encode(portrait.jpeg).decode("ascii") for portrait in portraits],
    }


def _times(windows: Sequence[WindowPrediction]) -> list[JsonValue]:
    """(step, length, count): windows lie on a regular grid, so a thousand of them are a few numbers."""
    packed: list[tuple[int, int, int]] = []
    before = 0
    for window in windows:
        start = _ms(window.start_s)
        step, length = start - before, _ms(window.end_s) - start
        if packed and packed[-1][:2] == (step, length):
            packed[-1] = (step, length, packed[-1][2] + 1)
        else:
            packed.append((step, length, 1))
        before = start
    return [number for entry in packed for number in entry]


def _runs(windows: Sequence[WindowPrediction]) -> Iterator[tuple[int, int]]:
    """First and last position of each stretch of windows without a gap."""
    first = 0
    for position in range(1, len(windows) + 1):
        if position == len(windows) or windows[position].start_s > windows[position - 1].end_s + _TOUCHING_S:
            yield first, position - 1
            first = position


def _without(
    spans: Sequence[tuple[float, float]], taken: Sequence[tuple[float, float]]
) -> Iterator[tuple[float, float]]:
    """What of the union of ``spans`` lies outside ``taken``; both by start, ``taken`` without overlaps."""
    position, reached = 0, -math.inf
    for start, end in spans:
        start = max(start, reached)
        reached = max(reached, end)
        while position < len(taken) and taken[position][1] <= start:
            position += 1
        following = position
        while start < end:
            if following == len(taken) or taken[following][0] >= end:
                yield start, end
                break
            if taken[following][0] > start:
                yield start, taken[following][0]
            start = max(start, taken[following][1])
            following += 1


def _ms(seconds: float) -> int:
    return round(1000 * seconds)


def _thousandths(value: float) -> int:
    return round(1000 * value)
