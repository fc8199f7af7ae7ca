"""Linear maps and attention by the kernel that is fastest for a device, type and size; the values are the same.

Figures were measured on a Zen 4 processor at the sizes of the paper's model.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

__all__ = ["Linear", "add_branch", "attend", "gelu", "linear", "pack_weights"]

# oneDNN's float32 product is 1.1x as fast as that of MKL, which torch calls, but takes 15 us more to start: from this
# many multiply-adds on it wins.
_ONEDNN_MULTIPLY_ADDS = 2**24

# About the tokens of two clips of the paper's model.
_PACKED_FOR_ROWS = 1616

# The fused kernel wins at 800 keys in float32 and loses at 101. In bfloat16 the plain products win at both (1.9x at
# 800, forward and backward), until their scores, which grow with the square, weigh more than their speed.
_FUSED_KEYS_ON_CPU = {torch.float32: 256, torch.bfloat16: 1025}

# Without AVX-512 (a Zen 3 processor) it took 0.63 of the products' time at 101 keys too; with the backward pass a whole
# block took 0.98 of its time, and kept 19.4 tensors as wide as its tokens instead of 20.9.
_FUSED_KEYS_WITH_AVX2 = 64
_ONLY_AVX2 = torch.backends.cpu.get_cpu_capability() == "AVX2"


def attend(
    query: Float[Tensor, "B heads Q d"], key: Float[Tensor, "B heads K d"], value: Float[Tensor, "B heads K d"]
) -> Float[Tensor, "B heads Q d"]:
    """Scaled dot-product attention of tensors of one type."""
    if query.device.type != "cpu" or key.shape[-2] >= _fewest_fused_keys(query.dtype):
        return F.scaled_dot_product_attention(query, key, value)
    # Autocast would turn the scores into float32 and back; softmax computes in float32 whatever type it reads.
    with torch.autocast("cpu", enabled=False):
        scores = (query / math.sqrt(query.shape[-1])) @ key.transpose(-2, -1)
        return scores.softmax(dim=-1) @ value


def _fewest_fused_keys(dtype: torch.dtype) -> int:
    if (
        dtype == torch.float32
        and _ONLY_AVX2
        and not torch.compiler.is_compiling()  # an exported graph is the same wherever it was made
    ):
        return _FUSED_KEYS_WITH_AVX2
    return _FUSED_KEYS_ON_CPU.get(dtype, 256)


def linear(
    tokens: Float[Tensor, "*B I"], weight: Float[Tensor, "O I"], bias: Float[Tensor, " O"] | None = None
) -> Float[Tensor, "*B O"]:
    """``torch.nn.functional.linear``."""
    if _onednn_is_faster(tokens, weight):
        mapped: Tensor = _OneDNNLinear.apply(tokens, weight, bias)  # type: ignore[no-untyped-call]
        return mapped
    return F.linear(tokens, weight, bias)


def gelu(made: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
    """The exact (erf) GELU, in place of its argument where no gradient needs that.

    Args:
        made: what the caller has just made, and nobody else holds.
    """
    if _may_be_overwritten():
        torch.ops.aten.gelu_.default(made)
        return made
    return F.gelu(made)


def add_branch(tokens: Float[Tensor, "*B D"], branch: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
    """The sum, in place of ``branch`` where no gradient needs that.

    Args:
        tokens: are kept.
        branch: what the caller has just made, and nobody else holds.
    """
    if _may_be_overwritten() and branch.dtype == tokens.dtype:
        return branch.add_(tokens)
    return tokens + branch


def _may_be_overwritten() -> bool:
    """Whether results that nothing reads again need no new memory, whose pages cost more than the arithmetic."""
    return not torch.is_grad_enabled() and _runs_as_written()


def _runs_as_written() -> bool:
    """Not compiled, nor traced for elsewhere."""
    return not torch.compiler.is_compiling() and not torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]


class Linear(nn.Linear):
    """``torch.nn.Linear`` by :func:`linear`, or by a copy of its weight that :func:`pack_weights` made."""

    _packed: "_Packed | None" = None

    def forward(self, input: Float[Tensor, "*B I"]) -> Float[Tensor, "*B O"]:
        """Token by token."""
        return self.mapped(input, self.bias)

    def mapped(self, tokens: Float[Tensor, "*B I"], bias: Float[Tensor, " O"] | None) -> Float[Tensor, "*B O"]:
        """The map with this bias instead of the module's own."""
        packed = self._packed
        if packed is not None and _runs_as_written():
            if torch.is_grad_enabled() or not packed.is_copy_of(self.weight):
                self._packed = None
            elif packed.suits(tokens):
                return _product(tokens.contiguous(), packed.blocks, None if bias is None else bias.contiguous())
        return linear(tokens, self.weight, bias)

    def pack(self) -> None:
        """Keep a packed copy of the weight, where there is a product that reads it."""
        self._packed = _Packed.of(self.weight) if _HAS_PACKED and _can_be_packed(self.weight) else None

    def __getstate__(self) -> dict[str, Any]:
        """Without the packed copy, which can neither be copied nor stored."""
        return {name: value for name, value in self.__dict__.items() if name != "_packed"}


