"""Draw docs/images/demo.png: frames of the sample video above the spans found and the rendered truth.

python scripts/draw_demo.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from maedfer.emotions import BASIC_EXPRESSIONS
from maedfer.predict import Predictor
from maedfer.report import read_truth
from maedfer.report.colours import colour_of
from maedfer.video import read_frames

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "src" / "maedfer" / "assets" / "sample"
TARGET = ROOT / "docs" / "images" / "demo.png"
SHOWN_S = (2.2, 6.0, 9.8)


def bars(axes: Axes, row: float, spans: list[tuple[float, float, str]]) -> None:
    """One line of labelled bars."""
    for start, end, label in spans:
        axes.barh(
            row, end - start, left=start, height=0.8, color=colour_of(label, BASIC_EXPRESSIONS), edgecolor="white"
        )
        axes.text((start + end) / 2, row, label, ha="center", va="center", fontsize=7)


def main() -> None:
    """Predict the sample and draw."""
    prediction = Predictor().predict(SAMPLE / "sample.mp4")
    truth = read_truth(SAMPLE / "sample_truth.csv")
    pictures = [next(iter(read_frames(SAMPLE / "sample.mp4", rate=25.0, start_s=time))).image for time in SHOWN_S]
    figure, (top, below) = plt.subplots(2, 1, figsize=(10, 4.4), height_ratios=(1.15, 1), layout="constrained")
    top.imshow(np.hstack(pictures))
    top.axis("off")
    top.set_title(", ".join(f"{time:.1f} s" for time in SHOWN_S), fontsize=8)
    rows = []
    for track in prediction.tracks():
        found = [(span.start_s, span.end_s, span.label) for span in prediction.segments(track)]
        bars(below, len(rows), found)
        rows.append(f"face {track}, found")
        bars(below, len(rows), [(span.start_s, span.end_s, span.label) for span in truth if span.face == track])
        rows.append(f"face {track}, rendered")
    below.set_yticks(range(len(rows)), rows, fontsize=8)
    below.invert_yaxis()
    below.set_xlabel("seconds", fontsize=8)
    below.spines[["top", "right", "left"]].set_visible(False)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(TARGET, dpi=110)


if __name__ == "__main__":
    main()
