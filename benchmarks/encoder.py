"""The full-size classifier's forward beside a textbook implementation, VideoMAE-B and the machine's matrix products.

python benchmarks/encoder.py [--batches 1 4 16] [--rounds 7] [--threads 2] [--record encoder]
python benchmarks/encoder.py --device cuda --record encoder_cuda
python benchmarks/encoder.py --quick                      # narrow models: does the command work?

All sides are in one process and take turns, round after round; medians count. bfloat16 is autocast over float32
weights for all sides. The machine's rate is that of the fastest of some large products, most of the model's own shapes,
measured in the same rounds; the share of it counts the multiply-adds that a side really does. All sides profit from
freed memory being kept (maedfer.allocator). Needs the extra bench.
"""

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import record
from encoder_textbook import TextbookClassifier
from maedfer.allocator import keep_freed_memory
from maedfer.config import ClassifierConfig, LGIFormerConfig
from maedfer.models import ExpressionClassifier, pack_weights
from maedfer.models.kernels import multiplies_bfloat16
from maedfer.models.linear import Linear, linear

OURS, TEXTBOOK, THEIRS = "maedfer", "textbook", "VideoMAE-B"
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# Throughput over that of VideoMAE-B in float32, and share of the machine's rate in the same precision.
WANTED = {"float32": (1.6, 0.85), "bfloat16": (3.3, 0.70)}
ROWS = 808  # tokens of a clip


@dataclass(frozen=True)
class Work:
    """Something that is timed: a call, and its multiply-adds in 10^9."""

    run: Callable[[], Tensor]
    giga: float


@dataclass(frozen=True)
class Side:
    """A model: how it is built, the clips it takes for a batch."""

    build: Callable[[], nn.Module]
    clips: Callable[[int], Tensor]


