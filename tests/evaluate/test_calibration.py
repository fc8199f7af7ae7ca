"""Confidence against samples of known truth: a temperature is found again, labels stay, measures are right."""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float, Int
from scipy.special import softmax

from maedfer.config import ClassifierConfig, LGIFormerConfig
from maedfer.data.manifest import ClipEntry, Manifest
from maedfer.errors import ConfigError, ManifestError
from maedfer.evaluate.calibration import (
    CALIBRATION_FILE,
    TEMPERATURES,
    Calibration,
    calibrate_manifest,
    fit_temperature,
    with_temperature,
    write_calibrated,
)
from maedfer.evaluate.confidence import (
    ANSWERED_FROM,
    brier_score,
    confidence_of,
    expected_calibration_error,
    negative_log_likelihood,
    selective_accuracy,
)
from maedfer.evaluate.evaluation import ClipResult, Evaluation
from maedfer.evaluate.metrics import score
from maedfer.evaluate.report import write_evaluation
from maedfer.models import ExpressionClassifier
from maedfer.report import Settings
from maedfer.weights import fingerprint, load_model, save_model

TINY = LGIFormerConfig(image_size=32, num_frames=4, embed_dim=16, depth=1, num_heads=2, region_size=(1, 1, 2))

Logits = Float[np.ndarray, "N C"]
Labels = Int[np.ndarray, " N"]


