"""A face as the template of ``report.html`` reads it: every number already a text, every label a visible one."""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass

from maedfer.report.colours import colour_of, ink_on
from maedfer.report.page_data import FaceStory, nearest_portrait
from maedfer.report.page_words import clock, duration, made_visible, share
from maedfer.report.summary import Moment
from maedfer.report.windows import UNSURE, Portrait

__all__ = ["ClassView", "FaceView", "MomentView", "ShareView", "SpanView", "classes", "described"]

#: Spans of a face in its table; the rest is in the files beside the page.
_MOST_SPANS = 100
_UNSURE_FILL = "fill-unsure"


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
    """A face in words; ``mostly`` is ``None`` where every answer was unsure, ``unsure`` where none was."""

    track: int
    picture: str | None
    mostly: ShareView | None
    unsure: str | None
    judged: str
    first: str
    last: str
    shares: tuple[ShareView, ...]
    moments: tuple[MomentView, ...]
    transitions: tuple[tuple[str, str, int], ...]
    spans: tuple[SpanView, ...]
    span_count: int


def classes(labels: Sequence[str]) -> list[ClassView]:
    """The expressions with their colours and patterns, in index order; "neutral" is plain."""
    patterned = [label for label in labels if label != "neutral"]
    return [
        ClassView(
            label=made_visible(label),
            fill=f"fill-{position}",
            colour=(colour := colour_of(label, labels)),
            ink=ink_on(colour),
            motif=-1 if label == "neutral" else patterned.index(label),
        )
        for position, label in enumerate(labels)
    ]


def _fill(label: str, labels: Sequence[str]) -> str:
    return _UNSURE_FILL if label == UNSURE else f"fill-{labels.index(label)}"


def described(face: FaceStory, labels: Sequence[str], reach_s: float) -> FaceView:
    """A face in words.

    Args:
        face: its story.
        labels: class names in index order.
        reach_s: a picture further than this from a moment, in seconds, is not of it.
    """
    summary, start = face.summary, 0.0
    shares = list[ShareView]()
    for label, part in summary.shares:
        seconds = duration(part * summary.judged_s)
        width = round(100 * part, 3)
        shares.append(
            ShareView(made_visible(label), _fill(label, labels), round(start, 3), width, share(part), seconds)
        )
        start += width
    moments = tuple(_moment(face, moment, labels, reach_s) for moment in summary.strongest)
    middle = summary.strongest[0].time_s if summary.strongest else (summary.first_s + summary.last_s) / 2
    return FaceView(
        track=face.track,
        picture=_picture(nearest_portrait(face.portraits, middle)),
        mostly=next((part for part in shares if part.fill != _UNSURE_FILL), None),
        unsure=next((part.share for part in shares if part.fill == _UNSURE_FILL), None),
        judged=duration(summary.judged_s),
        first=clock(summary.first_s),
        last=clock(summary.last_s),
        shares=tuple(shares),
        moments=moments,
        transitions=tuple(
            (made_visible(step.before), made_visible(step.after), step.count) for step in summary.transitions[:6]
        ),
        spans=tuple(
            SpanView(
                start=clock(span.start_s),
                end=clock(span.end_s),
                label=made_visible(span.label),
                fill=_fill(span.label, labels),
                share=share(span.confidence),
            )
            for span in face.segments[:_MOST_SPANS]
        ),
        span_count=len(face.segments),
    )


def _moment(face: FaceStory, moment: Moment, labels: Sequence[str], reach_s: float) -> MomentView:
    nearest = nearest_portrait(face.portraits, moment.time_s)
    far = nearest is not None and abs(nearest.time_s - moment.time_s) > reach_s
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
