"""What is said about a video: the :class:`Prediction` of a whole video, its tables as files and on the console."""

from maedfer.report.console import TruthSpan, print_prediction, read_truth
from maedfer.report.prediction import FaceBox, ModelIdentity, Prediction, Segment, Settings, WindowPrediction
from maedfer.report.tables import result_folders, write_csv, write_json

__all__ = [
    "FaceBox",
    "ModelIdentity",
    "Prediction",
    "Segment",
    "Settings",
    "TruthSpan",
    "WindowPrediction",
    "print_prediction",
    "read_truth",
    "result_folders",
    "write_csv",
    "write_json",
]
