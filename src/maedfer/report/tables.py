"""A prediction as files: ``predictions.csv`` for spreadsheets, ``predictions.json`` with everything that is known."""

import csv
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maedfer.errors import OutputError
from maedfer.output import write_text
from maedfer.report.prediction import Prediction

__all__ = ["result_folders", "write_csv", "write_json"]


def result_folders(out: Path, sources: Sequence[Path]) -> tuple[Path, ...]:
    """One folder under ``out`` for each source: the file's name without its extension, or the folder's name.

    Two sources of one call that would share a folder (letter case is ignored, since some disks ignore it) do not: the
    second gets ``-2`` appended, the third ``-3``. A later call with the same names writes over the earlier results.
    """
    taken: set[str] = set()
    folders: list[Path] = []
    for source in sources:
        # abspath, not resolve: a link keeps the name by which it was asked for; "." and ".." get a name at all.
        absolute = Path(os.path.abspath(source))
        name = (absolute.name if absolute.is_dir() else absolute.stem) or "video"
        unique, copy = name, 1
        while unique.casefold() in taken:
            copy += 1
            unique = f"{name}-{copy}"
        taken.add(unique.casefold())
        folders.append(out / unique)
    return tuple(folders)


def write_csv(prediction: Prediction, path: Path) -> Path:
    """Write the windows: track,start_s,end_s,label,confidence, then one probability column per class by its name.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["track", "start_s", "end_s", "label", "confidence", *prediction.labels])
    for window in prediction.windows:
        writer.writerow(
            [
                window.track,
                f"{window.start_s:.3f}",
                f"{window.end_s:.3f}",
                window.label,
                f"{window.confidence:.6f}",
                *(f"{value:.6f}" for value in window.probabilities),
            ]
        )
    write_text(path, text.getvalue())
    return path


def write_json(prediction: Prediction, path: Path) -> Path:
    """Write the windows of the CSV and, beside them, the merged spans, the video's facts, the model's identity, the
    settings, the face boxes over time and the windows without a usable face. Valid JSON: never NaN or infinity.

    Raises:
        OutputError: the folder cannot be made or written, or a number is not finite.
    """
    try:
        text = json.dumps(_content(prediction), indent=1, allow_nan=False, ensure_ascii=False)
    except ValueError as error:
        raise OutputError(f"cannot write {path}: expected finite numbers in the prediction, got NaN") from error
    write_text(path, text + "\n")
    return path


def _content(prediction: Prediction) -> dict[str, Any]:
    model, settings = prediction.model, prediction.settings
    return {
        "maedfer_version": model.maedfer_version,
        "video": _video(prediction),
        "model": {"name": model.name, "sha256": model.sha256},
        "settings": {
            "hop_s": settings.hop_s,
            "span_s": settings.span_s,
            "min_coverage": settings.min_coverage,
            "device": settings.device,
            "detector": settings.detector,
        },
        "labels": list(prediction.labels),
        "tracks": [_track(prediction, track) for track in prediction.tracks()],
        "windows": _windows(prediction),
        "unseen": [
            {
                "track": window.track,
                "start_s": round(window.start_s, 3),
                "end_s": round(window.end_s, 3),
                "coverage": round(window.coverage, 4),
            }
            for window in prediction.unseen
        ],
        "faces": [
            {
                "track": face.track,
                "time_s": round(face.time_s, 3),
                "box": [round(value, 1) for value in face.box],
                "score": round(face.score, 4),
            }
            for face in prediction.faces
        ],
    }


def _video(prediction: Prediction) -> dict[str, Any]:
    video = prediction.video
    return {
        "path": str(video.path),
        "width": video.width,
        "height": video.height,
        "duration_s": round(prediction.duration_s, 3),
        "container_duration_s": video.duration_s,
        "frame_rate": video.frame_rate,
        "codec": video.codec,
        "rotation": video.rotation,
    }


def _track(prediction: Prediction, track: int) -> dict[str, Any]:
    return {
        "track": track,
        "segments": [
            {
                "start_s": round(segment.start_s, 3),
                "end_s": round(segment.end_s, 3),
                "label": segment.label,
                "confidence": round(segment.confidence, 6),
            }
            for segment in prediction.segments(track)
        ],
    }


def _windows(prediction: Prediction) -> list[dict[str, Any]]:
    return [
        {
            "track": window.track,
            "start_s": round(window.start_s, 3),
            "end_s": round(window.end_s, 3),
            "label": window.label,
            "confidence": round(window.confidence, 6),
            "probabilities": {
                label: round(value, 6) for label, value in zip(prediction.labels, window.probabilities, strict=True)
            },
            "coverage": round(window.coverage, 4),
        }
        for window in prediction.windows
    ]
