"""A rendered scene of known truth, through the real detector, to a prediction per face."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from maedfer.cli import main
from maedfer.config import ClassifierConfig, LGIFormerConfig
from maedfer.emotions import BASIC_EXPRESSIONS
from maedfer.errors import DetectorError, RenderError
from maedfer.models import ExpressionClassifier
from maedfer.predict import Predictor
from maedfer.report import Prediction
from maedfer.synth import Scene, render_scene
from maedfer.video.detect import CenterFace
from maedfer.video.encode import write_video
from maedfer.weights import save_model

SECONDS = 4.0
FPS = 12.5


@pytest.fixture(scope="module")
def classifier() -> ExpressionClassifier:
    encoder = LGIFormerConfig(image_size=64, embed_dim=32, depth=1, num_heads=2, region_size=(2, 2, 4))
    torch.manual_seed(3)
    made = ExpressionClassifier(ClassifierConfig(encoder=encoder))
    torch.nn.init.normal_(made.head.weight, std=1.0)  # the paper's init answers nearly the same for every clip
    return made


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Scene]:
    """Two people side by side, 4 s."""
    path = tmp_path_factory.mktemp("scene") / "scene.mp4"
    try:
        scene = render_scene(5, rig="anny", width=480, height=270, fps=FPS, seconds=SECONDS, faces=2)
        write_video(path, scene.frames, FPS)
    except RenderError as error:
        pytest.skip(f"nothing can be rendered here: {error}")
    return path, scene


@pytest.fixture(scope="module")
def detector() -> CenterFace:
    try:
        return CenterFace()
    except DetectorError as error:
        pytest.skip(f"there is no detector here: {error}")


@pytest.fixture(scope="module")
def prediction(classifier: ExpressionClassifier, detector: CenterFace, rendered: tuple[Path, Scene]) -> Prediction:
    return Predictor(classifier, device="cpu", detector=detector).predict(rendered[0])


def test_one_track_per_face_over_the_whole_video(prediction: Prediction) -> None:
    assert prediction.tracks() == (0, 1)
    assert prediction.duration_s == pytest.approx(SECONDS, abs=0.1)
    for track in prediction.tracks():
        spans = prediction.segments(track)
        assert spans[0].start_s == pytest.approx(0.0, abs=1e-6)
        assert spans[-1].end_s == pytest.approx(SECONDS, abs=0.2)
        assert all(after.start_s == before.end_s for before, after in itertools.pairwise(spans))
    assert prediction.unseen == ()


def test_tracks_lie_on_the_faces_that_were_rendered(prediction: Prediction, rendered: tuple[Path, Scene]) -> None:
    """The scene numbers faces from the left, and so do tracks that begin together."""
    boxes = rendered[1].boxes
    for face in prediction.faces:
        truth = boxes[face.track, min(round(face.time_s * FPS), boxes.shape[1] - 1)]
        centre, true_centre = (np.array([b[0] + b[2], b[1] + b[3]]) / 2 for b in (face.box, truth))
        assert np.linalg.norm(centre - true_centre) < 0.5 * (truth[3] - truth[1])
    for track in prediction.tracks():
        sightings = sum(face.track == track for face in prediction.faces)
        assert sightings >= prediction.settings.min_coverage * SECONDS / 0.16


def test_the_command_says_the_same(
    classifier: ExpressionClassifier,
    detector: CenterFace,
    rendered: tuple[Path, Scene],
    prediction: Prediction,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    weights = save_model(classifier, tmp_path / "weights")
    out = tmp_path / "out"
    assert main(["predict", str(rendered[0]), "--model", str(weights), "--out", str(out), "--device", "cpu"]) == 0
    assert "2 faces" in capsys.readouterr().out
    content = json.loads((out / "scene" / "predictions.json").read_text())
    assert content["labels"] == list(BASIC_EXPRESSIONS)
    assert len(content["windows"]) == len(prediction.windows)
    for told, window in zip(content["windows"], prediction.windows, strict=True):
        assert (told["track"], told["label"]) == (window.track, window.label)
        assert list(told["probabilities"].values()) == pytest.approx(window.probabilities, abs=1e-5)


def test_an_answer_is_the_models_own_for_its_crop(classifier: ExpressionClassifier, prediction: Prediction) -> None:
    """A random model is unsure, but not of nothing: its answers differ between faces and are probabilities."""
    rows = torch.tensor([window.probabilities for window in prediction.windows])
    assert rows.sum(dim=1).tolist() == pytest.approx([1.0] * len(rows), abs=1e-5)
    assert rows.unique(dim=0).shape[0] == len(rows)
