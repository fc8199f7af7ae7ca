"""What is said about a video: the :class:`Prediction` of a whole video, its tables, page and pictures as files."""

from maedfer.report.answers import Answer, Segment
from maedfer.report.console import TruthSpan, print_prediction, read_truth
from maedfer.report.embeddings import Embeddings, load_embeddings
from maedfer.report.files import FILE_NAMES, Format
from maedfer.report.prediction import Prediction
from maedfer.report.summary import Moment, TrackSummary, Transition
from maedfer.report.tables import csv_line, write_csv, write_json
from maedfer.report.windows import UNSEEN, UNSURE, FaceBox, ModelIdentity, Portrait, Settings, WindowPrediction

__all__ = [
    "FILE_NAMES",
    "UNSEEN",
    "UNSURE",
    "Answer",
    "Embeddings",
    "FaceBox",
    "Format",
    "ModelIdentity",
    "Moment",
    "Portrait",
    "Prediction",
    "Segment",
    "Settings",
    "TrackSummary",
    "Transition",
    "TruthSpan",
    "WindowPrediction",
    "csv_line",
    "load_embeddings",
    "print_prediction",
    "read_truth",
    "write_csv",
    "write_json",
]
