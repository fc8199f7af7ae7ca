"""Peak memory of a fine-tune step of the full-size model beside VideoMAE-B's, and what activation checkpointing costs.

python benchmarks/memory.py [--batch 4] [--rounds 2] [--steps 2] [--threads 2] [--record memory]

The steps are those of benchmarks/train_step.py. Each run is a new process; its peak is the most it held resident since
it began, less what it held once everything was imported: weights, gradients, the optimizer's moments, activations and
what the allocator keeps. Reads /proc, so Linux only. Needs the extra bench. LD_PRELOAD=libtcmalloc_minimal.so.4 before
the command measures with another allocator than the C library's.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table
from torch import nn

import record
import train_step

# How much each side computes again: ours by its four levels, theirs everything or nothing.
WAYS = {"maedfer": ("none", "light", "selective", "full"), "transformers": ("none", "full")}
WANTED = 0.6  # our peak over theirs without checkpointing


def resident_mb(field: str, status: str | None = None) -> float:
    """``VmHWM`` (the most so far) or ``VmRSS`` (now) of this process in MB.

    The kernel's count for getrusage would include what the parent held when it started this process.

    Raises:
        KeyError: no such field.
    """
    text = Path("/proc/self/status").read_text(encoding="ascii") if status is None else status
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return int(fields[field].split()[0]) / 1024


def checkpointing(side: str, way: str) -> Callable[[nn.Module], None]:
    """What switches activation checkpointing on."""
    from maedfer.models.layers import checkpoint_activations

    def switch(model: nn.Module) -> None:
        if side == "maedfer":
            checkpoint_activations(model, way)
        elif way == "full":
            model.gradient_checkpointing_enable()

    return switch


def measure(side: str, way: Any, precision: str, batch: int, steps: int) -> dict[str, Any]:
    """Seconds of steps and the peak of this process over its state after the imports, in MB."""

    import maedfer.models  # noqa: F401
    from maedfer.allocator import give_back_freed_memory, keep_freed_memory
    from maedfer.recipes import ComputeConfig

    before = resident_mb("VmRSS")
    if side == "maedfer":  # as a training run does
        compute = ComputeConfig(checkpoint_activations=way)
        (give_back_freed_memory if compute.gives_back_memory else keep_freed_memory)()
    found = train_step.measure(side, "fine-tune", precision, batch, steps, checkpointing(side, way))
    return {"seconds": found["seconds"], "peak_mb": resident_mb("VmHWM") - before, "imports_mb": before}


def in_own_process(arguments: argparse.Namespace, side: str, way: str) -> dict[str, Any]:
    """:func:`measure` in a new process."""
    command = [sys.executable, __file__, "--measure", side, way, "--precision", arguments.precision]
    command += ["--batch", str(arguments.batch), "--steps", str(arguments.steps)]
    threads = {name: str(arguments.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    done = subprocess.run(command, env=os.environ | threads, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(arguments: argparse.Namespace, console: Console) -> dict[str, dict[str, Any]]:
    """Peak and seconds of each side and way; the sides take turns."""
    runs = [(side, way) for side, ways in WAYS.items() for way in ways]
    all_found: dict[tuple[str, str], list[dict[str, Any]]] = {run: [] for run in runs}
    for _ in range(arguments.rounds):
        for run in runs:
            all_found[run].append(in_own_process(arguments, *run))
            console.print(f"{', '.join(run)}: {all_found[run][-1]}")
    return {", ".join(run): summary(found) for run, found in all_found.items()}


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Of the rounds of one run: the highest peak, the median second."""
    seconds = [value for part in found for value in part["seconds"]]
    return {
        "peak_mb": round(max(part["peak_mb"] for part in found)),
        "imports_mb": round(max(part["imports_mb"] for part in found)),
        "seconds_per_step": round(median(seconds), 3),
        "seconds_of_steps": [round(value, 3) for value in seconds],
    }


def ratios(figures: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Each way of ours over theirs without checkpointing, in memory and time."""
    theirs = figures["transformers, none"]
    found = {}
    for field, name in (("peak_mb", "peak"), ("seconds_per_step", "time")):
        for way in WAYS["maedfer"]:
            found[f"{name}, {way}, over theirs with none"] = figures[f"maedfer, {way}"][field] / theirs[field]
    found["peak, full, over theirs with full"] = (
        figures["maedfer, full"]["peak_mb"] / figures["transformers, full"]["peak_mb"]
    )
    return {name: round(ratio, 3) for name, ratio in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2, help="steps of a process after its first")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=train_step.PRECISIONS, default="float32")
    parser.add_argument("--record", help="write benchmarks/results/NAME.json")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS, metavar=("SIDE", "WAY"))
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(*arguments.measure, arguments.precision, arguments.batch, arguments.steps)))
        return
    import transformers

    console = Console(width=120)
    load = round(os.getloadavg()[0], 2)
    figures = compare(arguments, console)
    table = Table(title=f"fine-tune step of {arguments.batch} clips, 16x160x160, {arguments.precision}")
    for column in ("side, activations", "peak over imports, MB", "s a step"):
        table.add_column(column, justify="right")
    for name, row in figures.items():
        table.add_row(name, str(row["peak_mb"]), f"{row['seconds_per_step']:.2f}")
    console.print(table)
    found = ratios(figures)
    for name, ratio in found.items():
        console.print(f"{name}: {ratio:.3f}")
    for way in WAYS["maedfer"]:
        ratio = found[f"peak, {way}, over theirs with none"]
        console.print(
            f"peak with {way}: {ratio:.3f}, wanted at most {WANTED}: {'met' if ratio <= WANTED else 'missed'}"
        )
    if arguments.record:
        names = ("batch", "rounds", "steps", "threads", "precision")
        facts = {name: getattr(arguments, name) for name in names}
        facts |= {"transformers": transformers.__version__, "load_at_start": load, "ratios": found}
        facts |= {"preloaded": Path(os.environ.get("LD_PRELOAD", "")).name or None}
        console.print(f"wrote {record.write(arguments.record, facts | figures)}")


if __name__ == "__main__":
    main()