def sides(quick: bool) -> dict[str, Side]:
    """The three models at 16x160x160."""
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    narrow = {"embed_dim": 64, "depth": 2, "num_heads": 4} if quick else {}
    config = ClassifierConfig(encoder=LGIFormerConfig(**narrow))
    small = {"hidden_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 384}
    theirs = VideoMAEConfig(image_size=160, num_labels=7, **(small if quick else {}))
    return {
        OURS: Side(lambda: ExpressionClassifier(config), _bytes),
        TEXTBOOK: Side(lambda: TextbookClassifier(config), _bytes),
        THEIRS: Side(
            lambda: _Logits(VideoMAEForVideoClassification(theirs)), lambda n: torch.randn(n, 16, 3, 160, 160)
        ),
    }


class _Logits(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, clips: Tensor) -> Tensor:
        logits: Tensor = self.model(clips).logits
        return logits


def _bytes(batch: int) -> Tensor:
    return torch.randint(0, 256, (batch, 3, 16, 160, 160), dtype=torch.uint8)


def multiply_adds(side: Side) -> float:
    """Of one clip, in 10^9; counted on the meta device, where every product is an operator the counter knows."""
    with torch.device("meta"):
        model = side.build()
        clip = side.clips(1)
    model = model.to("meta").eval()
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        model(clip)
    return counter.get_total_flops() / 2e9


def products(batch: int, dtype: torch.dtype, device: str, dim: int) -> dict[str, Work]:
    """Matrix products that tell the machine's rate, by every routine at hand."""
    shapes = [(ROWS * batch, dim, 4 * dim), (ROWS * batch, 4 * dim, dim), (ROWS * batch, dim, dim), (2048, 2048, 2048)]
    work = {}
    for rows, inner, columns in shapes:
        left, right = (torch.randn(size, inner, device=device, dtype=dtype) for size in (rows, columns))
        routines = {"torch": partial(nn.functional.linear, left, right)}
        if device == "cpu":
            layer = Linear(inner, columns, bias=False)
            with torch.no_grad():
                layer.weight.copy_(right)
            pack_weights(layer, dtype)
            routines["oneDNN"] = partial(linear, left, right)
            if layer._packed is not None:
                routines["oneDNN, packed"] = partial(layer, left)
        for name, routine in routines.items():
            work[f"{rows}x{inner}x{columns} {name}"] = Work(routine, rows * inner * columns / 1e9)
    return work


def forwards(models: dict[str, nn.Module], found: dict[str, Side], batch: int, precision: str, device: str) -> dict:
    """The models' forwards of a batch."""
    work = {}
    for name, model in models.items():
        clips = found[name.split(",")[0]].clips(batch).to(device)
        work[name] = partial(_forward, model, clips, precision, device)
    return work


def _forward(model: nn.Module, clips: Tensor, precision: str, device: str) -> Tensor:
    with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
        logits: Tensor = model(clips)
    return logits


def timed(work: dict[str, Work], rounds: int, clock: Callable[[], float], device: str) -> dict[str, list[float]]:
    """Seconds of each in each round but the first, which warms up; CUDA graphs need two more."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for number in range(-2 if device == "cuda" else 0, rounds + 1):
        for name, part in work.items():
            began = clock()
            with torch.inference_mode():
                result = part.run()
            if device == "cuda":
                torch.cuda.synchronize()
            if number > 0:
                seconds[name].append(clock() - began)
            assert number or bool(result.isfinite().all()), name
    return seconds


def rates(work: dict[str, Work], seconds: dict[str, list[float]]) -> dict[str, float]:
    """Multiply-adds in 10^9 a second, by the median."""
    return {name: part.giga / median(seconds[name]) for name, part in work.items()}


def figures_of(
    batch: int, giga: dict[str, float], seconds: dict[str, list[float]], best: float
) -> dict[str, dict[str, Any]]:
    """Clips a second (median, fewest, most) and the share of the machine's rate ``best`` for each side."""
    found = {}
    for name, of_one in giga.items():
        own = seconds[name]
        found[name] = {
            "clips_per_s": round(batch / median(own), 4),
            "fewest": round(batch / max(own), 4),
            "most": round(batch / min(own), 4),
            "share_of_products": round(of_one * batch / median(own) / best, 4),
        }
    return found


def compare(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    """All batches and precisions."""
    device, clock = arguments.device, time.process_time if arguments.processor_time else time.perf_counter
    found = sides(arguments.quick)
    giga = {name: multiply_adds(side) for name, side in found.items()}
    torch.manual_seed(0)
    models = {name: side.build().eval().to(device) for name, side in found.items()}
    models[TEXTBOOK].load_state_dict(models[OURS].state_dict())
    if device == "cuda":
        models |= compiled(models[OURS])
        giga |= {name: giga[OURS] for name in models if name not in giga}
    dim = models[OURS].norm.normalized_shape[0]
    result: dict[str, Any] = {"multiply_adds_giga": {name: round(value, 3) for name, value in giga.items()}}
    for batch in arguments.batches:
        for precision in arguments.precisions:
            pack_weights(models[OURS], PRECISIONS[precision])  # as prediction and evaluation do
            agree(models[OURS], models[TEXTBOOK], found[OURS].clips(1).to(device), precision)
            runs = forwards(models, found, batch, precision, device)
            work = {name: Work(run, giga[name] * batch) for name, run in runs.items()}
            measured = products(batch, PRECISIONS[precision], device, dim)
            seconds = timed(work | measured, arguments.rounds, clock, device)
            speed = rates(measured, seconds)
            best = max(speed, key=speed.__getitem__)
            part = figures_of(batch, giga, seconds, speed[best])
            result[f"batch {batch}, {precision}"] = part | {"product": best, "giga_per_s": round(speed[best], 2)}
            console.print(f"batch {batch}, {precision}: {result[f'batch {batch}, {precision}']}")
    return result


def agree(ours: nn.Module, textbook: nn.Module, clips: Tensor, precision: str) -> None:
    """Both give the same logits, up to what the precision leaves.

    Raises:
        AssertionError: they do not.
    """
    with torch.inference_mode():
        found, expected = (_forward(model, clips, precision, clips.device.type).float() for model in (ours, textbook))
    if precision == "float32":
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-3)
    else:
        assert float((found - expected).norm() / expected.norm()) < 0.05, "bfloat16 logits differ"


def compiled(model: nn.Module) -> dict[str, nn.Module]:
    """Our model through torch.compile, and through it into CUDA graphs."""
    modes = {f"{OURS}, compiled": "default", f"{OURS}, CUDA graphs": "reduce-overhead"}
    return {name: torch.compile(model, mode=mode) for name, mode in modes.items()}


def native(device: str) -> bool:
    """Whether bfloat16 products are the processor's own."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return multiplies_bfloat16()


def verdicts(found: dict[str, Any], precision: str, batch: int, reason: str | None) -> list[str]:
    """One line a target; ``reason``: why it is not judged."""
    own, base = found[f"batch {batch}, {precision}"], found.get(f"batch {batch}, float32")
    speed, share = WANTED[precision]
    figures = [(f"share of the machine's {precision} products", own[OURS]["share_of_products"], share)]
    if base:
        ratio = own[OURS]["clips_per_s"] / base[THEIRS]["clips_per_s"]
        figures.insert(0, (f"{precision}, times {THEIRS} in float32", ratio, speed))
    lines = []
    for name, figure, wanted in figures:
        verdict = f"not judged, {reason}" if reason else "met" if figure >= wanted else "MISSED"
        lines.append(f"batch {batch}: {name}: {figure:.2f}, wanted {wanted}: {verdict}")
    return lines


def show(found: dict[str, Any], arguments: argparse.Namespace, busy: str | None, console: Console) -> None:
    """The table and the targets."""
    table = Table(title=f"forward of 16x160x160 on {arguments.device}, {arguments.threads} threads")
    for column in ("batch", "precision", "side", "clips/s", "fewest..most", "times as fast", "share of products"):
        table.add_column(column, justify="right")
    imitated = not native(arguments.device)
    for batch in arguments.batches:
        for precision in arguments.precisions:
            own = found[f"batch {batch}, {precision}"]
            label = "bfloat16, imitated here" if precision == "bfloat16" and imitated else precision
            for name in found["multiply_adds_giga"]:
                row, ours = own[name], own[OURS]["clips_per_s"]
                span, ratio = f"{row['fewest']:.3f}..{row['most']:.3f}", f"{ours / row['clips_per_s']:.2f}"
                cells = (f"{row['clips_per_s']:.3f}", span, ratio, f"{row['share_of_products']:.0%}")
                table.add_row(str(batch), label, name, *cells)
    console.print(table)
    console.print(f"times as fast: {OURS} over this side. Multiply-adds a clip: {found['multiply_adds_giga']} G")
    for batch in arguments.batches:
        for precision in arguments.precisions:
            reason = "imitated here" if precision == "bfloat16" and imitated else busy
            for line in verdicts(found, precision, batch, reason):
                console.print(line)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--processor-time", action="store_true", help="count this process's processor time, not seconds"
    )
    parser.add_argument("--quick", action="store_true", help="narrow models, not judged")
    parser.add_argument("--record", help="write benchmarks/results/NAME.json")
    arguments = parser.parse_args()
    console = Console(width=120)
    if arguments.device == "cuda" and not torch.cuda.is_available():
        console.print("cuda: unmeasured, torch sees no such device")
        return
    load = os.getloadavg()[0]
    busy = "narrow models" if arguments.quick else None
    if load > (os.cpu_count() or 1) / 2:
        busy = f"machine busy at the start (load {load:.1f})"
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    found = compare(arguments, console)  # models are built out of inference mode: weights made in it cannot be packed
    show(found, arguments, busy, console)
    if arguments.device == "cpu" and not torch.cuda.is_available():
        console.print("cuda: unmeasured, torch sees no such device")
    if arguments.record:
        names = ("device", "rounds", "threads", "processor_time", "quick")
        facts = {name: getattr(arguments, name) for name in names}
        facts |= {"bfloat16_native": native(arguments.device), "not_judged": busy, "load_at_start": round(load, 2)}
        if arguments.device == "cuda":
            facts["gpu"] = torch.cuda.get_device_name()
        console.print(f"wrote {record.write(arguments.record, facts | found)}")


if __name__ == "__main__":
    main()
