"""How far an ONNX file is from the torch model it was made of, and how much faster: both in one run."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from maedfer.models import ExpressionClassifier
from maedfer.onnx_model import OnnxClassifier

__all__ = ["Agreement", "compare"]

_WARM_UP = 1


@dataclass(frozen=True)
class Agreement:
    """One file against torch float32.

    Attributes:
        clips: compared.
        largest_difference: of the logits.
        mean_difference: of the logits, absolute.
        same_label: share of the clips with the same answer, 0..1.
        torch_s: seconds a clip that torch took, the median of the rounds.
        onnx_s: the same of the file.
        threads: of both.
        batch: clips that went through together while time was taken.
    """

    clips: int
    largest_difference: float
    mean_difference: float
    same_label: float
    torch_s: float
    onnx_s: float
    threads: int
    batch: int

    @property
    def speed(self) -> float:
        """How many times as fast as torch."""
        return self.torch_s / self.onnx_s


def compare(
    model: ExpressionClassifier,
    files: Mapping[str, OnnxClassifier],
    clips: UInt8[np.ndarray, "N 3 T H W"],
    *,
    batch: int = 8,
    rounds: int = 5,
) -> dict[str, Agreement]:
    """Compare files with the model; rounds of all alternate, so that a busy machine slows all alike.

    Args:
        model: on the CPU, in evaluation mode.
        files: opened with as many threads as torch has.
        clips: at least one.
        batch: clips that go through together, at least 1.
        rounds: how often time is taken, at least 1.
    """
    runs: dict[str, Callable[[UInt8[np.ndarray, "B 3 T H W"]], Float32[np.ndarray, "B C"]]] = {
        "": lambda pixels: model(torch.from_numpy(pixels)).numpy(),
        **{name: file.logits for name, file in files.items()},
    }
    with torch.inference_mode():
        logits = {
            name: np.concatenate([run(clips[first : first + batch]) for first in range(0, len(clips), batch)])
            for name, run in runs.items()
        }
        seconds = _seconds(runs, clips[:batch], rounds)
    apart = {name: np.abs(logits[name] - logits[""]) for name in files}
    return {
        name: Agreement(
            clips=len(clips),
            largest_difference=float(apart[name].max()),
            mean_difference=float(apart[name].mean()),
            same_label=float((logits[name].argmax(axis=1) == logits[""].argmax(axis=1)).mean()),
            torch_s=seconds[""],
            onnx_s=seconds[name],
            threads=torch.get_num_threads(),
            batch=min(batch, len(clips)),
        )
        for name in files
    }


def _seconds(
    runs: Mapping[str, Callable[[UInt8[np.ndarray, "B 3 T H W"]], Float32[np.ndarray, "B C"]]],
    clips: UInt8[np.ndarray, "B 3 T H W"],
    rounds: int,
) -> dict[str, float]:
    """Median seconds a clip of each."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(_WARM_UP + rounds):
        for name, run in runs.items():
            began = time.perf_counter()
            run(clips)
            taken[name].append((time.perf_counter() - began) / len(clips))
    return {name: float(np.median(values[_WARM_UP:])) for name, values in taken.items()}
