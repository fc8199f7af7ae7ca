"""The figure of an evaluation: which classes are taken for which, how surely each is recognised, and confidence.

Of a cross-validation the last panel shows the folds instead. Matplotlib is loaded when something is drawn.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maedfer.errors import ConfigError
from maedfer.evaluate.bootstrap import Intervals
from maedfer.evaluate.confidence import reliability
from maedfer.evaluate.evaluation import Evaluation
from maedfer.evaluate.folds import FoldScores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_evaluation", "draw_folds"]

_BINS = 10
_BLUE, _ORANGE, _GREY = "#1f4e8c", "#d55e00", "#8a8a8a"
_DARK_FROM = 55  # per cent: from here white numbers are read better


def draw_evaluation(evaluation: Evaluation, intervals: Intervals, path: Path) -> None:
    """Draw confusion matrix, recall of each class with its interval, and the reliability diagram, as a PNG at ``path``.

    Args:
        evaluation: what was measured.
        intervals: of the recalls.
        path: the file.

    Raises:
        ConfigError: matplotlib is missing.
    """
    figure, panels = _panels(len(evaluation.scores.labels))
    _confusion(figure, panels[0], evaluation)
    _recalls(panels[1], evaluation, intervals)
    _reliability(panels[2], evaluation)
    figure.suptitle(_title(evaluation, intervals), fontsize=11)
    figure.savefig(path, dpi=150, format="png")


def draw_folds(folds: FoldScores, intervals: Intervals, path: Path) -> None:
    """Draw the pooled confusion matrix and recalls, and UAR and WAR of each fold, as a PNG at ``path``.

    Args:
        folds: what was measured.
        intervals: of the pooled recalls.
        path: the file.

    Raises:
        ConfigError: matplotlib is missing.
    """
    figure, panels = _panels(len(folds.pooled.scores.labels))
    _confusion(figure, panels[0], folds.pooled)
    _recalls(panels[1], folds.pooled, intervals)
    _each_fold(panels[2], folds)
    figure.suptitle("Folds pooled: " + _title(folds.pooled, intervals), fontsize=11)
    figure.savefig(path, dpi=150, format="png")


def _panels(classes: int) -> "tuple[Figure, Sequence[Axes]]":
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError(
            "the figure of an evaluation needs matplotlib, which is not installed; run: pip install 'maedfer[train]'"
        ) from error
    side = 2.0 + 0.5 * max(classes, 5)
    figure = Figure(figsize=(side + 1.0 + 8.0, side), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, 3, width_ratios=[side + 0.6, 3.6, 3.8]))


def _title(evaluation: Evaluation, intervals: Intervals) -> str:
    scores = evaluation.scores
    uar, war = (f"{100 * low:.1f}–{100 * high:.1f}" for low, high in (intervals.uar, intervals.war))
    return (
        f"UAR {100 * scores.uar:.1f} % ({uar})     WAR {100 * scores.war:.1f} % ({war})     {scores.count} clips; "
        f"95 % intervals by {intervals.unit}"
    )


def _confusion(figure: "Figure", axes: "Axes", evaluation: Evaluation) -> None:
    labels = evaluation.scores.labels
    counts = np.asarray(evaluation.scores.confusion, dtype=np.float64)
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    ticks = range(len(labels))
    axes.set_xticks(ticks, labels, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("truth")
    axes.set_title("Confusion, % of each row", fontsize=10)
    for row, column in np.ndindex(shares.shape):
        share = shares[row, column]
        if counts[row, column]:
            ink = "white" if share > _DARK_FROM else "black"
            axes.text(column, row, f"{share:.0f}", ha="center", va="center", fontsize=9, color=ink)
    figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02)


def _recalls(axes: "Axes", evaluation: Evaluation, intervals: Intervals) -> None:
    scores = evaluation.scores
    counts = [sum(row) for row in scores.confusion]
    for place, (recall, interval) in enumerate(zip(scores.recall, intervals.recall, strict=True)):
        if recall is not None and interval is not None:
            axes.hlines(place, 100 * interval[0], 100 * interval[1], color=_BLUE, linewidth=2, alpha=0.55)
            axes.plot(100 * recall, place, "o", color=_BLUE, markersize=6)
    axes.axvline(100 * scores.uar, color=_ORANGE, linestyle="--", linewidth=1, label="UAR")
    axes.set_yticks(range(len(counts)), [f"{name}\n{n} clips" for name, n in zip(scores.labels, counts, strict=True)])
    axes.tick_params(axis="y", labelsize=8)
    axes.set_ylim(len(counts) - 0.5, -0.5)
    axes.set_xlim(-2, 102)
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel("recall, %")
    axes.set_title(f"Recall, 95 % by {intervals.unit}", fontsize=10)
    axes.legend(loc="lower left", fontsize=8)


def _reliability(axes: "Axes", evaluation: Evaluation) -> None:
    table = reliability(evaluation.probabilities, evaluation.truth, _BINS)
    middles = 100 * (np.arange(_BINS) + 0.5) / _BINS
    shares = 100 * table.counts / table.counts.sum()
    axes.bar(middles, shares, width=88 / _BINS, color=_GREY, alpha=0.35, label="share of the clips")
    axes.plot([0, 100], [0, 100], color=_GREY, linestyle="--", linewidth=1, label="as sure as right")
    some = table.counts > 0
    axes.plot(100 * table.confidence[some], 100 * table.accuracy[some], "o-", color=_BLUE, label="measured", zorder=3)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    axes.set_xlabel("confidence, %")
    axes.set_ylabel("right, %")
    axes.set_title(f"Reliability, calibration error {100 * evaluation.confidence.ece:.1f} %", fontsize=10)
    axes.legend(loc="upper left", fontsize=8)
    axes.grid(alpha=0.3)


def _each_fold(axes: "Axes", folds: FoldScores) -> None:
    places = np.arange(len(folds.each))
    for colour, name, mark in ((_BLUE, "UAR", "o"), (_ORANGE, "WAR", "s")):
        key = name.lower()
        values = [100 * getattr(one.scores, key) for one in folds.each]
        mean, pooled = 100 * getattr(folds.mean, key), 100 * getattr(folds.pooled.scores, key)
        spread = 100 * getattr(folds.deviation, key)
        axes.plot(places, values, mark, color=colour, label=f"{name}: mean {mean:.2f} ± {spread:.2f}")
        axes.axhline(mean, color=colour, linewidth=1)
        axes.axhline(pooled, color=colour, linewidth=1, linestyle=":", label=f"{name}: pooled {pooled:.2f}")
    axes.set_xticks(places, folds.names)
    axes.margins(x=0.15, y=0.35)
    axes.set_xlabel("fold")
    axes.set_ylabel("%")
    axes.set_title("Folds: mean (line), pooled (dotted)", fontsize=10)
    axes.legend(loc="best", fontsize=8)
    axes.grid(axis="y", alpha=0.3)
