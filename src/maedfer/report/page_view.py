"""A face as the template of ``report.html`` reads it: every number already a text, every label a visible one."""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass

from maedfer.emotions import canonical
from maedfer.report.colours import colour_of, ink_on
from maedfer.report.page_data import FaceStory, nearest_portrait
from maedfer.report.page_words import clock, confidence_percent, duration, made_visible, share, window_count
from maedfer.report.prediction import Prediction
from maedfer.report.summary import Moment, Transition
from maedfer.report.windows import UNSURE, Portrait

__all__ = ["ClassView", "FaceView", "MomentView", "ShareView", "SpanView", "classes", "described"]

#: Spans of a face in its table; the rest is in the files beside the page.
_MOST_SPANS = 100
#: Transitions of a face, of each kind.
_MOST_STEPS = 6
_UNSURE_FILL = "fill-unsure"
#: Rounding to milliseconds must not make a picture at a window's border one of another time.
_TOLERANCE_S = 1e-3

#: The known expressions by number of their pattern: the same one in any model, as with their colours.
_MOTIFS = (
    *("happy", "sad", "angry", "surprise", "disgust", "fear"),
    *("contempt", "anxiety", "helplessness", "disappointment", "calm"),
)
#: Patterns that the template can draw.
_MOTIF_COUNT = 14
_PLAIN = "neutral"


@dataclass(frozen=True)
class ClassView:
    """An expression as it is painted; ``fill`` names its pattern, ``motif`` is -1 for a plain one."""

    label: str
    fill: str
    colour: str
    ink: str
    motif: int


@dataclass(frozen=True)
class ShareView:
    """A label's share of a face's time; ``start`` and ``width`` in percent."""

    label: str
    fill: str
    start: float
    width: float
    share: str
    time: str


@dataclass(frozen=True)
class MomentView:
    """A strongest moment; ``far`` is when its picture was taken, if that was outside the window."""

    label: str
    fill: str
    time_ms: int
    time: str
    share: str
    picture: str | None
    far: str | None


@dataclass(frozen=True)
class SpanView:
    """A row of the table of spans."""

    start: str
    end: str
    label: str
    fill: str
    share: str


@dataclass(frozen=True)
class FaceView:
    """A face in words.

    ``mostly`` is the most frequent expression, ``None`` where every answer was unsure; ``unsure`` is the share of that,
    ``None`` where no answer was; ``foremost`` tells whether it is the largest of all shares. ``steps`` are direct
    transitions, ``detours`` those across "unsure".
    """

    track: int
    picture: str | None
    mostly: ShareView | None
    unsure: str | None
    foremost: bool
    evidence: str
    windows: str
    first: str
    last: str
    shares: tuple[ShareView, ...]
    moments: tuple[MomentView, ...]
    steps: tuple[tuple[str, str, int], ...]
    detours: tuple[tuple[str, str, int], ...]
    spans: tuple[SpanView, ...]
    span_count: int


def classes(labels: Sequence[str]) -> list[ClassView]:
    """The expressions with their colours and patterns, in index order; "neutral" is plain."""
    motifs = _motifs(labels)
    return [
        ClassView(
            label=made_visible(label),
            fill=f"fill-{position}",
            colour=(colour := colour_of(label, labels)),
            ink=ink_on(colour),
            motif=motifs[position],
        )
        for position, label in enumerate(labels)
    ]


def _motifs(labels: Sequence[str]) -> list[int]:
    """Number of each label's pattern: a known expression has its own, the others share what is left."""
    names = [canonical(label) for label in labels]
    own = {name: _MOTIFS.index(name) for name in names if name in _MOTIFS}
    free = [number for number in range(_MOTIF_COUNT) if number not in own.values()]
    motifs, given = list[int](), set[str]()
    for name in names:
        if name == _PLAIN:
            motifs.append(-1)
        elif name in own and name not in given:
            motifs.append(own[name])
        else:  # an unknown class, or a second spelling of a known one
            motifs.append(free[0])
            free = [*free[1:], free[0]]
        given.add(name)
    return motifs


def _fill(label: str, labels: Sequence[str]) -> str:
    return _UNSURE_FILL if label == UNSURE else f"fill-{labels.index(label)}"


def described(face: FaceStory, prediction: Prediction) -> FaceView:
    """A face in words.

    Args:
        face: its story.
        prediction: where it was found.
    """
    summary, labels = face.summary, prediction.labels
    shares = _shares(face, labels)
    mostly = next((part for part in shares if part.fill != _UNSURE_FILL), None)
    unsure = next((part for part in shares if part.fill == _UNSURE_FILL), None)
    moments = tuple(_moment(face, moment, labels, prediction.settings.span_s / 2) for moment in summary.strongest)
    middle = summary.strongest[0].time_s if summary.strongest else (summary.first_s + summary.last_s) / 2
    return FaceView(
        track=face.track,
        picture=_picture(nearest_portrait(face.portraits, middle)),
        mostly=mostly,
        unsure=None if unsure is None else unsure.share,
        foremost=unsure is not None and (mostly is None or unsure.width >= mostly.width),
        evidence=f"{duration(summary.judged_s)} of {duration(prediction.duration_s)} judged",
        windows=window_count(len(face.windows)),
        first=clock(summary.first_s),
        last=clock(summary.last_s),
        shares=tuple(shares),
        moments=moments,
        steps=_steps(summary.transitions),
        detours=_steps(summary.across_unsure),
        spans=tuple(
            SpanView(
                start=clock(span.start_s),
                end=clock(span.end_s),
                label=made_visible(span.label),
                fill=_fill(span.label, labels),
                share=_sure(span.label, span.confidence),
            )
            for span in face.segments[:_MOST_SPANS]
        ),
        span_count=len(face.segments),
    )


def _shares(face: FaceStory, labels: Sequence[str]) -> list[ShareView]:
    summary, shares, start = face.summary, list[ShareView](), 0.0
    for label, part in summary.shares:
        seconds = duration(part * summary.judged_s)
        width = round(100 * part, 3)
        shares.append(
            ShareView(made_visible(label), _fill(label, labels), round(start, 3), width, share(part), seconds)
        )
        start += width
    return shares


def _steps(transitions: Sequence[Transition]) -> tuple[tuple[str, str, int], ...]:
    return tuple(
        (made_visible(step.before), made_visible(step.after), step.count) for step in transitions[:_MOST_STEPS]
    )


def _sure(label: str, confidence: float) -> str:
    return f"{confidence_percent(label, confidence)}\u00a0%" if label == UNSURE else share(confidence)


def _moment(face: FaceStory, moment: Moment, labels: Sequence[str], reach_s: float) -> MomentView:
    nearest = nearest_portrait(face.portraits, moment.time_s)
    far = nearest is not None and abs(nearest.time_s - moment.time_s) > reach_s + _TOLERANCE_S
    return MomentView(
        label=made_visible(moment.label),
        fill=_fill(moment.label, labels),
        time_ms=math.floor(1000 * moment.time_s),
        time=clock(moment.time_s),
        share=share(moment.probability),
        picture=_picture(nearest),
        far=clock(nearest.time_s) if nearest is not None and far else None,
    )


def _picture(portrait: Portrait | None) -> str | None:
    """The address of a picture that is its own content."""
    return None if portrait is None else "data:image/jpeg;base64," + base64.b64encode(portrait.jpeg).decode()
