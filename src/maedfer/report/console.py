"""A prediction for a person at a terminal: one table per face, and the truth beside it where it is known."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from maedfer.errors import ManifestError
from maedfer.report.answers import Segment
from maedfer.report.page_words import confidence_percent, window_count
from maedfer.report.prediction import Prediction
from maedfer.report.usual import LEAST_S
from maedfer.report.windows import UNSEEN, UNSURE

__all__ = ["TruthSpan", "print_prediction", "read_truth"]

#: A table of more spans is cut; a person at a terminal reads no hundreds of lines.
_MOST_SPANS = 40

_REST = "predictions.json has them all"

#: More faces are not printed one by one: a street scene has hundreds of tracks.
_MOST_FACES = 20


@dataclass(frozen=True)
class TruthSpan:
    """What a face is known to have shown.

    Attributes:
        face: the face's number in the truth, counted from the left edge of the picture.
        start_s: seconds.
        end_s: seconds.
        label: the expression.
    """

    face: int
    start_s: float
    end_s: float
    label: str


def read_truth(path: Path) -> tuple[TruthSpan, ...]:
    """Read a table with the columns face,start_s,end_s,label.

    Raises:
        ManifestError: not such a table.
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return tuple(
                TruthSpan(int(row["face"]), float(row["start_s"]), float(row["end_s"]), row["label"])
                for row in csv.DictReader(lines)
            )
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise ManifestError(
            f"{path}: expected a table with the columns face,start_s,end_s,label, got: {error}"
        ) from error


def print_prediction(prediction: Prediction, console: Console, truth: Sequence[TruthSpan] = ()) -> None:
    """Print for each face its spans (expression and confidence) and a line of summary; or that no face was found.

    A table shows the first 40 spans, and the first 20 faces have one; a note says where the rest is.

    Args:
        prediction: what was found.
        console: where to print.
        truth: what the faces are known to have shown; adds a column, and a line for each face that was not found.
    """
    tracks = prediction.tracks()
    console.print(f"[bold]{_name(prediction)}[/bold]: {prediction.duration_s:.1f} s, {_faces(len(tracks))}")
    if not tracks:
        console.print(_nothing_found(prediction))
    matched = _match_faces(prediction, truth)
    for track in tracks[:_MOST_FACES]:
        own = [span for span in truth if span.face == matched.get(track)]
        segments = prediction.segments(track)
        console.print(_table(track, segments[:_MOST_SPANS], own, with_truth=bool(truth)))
        if len(segments) > _MOST_SPANS:
            console.print(f"… and {len(segments) - _MOST_SPANS} more spans of face {track}; {_REST}.")
        console.print(_summary(prediction, track))
    if len(tracks) > _MOST_FACES:
        console.print(f"… and {len(tracks) - _MOST_FACES} more faces; {_REST}.")
    if "relative" in prediction.reworked:
        console.print(
            f"Faces that were judged for {LEAST_S:g} s or more are read against their usual look in this video; "
            "--baseline none gives the model's own word."
        )
    for face in sorted({span.face for span in truth} - set(matched.values())):
        shown = ", ".join(f"{_span(span.start_s, span.end_s)} {span.label}" for span in truth if span.face == face)
        console.print(f"Face {face} of the truth was not found: {escape(shown)}")


def _name(prediction: Prediction) -> str:
    """The last part of the source; a file name that is no valid text is made printable."""
    source = prediction.video.source
    return escape((PurePath(source).name or source).encode("utf-8", "backslashreplace").decode())


def _summary(prediction: Prediction, track: int) -> str:
    """Shares of the judged time, and how many windows have no clear answer."""
    summary = prediction.summary(track)
    shares = ", ".join(f"{escape(label)} {100 * share:.0f} %" for label, share in summary.shares)
    answers = prediction.answers(track)
    unsure = sum(answer.label == UNSURE for answer in answers)
    unseen = sum(window.track == track for window in prediction.unseen)
    judged = f"{window_count(len(answers))} judged, {unsure} of them {UNSURE}; {unseen} {UNSEEN}"
    return f"{summary.judged_s:.1f} s: {shares} [dim]({judged})[/dim]"


def _match_faces(prediction: Prediction, truth: Sequence[TruthSpan]) -> dict[int, int]:
    """Track -> true face. Faces of the truth are numbered from the left, so the longest tracks are sorted by place."""
    faces = sorted({span.face for span in truth})
    centres: dict[int, list[float]] = {}
    for box in prediction.faces:
        centres.setdefault(box.track, []).append((box.box[0] + box.box[2]) / 2)
    longest = sorted(prediction.tracks(), key=lambda track: -len(centres.get(track, ())))[: len(faces)]
    from_left = sorted(longest, key=lambda track: sum(centres.get(track, ())) / max(1, len(centres.get(track, ()))))
    return dict(zip(from_left, faces, strict=False))


def _table(track: int, segments: Sequence[Segment], truth: Sequence[TruthSpan], *, with_truth: bool) -> Table:
    table = Table(title=f"face {track}", title_justify="left")
    table.add_column("span (s)", justify="right", no_wrap=True)
    table.add_column("expression")
    table.add_column("confidence", justify="right")
    if with_truth:
        table.add_column("truth (s)")
    for segment in segments:
        sure = f"{confidence_percent(segment.label, segment.confidence)} %"
        row = [_span(segment.start_s, segment.end_s), escape(segment.label), sure]
        if with_truth:
            row.append(escape(_truth_during(segment, truth)))
        table.add_row(*row, style="dim" if segment.label == UNSURE else None)
    return table


def _truth_during(segment: Segment, truth: Sequence[TruthSpan]) -> str:
    """The true expressions of the segment's time, cut to it."""
    parts = [
        f"{_span(max(span.start_s, segment.start_s), min(span.end_s, segment.end_s))} {span.label}"
        for span in truth
        if min(span.end_s, segment.end_s) > max(span.start_s, segment.start_s)
    ]
    return "\n".join(parts)


def _nothing_found(prediction: Prediction) -> str:
    if prediction.faces:
        return (
            f"No face was seen long enough to judge it (at least {100 * prediction.settings.min_coverage:.0f} % of a "
            f"window of {prediction.settings.span_s:.2f} s)."
        )
    return "No face was found in this video, so there is no expression to report."


def _faces(count: int) -> str:
    return {0: "no face", 1: "1 face"}.get(count, f"{count} faces")


def _span(start_s: float, end_s: float) -> str:
    return f"{start_s:.2f} – {end_s:.2f}"
