"""One step: the gradients of a global batch, in parts, and the update they make, if all of it is finite."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from maedfer.models.layers import share_drop_paths
from maedfer.recipes import OptimConfig
from maedfer.train.batch import Batch
from maedfer.train.placement import Learner

__all__ = ["Outcome", "update"]


@dataclass(frozen=True)
class Outcome:
    """What became of a step; the same in all processes.

    Attributes:
        loss: mean over the global batch.
        norm: of the gradient, before clipping.
        updated: the weights were changed.
        broken: loss or gradient were not finite, and a loss scale that is still being found (fp16) is no excuse.
    """

    loss: float
    norm: float
    updated: bool
    broken: bool


def update(
    learner: Learner,
    loss: Callable[[nn.Module, Batch], Tensor],
    batches: list[Batch],
    config: OptimConfig,
    seed: tuple[int, int],
) -> Outcome:
    """Sum the gradients of this process's ``batches`` and, with those of the others, change the weights.

    Args:
        learner: what is trained; learning rates are set.
        loss: (model, batch) -> mean over the batch.
        batches: of equal size.
        config: clipping.
        seed: the run's and the number of the step; all random draws follow from them.
    """
    accelerator = learner.accelerator
    learner.model.train()
    total = torch.zeros((), device=accelerator.device)
    for index, batch in enumerate(batches):
        last = index == len(batches) - 1
        with nullcontext() if last else accelerator.no_sync(learner.model):
            _seed_generators(seed)  # before each batch: each draws for all and takes its share
            share_drop_paths(learner.bare, batch.share)
            part = loss(learner.model, batch) / len(batches)
            accelerator.backward(part)
        total += part.detach()
    limit = math.inf if config.clip_grad is None else config.clip_grad
    norm = float(accelerator.clip_grad_norm_(learner.model.parameters(), limit))
    value = float(accelerator.reduce(total, "mean"))
    updated = math.isfinite(value) and math.isfinite(norm)
    scaler = accelerator.scaler  # fp16 only
    excused = scaler is not None and math.isfinite(value) and scaler.get_scale() > 1
    if updated:
        learner.optimizer.step()
    elif scaler is not None:
        scaler.update()  # it knows of the overflow, and lowers its scale
    learner.optimizer.zero_grad()
    return Outcome(value, norm, updated, not updated and not excused)


def _seed_generators(seed: tuple[int, int]) -> None:
    run, step = seed
    torch.manual_seed((run * 1_000_003 + step) % 2**63)
