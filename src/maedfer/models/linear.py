"""Linear maps by oneDNN where it is faster than the library that torch calls, and from weights that it has ordered.

Figures were measured on a Zen 4 processor at the sizes of the paper's model.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from maedfer.models.kernels import computed_in, multiplies_bfloat16, runs_as_written

__all__ = ["Linear", "linear", "pack_weights"]

# oneDNN's float32 product is 1.1x as fast as that of MKL, which torch calls, but takes 15 us more to start: from this
# many multiply-adds on it wins. In bfloat16 torch calls it too, but first fills the result with the bias, which takes
# a tenth of the product's time.
_ONEDNN_MULTIPLY_ADDS = 2**24

# About the tokens of two clips of the paper's model.
_PACKED_FOR_ROWS = 1616


def linear(
    tokens: Float[Tensor, "*B I"], weight: Float[Tensor, "O I"], bias: Float[Tensor, " O"] | None = None
) -> Float[Tensor, "*B O"]:
    """``torch.nn.functional.linear``."""
    if _onednn_is_faster(tokens, weight):
        # Lowered here, so that autograd takes the gradient back to the tokens' own type.
        mapped: Tensor = _OneDNNLinear.apply(tokens.to(computed_in(tokens)), weight, bias)  # type: ignore[no-untyped-call]
        return mapped
    return F.linear(tokens, weight, bias)


class Linear(nn.Linear):
    """``torch.nn.Linear`` by :func:`linear`, or by a copy of its weight that :func:`pack_weights` made."""

    _packed: "_Packed | None" = None

    def forward(self, input: Float[Tensor, "*B I"]) -> Float[Tensor, "*B O"]:
        """Token by token."""
        return self.mapped(input, self.bias)

    def mapped(self, tokens: Float[Tensor, "*B I"], bias: Float[Tensor, " O"] | None) -> Float[Tensor, "*B O"]:
        """The map with this bias instead of the module's own."""
        packed = self._packed
        if packed is not None and runs_as_written():
            if torch.is_grad_enabled() or not packed.is_copy_of(self.weight):
                self._packed = None
            elif packed.suits(tokens):
                return _product(_whole(tokens, packed.dtype), packed.blocks, bias)
        return linear(tokens, self.weight, bias)

    def weight_for(self, tokens: Float[Tensor, "*B D"]) -> Float[Tensor, "O I"]:
        """The weight for a product with such tokens that is none of this map: rounded already if it is packed so."""
        packed = self._packed
        if packed is None or not runs_as_written() or torch.is_grad_enabled() or not packed.is_copy_of(self.weight):
            return self.weight
        return packed.rounded if packed.suits(tokens) else self.weight

    def pack(self, dtype: torch.dtype = torch.float32) -> None:
        """Keep a packed copy of the weight, where there is a product that reads it."""
        packs = _PACKS.get(dtype, False) and _can_be_packed(self.weight)
        self._packed = _Packed.of(self.weight, dtype) if packs else None

    def __getstate__(self) -> dict[str, Any]:
        """Without the packed copy, which can neither be copied nor stored."""
        return {name: value for name, value in self.__dict__.items() if name != "_packed"}


def pack_weights(model: nn.Module, dtype: torch.dtype = torch.float32) -> None:
    """Let each :class:`Linear` of a model on the CPU keep a second copy of its weight, in the order oneDNN reads.

    Otherwise every product puts its weight in that order anew, some 5 % of its time at full size, and under autocast
    rounds it first. A copy is used while no gradient is recorded and only as long as its weight is what it was: it is
    given up when the weight was changed in place, replaced or moved, and at the first call that records gradients,
    since optimizers change weights unseen. Writing through ``weight.data`` goes unseen too: do not pack what you change
    that way.

    Args:
        model: its weights are float32.
        dtype: what its maps compute in: ``torch.bfloat16`` for a model that is called under autocast.
    """
    for module in model.modules():
        if isinstance(module, Linear):
            module.pack(dtype)


