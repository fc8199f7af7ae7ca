"""How good a model is: the paper's views, the field's scores, calibrated confidence, and a report of them."""

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
from maedfer.evaluate.clips import evaluate_manifest, face_views, whole_views
from maedfer.evaluate.confidence import (
    ANSWERED_FROM,
    Confidence,
    brier_score,
    confidence_of,
    expected_calibration_error,
    negative_log_likelihood,
    selective_accuracy,
)
from maedfer.evaluate.evaluation import ClipResult, Evaluation, LabelledViews, evaluate_model
from maedfer.evaluate.metrics import Scores, score, scores_of_confusion
from maedfer.evaluate.report import draw_confusion, write_evaluation
from maedfer.evaluate.views import FRAME_STEP_S, average_views, end_views

__all__ = [
    "ANSWERED_FROM",
    "CALIBRATION_FILE",
    "FRAME_STEP_S",
    "LEAST_CLIPS",
    "TEMPERATURES",
    "Calibration",
    "ClipResult",
    "Confidence",
    "Evaluation",
    "LabelledViews",
    "Scores",
    "average_views",
    "brier_score",
    "calibrate_manifest",
    "confidence_of",
    "draw_confusion",
    "end_views",
    "evaluate_manifest",
    "evaluate_model",
    "expected_calibration_error",
    "face_views",
    "fit_temperature",
    "negative_log_likelihood",
    "score",
    "scores_of_confusion",
    "selective_accuracy",
    "whole_views",
    "with_temperature",
    "write_calibrated",
    "write_evaluation",
]
