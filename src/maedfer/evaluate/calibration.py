"""Temperature scaling: one number that makes stated confidence agree with real accuracy (Guo et al. 2017).

All logits are divided by the temperature T before the softmax. The order of the classes, and so every label, stays as
it was; only the confidence moves: T > 1 where a model is too sure of itself, T < 1 where it is too modest. T is
fitted on labelled clips that the model was not trained on, and never on those that it is tested on. It holds for clips
like these; other cameras and other people need a measurement of their own. Source: arXiv 1706.04599, section 4.2.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from maedfer.data.manifest import Manifest
from maedfer.errors import ConfigError, ManifestError
from maedfer.evaluate.clips import Crop, clip_tasks
from maedfer.evaluate.confidence import SMALLEST, Confidence, confidence_of
from maedfer.evaluate.evaluation import LabelledViews, judge_views
from maedfer.evaluate.reading import ClipReader
from maedfer.evaluate.views import Sampling, ViewPlan, Views
from maedfer.inference import Precision
from maedfer.models import ExpressionClassifier
from maedfer.output import write_text
from maedfer.weights import save_model

__all__ = [
    "CALIBRATION_FILE",
    "LEAST_CLIPS",
    "TEMPERATURES",
    "Calibration",
    "calibrate_manifest",
    "fit_temperature",
    "with_temperature",
    "write_calibrated",
]

#: Lies beside calibrated weights and says what they were calibrated on.
CALIBRATION_FILE = "calibration.json"
#: Lowest and highest temperature that is tried.
TEMPERATURES = (0.05, 20.0)
#: Fewer clips say too little about confidence.
LEAST_CLIPS = 50


@dataclass(frozen=True)
class Calibration:
    """A fitted temperature, and what it changed on the clips that it was fitted on.

    Attributes:
        temperature: T, within :data:`TEMPERATURES`.
        temperature_before: that of the model as it came.
        windows: clips that were judged; of a clip with two views each counts.
        before: with the model's own temperature.
        after: with the fitted one. Measured on the same clips, so somewhat kind; new clips tell.
    """

    temperature: float
    temperature_before: float
    windows: int
    before: Confidence
    after: Confidence

    @property
    def at_limit(self) -> bool:
        """Whether T ran into the end of its range: these clips are all judged right, or their labels are not learnt."""
        low, high = map(math.log, TEMPERATURES)
        return not low + 0.01 < math.log(self.temperature) < high - 0.01

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without NaN."""
        return asdict(self)


def fit_temperature(logits: Float[np.ndarray, "N C"], labels: Int[np.ndarray, " N"]) -> float:
    """The temperature T that minimises the mean negative log likelihood of softmax(logits / T).

    The likelihood has one optimum in 1/T, so a bounded search over log T finds it.

    Args:
        logits: one row a clip, finite; a constant added to a row changes nothing.
        labels: class index of each row.

    Returns:
        T, within :data:`TEMPERATURES`.

    Raises:
        ConfigError: fewer than :data:`LEAST_CLIPS` rows, a logit that is not finite, or labels that do not fit.
    """
    count, classes = logits.shape
    if count < LEAST_CLIPS:
        raise ConfigError(
            f"calibration: expected at least {LEAST_CLIPS} labelled clips, got {count}; 300 are a good number"
        )
    if len(labels) != count or labels.min() < 0 or labels.max() >= classes:
        raise ConfigError(
            f"calibration: expected one class index from 0 to {classes - 1} for each of {count} clips, "
            f"got {len(labels)} from {labels.min(initial=0)} to {labels.max(initial=0)}"
        )
    if not np.isfinite(logits).all():
        raise ConfigError("calibration: expected finite logits, got NaN or infinity; the model's weights are damaged")
    wide, rows = logits.astype(np.float64), np.arange(count)

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(wide / math.exp(log_temperature), axis=1)[rows, labels].mean())

    low, high = map(math.log, TEMPERATURES)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    best = min(
        (low, high, float(found.x)), key=loss
    )  # where all are judged right, the loss is flat down to the low end
    return float(np.clip(np.exp(best), *TEMPERATURES))


def with_temperature(model: ExpressionClassifier, temperature: float) -> ExpressionClassifier:
    """A new classifier of the same weights, in evaluation mode on the same device, whose config has ``temperature``.

    Raises:
        ConfigError: the temperature is outside 0.01..100.
    """
    made = ExpressionClassifier(replace(model.config, temperature=temperature))
    made.load_state_dict(model.state_dict())
    return made.to(next(model.parameters()).device).eval()