def pack_weights(model: nn.Module) -> None:
    """Let each :class:`Linear` of a model on the CPU keep a second copy of its weight, in the order oneDNN reads.

    Otherwise every product puts its weight in that order anew, some 5 % of its time at full size. A copy is used while
    no gradient is recorded and only as long as its weight is what it was: it is given up when the weight was changed in
    place, replaced or moved, and at the first call that records gradients, since optimizers change weights unseen.
    Writing through ``weight.data`` goes unseen too: do not pack what you change that way.
    """
    for module in model.modules():
        if isinstance(module, Linear):
            module.pack()


@dataclass(frozen=True)
class _Packed:
    """A copy of a weight in oneDNN's order, and which state of which tensor it is a copy of.

    The memory is held, so that nothing else can come to lie at its address.
    """

    blocks: Tensor
    weight: Tensor
    memory: Tensor
    version: int

    @staticmethod
    def of(weight: Tensor) -> "_Packed":
        # A weight is packed for about so many rows; fewer or more are mapped too, as in the order that suits them less.
        blocks = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), _PACKED_FOR_ROWS)
        return _Packed(blocks, weight, weight.detach(), weight._version)

    def is_copy_of(self, weight: Tensor) -> bool:
        return (
            weight is self.weight
            and weight._version == self.version
            and weight.dtype == self.memory.dtype
            and weight.data_ptr() == self.memory.data_ptr()
            and (weight.shape, weight.stride()) == (self.memory.shape, self.memory.stride())
        )

    @staticmethod
    def suits(tokens: Tensor) -> bool:
        return tokens.device.type == "cpu" and tokens.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")


def _can_be_packed(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and not weight.is_inference()


def _onednn_is_faster(tokens: Tensor, weight: Tensor) -> bool:
    return (
        _HAS_ONEDNN
        and _runs_as_written()  # before the size is asked, which need not be known otherwise
        and tokens.ndim > 1
        and tokens.device.type == "cpu"
        and tokens.dtype == weight.dtype == torch.float32
        and tokens.numel() * weight.shape[0] >= _ONEDNN_MULTIPLY_ADDS
        and not torch.is_autocast_enabled("cpu")
    )


class _OneDNNLinear(torch.autograd.Function):
    """The linear map and its gradient for the tokens by oneDNN; that for the weight is as fast by MKL.

    oneDNN has slow general kernels for tensors with gaps, so it is given none.
    """

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        tokens, weight = tokens.contiguous(), weight.contiguous()
        ctx.save_for_backward(tokens, weight)
        # With gaps in the bias it would read what lies between.
        return _product(tokens, weight, None if bias is None else bias.contiguous())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        tokens, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        rows = gradient.flatten(0, -2)
        of_tokens, of_weight, of_bias = ctx.needs_input_grad
        return (
            _product(gradient, weight.t(), None) if of_tokens else None,
            rows.t() @ tokens.flatten(0, -2) if of_weight else None,
            rows.sum(dim=0) if of_bias else None,
        )


def _product(tokens: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    mapped: Tensor = torch.ops.mkldnn._linear_pointwise(tokens, weight, bias, "none", [], "")
    return mapped


def _small() -> tuple[Tensor, Tensor]:
    numbers = torch.arange(6, device="cpu", dtype=torch.float32)
    return numbers.view(2, 3), numbers[:2]


def _onednn_answers() -> bool:
    """Whether the product, a private part of torch, is there and does what it does in the version it was tried with."""
    rows, bias = _small()
    try:
        return torch.allclose(_product(rows, rows, bias), F.linear(rows, rows, bias))
    except (AttributeError, RuntimeError, TypeError):  # no such operator, or other arguments
        return False


def _packs() -> bool:
    """Whether weights can be packed, by another private part of torch."""
    try:
        with torch.inference_mode(False), torch.no_grad():
            rows, bias = _small()
            return torch.allclose(_product(rows, _Packed.of(rows).blocks, bias), F.linear(rows, rows, bias))
    except (AttributeError, RuntimeError, TypeError):
        return False


_HAS_ONEDNN = (
    torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    and torch.backends.cpu.get_cpu_capability().startswith("AVX")
    and _onednn_answers()
)
_HAS_PACKED = _HAS_ONEDNN and _packs()