def samples(temperature: float, count: int = 6000, classes: int = 5, seed: int = 4) -> tuple[Logits, Labels]:
    """Logits, and labels drawn from softmax(logits / temperature): that temperature is the true one."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (count, classes))
    steps = softmax(logits / temperature, axis=1).cumsum(axis=1)[:, :-1]
    return logits, (rng.random((count, 1)) > steps).sum(axis=1)


@pytest.fixture
def model() -> ExpressionClassifier:
    made = ExpressionClassifier(ClassifierConfig(encoder=TINY, labels=("calm", "glad", "sad")))
    torch.nn.init.normal_(made.head.weight, std=3.0)
    return made.eval()


def made_up(model: ExpressionClassifier, temperature: float) -> Calibration:
    some = confidence_of(np.array([[0.7, 0.2, 0.1]]), np.array([0]))
    return Calibration(temperature, float(model.config.temperature), 60, some, some)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 6.0])
def test_the_temperature_is_found_again(temperature: float) -> None:
    logits, labels = samples(temperature)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.07)


@given(factor=st.floats(0.3, 3.0), shift=st.floats(-50, 50))
def test_scale_of_the_logits_is_scale_of_the_temperature(factor: float, shift: float) -> None:
    logits, labels = samples(1.5, count=200)
    assert fit_temperature(logits * factor + shift, labels) == pytest.approx(
        factor * fit_temperature(logits, labels), rel=1e-3
    )


def test_no_other_temperature_is_likelier() -> None:
    logits, labels = samples(2.0, count=300)
    found = fit_temperature(logits.astype(np.float32), labels)
    best = negative_log_likelihood(softmax(logits / found, axis=1), labels)
    for other in np.geomspace(*TEMPERATURES, 41):
        assert best <= negative_log_likelihood(softmax(logits / other, axis=1), labels) + 1e-7


def test_calibration_lowers_the_error_and_changes_no_label() -> None:
    logits, labels = samples(3.0)
    fresh, truth = samples(3.0, seed=5)
    found = fit_temperature(logits, labels)
    before, after = softmax(fresh, axis=1), softmax(fresh / found, axis=1)
    assert np.array_equal(before.argmax(axis=1), after.argmax(axis=1))
    assert expected_calibration_error(before, truth) > 0.2
    assert expected_calibration_error(after, truth) < 0.025
    assert negative_log_likelihood(after, truth) < negative_log_likelihood(before, truth)
    assert brier_score(after, truth) < brier_score(before, truth)


def test_temperature_stays_in_its_range(model: ExpressionClassifier) -> None:
    logits = np.eye(3)[np.arange(60) % 3] * 8
    sure, lost = fit_temperature(logits, np.arange(60) % 3), fit_temperature(logits, np.arange(1, 61) % 3)
    assert sure == pytest.approx(TEMPERATURES[0], rel=1e-2)
    assert lost == pytest.approx(TEMPERATURES[1], rel=1e-2)
    assert made_up(model, sure).at_limit
    assert made_up(model, lost).at_limit
    assert not made_up(model, 1.0).at_limit


def test_what_says_too_little_or_nothing_is_refused() -> None:
    logits, labels = samples(1.0, count=60)
    with pytest.raises(ConfigError, match="at least 50"):
        fit_temperature(logits[:49], labels[:49])
    with pytest.raises(ConfigError, match="class index"):
        fit_temperature(logits, labels + 5)
    logits[7, 1] = np.nan
    with pytest.raises(ConfigError, match="finite"):
        fit_temperature(logits, labels)


def test_measures_by_hand() -> None:
    rows = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.45, 0.55]])
    truth = np.array([0, 1, 1, 1])
    assert negative_log_likelihood(rows, truth) == pytest.approx(-np.log([0.9, 0.4, 0.7, 0.55]).mean())
    assert brier_score(rows, truth) == pytest.approx(2 * np.mean([0.1**2, 0.6**2, 0.3**2, 0.45**2]))
    assert expected_calibration_error(rows, truth, bins=1) == pytest.approx(0.75 - np.mean([0.9, 0.6, 0.7, 0.55]))
    # bins (0.5, 0.6], (0.6, 0.7], (0.8, 0.9]: |1.15 - 1|, |0.7 - 1|, |0.9 - 1| over 4 clips
    assert expected_calibration_error(rows, truth, bins=10) == pytest.approx((0.15 + 0.3 + 0.1) / 4)
    assert selective_accuracy(rows, truth, 0.6) == pytest.approx((0.75, 2 / 3))
    assert selective_accuracy(rows, truth, 0.0) == pytest.approx((1.0, 0.75))
    assert selective_accuracy(rows, truth, 0.95) == (0.0, None)


def test_a_probability_of_zero_costs_much_and_stays_finite() -> None:
    assert 80 < negative_log_likelihood(np.array([[1.0, 0.0]], dtype=np.float32), np.array([1])) < 90


def test_rows_that_are_no_probabilities_are_refused() -> None:
    good, truth = np.array([[0.5, 0.5]]), np.array([0])
    for rows, labels in ((good * 3, truth), (good[:0], truth[:0]), (good, truth + 2), (good * np.nan, truth)):
        with pytest.raises(ConfigError, match="confidence"):
            confidence_of(rows, labels)
    with pytest.raises(ConfigError, match="bin"):
        expected_calibration_error(good, truth, bins=0)
    with pytest.raises(ConfigError, match="threshold"):
        selective_accuracy(good, truth, 1.5)


def test_unsure_begins_where_predictions_say_unsure() -> None:
    assert {f.name: f.default for f in fields(Settings)}["min_confidence"] == ANSWERED_FROM


def test_reports_say_how_far_confidence_can_be_trusted(tmp_path: Path) -> None:
    clips = (ClipResult("a", "x", "x", (0.8, 0.2), 1), ClipResult("b", "y", "x", (0.6, 0.4), 1))
    evaluation = Evaluation(score([0, 1], [0, 0], ["x", "y"]), clips)
    numbers, page, *_ = write_evaluation(evaluation, tmp_path, {})
    said = json.loads(numbers.read_text())["confidence"]
    assert said["nll"] == pytest.approx(-np.log([0.8, 0.4]).mean())
    assert (said["threshold"], said["answered"], said["accuracy_answered"]) == (0.5, 1.0, 0.5)
    assert said["ece"] == pytest.approx((0.2 + 0.6) / 2)
    assert evaluation.confidence.to_markdown() in page.read_text()
    assert f"| {100 * said['ece']:.2f} | 100.00 | 50.00 |" in page.read_text()


def test_weights_stay_and_the_temperature_comes_back(model: ExpressionClassifier, tmp_path: Path) -> None:
    for half in (False, True):
        source, out = save_model(model, tmp_path / f"{half}", half=half), tmp_path / f"{half}-out"
        loaded = load_model(source)
        assert isinstance(loaded, ExpressionClassifier)
        write_calibrated(loaded, made_up(loaded, 1.7342), out, {"split": "val"})
        assert fingerprint(out) == fingerprint(source)
        again = load_model(out)
        assert again.config == ClassifierConfig(encoder=TINY, labels=("calm", "glad", "sad"), temperature=1.7342)
        assert loaded.config.temperature == 1.0
        content = json.loads((out / CALIBRATION_FILE).read_text())
        assert content["facts"] == {"split": "val"}
        assert content["temperature"] == 1.7342


def test_a_temperature_moves_probabilities_and_no_logit(model: ExpressionClassifier) -> None:
    clip = torch.randint(0, 256, (2, 3, 4, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(model(clip), with_temperature(model, 3.0)(clip))


def test_the_test_part_and_a_handful_of_clips_are_refused_unread(model: ExpressionClassifier, tmp_path: Path) -> None:
    def manifest(count: int, split: str) -> Manifest:
        entries = (ClipEntry(i, f"{i}.mp4", tmp_path / f"{i}.mp4", "calm", "", split) for i in range(count))
        return Manifest(tmp_path / "manifest.csv", None, tuple(entries))

    with pytest.raises(ManifestError, match=r"test part.*split val"):
        calibrate_manifest(model, manifest(60, "test"))
    with pytest.raises(ConfigError, match="at least 50"):
        calibrate_manifest(model, manifest(49, "val"))