def calibrate_manifest(
    model: ExpressionClassifier,
    manifest: Manifest,
    *,
    crop: Crop = "auto",
    views: Views = "ends",
    sampling: Sampling = "span",
    hop_s: float | None = None,
    precision: Precision = "float32",
    batch_size: int = 16,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Calibration:
    """Fit a temperature to labelled clips, read and judged as in evaluation. The model is left as it is.

    Of a clip with several views each counts alone, for prediction judges each window alone.

    Args:
        model: on any device.
        manifest: labelled clips that the model was not trained on, usually the ``val`` part.
        crop, views, sampling, hop_s, precision, batch_size, workers: see :func:`maedfer.evaluate.evaluate_manifest`.
        progress: is called with (clips done, clips in all), as clips are first looked at and then as they are judged.

    Raises:
        ManifestError: clips of the ``test`` part, or a clip without a label that the model knows.
        ConfigError: fewer than :data:`LEAST_CLIPS` clips.
        DecodeError: clips cannot be read.
        MaedferError: the model gave a number that is not finite.
    """
    if any(entry.split == "test" for entry in manifest.entries):
        raise ManifestError(
            f"{manifest.path}: expected clips for calibration, got the test part; a temperature fitted there would "
            "flatter the test scores: use split val"
        )
    _require_enough(manifest)
    encoder, targets = model.config.encoder, manifest.targets(model.config.labels)
    plan = ViewPlan.of(encoder.num_frames, encoder.image_size, views=views, sampling=sampling, hop_s=hop_s)
    tasks = clip_tasks(manifest.entries, crop)
    counted = None if progress is None else lambda done: progress(done, len(tasks))
    with ClipReader(plan, workers) as reader:
        reader.check(tasks, counted)
        read = zip(tasks, reader.read(tasks), targets, strict=True)
        clips = ((task.clip, clip.views, target) for task, clip, target in read)
        logits, labels = _logits(model, clips, precision, batch_size, counted)
    own = model.config.temperature
    fitted = fit_temperature(logits, labels)
    before, after = (confidence_of(softmax(logits / value, axis=1), labels) for value in (own, fitted))
    return Calibration(fitted, float(own), len(labels), before, after)


def write_calibrated(
    model: ExpressionClassifier, calibration: Calibration, directory: Path, facts: Mapping[str, str]
) -> tuple[Path, Path]:
    """Save the same weights with the fitted temperature, and ``calibration.json`` beside them.

    Weights that float16 holds without a loss (they were saved so) are saved in float16 again.

    Args:
        model: the model that was calibrated.
        calibration: of :func:`calibrate_manifest`.
        directory: where the files go; what is there under their names is replaced.
        facts: what was calibrated on what; stands at the head of ``calibration.json``.

    Returns:
        The directory of the weights, and ``calibration.json``.

    Raises:
        OutputError: the directory cannot be made or written.
    """
    halves = all(torch.equal(tensor, tensor.half().to(tensor.dtype)) for tensor in model.state_dict().values())
    save_model(with_temperature(model, calibration.temperature), directory, half=halves)
    numbers = directory / CALIBRATION_FILE
    write_text(numbers, json.dumps({"facts": dict(facts)} | calibration.to_dict(), indent=1, allow_nan=False) + "\n")
    return directory, numbers


def _require_enough(manifest: Manifest) -> None:
    """Said before the work, not after it."""
    total = len(manifest.entries)
    if total < LEAST_CLIPS:
        raise ConfigError(
            f"{manifest.path}: expected at least {LEAST_CLIPS} labelled clips for calibration, got {total}; add clips"
        )


def _logits(
    model: ExpressionClassifier,
    clips: Iterable[LabelledViews],
    precision: Precision,
    batch_size: int,
    progress: Callable[[int], None] | None,
) -> tuple[Float[np.ndarray, "N C"], Int[np.ndarray, " N"]]:
    """Logits up to a constant a row, which softmax does not see: log p times the temperature p was made with."""
    rows: list[Float[np.ndarray, "V C"]] = []
    labels: list[int] = []
    for _, own, label in judge_views(model, clips, precision=precision, batch_size=batch_size):
        rows.append(own)
        labels += [label] * len(own)
        if progress is not None:
            progress(len(rows))
    probabilities = np.concatenate(rows).astype(np.float64)
    return np.log(np.maximum(probabilities, SMALLEST)) * model.config.temperature, np.array(labels)
