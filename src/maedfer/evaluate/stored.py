"""An evaluation as JSON and as a table of predictions, and back from its JSON."""

import csv
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maedfer.errors import ConfigError
from maedfer.evaluate.crossing import Crossing
from maedfer.evaluate.evaluation import ClipResult, Evaluation, scored

__all__ = ["EVALUATION_FILE", "PREDICTIONS_FILE", "Facts", "evaluation_json", "predictions_csv", "read_evaluation"]

#: The numbers, from which an evaluation is read back.
EVALUATION_FILE = "evaluation.json"
#: The table of clips.
PREDICTIONS_FILE = "predictions.csv"

Facts = Mapping[str, str | int | float | None]


def evaluation_json(evaluation: Evaluation, facts: Facts, more: Mapping[str, Any]) -> str:
    """Everything about an evaluation.

    Args:
        evaluation: what was measured.
        facts: what was evaluated; stands at the head.
        more: further values that follow from the clips (intervals), not read back.

    Raises:
        ConfigError: a fact is NaN.
    """
    crossing = evaluation.crossing
    content: dict[str, Any] = {
        "facts": dict(facts),
        "scores": evaluation.scores.to_dict(),
        "confidence": evaluation.confidence.to_dict(),
        **more,
        "crossing": None if crossing is None else crossing.to_dict(),
        "left_out": dict(evaluation.left_out),
        "faceless": list(evaluation.faceless),
        "clips": [
            {
                "clip": result.clip,
                "subject": result.subject,
                "fold": result.fold,
                "truth": result.truth,
                "predicted": result.predicted,
                "views": result.views,
                "probabilities": list(result.probabilities),
            }
            for result in evaluation.clips
        ],
    }
    try:
        return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    except ValueError as error:
        raise ConfigError(f"evaluation: expected finite facts, got {dict(facts)}") from error


def predictions_csv(evaluation: Evaluation) -> str:
    """One row a clip: clip, subject, fold, truth, predicted, views and the probability of each class."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [f"p_{label}" for label in evaluation.scores.labels]
    writer.writerow(["clip", "subject", "fold", "truth", "predicted", "views", *names])
    for result in evaluation.clips:
        fold = "" if result.fold is None else result.fold
        row = [result.clip, result.subject, fold, result.truth, result.predicted, result.views]
        writer.writerow([*row, *(f"{value:.6f}" for value in result.probabilities)])
    return text.getvalue()


def read_evaluation(directory: Path) -> Evaluation:
    """The evaluation that was written into ``directory`` (or into a file, of which this is the path).

    Raises:
        ConfigError: there is none, or it is not whole.
    """
    path = directory / EVALUATION_FILE if directory.is_dir() else directory
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        labels = tuple(str(label) for label in content["scores"]["labels"])
        clips = [_clip(row, len(labels)) for row in content["clips"]]
        crossing = content["crossing"]
        return scored(
            clips,
            labels,
            faceless=[str(name) for name in content["faceless"]],
            crossing=None if crossing is None else Crossing.from_dict(crossing),
            left_out=[(str(label), int(count)) for label, count in content["left_out"].items()],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ConfigError(
            f"{path}: expected an evaluation as maedfer evaluate writes it, got {type(error).__name__}: {error}"
        ) from error


def _clip(row: Mapping[str, Any], classes: int) -> ClipResult:
    probabilities = tuple(float(value) for value in row["probabilities"])
    if len(probabilities) != classes:
        raise ValueError(f"{row['clip']}: expected {classes} probabilities, got {len(probabilities)}")
    # Written in full precision from float32; NaN fails both comparisons.
    if not (all(0 <= value <= 1 for value in probabilities) and math.isclose(sum(probabilities), 1, abs_tol=1e-3)):
        raise ValueError(f"{row['clip']}: expected probabilities that sum to 1, got {sum(probabilities):g}")
    return ClipResult(
        clip=str(row["clip"]),
        truth=str(row["truth"]),
        predicted=str(row["predicted"]),
        probabilities=probabilities,
        views=int(row["views"]),
        subject=str(row["subject"]),
        fold=None if row["fold"] is None else int(row["fold"]),
    )
