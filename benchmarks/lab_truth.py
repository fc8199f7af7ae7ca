"""How much of the labels is in what the faces of the laboratory do, whatever can be seen of it: an upper reference.

python benchmarks/lab_truth.py --train LAB/train --test LAB/test [LAB/shift ...] [--record lab_truth]

A logistic regression reads the true unit tracks (mean, maximum and two quantiles of each unit over time) instead of
pixels. Folders are those of ``maedfer synth``.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import record
from maedfer.synth import read_units


def read(folder: Path) -> tuple[np.ndarray, list[dict[str, str]]]:
    """Features of each clip, without order in time, and its row of the manifest."""
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    tracks = read_units(folder / "units.npz", len(rows))[0].astype(np.float32)
    low, high = np.quantile(tracks, [0.25, 0.75], axis=1)
    return np.concatenate([tracks.mean(1), tracks.max(1), low, high], 1), rows


def main() -> None:
    """Fit, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, nargs="+", required=True)
    parser.add_argument("--record", help="write benchmarks/results/NAME.json")
    arguments = parser.parse_args()
    features, rows = read(arguments.train)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, C=0.3))
    model.fit(features, [row["label"] for row in rows])
    figures: dict[str, object] = {"train_clips": len(rows)}
    for folder in arguments.test:
        features, rows = read(folder)
        truth, found = np.array([row["label"] for row in rows]), model.predict(features)
        held = np.array([row["held_out"] == "1" for row in rows])
        recall = {str(label): float((found == truth)[truth == label].mean()) for label in np.unique(truth)}
        figures[folder.name] = {
            "clips": len(rows),
            "uar": round(float(np.mean(list(recall.values()))), 4),
            "war_held_out": round(float((found == truth)[held].mean()), 4) if held.any() else None,
            "recall": {label: round(value, 3) for label, value in recall.items()},
        }
        print(folder.name, figures[folder.name])
    if arguments.record:
        print(f"wrote {record.write(arguments.record, figures)}")


if __name__ == "__main__":
    main()
