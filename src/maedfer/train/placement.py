"""A model and its optimiser put where they are trained: on a device, in many processes, in shards."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from maedfer.models import LGIBlock, ViTBlock
from maedfer.models.layers import checkpoint_activations
from maedfer.recipes import FinetuneRecipe, PretrainRecipe
from maedfer.train.ema import AveragedWeights

__all__ = ["Learner", "full_tensors", "like", "place", "resharded"]


@dataclass(frozen=True)
class Learner:
    """What is trained.

    Attributes:
        accelerator: the processes.
        model: called in training; exchanges gradients.
        bare: the same model under its own names, for evaluation and checkpoints; sharded with FSDP.
        optimizer: AdamW, stepped through Accelerate.
        average: of the weights, where the recipe asks for it.
    """

    accelerator: Accelerator
    model: nn.Module
    bare: nn.Module
    optimizer: Any
    average: AveragedWeights | None

    @property
    def adamw(self) -> torch.optim.Optimizer:
        """The optimiser itself, which holds the moments."""
        inner: torch.optim.Optimizer = self.optimizer.optimizer
        return inner

    @contextmanager
    def evaluated(self) -> Iterator[nn.Module]:
        """The bare model in evaluation mode with the weights that are validated and published."""
        self.bare.eval()
        if self.average is None:
            yield self.bare
        else:
            with resharded(self.bare), self.average.applied():
                yield self.bare

    def state(self) -> dict[str, Tensor]:
        """Weights and buffers on the CPU, whole; empty but for the main process."""
        with resharded(self.bare):
            return full_tensors(self.accelerator, self.bare.state_dict())


def place(
    model: nn.Module,
    groups: list[dict[str, Any]],
    recipe: PretrainRecipe | FinetuneRecipe,
    accelerator: Accelerator,
) -> Learner:
    """Bring ``model`` to the accelerator's device as ``recipe.compute`` says, with an AdamW over ``groups``.

    Sharding calls PyTorch's ``fully_shard`` itself, block by block: Accelerate shards on graphics cards alone, and
    what cannot run on a CPU is not tested. Weights are gathered in float32; autocast computes with them.

    Args:
        model: changed in place.
        groups: of its parameters.
        recipe: how to compute; AdamW's betas.
        accelerator: the processes.
    """
    checkpoint_activations(model, recipe.compute.checkpoint_activations)
    if recipe.compute.compile:
        model.compile(options={"fallback_random": True})  # the same draws as without
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    shard = recipe.compute.fsdp and accelerator.num_processes > 1
    prepared = accelerator.prepare_model(model, evaluation_mode=shard)  # for evaluation: on the device, not wrapped
    if shard:
        _shard(model)
        placed = dict(model.named_parameters())
        groups = [{**group, "params": [placed[names[id(value)]] for value in group["params"]]} for group in groups]
    fused = accelerator.device.type in ("cpu", "cuda")
    optimizer = torch.optim.AdamW(groups, lr=0.0, betas=recipe.optim.betas, fused=fused)
    average = AveragedWeights(model, recipe.optim.ema) if recipe.optim.ema is not None else None
    return Learner(accelerator, prepared, model, accelerator.prepare_optimizer(optimizer), average)


def full_tensors(accelerator: Accelerator, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Shards put together, on the CPU; all processes take part, only the main one gets the result."""
    whole, keep = {}, accelerator.is_main_process
    for name, value in tensors.items():
        full = value.full_tensor() if isinstance(value, DTensor) else value
        if keep:
            whole[name] = full.detach().to("cpu", copy=True).contiguous()
    return whole


def like(value: Tensor, model: Tensor) -> Tensor:
    """The whole ``value`` placed and sharded as ``model`` is."""
    value = value.to(model.device)
    if isinstance(model, DTensor):
        return distribute_tensor(value, model.device_mesh, model.placements)
    return value


@contextmanager
def resharded(model: nn.Module) -> Iterator[None]:
    """Inside, and after it, the weights of a sharded model are its shards, not the whole of a pass just made."""
    _reshard(model)
    try:
        yield
    finally:
        _reshard(model)


def _reshard(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def _shard(model: nn.Module) -> None:
    # Nothing here changes a block's output in place, which is what this warns of.
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
    for module in model.modules():
        if isinstance(module, LGIBlock | ViTBlock):
            fully_shard(module)
        if isinstance(module, LGIBlock):
            register_fsdp_forward_method(module, "representatives")
    fully_shard(model)
