"""Put trained weights into the package, with a model card made from measured results. Nothing is written by hand.

python scripts/publish_default_weights.py --weights CALIBRATED --uncalibrated EVAL_BEFORE/evaluation.json \
    --test TEST --evaluation EVAL/evaluation.json --shift SHIFT --shift-evaluation SHIFT_EVAL/evaluation.json \
    --train TRAIN/manifest.csv --real REAL_CLIPS.json --relative REAL_CLIPS_PERSON.json \
    --unadapted UNADAPTED/evaluation.json --unadapted-shift UNADAPTED_SHIFT/evaluation.json \
    --unadapted-real REAL_CLIPS_UNADAPTED.json \
    --results benchmarks/results/default_weights.json
"""

import csv
import hashlib
import json
import platform
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from maedfer.adaptation import ADAPTATION_FILE
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
        uncalibrated: evaluation.json of the weights before calibration, on the test clips.
        test: folder of the rendered test clips.
        evaluation: evaluation.json of ``maedfer evaluate`` on them with these weights.
        shift: folder of the rendered test clips of the other rig.
        shift_evaluation: the same on those.
        train: manifest of the clips that were trained on.
        real: what benchmarks/real_clips.py recorded for these weights.
        relative: the same with --baseline person.
        unadapted: evaluation.json of the weights before adaptation to photographs, on the test clips.
        unadapted_shift: the same on the test clips of the other rig.
        unadapted_real: what benchmarks/real_clips.py recorded for them.
        results: JSON file for all numbers.
        run: folders of the runs whose recipe.json and validation scores are kept, in order.
    """

    weights: Path
    uncalibrated: Path
    test: Path
    evaluation: Path
    shift: Path
    shift_evaluation: Path
    train: Path
    real: Path
    relative: Path
    unadapted: Path
    unadapted_shift: Path
    unadapted_real: Path
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
    for part in ("manifest", "root"):
        recipe["data"].pop(part, None)
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


def adaptation_facts(settings: Settings) -> dict[str, Any]:
    """What the weights were before they were fitted to photographs, and what they then said of these."""
    fitted = json.loads((settings.weights / ADAPTATION_FILE).read_text())
    before, after = (
        ", ".join(f"{label} {count}" for label, count in fitted[key].items())
        for key in ("answers_before", "answers_after")
    )
    before_real = json.loads(settings.unadapted_real.read_text())
    return {
        "faces": fitted["clips"],
        "photograph_answers": f"What the weights say of them, before: {before}; after: {after}.",
        "unadapted_uar": 100 * json.loads(settings.unadapted.read_text())["scores"]["uar"],
        "unadapted_shift": 100 * json.loads(settings.unadapted_shift.read_text())["scores"]["uar"],
        "calm_unadapted": calm_said(before_real),
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


def rows_of(manifest: Path) -> list[dict[str, str]]:
    """The rows of a manifest with all of its columns."""
    with manifest.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


#: Name of a group of clips, and whether a row of the manifest belongs to it.
GROUPS: dict[str, Callable[[dict[str, str]], bool]] = {
    "forms that training shows": lambda row: row["held_out"] == "0",
    "forms held out of training": lambda row: row["held_out"] == "1",
    "intensity below 0.6": lambda row: row["label"] != "neutral" and float(row["intensity"]) < 0.6,
    "intensity 0.6 or more": lambda row: row["label"] != "neutral" and float(row["intensity"]) >= 0.6,
    "speaking": lambda row: float(row["talk"]) > 0,
    "silent": lambda row: float(row["talk"]) == 0,
    "skin: fair third": lambda row: float(row["tone"]) < 1 / 3,
    "skin: middle third": lambda row: 1 / 3 <= float(row["tone"]) < 2 / 3,
    "skin: dark third": lambda row: float(row["tone"]) >= 2 / 3,
    "age: young half of the scale": lambda row: float(row["age"]) < 0.5,
    "age: old half": lambda row: float(row["age"]) >= 0.5,
    "female": lambda row: float(row["male"]) < 0.5,
    "male": lambda row: float(row["male"]) >= 0.5,
}


def by_group(folder: Path, evaluation: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Clips and share of right answers in each group, with the half-width of its 95 % interval (normal)."""
    rows = {row["path"]: row for row in rows_of(folder / "manifest.csv")}
    found = {}
    for name, belongs in GROUPS.items():
        own = [clip["truth"] == clip["predicted"] for clip in evaluation["clips"] if belongs(rows[clip["clip"]])]
        if own:
            share = sum(own) / len(own)
            found[name] = {
                "clips": len(own),
                "war": share,
                "half_width": 1.96 * (share * (1 - share) / len(own)) ** 0.5,
            }
    return found


