"""How good a model is: the paper's views, the field's scores, and a report of both."""

from maedfer.evaluate.clips import evaluate_manifest, face_views, whole_views
from maedfer.evaluate.evaluation import ClipResult, Evaluation, LabelledViews, evaluate_model
from maedfer.evaluate.metrics import Scores, score, scores_of_confusion
from maedfer.evaluate.report import draw_confusion, write_evaluation
from maedfer.evaluate.views import FRAME_STEP_S, average_views, end_views

__all__ = [
    "FRAME_STEP_S",
    "ClipResult",
    "Evaluation",
    "LabelledViews",
    "Scores",
    "average_views",
    "draw_confusion",
    "end_views",
    "evaluate_manifest",
    "evaluate_model",
    "face_views",
    "score",
    "scores_of_confusion",
    "whole_views",
    "write_evaluation",
]
