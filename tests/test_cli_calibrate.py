"""``calibrate`` on clips whose true confidence is known: the labels are drawn from the model's own cooled answers."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import softmax

from maedfer.cli.calibrate import calibrate
from maedfer.cli.labelled import JudgeOptions
from maedfer.config import ClassifierConfig, LGIFormerConfig
from maedfer.data.manifest import read_manifest
from maedfer.errors import ManifestError
from maedfer.evaluate.calibration import with_temperature
from maedfer.evaluate.clips import evaluate_manifest
from maedfer.models import ExpressionClassifier
from maedfer.video.encode import write_video
from maedfer.weights import load_model, save_model

LABELS = ("happy", "sad", "neutral")
TINY = LGIFormerConfig(image_size=32, num_frames=4, embed_dim=16, depth=1, num_heads=2, region_size=(1, 1, 2))
TRUE_TEMPERATURE = 3.0
CLIPS = 120


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of coloured noise, a model that is too sure of itself, and labels as often its own as 3.0 would say."""
    folder, rng = tmp_path_factory.mktemp("lab"), np.random.default_rng(8)
    for index in range(CLIPS):
        tile = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        write_video(folder / f"{index}.mp4", [np.kron(tile, np.ones((8, 8, 1), np.uint8))] * 16, 6.25)
    torch.manual_seed(8)
    model = ExpressionClassifier(ClassifierConfig(encoder=TINY, labels=LABELS, temperature=20.0)).eval()
    torch.nn.init.normal_(model.head.weight, std=2.0)
    unknown = read_manifest(write_manifest(folder, ["happy"] * CLIPS)).part("val")
    answers = evaluate_manifest(model, unknown, crop="centre", workers=0)
    logits = 20 * np.log([clip.probabilities for clip in answers.clips])
    steps = softmax(logits / TRUE_TEMPERATURE, axis=1).cumsum(axis=1)[:, :-1]
    truth = (rng.random((CLIPS, 1)) > steps).sum(axis=1)
    write_manifest(folder, [LABELS[index] for index in truth])
    save_model(with_temperature(model, 1.0), folder / "weights")
    return folder


def centre(model: Path) -> JudgeOptions:
    return JudgeOptions(str(model), device="cpu", crop="centre", workers=0)


def write_manifest(folder: Path, labels: list[str]) -> Path:
    with (folder / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "label_set", "split"])
        rows.writerows([f"{index}.mp4", label, "DFEW", "val"] for index, label in enumerate(labels))
        rows.writerow(["0.mp4", "happy", "DFEW", "test"])
    return folder / "manifest.csv"


def test_from_clips_to_calibrated_weights(lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = lab / "weights", tmp_path / "calibrated"
    kept = {path.name: path.read_bytes() for path in source.iterdir()}
    assert calibrate(lab / "manifest.csv", out, centre(source)) == 0
    said = capsys.readouterr().out
    assert f"from {CLIPS} windows" in said
    assert f"wrote {out}" in said
    assert {path.name: path.read_bytes() for path in source.iterdir()} == kept
    assert (out / "model.safetensors").read_bytes() == kept["model.safetensors"]

    found = json.loads((out / "calibration.json").read_text())
    assert found["temperature"] == pytest.approx(TRUE_TEMPERATURE, rel=0.35)
    assert found["after"]["nll"] < found["before"]["nll"]
    assert found["after"]["ece"] < found["before"]["ece"]
    assert f"{found['before']['nll']:.4f}" in said
    assert f"{100 * found['after']['ece']:.2f}" in said

    # the figures that calibrate promises are those that evaluate then measures, and no label has moved
    part = read_manifest(lab / "manifest.csv").part("val")
    before, after = load_model(source), load_model(out)
    assert isinstance(before, ExpressionClassifier)
    assert isinstance(after, ExpressionClassifier)
    assert after.config.temperature == found["temperature"]
    old, new = (evaluate_manifest(model, part, crop="centre", workers=0) for model in (before, after))
    assert new.confidence.nll == pytest.approx(found["after"]["nll"], abs=1e-5)
    assert new.confidence.ece == pytest.approx(found["after"]["ece"], abs=1e-5)
    assert [clip.predicted for clip in new.clips] == [clip.predicted for clip in old.clips]


def test_in_place_and_twice_is_the_same_temperature(
    lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own"
    temperatures = []
    for model in (lab / "weights", own):
        assert calibrate(lab / "manifest.csv", own, centre(model)) == 0
        temperatures.append(load_model(own).config.temperature)  # type: ignore[union-attr]
    assert temperatures[1] == pytest.approx(temperatures[0], rel=1e-3)
    assert "(was 1.000)" in capsys.readouterr().out


def test_the_test_part_is_refused(lab: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"test part.*split val"):
        calibrate(lab / "manifest.csv", tmp_path / "out", centre(lab / "weights"), split="test")
    assert not list((tmp_path / "out").iterdir())