def group_table(test: dict[str, dict[str, float]], shift: dict[str, dict[str, float]]) -> str:
    """A row a group."""

    def cell(groups: dict[str, dict[str, float]], name: str) -> str:
        if name not in groups:
            return ""
        one = groups[name]
        return f"{100 * one['war']:.0f} ± {100 * one['half_width']:.0f} ({one['clips']})"

    return "\n".join(f"| {name} | {cell(test, name)} | {cell(shift, name)} |" for name in GROUPS)


def real_table(real: dict[str, Any], relative: dict[str, Any]) -> str:
    """A row for each check on real faces: as the model says, and against each face's usual look."""
    rows = []
    for plain, other in zip(real["checks"], relative["checks"], strict=True):
        cells = (f"{check['figure']:.2f} {'yes' if check['passes'] else '**no**'}" for check in (plain, other))
        rows.append(f"| {plain['what']} | {' | '.join(cells)} |")
    return "\n".join(rows)


def calm_said(real: dict[str, Any]) -> str:
    """What the neutral and talking parts of each clip are called most."""
    told = []
    for name, clip in real["clips"].items():
        if "calm" in clip["kinds"]:
            label, share = max(clip["kinds"]["calm"]["called"].items(), key=lambda pair: pair[1])
            told.append(f"{name}: {label} {100 * share:.0f} %")
    return ", ".join(told)


def stills_said(real: dict[str, Any]) -> str:
    """What the photographs show and are called."""
    return ", ".join(f"{still['shows']}: {still['called']}" for still in real["stills"].values())


def main(settings: Settings) -> None:
    """Write weights, card and results."""
    model = load_model(settings.weights)
    if not isinstance(model, ExpressionClassifier):
        raise SystemExit(f"{settings.weights}: expected a classifier, got an autoencoder")
    evaluation = json.loads(settings.evaluation.read_text())
    shift = json.loads(settings.shift_evaluation.read_text())
    real, relative = (json.loads(path.read_text()) for path in (settings.real, settings.relative))
    scores, calibration = evaluation["scores"], calibration_facts(settings, evaluation)
    trained = [row for row in rows_of(settings.train) if row["split"] == "train"]
    adaptation = adaptation_facts(settings)
    groups = {"test": by_group(settings.test, evaluation), "shift": by_group(settings.shift, shift)}
    save_model(model, ASSETS, half=True)
    file = ASSETS / "model.safetensors"
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    if sha256 != real["model"]["sha256"]:
        print(f"the real clips were judged by {real['model']['sha256']}, published are {sha256} (half precision)")
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    parameters, macs = sum(p.numel() for p in model.parameters()), multiply_adds(model)
    card = CARD.read_text().format(
        parameters=parameters,
        megabytes=file.stat().st_size / 1e6,
        gmacs=macs / 1e9,
        frames=model.config.encoder.num_frames,
        size=model.config.encoder.image_size,
        labels=", ".join(model.config.labels),
        train_anny=sum(row["rig"] == "anny" for row in trained),
        train_other=sum(row["rig"] != "anny" for row in trained),
        test_clips=scores["count"],
        uar=100 * scores["uar"],
        uar_low=100 * evaluation["intervals"]["subject"]["uar"][0],
        uar_high=100 * evaluation["intervals"]["subject"]["uar"][1],
        shift_clips=shift["scores"]["count"],
        shift_uar=100 * shift["scores"]["uar"],
        shift_low=100 * shift["intervals"]["subject"]["uar"][0],
        shift_high=100 * shift["intervals"]["subject"]["uar"][1],
        recall=recalls(scores),
        shift_recall=recalls(shift["scores"]),
        groups=group_table(groups["test"], groups["shift"]),
        real=real_table(real, relative),
        stills=stills_said(real),
        calm=calm_said(real),
        calm_relative=calm_said(relative),
        **adaptation,
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
        "test_intervals": evaluation["intervals"],
        "test_clips_without_a_face": len(evaluation["faceless"]),
        "shift": shift["scores"],
        "shift_intervals": shift["intervals"],
        "groups": groups,
        "calibration": calibration,
        "adaptation": adaptation,
        "runs": [run_facts(folder) for folder in settings.run],
    }
    write_text(settings.results, json.dumps(results, indent=1) + "\n")
    print(card)


def recalls(scores: dict[str, Any]) -> str:
    """Recall of each class in percent."""
    return ", ".join(f"{label} {100 * value:.0f}" for label, value in scores["recall"].items())


if __name__ == "__main__":
    main(tyro.cli(Settings))
