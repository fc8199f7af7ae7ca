"""AdamW groups with layer-wise learning rates, and the learning-rate schedule (method sections 5 and 6)."""

import math
import re
from typing import Any, Literal

from torch import nn

from maedfer.recipes import OptimConfig

__all__ = ["learning_rate", "parameter_groups"]

_NEVER_DECAYED = ("representative_tokens", "mask_token")


def parameter_groups(
    model: nn.Module,
    *,
    depth: int,
    weight_decay: float,
    layer_decay: float = 1.0,
    representative_layer: Literal["first", "head"] = "first",
) -> list[dict[str, Any]]:
    """Groups of parameters that share a weight decay and a share of the learning rate (key ``scale``).

    The scale is ``layer_decay ** (depth + 1 - layer)``: layer 0 is the embedding, block i is layer i + 1, norm and head
    are layer depth + 1. Vectors, biases, mask and representative tokens are not decayed.

    Args:
        model: names of its parameters decide.
        depth: blocks of the encoder.
        weight_decay: on everything else.
        layer_decay: 1 gives every layer the same rate.
        representative_layer: ``"first"``: representative tokens are layer 0; ``"head"``: as in the published code.
    """
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        bare = parameter.ndim <= 1 or any(word in name for word in _NEVER_DECAYED)
        decay = 0.0 if bare else weight_decay
        scale = layer_decay ** (depth + 1 - _layer(name, depth, representative_layer))
        group = groups.setdefault((decay, scale), {"params": [], "weight_decay": decay, "scale": scale})
        group["params"].append(parameter)
    return list(groups.values())


def learning_rate(update: int, updates_per_epoch: int, config: OptimConfig, global_batch: int) -> float:
    """Learning rate of an update (counted from 0): linear warm-up from 0, then a cosine to ``final_lr``.

    Args:
        update: number of updates made before.
        updates_per_epoch: updates of one epoch.
        config: base and final rate, for a global batch of 256.
        global_batch: clips per update, over all processes and accumulated steps.
    """
    peak = config.base_lr * global_batch / 256
    final = config.final_lr * global_batch / 256
    warmup = config.warmup_epochs * updates_per_epoch
    total = config.epochs * updates_per_epoch
    if update < warmup:
        return peak * (update + 1) / (warmup + 1)
    progress = (update - warmup) / max(1.0, total - warmup)
    return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def _layer(name: str, depth: int, representative_layer: str) -> int:
    if name.startswith(("decoder", "to_decoder")):
        return depth + 1
    block = re.search(r"blocks\.(\d+)\.", name)
    if block:
        return int(block[1]) + 1
    if "representative_tokens" in name:
        return 0 if representative_layer == "first" else depth + 1
    return 0 if ".embed." in name else depth + 1