@dataclass(frozen=True)
class _Packed:
    """A copy of a weight in oneDNN's order, and which state of which tensor it is a copy of.

    The memory is held, so that nothing else can come to lie at its address.
    """

    blocks: Tensor
    dtype: torch.dtype
    weight: Tensor
    memory: Tensor
    version: int

    @staticmethod
    def of(weight: Tensor, dtype: torch.dtype) -> "_Packed":
        # A weight is packed for about so many rows; fewer or more are mapped too, as in the order that suits them less.
        blocks = torch.ops.mkldnn._reorder_linear_weight(_whole(weight.detach(), dtype), _PACKED_FOR_ROWS)
        return _Packed(blocks, dtype, weight, weight.detach(), weight._version)

    @cached_property
    def rounded(self) -> Tensor:
        """The weight in its own order; few are asked for it."""
        return self.memory.to(self.dtype)

    def is_copy_of(self, weight: Tensor) -> bool:
        return (
            weight is self.weight
            and weight._version == self.version
            and weight.dtype == self.memory.dtype
            and weight.data_ptr() == self.memory.data_ptr()
            and (weight.shape, weight.stride()) == (self.memory.shape, self.memory.stride())
        )

    def suits(self, tokens: Tensor) -> bool:
        return tokens.device.type == "cpu" and computed_in(tokens) == self.dtype


def _can_be_packed(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and not weight.is_inference()


def _onednn_is_faster(tokens: Tensor, weight: Tensor) -> bool:
    return (
        runs_as_written()  # before the size is asked, which need not be known otherwise
        and tokens.ndim > 1
        and tokens.device.type == "cpu"
        and _ONEDNN.get(computed_in(tokens), False)
        and (tokens.dtype == weight.dtype or torch.is_autocast_enabled("cpu"))
        and tokens.numel() * weight.shape[0] >= _ONEDNN_MULTIPLY_ADDS
    )


class _OneDNNLinear(torch.autograd.Function):
    """The linear map and its gradient for the tokens by oneDNN; that for the weight is as fast by torch's own product.

    Weight and bias may be float32 where the tokens are not; their rounded copies are not kept for the backward pass.
    oneDNN has slow general kernels for tensors with gaps, so it is given none.
    """

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        tokens = tokens.contiguous()
        ctx.save_for_backward(tokens, weight)
        ctx.bias_type = None if bias is None else bias.dtype
        return _product(tokens, _whole(weight, tokens.dtype), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        tokens, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        rows = gradient.flatten(0, -2)
        of_tokens, of_weight, of_bias = ctx.needs_input_grad
        return (
            _product(gradient, _whole(weight, tokens.dtype).t(), None) if of_tokens else None,
            (rows.t() @ tokens.flatten(0, -2)).to(weight.dtype) if of_weight else None,
            rows.sum(dim=0).to(ctx.bias_type) if of_bias else None,
        )


def _whole(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Without gaps."""
    return values.to(dtype).contiguous()


def _product(tokens: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The map of tokens and with a weight of one type; the bias may have another, and gaps."""
    bias = None if bias is None else _whole(bias, tokens.dtype)  # what lies in gaps would be read
    mapped: Tensor = torch.ops.mkldnn._linear_pointwise(tokens, weight, bias, "none", [], "")
    return mapped


def _small(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    numbers = torch.arange(6, device="cpu", dtype=dtype)
    return numbers.view(2, 3), numbers[:2]


def _onednn_answers(dtype: torch.dtype) -> bool:
    """Whether the product, a private part of torch, is there and does what it does in the version it was tried with."""
    rows, bias = _small(dtype)
    try:
        return torch.allclose(_product(rows, rows, bias), F.linear(rows, rows, bias))
    except (AttributeError, RuntimeError, TypeError):  # no such operator, or other arguments
        return False


def _packs(dtype: torch.dtype) -> bool:
    """Whether weights can be packed, by another private part of torch."""
    try:
        with torch.inference_mode(False), torch.no_grad():
            rows, bias = _small(dtype)
            weight = rows.float()
            return torch.allclose(_product(rows, _Packed.of(weight, dtype).blocks, bias), F.linear(rows, rows, bias))
    except (AttributeError, RuntimeError, TypeError):
        return False


def _has_onednn(dtype: torch.dtype) -> bool:
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    fit = torch.backends.cpu.get_cpu_capability().startswith("AVX")
    return fit and (dtype == torch.float32 or multiplies_bfloat16()) and _onednn_answers(dtype)


_ONEDNN = {dtype: _has_onednn(dtype) for dtype in (torch.float32, torch.bfloat16)}
_PACKS = {dtype: found and _packs(dtype) for dtype, found in _ONEDNN.items()}
