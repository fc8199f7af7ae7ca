"""Put trained weights into the package, with a model card made from measured results. Nothing is written by hand.

python scripts/publish_default_weights.py --weights CALIBRATED --evaluation EVAL/evaluation.json \
    --uncalibrated EVAL_BEFORE/evaluation.json --control CONTROL.json --results benchmarks/results/default_weights.json
"""

import hashlib
import json
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from maedfer.evaluate.calibration import CALIBRATION_FILE
from maedfer.evaluate.confidence import expected_calibration_error
from maedfer.models import ExpressionClassifier
from maedfer.output import write_text
from maedfer.weights import load_model, save_model

ROOT = Path(__file__).parents[1]
ASSETS = ROOT / "src" / "maedfer" / "assets" / "default"
CARD = Path(__file__).with_name("model_card.md")


@dataclass(frozen=True)
class Settings:
    """What to publish.

    Attributes:
        weights: folder of the trained classifier, as ``maedfer calibrate`` wrote it.
        evaluation: evaluation.json of ``maedfer evaluate`` on the test clips with these weights.
        uncalibrated: the same of the weights before calibration.
        control: the JSON line of benchmarks/control.py.
        results: JSON file for all numbers.
        run: folders of the runs whose recipe.json and validation scores are kept, in order.
    """

    weights: Path
    evaluation: Path
    uncalibrated: Path
    control: Path
    results: Path
    run: tuple[Path, ...] = ()


def multiply_adds(model: ExpressionClassifier) -> int:
    """Multiply-adds of one clip."""
    encoder = model.config.encoder
    clip = torch.zeros(1, 3, encoder.num_frames, encoder.image_size, encoder.image_size, dtype=torch.uint8)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(clip)
    return counter.get_total_flops() // 2


def run_facts(folder: Path) -> dict[str, Any]:
    """Settings and scores of one run."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if line["kind"] == "train"]
    recipe = json.loads((folder / "recipe.json").read_text())
    for part in ("out", "init"):
        recipe.pop(part, None)
    recipe["data"].pop("manifest")
    return {
        "recipe": recipe,
        "steps": len(losses),
        "first_loss": losses[0],
        "last_loss": sum(losses[-20:]) / len(losses[-20:]),
        "validation": [line for line in lines if line["kind"] == "validation"],
    }


def calibration_facts(settings: Settings, evaluation: dict[str, Any]) -> dict[str, Any]:
    """What the temperature was fitted on and what it changed on the test clips; the labels must be the same."""
    fitted = json.loads((settings.weights / CALIBRATION_FILE).read_text())
    before = json.loads(settings.uncalibrated.read_text())
    if before["scores"] != evaluation["scores"]:
        raise SystemExit("a temperature changes no label, but the scores before and after differ: evaluate both again")
    return {
        "temperature": fitted["temperature"],
        "fitted_on": {"split": fitted["facts"]["split"], "clips": fitted["windows"]},
        "fitted_before": fitted["before"],
        "fitted_after": fitted["after"],
        "test_before": before["confidence"],
        "test_after": evaluation["confidence"],
        "test_ece_if_perfect": perfect_error(evaluation),
    }


def perfect_error(evaluation: dict[str, Any], draws: int = 1000) -> float:
    """Mean calibration error if the truth were drawn from the stated probabilities: what so few clips show at best."""
    rows = np.array([clip["probabilities"] for clip in evaluation["clips"]])
    rows /= rows.sum(axis=1, keepdims=True)  # six digits are kept
    rng, steps = np.random.default_rng(0), rows.cumsum(axis=1)[:, :-1]
    truths = ((rng.random((len(rows), 1)) > steps).sum(axis=1) for _ in range(draws))
    return float(np.mean([expected_calibration_error(rows, truth) for truth in truths]))


def in_percent(confidence: dict[str, Any]) -> str:
    """The cells of a row: NLL, ECE, share answered, accuracy of what is answered."""
    shares = (confidence["ece"], confidence["answered"], confidence["accuracy_answered"])
    return " | ".join([f"{confidence['nll']:.3f}", *(f"{100 * share:.1f}" for share in shares)])


def machine() -> str:
    """Processor and cores."""
    name = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            name = line.split(":", 1)[1].strip()
            break
    return f"{name}, {torch.get_num_threads()} cores, no GPU, torch {torch.__version__}"


def main(settings: Settings) -> None:
    """Write weights, card and results."""
    model = load_model(settings.weights)
    if not isinstance(model, ExpressionClassifier):
        raise SystemExit(f"{settings.weights}: expected a classifier, got an autoencoder")
    evaluation, control = json.loads(settings.evaluation.read_text()), json.loads(settings.control.read_text())
    scores, calibration = evaluation["scores"], calibration_facts(settings, evaluation)
    save_model(model, ASSETS, half=True)
    file = ASSETS / "model.safetensors"
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    parameters, macs = sum(p.numel() for p in model.parameters()), multiply_adds(model)
    card = CARD.read_text().format(
        parameters=parameters,
        megabytes=file.stat().st_size / 1e6,
        gmacs=macs / 1e9,
        frames=model.config.encoder.num_frames,
        size=model.config.encoder.image_size,
        labels=", ".join(model.config.labels),
        train_clips=control["train_clips"],
        test_clips=scores["count"],
        uar=100 * scores["uar"],
        war=100 * scores["war"],
        control_parameters=control["parameters"],
        control_seconds=control["seconds"],
        control_uar=100 * control["uar"],
        control_war=100 * control["war"],
        recall=", ".join(f"{label} {100 * value:.0f}" for label, value in scores["recall"].items()),
        temperature=calibration["temperature"],
        fitted_clips=calibration["fitted_on"]["clips"],
        before=in_percent(calibration["test_before"]),
        after=in_percent(calibration["test_after"]),
        perfect=100 * calibration["test_ece_if_perfect"],
        commit=commit.strip(),
        machine=machine(),
        sha256=sha256,
    )
    write_text(ASSETS / "MODEL_CARD.md", card)
    results = {
        "command": "runs/default_weights.sh",
        "commit": commit.strip(),
        "machine": machine(),
        "sha256": sha256,
        "parameters": parameters,
        "multiply_adds": macs,
        "test": scores,
        "test_clips_without_a_face": len(evaluation["faceless"]),
        "calibration": calibration,
        "control": control,
        "runs": [run_facts(folder) for folder in settings.run],
    }
    write_text(settings.results, json.dumps(results, indent=1) + "\n")
    print(card)


if __name__ == "__main__":
    main(tyro.cli(Settings))
