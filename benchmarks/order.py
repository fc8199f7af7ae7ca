"""The label that only the order of two expressions tells: sets without order for control, and what a model makes of it.

python benchmarks/order.py strip LAB/order LAB/order-one --keep one|shuffled
python benchmarks/order.py score LAB/order/test/manifest.csv NAME=EVALUATION [NAME=EVALUATION ...] [--record order]

``strip`` copies a set of ``maedfer synth --sequence`` so that no clip knows its order any more: one of its frames,
drawn at random, or all of them shuffled. What is trained on such clips and asked about such clips ignores motion.
``score`` reads what ``maedfer evaluate`` wrote for models of the six expressions. Both expressions of a clip are seen
in it, so besides the share of right answers it tells how often the last one was held likelier than the first: who sees
both and not their order is right in one clip of two. Intervals by bootstrap over people.
"""

import argparse
import csv
import shutil
from pathlib import Path

import numpy as np

import record
from maedfer.evaluate.bootstrap import intervals_of
from maedfer.video.decode import read_frames
from maedfer.video.encode import write_video

Rows = list[dict[str, str]]


def table(path: Path) -> Rows:
    """Rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def strip(source: Path, out: Path, keep: str) -> None:
    """Copy clips and manifest; of each clip one frame, or all in a drawn order."""
    (out / "clips").mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(table(source / "manifest.csv")):
        if (out / row["path"]).is_file():
            continue
        frames = [frame.image for frame in read_frames(source / row["path"])]
        order = np.random.default_rng(number).permutation(len(frames))
        chosen = [frames[index] for index in (order[:1] if keep == "one" else order)]
        write_video(out / row["path"], chosen, float(row["fps"]), crf=18)
    shutil.copyfile(source / "manifest.csv", out / "manifest.csv")


def scores(clips: Rows, answers: Rows) -> dict[str, object]:
    """Shares of right answers among all expressions and between the two that are seen."""
    clip_of = {row["path"]: row for row in clips}
    rows = [clip_of[answer["clip"]] for answer in answers]
    people = [row["subject"] for row in rows]
    last = np.array([float(a[f"p_{row['label']}"]) for a, row in zip(answers, rows, strict=True)])
    first = np.array([float(a[f"p_{row['first']}"]) for a, row in zip(answers, rows, strict=True)])
    found: dict[str, object] = {"clips": len(rows), "people": len(set(people))}
    right = np.array([a["predicted"] == row["label"] for a, row in zip(answers, rows, strict=True)])
    held = np.array([row["held_out"] == "1" for row in rows])
    either = np.array([a["predicted"] in (row["label"], row["first"]) for a, row in zip(answers, rows, strict=True)])
    for name, hit in (("right of six", right), ("either of the two", either), ("last before first", last > first)):
        between = intervals_of(np.ones(len(hit), int), hit.astype(int), 2, groups=people).war
        found[name] = {"share": round(float(hit.mean()), 4), "interval": [round(end, 4) for end in between]}
        found[name] |= {"held out": round(float(hit[held].mean()), 4)} if held.any() else {}
    return found


def main() -> None:
    """Strip or score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    stripping = commands.add_parser("strip")
    stripping.add_argument("source", type=Path)
    stripping.add_argument("out", type=Path)
    stripping.add_argument("--keep", choices=("one", "shuffled"), required=True)
    scoring = commands.add_parser("score")
    scoring.add_argument("manifest", type=Path)
    scoring.add_argument("evaluations", nargs="+", help="NAME=FOLDER")
    scoring.add_argument("--record", help="write benchmarks/results/NAME.json")
    arguments = parser.parse_args()
    if arguments.command == "strip":
        strip(arguments.source, arguments.out, arguments.keep)
        return
    clips, figures = table(arguments.manifest), {}
    for pair in arguments.evaluations:
        name, folder = pair.split("=", 1)
        figures[name] = scores(clips, table(Path(folder) / "predictions.csv"))
        print(name, figures[name])
    if arguments.record:
        print(f"wrote {record.write(arguments.record, {'models': figures})}")


if __name__ == "__main__":
    main()
