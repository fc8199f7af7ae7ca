"""One face in a few numbers: how long it showed what, what followed what, and when it was strongest."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from maedfer.errors import ConfigError
from maedfer.report.answers import Answer, Segment
from maedfer.report.windows import UNSURE

__all__ = ["Moment", "TrackSummary", "Transition", "summarise"]


@dataclass(frozen=True)
class Moment:
    """The window in which an expression was most probable, among those that were answered with it.

    Attributes:
        label: the expression.
        time_s: seconds, the middle of the window.
        probability: after smoothing, 0..1.
    """

    label: str
    time_s: float
    probability: float


@dataclass(frozen=True)
class Transition:
    """How often one expression was directly followed by another.

    Attributes:
        before: the earlier label.
        after: the later label.
        count: how many times, at least 1.
    """

    before: str
    after: str
    count: int


@dataclass(frozen=True)
class TrackSummary:
    """One face in a few numbers.

    Attributes:
        track: identity of the face in this video.
        first_s: start of its first judged window, seconds.
        last_s: end of its last judged window, seconds.
        judged_s: seconds that were judged, gaps left out.
        shares: share of ``judged_s`` by label, largest first, "unsure" among them; they sum to 1.
        transitions: most frequent first. Spans of "unsure" and gaps break the chain: nobody knows what was between.
        across_unsure: from one expression to another with one span of "unsure" between them, most frequent first; a
            gap breaks these too. Whether the one followed the other directly, nobody knows.
        strongest: one moment for each expression that was ever answered, most probable first.
    """

    track: int
    first_s: float
    last_s: float
    judged_s: float
    shares: tuple[tuple[str, float], ...]
    transitions: tuple[Transition, ...]
    across_unsure: tuple[Transition, ...]
    strongest: tuple[Moment, ...]


def summarise(track: int, answers: Sequence[Answer], segments: Sequence[Segment]) -> TrackSummary:
    """Sum up one face.

    Args:
        track: its number.
        answers: its answers by start, at least one.
        segments: the spans made of them.

    Raises:
        ConfigError: there is no answer.
    """
    if not answers:
        raise ConfigError(f"face {track}: expected a face that was judged, this one never was; see Prediction.tracks()")
    seconds: dict[str, float] = {}
    for segment in segments:
        seconds[segment.label] = seconds.get(segment.label, 0.0) + segment.end_s - segment.start_s
    judged = sum(seconds.values())
    steps = Counter(
        (one.label, two.label)
        for one, two in pairwise(segments)
        if one.end_s == two.start_s and UNSURE not in (one.label, two.label)
    )
    detours = Counter(
        (one.label, two.label)
        for one, between, two in zip(segments, segments[1:], segments[2:], strict=False)
        if between.label == UNSURE and one.end_s == between.start_s and between.end_s == two.start_s
        if one.label != two.label
    )
    best: dict[str, Answer] = {}
    for answer in answers:
        if answer.label != UNSURE and (answer.label not in best or answer.confidence > best[answer.label].confidence):
            best[answer.label] = answer
    moments = [Moment(label, (a.start_s + a.end_s) / 2, a.confidence) for label, a in best.items()]
    return TrackSummary(
        track=track,
        first_s=answers[0].start_s,
        last_s=answers[-1].end_s,
        judged_s=judged,
        shares=tuple((label, value / judged) for label, value in sorted(seconds.items(), key=lambda item: -item[1])),
        transitions=tuple(Transition(*pair, count) for pair, count in steps.most_common()),
        across_unsure=tuple(Transition(*pair, count) for pair, count in detours.most_common()),
        strongest=tuple(sorted(moments, key=lambda moment: -moment.probability)),
    )
