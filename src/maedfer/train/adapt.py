"""Which weights of a classifier are trained: all, the head, low-rank additions (LoRA); plain weights at the end."""

from collections.abc import Mapping
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from maedfer.errors import ConfigError
from maedfer.models import ExpressionClassifier
from maedfer.models.batch_norm import BatchNorm
from maedfer.models.kernels import attend
from maedfer.models.layers import Attention, DropPath, FusedAttention
from maedfer.recipes import AdaptConfig

__all__ = ["AdaptedAttention", "AdaptedFusedAttention", "adapt", "merged", "trainable_parameters"]

_ADAPTED = ("q", "kv", "qkv", "proj", "fc1", "fc2")  # every linear map of attention and MLP


class AdaptedAttention(Attention):
    """:class:`Attention` that calls its projections as modules, so that what wraps them takes part.

    The plain one reads their weights to add the bias in the same kernel; a wrapper would be passed by unnoticed.
    """

    def forward(
        self, tokens: Float[Tensor, "B Q D"], context: Float[Tensor, "B K D"] | None = None
    ) -> Float[Tensor, "B Q D"]:
        """The same result, up to rounding."""
        query = _plus(self.q(tokens), self.q_bias)
        key, value = self.kv(tokens if context is None else context).chunk(2, dim=-1)
        pattern = "b n (heads d) -> b heads n d"
        heads = [rearrange(part, pattern, heads=self.num_heads) for part in (query, key, _plus(value, self.v_bias))]
        mixed: Tensor = self.proj(rearrange(attend(*heads), "b heads n d -> b n (heads d)"))
        return mixed


class AdaptedFusedAttention(FusedAttention):
    """:class:`FusedAttention` that calls its projection as a module; see :class:`AdaptedAttention`."""

    def project(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B N E"]:
        """The same result, up to rounding."""
        bias = torch.cat((self.q_bias, torch.zeros_like(self.v_bias), self.v_bias))
        return _plus(self.qkv(tokens), bias)


def adapt(model: ExpressionClassifier, config: AdaptConfig) -> ExpressionClassifier:
    """Freeze what ``config`` leaves as it is and add what it adds; changes ``model`` and returns it.

    What is frozen is also still: its drop path is off and its batch norms keep their running statistics, so that it
    computes in training what it computes afterwards, and no graph is kept through it. Names of parameters keep
    their block's number, which layer-wise learning rates go by.

    Raises:
        ConfigError: LoRA is asked for and peft is not installed.
    """
    encoder = model.encoder
    if config.train == "head":
        _still(encoder)
        return model
    if config.freeze_blocks or config.freeze_embedding:
        _still(encoder.embed)
    if config.freeze_blocks:
        if isinstance(tokens := getattr(encoder, "representative_tokens", None), nn.Parameter):
            tokens.requires_grad_(False)
        for block in encoder.blocks[: config.freeze_blocks]:
            _still(block)
    if config.train == "lora":
        _add_low_rank(encoder, config)
    return model


def merged(model: ExpressionClassifier, config: AdaptConfig, state: Mapping[str, Tensor]) -> ExpressionClassifier:
    """A plain classifier with the weights of one that :func:`adapt` changed, low-rank additions multiplied out.

    Args:
        model: gives the classifier's settings; it is not changed.
        config: what ``adapt`` was called with.
        state: weights under the adapted model's names, on any device.

    Raises:
        ConfigError: peft is needed and not installed.
    """
    plain = ExpressionClassifier(model.config)
    if config.train != "lora":
        plain.load_state_dict(state)
        return plain
    adapted = adapt(ExpressionClassifier(model.config), config)
    adapted.load_state_dict(state)
    _multiply_out(adapted)
    plain.load_state_dict(adapted.state_dict())
    return plain


def trainable_parameters(model: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def _plus(tokens: Float[Tensor, "*B D"], bias: Float[Tensor, " D"]) -> Float[Tensor, "*B D"]:
    return tokens + bias.to(tokens.dtype)  # under autocast a float32 bias would make float32 of bfloat16


def _still(part: nn.Module) -> None:
    part.requires_grad_(False)
    for module in part.modules():
        if isinstance(module, DropPath):
            module.rate = 0.0
        elif isinstance(module, BatchNorm):
            module.still = True


def _add_low_rank(encoder: nn.Module, config: AdaptConfig) -> None:
    peft = _peft()
    targets = [
        name
        for name, module in encoder.named_modules()
        # Linears that are frozen already stay as they are: nothing reads them, or their block was frozen.
        if isinstance(module, nn.Linear) and name.rpartition(".")[2] in _ADAPTED and module.weight.requires_grad
    ]
    for name, module in list(encoder.named_modules()):
        if isinstance(module, Attention | FusedAttention):
            encoder.set_submodule(name, _calling_modules(module))
    settings = peft.LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules="|".join(name.replace(".", r"\.") for name in targets),
    )
    peft.inject_adapter_in_model(settings, encoder)  # freezes everything else in the encoder


def _calling_modules(attention: Attention | FusedAttention) -> Attention | FusedAttention:
    """The same parts and names, called instead of read."""
    kind = AdaptedAttention if isinstance(attention, Attention) else AdaptedFusedAttention
    with torch.device("meta"):
        twin = kind(attention.proj.in_features, attention.num_heads)
    for name, part in attention.named_children():
        setattr(twin, name, part)
    twin.q_bias, twin.v_bias = attention.q_bias, attention.v_bias
    return twin


def _multiply_out(model: nn.Module) -> None:
    from peft.tuners.lora import LoraLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            model.set_submodule(name, module.get_base_layer())


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise ConfigError("LoRA needs peft, which is not installed; run: pip install 'maedfer[train]'") from error
    return peft
