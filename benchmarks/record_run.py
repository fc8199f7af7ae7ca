"""Keeps a training run and its score as a result: recipe, validation after each epoch, seconds, scores on test clips.

python benchmarks/record_run.py --run RUN --evaluation FOLDER [FOLDER ...] --record NAME

The folders are what ``maedfer finetune`` and ``maedfer evaluate`` wrote; paths in the recipe are cut to their names.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import record


def plain(value: Any) -> Any:
    """The same without folders of this machine."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return Path(value).name if isinstance(value, str) and value.startswith("/") else value


def main() -> None:
    """Read both, write benchmarks/results/NAME.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--evaluation", type=Path, nargs="+", required=True)
    parser.add_argument("--record", required=True)
    arguments = parser.parse_args()
    lines = [json.loads(line) for line in (arguments.run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    steps = [line for line in lines if line["kind"] == "train"]
    scores = {}
    for folder in arguments.evaluation:
        found = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
        scores[folder.name] = plain({name: found[name] for name in ("scores", "intervals")})
    record.write(
        arguments.record,
        {
            "recipe": plain(json.loads((arguments.run / "recipe.json").read_text(encoding="utf-8"))),
            "validation_uar": [round(line["uar"], 4) for line in lines if line["kind"] == "validation"],
            "steps": len(steps),
            "training_seconds": round(sum(step["seconds"] for step in steps)),
            "evaluations": scores,
        },
    )


if __name__ == "__main__":
    main()
