"""A prediction as files: ``predictions.csv`` for spreadsheets, ``predictions.json`` with everything that is known."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from maedfer.errors import OutputError
from maedfer.output import write_whole
from maedfer.report.answers import Answer
from maedfer.report.prediction import Prediction
from maedfer.report.rows import Row, answered, columns, rows
from maedfer.report.windows import FaceBox, WindowPrediction
from maedfer.video.types import Window

__all__ = ["csv_header", "csv_line", "csv_row", "write_csv", "write_json"]

#: A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(prediction: Prediction, path: Path) -> Path:
    """Write :func:`rows` under the names of :func:`columns`, in UTF-8; empty cells where a window was not judged.

    Seconds have 3 decimals, coverage 4, probabilities 6; lines end with ``\\n``. A class whose name a spreadsheet would
    run as a formula gets an apostrophe before it, here alone.

    Raises:
        OutputError: the folder cannot be made or written.
    """

    def write(temporary: Path) -> None:
        with _text_file(temporary) as file:
            file.write(csv_header(prediction.labels))
            file.writelines(csv_row(row, prediction.labels) for row in rows(prediction))

    write_whole(path, write)
    return path


def csv_header(labels: Sequence[str]) -> str:
    """The first line of the table, its end included."""
    return csv_line(columns(labels))


def csv_row(row: Row, labels: Sequence[str]) -> str:
    """One line of the table, its end included."""
    probabilities = [f"{value:.6f}" for value in row.probabilities] or [""] * len(labels)
    before = [
        "" if row.track is None else str(row.track),
        f"{row.start_s:.3f}",
        f"{row.end_s:.3f}",
        row.label or "",
    ]
    after = [f"{row.coverage:.4f}", row.answer, _probability(row.answer_confidence)]
    return csv_line([*before, _probability(row.confidence), *probabilities, *after])


def _text_file(path: Path) -> TextIO:
    # A file name that is no valid text has lone surrogates in it; written as \udcff, JSON reads them back the same.
    return path.open("x", encoding="utf-8", errors="backslashreplace", newline="")


def _probability(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def csv_line(cells: Iterable[str]) -> str:
    """One line of a table, its end included; what a spreadsheet would run as a formula gets an apostrophe before it."""
    # Not csv.writer: with lines that end in \n it leaves a lone carriage return bare, which readers take for an end.
    return ",".join(map(_cell, cells)) + "\n"


def _cell(text: str) -> str:
    safe = f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text
    if any(character in safe for character in ',"\r\n'):
        return '"' + safe.replace('"', '""') + '"'
    return safe


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def write_json(prediction: Prediction, path: Path) -> Path:
    """Write the windows of the CSV and, beside them, spans and summary of each face, the video's facts, the model's
    identity, the settings and the face boxes over time; no pictures. Valid JSON: never NaN or infinity.

    It goes to the disk entry by entry, so that the text of a long video is never held as a whole.

    Raises:
        OutputError: the folder cannot be made or written, or a number is not finite.
    """

    def write(temporary: Path) -> None:
        with _text_file(temporary) as file:
            file.writelines(_json_text(prediction, path))

    write_whole(path, write)
    return path


def _json_text(prediction: Prediction, path: Path) -> Iterator[str]:
    """The file in pieces: one line an entry of a list."""
    labels, smoothed = prediction.labels, bool(prediction.reworked)
    lists: dict[str, Iterable[dict[str, Any]]] = {
        "tracks": (_track(prediction, track) for track in prediction.tracks()),
        "windows": (_window(window, answer, labels, smoothed) for window, answer in answered(prediction)),
        "unseen": (_unseen(window) for window in prediction.unseen),
        "faces": (_face(box) for box in prediction.faces),
    }
    separator = "{"
    for key, value in _facts(prediction).items():
        yield f"{separator}\n {_dump(key, path)}: {_dump(value, path)}"
        separator = ","
    for key, entries in lists.items():
        yield f",\n {_dump(key, path)}: ["
        comma = ""
        for entry in entries:
            yield f"{comma}\n  {_dump(entry, path)}"
            comma = ","
        yield "\n ]" if comma else "]"
    yield "\n}\n"


def _dump(value: object, path: Path) -> str:
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False)
    except ValueError as error:
        raise OutputError(
            f"cannot write {path}: expected finite numbers in the prediction, got {str(value)[:200]}"
        ) from error


def _facts(prediction: Prediction) -> dict[str, Any]:
    model, video = prediction.model, prediction.video
    facts = dataclasses.asdict(video)
    facts["container_duration_s"] = facts.pop("duration_s")
    return {
        "maedfer_version": model.maedfer_version,
        "video": {**facts, "duration_s": round(prediction.duration_s, 3)},
        "model": {"name": model.name, "sha256": model.sha256},
        "settings": dataclasses.asdict(prediction.settings),
        "labels": list(prediction.labels),
    }


def _track(prediction: Prediction, track: int) -> dict[str, Any]:
    summary = prediction.summary(track)
    return {
        "track": track,
        "segments": [
            {
                **_span(segment.start_s, segment.end_s),
                "label": segment.label,
                "confidence": round(segment.confidence, 6),
            }
            for segment in prediction.segments(track)
        ],
        "summary": {
            "first_s": round(summary.first_s, 3),
            "last_s": round(summary.last_s, 3),
            "judged_s": round(summary.judged_s, 3),
            "shares": {label: round(share, 6) for label, share in summary.shares},
            "transitions": [dataclasses.asdict(transition) for transition in summary.transitions],
            "across_unsure": [dataclasses.asdict(transition) for transition in summary.across_unsure],
            "strongest": [
                {
                    "label": moment.label,
                    "time_s": round(moment.time_s, 3),
                    "probability": round(moment.probability, 6),
                }
                for moment in summary.strongest
            ],
        },
    }


def _window(window: WindowPrediction, answer: Answer, labels: Sequence[str], smoothed: bool) -> dict[str, Any]:
    entry = {
        "track": window.track,
        **_span(window.start_s, window.end_s),
        "label": window.label,
        "confidence": round(window.confidence, 6),
        "probabilities": _by_label(labels, window.probabilities),
        "coverage": round(window.coverage, 4),
        "answer": answer.label,
        "answer_confidence": round(answer.confidence, 6),
    }
    return {**entry, "smoothed": _by_label(labels, answer.probabilities)} if smoothed else entry


def _unseen(window: Window) -> dict[str, Any]:
    return {"track": window.track, **_span(window.start_s, window.end_s), "coverage": round(window.coverage, 4)}


def _face(face: FaceBox) -> dict[str, Any]:
    return {
        "track": face.track,
        "time_s": round(face.time_s, 3),
        "box": [round(value, 1) for value in face.box],
        "score": round(face.score, 4),
    }


def _span(start_s: float, end_s: float) -> dict[str, float]:
    return {"start_s": round(start_s, 3), "end_s": round(end_s, 3)}


def _by_label(labels: Sequence[str], probabilities: Sequence[float]) -> dict[str, float]:
    return {label: round(value, 6) for label, value in zip(labels, probabilities, strict=True)}
