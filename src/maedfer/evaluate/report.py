"""An evaluation as files: numbers for programs, a page for people, a figure for papers."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from maedfer.errors import ConfigError
from maedfer.evaluate.evaluation import Evaluation
from maedfer.evaluate.metrics import Scores
from maedfer.output import write_text, write_whole

__all__ = ["draw_confusion", "write_evaluation"]


def write_evaluation(
    evaluation: Evaluation, directory: Path, facts: Mapping[str, str | int | float | None]
) -> tuple[Path, Path, Path]:
    """Write ``evaluation.json``, ``evaluation.md`` and ``confusion.png`` into ``directory`` (made when missing).

    Args:
        evaluation: the scores and the table of clips.
        directory: where the files go.
        facts: what was evaluated (weights, manifest, split, ...); stands at the head of the JSON and the page.

    Returns:
        The three paths.

    Raises:
        OutputError: the folder cannot be made or written.
        ConfigError: matplotlib is missing, or a fact is NaN.
    """
    figure = directory / "confusion.png"
    write_whole(figure, lambda temporary: draw_confusion(evaluation.scores, temporary))
    page = directory / "evaluation.md"
    write_text(page, _page(evaluation, facts))
    numbers = directory / "evaluation.json"
    write_text(numbers, _json(evaluation, facts))
    return numbers, page, figure


def draw_confusion(scores: Scores, path: Path) -> None:
    """Draw the confusion matrix, each row in percent of its true count, as a PNG at ``path``.

    Raises:
        ConfigError: matplotlib is missing.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError(
            "the confusion figure needs matplotlib, which is not installed; run: pip install 'maedfer[train]'"
        ) from error
    counts = np.asarray(scores.confusion, dtype=np.float64)
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.2 + 0.62 * len(scores.labels)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    ticks = range(len(scores.labels))
    axes.set_xticks(ticks, scores.labels, rotation=45, ha="right")
    axes.set_yticks(ticks, scores.labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("truth")
    axes.set_title(f"UAR {100 * scores.uar:.1f} %   WAR {100 * scores.war:.1f} %   n = {scores.count}", fontsize=10)
    for row, column in np.ndindex(shares.shape):
        share = shares[row, column]
        axes.text(
            column, row, f"{share:.0f}", ha="center", va="center", fontsize=9, color="white" if share > 55 else "black"
        )
    figure.colorbar(image, ax=axes, label="% of the row's clips", shrink=0.8)
    figure.savefig(path, dpi=150, format="png")


def _page(evaluation: Evaluation, facts: Mapping[str, str | int | float | None]) -> str:
    head = "".join(f"- {name}: {value}\n" for name, value in facts.items())
    tables = f"{evaluation.scores.to_markdown()}\n{evaluation.confidence.to_markdown()}"
    return f"# Evaluation\n\n{head}\n{tables}\n![confusion matrix](confusion.png)\n"


def _json(evaluation: Evaluation, facts: Mapping[str, str | int | float | None]) -> str:
    content: dict[str, Any] = {
        "facts": dict(facts),
        "scores": evaluation.scores.to_dict(),
        "confidence": evaluation.confidence.to_dict(),
        "faceless": list(evaluation.faceless),
        "clips": [
            {
                "clip": result.clip,
                "truth": result.truth,
                "predicted": result.predicted,
                "views": result.views,
                "probabilities": [round(value, 6) for value in result.probabilities],
            }
            for result in evaluation.clips
        ],
    }
    try:
        return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    except ValueError as error:
        raise ConfigError(f"evaluation: expected finite facts, got {dict(facts)}") from error
