"""Seconds and memory of a training step of the full-size model beside those of VideoMAE-B of Hugging Face.

python benchmarks/train_step.py [--batch 8] [--rounds 3] [--steps 3] [--precisions float32] [--record NAME]

A step is forward, backward and a fused AdamW on clips that are in memory already. Each side runs in a process of its
own, as it ships: ours keeps freed memory, as its trainer does, and takes clips as bytes; theirs takes normalised
floats. The sides take turns, a new process at each, round after round; the median of all steps but each process's
first counts. Needs the extra bench.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

import record

Loss = Callable[[], Tensor]

SIDES = ("maedfer", "transformers")
PRECISIONS = ("float32", "bfloat16")
COMPARED = (("float32", "float32"), ("bfloat16", "float32"), ("bfloat16", "bfloat16"))  # ours over theirs
# Times as fast as theirs in float32: ours in float32, ours in bfloat16.
WANTED = {"pre-train": (1.3, 2.3), "fine-tune": (1.5, 3.0)}


def ours(stage: str, batch: int) -> tuple[nn.Module, Loss]:
    """MAE-DFER at the paper's size, and its loss for a batch."""
    from maedfer.config import AutoencoderConfig, ClassifierConfig, LGIFormerConfig
    from maedfer.models import ExpressionClassifier, MaskedAutoencoder

    clips = torch.randint(0, 256, (batch, 3, 16, 160, 160), dtype=torch.uint8)
    if stage == "pre-train":
        autoencoder = MaskedAutoencoder(AutoencoderConfig())
        return autoencoder, lambda: autoencoder(clips).loss
    classifier = ExpressionClassifier(ClassifierConfig(encoder=LGIFormerConfig(drop_path=0.1)))
    labels = torch.arange(batch) % 7
    return classifier, lambda: nn.functional.cross_entropy(classifier(clips), labels)


def theirs(stage: str, batch: int) -> tuple[nn.Module, Loss]:
    """VideoMAE-B for the same clips, and its loss for a batch."""
    from transformers import VideoMAEConfig, VideoMAEForPreTraining, VideoMAEForVideoClassification

    config = VideoMAEConfig(image_size=160, num_labels=7)
    clips = torch.randn(batch, 16, 3, 160, 160)
    if stage == "pre-train":
        autoencoder = VideoMAEForPreTraining(config)

        def loss() -> Tensor:
            hidden = torch.ones(batch, 100, dtype=torch.bool)
            hidden.scatter_(1, torch.rand(batch, 100).argsort(dim=1)[:, :10], False)
            result: Tensor = autoencoder(clips, bool_masked_pos=hidden.repeat(1, 8)).loss
            return result

        return autoencoder, loss
    classifier, labels = VideoMAEForVideoClassification(config), torch.arange(batch) % 7
    return classifier, lambda: classifier(clips, labels=labels).loss


def measure(
    side: str, stage: str, precision: str, batch: int, steps: int, prepare: Callable[[nn.Module], None] | None = None
) -> dict[str, Any]:
    """Seconds of single steps after the first, and the most memory of this process.

    ``prepare`` changes the model before its first step; whoever gives it says what becomes of freed memory.
    """
    from maedfer.allocator import keep_freed_memory

    torch.manual_seed(0)
    if side == "maedfer" and prepare is None:  # as a training run does
        keep_freed_memory()
    model, loss_of_batch = (ours if side == "maedfer" else theirs)(stage, batch)
    model.train()
    if prepare is not None:
        prepare(model)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.05, fused=True)
    seconds = []
    for _ in range(1 + steps):
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            loss = loss_of_batch()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - began)
    assert bool(loss.isfinite())
    return {"seconds": seconds[1:], "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def in_own_process(arguments: argparse.Namespace, side: str, stage: str, precision: str) -> dict[str, Any]:
    """:func:`measure` in a new process."""
    command = [sys.executable, __file__, "--measure", side, stage, precision]
    command += ["--batch", str(arguments.batch), "--steps", str(arguments.steps)]
    threads = {name: str(arguments.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    done = subprocess.run(command, env=os.environ | threads, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(arguments: argparse.Namespace, stage: str, console: Console) -> dict[str, Any]:
    """Figures of one stage: seconds a step and peak memory of each side and precision, and how many times as fast."""
    runs = [(side, precision) for precision in arguments.precisions for side in SIDES]
    seconds: dict[tuple[str, str], list[float]] = {run: [] for run in runs}
    peak = dict.fromkeys(runs, 0.0)
    for number in range(arguments.rounds):
        for run in runs:
            found = in_own_process(arguments, run[0], stage, run[1])
            seconds[run] += found["seconds"]
            peak[run] = max(peak[run], found["peak_mb"])
            console.print(f"round {number + 1}, {stage}, {' '.join(run)}: {median(found['seconds']):.2f} s")
    middle = {run: median(values) for run, values in seconds.items()}
    ratios = {
        f"{own} over {other}": middle["transformers", other] / middle["maedfer", own]
        for own, other in COMPARED
        if {own, other} <= set(arguments.precisions)
    }
    figures = {
        " ".join(run): {
            "seconds_per_step": round(middle[run], 3),
            "seconds_of_steps": [round(value, 3) for value in seconds[run]],
            "peak_mb": round(peak[run]),
        }
        for run in runs
    }
    return figures | {"times_as_fast": {name: round(ratio, 3) for name, ratio in ratios.items()}}


def show(stages: dict[str, dict[str, Any]], batch: int, console: Console) -> None:
    """The figures as a table, and whether they are as wanted."""
    table = Table(title=f"training step of {batch} clips, 16x160x160")
    for column in ("stage", "precision", *(f"{side}: s" for side in SIDES), *(f"{side}: peak MB" for side in SIDES)):
        table.add_column(column, justify="right")
    for stage, found in stages.items():
        for precision in [p for p in PRECISIONS if f"maedfer {p}" in found]:
            cells = [found[f"{side} {precision}"] for side in SIDES]
            times, memory = [f"{c['seconds_per_step']:.3f}" for c in cells], [str(c["peak_mb"]) for c in cells]
            table.add_row(stage, precision, *times, *memory)
    console.print(table)
    for stage, found in stages.items():
        wanted = dict(zip(("float32 over float32", "bfloat16 over float32"), WANTED[stage], strict=True))
        for name, ratio in found["times_as_fast"].items():
            verdict = (
                f", wanted {wanted[name]}: {'met' if ratio >= wanted[name] else 'MISSED'}" if name in wanted else ""
            )
            console.print(f"{stage}, {name}: {ratio:.2f} times as fast{verdict}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3, help="steps of a process that count")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--stage", choices=WANTED, help="only this one")
    parser.add_argument("--record", help="write benchmarks/results/NAME.json")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS, metavar=("SIDE", "STAGE", "PRECISION"))
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(*arguments.measure, arguments.batch, arguments.steps)))
        return
    import transformers

    console = Console(width=110)
    chosen = [arguments.stage] if arguments.stage else list(WANTED)
    stages = {stage: compare(arguments, stage, console) for stage in chosen}
    show(stages, arguments.batch, console)
    if arguments.record:
        settings = {name: getattr(arguments, name) for name in ("batch", "rounds", "steps", "threads")}
        load = [round(value, 2) for value in os.getloadavg()]
        figures = {"transformers": transformers.__version__, "load_at_end": load, **settings, "stages": stages}
        console.print(f"wrote {record.write(arguments.record, figures)}")


if __name__ == "__main__":
    main()
