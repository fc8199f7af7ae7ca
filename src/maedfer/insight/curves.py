"""Learning curves from the metrics.jsonl of one run or several."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from maedfer.errors import ConfigError, TrainingError
from maedfer.insight.sheet import new_figure, save_figure

__all__ = ["Curves", "draw_curves", "read_curves"]

_SMOOTHED_OVER = 0.02  # of the run: the width of the mean that is drawn over the losses
_MOST_LINES = 20_000_000  # a longer file is not one of ours


@dataclass(frozen=True)
class Curves:
    """The numbers of one run.

    Attributes:
        name: of the run: its folder and the one above, for runs are often called alike.
        train: by number (loss, lr, ...): (epochs, values) after each step.
        validation: by number (uar, war, ...): (epochs, values) after each epoch.
    """

    name: str
    train: dict[str, tuple[Float[np.ndarray, "_"], Float[np.ndarray, "_"]]]
    validation: dict[str, tuple[Float[np.ndarray, "_"], Float[np.ndarray, "_"]]]


def read_curves(run: Path) -> Curves:
    """Read ``metrics.jsonl`` of a run's folder (or the file itself); half a line at the end is left out.

    Raises:
        TrainingError: there is none, or it holds no training step.
    """
    file = run / "metrics.jsonl" if run.is_dir() else run
    kinds: dict[str, dict[str, list[tuple[float, float]]]] = {"train": {}, "validation": {}}
    try:
        with file.open(encoding="utf-8") as lines:
            for count, line in enumerate(lines):
                if count > _MOST_LINES:
                    raise TrainingError(f"{file}: expected at most {_MOST_LINES} lines, found more")
                _note(kinds, line)
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{file}: expected the metrics.jsonl of a run ({error}); give a run's folder") from error
    if not kinds["train"]:
        raise TrainingError(f"{file}: expected lines of training steps, found none; has the run begun?")
    train, validation = ({name: _arrays(points) for name, points in kinds[kind].items()} for kind in kinds)
    return Curves("/".join(file.resolve().parent.parts[-2:]), train, validation)


def draw_curves(runs: Sequence[Curves], path: Path) -> None:
    """Loss (with a running mean), learning rate and validation scores of runs over epochs, one colour a run.

    Raises:
        ConfigError: no run, or matplotlib is not installed.
        OutputError: it cannot be written.
    """
    if not runs:
        raise ConfigError("curves: expected at least one run, got none")
    scores = sorted({name for run in runs for name in run.validation})
    panels = ["loss", "lr", *(["validation"] if scores else [])]
    figure = new_figure(4.6 * len(panels), 3.6)
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for number, run in enumerate(runs):
            colour = f"C{number % 10}"
            if panel == "validation":
                _draw_scores(axes, run, scores, colour)
            elif panel in run.train:
                _draw_steps(axes, run, panel, colour)
        axes.set_xlabel("epoch")
        axes.set_title({"loss": "training loss", "lr": "learning rate", "validation": "validation"}[panel], fontsize=10)
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7)
    save_figure(figure, path)


def _draw_steps(axes: Any, run: Curves, number: str, colour: str) -> None:
    epochs, values = run.train[number]
    if number == "lr":
        axes.plot(epochs, values, color=colour, label=run.name)
        return
    width = max(1, round(_SMOOTHED_OVER * len(values)))
    finite = np.isfinite(values)
    epochs, values = epochs[finite], values[finite]
    axes.plot(epochs, values, color=colour, alpha=0.25, linewidth=0.6)
    if len(values) >= width:
        mean = np.convolve(values, np.full(width, 1 / width), mode="valid")
        axes.plot(epochs[width - 1 :], mean, color=colour, label=run.name)


def _draw_scores(axes: Any, run: Curves, scores: Sequence[str], colour: str) -> None:
    for score, style in zip(scores, ("-", "--", ":", "-.") * len(scores), strict=False):
        if score in run.validation:
            epochs, values = run.validation[score]
            axes.plot(epochs, values, style, color=colour, marker=".", label=f"{run.name} {score}")


def _note(kinds: dict[str, dict[str, list[tuple[float, float]]]], line: str) -> None:
    try:
        numbers = json.loads(line)
    except (ValueError, RecursionError):
        return  # the last line of a run that was killed while it wrote
    kind = numbers.get("kind") if isinstance(numbers, dict) else None
    if not isinstance(kind, str) or kind not in kinds:
        return
    epoch = _number(numbers.get("epoch"))
    if not math.isfinite(epoch):
        return
    for name, value in numbers.items():
        if name not in ("kind", "step", "epoch") and isinstance(value, int | float):
            kinds[kind].setdefault(name, []).append((epoch, _number(value)))


def _number(value: object) -> float:
    """NaN for what is none, or is too large."""
    try:
        return float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return math.nan


def _arrays(points: list[tuple[float, float]]) -> tuple[Float[np.ndarray, "_"], Float[np.ndarray, "_"]]:
    both = np.array(points, dtype=np.float64)
    return both[:, 0], both[:, 1]
