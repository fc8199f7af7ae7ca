"""How good a model is: the paper's views and denser ones, the field's scores with intervals, calibrated confidence,
folds taken together, other label sets, and a report of it all.

Names are loaded when first used, so that the processes that read clips do not load torch.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maedfer.evaluate.bootstrap import Interval, Intervals, Rates, intervals_of, rates_of
    from maedfer.evaluate.calibration import (
        CALIBRATION_FILE,
        LEAST_CLIPS,
        TEMPERATURES,
        Calibration,
        calibrate_manifest,
        fit_temperature,
        with_temperature,
        write_calibrated,
    )
    from maedfer.evaluate.clips import Crop, evaluate_manifest
    from maedfer.evaluate.comparison import Comparison, compare
    from maedfer.evaluate.confidence import (
        ANSWERED_FROM,
        Confidence,
        Reliability,
        brier_score,
        confidence_of,
        expected_calibration_error,
        negative_log_likelihood,
        reliability,
        selective_accuracy,
    )
    from maedfer.evaluate.crossing import CALM_IS_NEUTRAL, Cross, Crossing, cross_labels, crossing_for
    from maedfer.evaluate.evaluation import ClipResult, Evaluation, LabelledViews, evaluate_model, scored
    from maedfer.evaluate.figure import draw_evaluation, draw_folds
    from maedfer.evaluate.folds import FoldScores, Summary, aggregate
    from maedfer.evaluate.metrics import Scores, score, scores_of_confusion
    from maedfer.evaluate.packages import require_packages
    from maedfer.evaluate.ranks import Ranks, rank_group
    from maedfer.evaluate.reading import ClipReader, ClipTask, ReadClip, read_clip
    from maedfer.evaluate.report import classes_table, intervals_table, known_intervals, write_evaluation, write_folds
    from maedfer.evaluate.stored import EVALUATION_FILE, PREDICTIONS_FILE, read_evaluation
    from maedfer.evaluate.views import Sampling, ViewPlan, Views, average_views, clip_views

__all__ = [
    "ANSWERED_FROM",
    "CALIBRATION_FILE",
    "CALM_IS_NEUTRAL",
    "EVALUATION_FILE",
    "LEAST_CLIPS",
    "PREDICTIONS_FILE",
    "TEMPERATURES",
    "Calibration",
    "ClipReader",
    "ClipResult",
    "ClipTask",
    "Comparison",
    "Confidence",
    "Crop",
    "Cross",
    "Crossing",
    "Evaluation",
    "FoldScores",
    "Interval",
    "Intervals",
    "LabelledViews",
    "Ranks",
    "Rates",
    "ReadClip",
    "Reliability",
    "Sampling",
    "Scores",
    "Summary",
    "ViewPlan",
    "Views",
    "aggregate",
    "average_views",
    "brier_score",
    "calibrate_manifest",
    "classes_table",
    "clip_views",
    "compare",
    "confidence_of",
    "cross_labels",
    "crossing_for",
    "draw_evaluation",
    "draw_folds",
    "evaluate_manifest",
    "evaluate_model",
    "expected_calibration_error",
    "fit_temperature",
    "intervals_of",
    "intervals_table",
    "known_intervals",
    "negative_log_likelihood",
    "rank_group",
    "rates_of",
    "read_clip",
    "read_evaluation",
    "reliability",
    "require_packages",
    "score",
    "scored",
    "scores_of_confusion",
    "selective_accuracy",
    "with_temperature",
    "write_calibrated",
    "write_evaluation",
    "write_folds",
]

_HOMES = {
    "bootstrap": (
        "Interval",
        "Intervals",
        "Rates",
        "intervals_of",
        "rates_of",
    ),
    "calibration": (
        "CALIBRATION_FILE",
        "LEAST_CLIPS",
        "TEMPERATURES",
        "Calibration",
        "calibrate_manifest",
        "fit_temperature",
        "with_temperature",
        "write_calibrated",
    ),
    "clips": (
        "Crop",
        "evaluate_manifest",
    ),
    "comparison": (
        "Comparison",
        "compare",
    ),
    "confidence": (
        "ANSWERED_FROM",
        "Confidence",
        "Reliability",
        "brier_score",
        "confidence_of",
        "expected_calibration_error",
        "negative_log_likelihood",
        "reliability",
        "selective_accuracy",
    ),
    "crossing": (
        "CALM_IS_NEUTRAL",
        "Cross",
        "Crossing",
        "cross_labels",
        "crossing_for",
    ),
    "evaluation": (
        "ClipResult",
        "Evaluation",
        "LabelledViews",
        "evaluate_model",
        "scored",
    ),
    "figure": (
        "draw_evaluation",
        "draw_folds",
    ),
    "folds": (
        "FoldScores",
        "Summary",
        "aggregate",
    ),
    "metrics": (
        "Scores",
        "score",
        "scores_of_confusion",
    ),
    "packages": ("require_packages",),
    "ranks": (
        "Ranks",
        "rank_group",
    ),
    "reading": (
        "ClipReader",
        "ClipTask",
        "ReadClip",
        "read_clip",
    ),
    "report": (
        "classes_table",
        "intervals_table",
        "known_intervals",
        "write_evaluation",
        "write_folds",
    ),
    "stored": (
        "EVALUATION_FILE",
        "PREDICTIONS_FILE",
        "read_evaluation",
    ),
    "views": (
        "Sampling",
        "ViewPlan",
        "Views",
        "average_views",
        "clip_views",
    ),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"maedfer.evaluate.{home}"), name)
    raise AttributeError(f"module 'maedfer.evaluate' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
