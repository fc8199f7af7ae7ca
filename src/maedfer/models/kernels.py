"""Attention and element-wise steps by the kernel that is fastest for a device, type and size; the values are the same.

Figures were measured on a Zen 4 processor at the sizes of the paper's model.
"""

import math
import platform

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

__all__ = ["add_branch", "attend", "computed_in", "gelu", "lowered", "multiplies_bfloat16", "runs_as_written"]

# The fused kernel wins at 800 keys in float32 and loses at 101. In bfloat16 the plain products win at both (1.9x at
# 800, forward and backward), until their scores, which grow with the square, weigh more than their speed.
_FUSED_KEYS_ON_CPU = {torch.float32: 256, torch.bfloat16: 1025}

# It keeps no scores for the backward pass: at 101 keys a block then keeps 19.4 tensors as wide as its tokens instead of
# 20.9, and takes 1.02 of its time, forward and backward. Without AVX-512 (a Zen 3 processor) it wins there too: 0.98,
# and without gradients 0.63 of the products' time.
_FUSED_KEYS_IN_FLOAT32 = 64
_ONLY_AVX2 = torch.backends.cpu.get_cpu_capability() == "AVX2"


def attend(
    query: Float[Tensor, "B heads Q d"], key: Float[Tensor, "B heads K d"], value: Float[Tensor, "B heads K d"]
) -> Float[Tensor, "B heads Q d"]:
    """Scaled dot-product attention of tensors of one type."""
    if query.device.type != "cpu" or key.shape[-2] >= _fewest_fused_keys(query.dtype):
        return F.scaled_dot_product_attention(query, key, value)
    width = math.sqrt(query.shape[-1])
    # Autocast would turn the scores into float32 and back; softmax computes in float32 whatever type it reads.
    with torch.autocast("cpu", enabled=False):
        if not runs_as_written():
            return (query / width @ key.transpose(-2, -1)).softmax(dim=-1) @ value
        # Heads usually lie side by side. Copied as they are, and turned by the product, they cost a sixth of a copy
        # that turns them.
        queries, keys, values = (rearrange(part, "b heads n d -> (b heads) n d") for part in (query, key, value))
        scores = torch.baddbmm(queries.new_zeros(1, 1, 1), queries, keys.transpose(1, 2), beta=0, alpha=1 / width)
        mixed = torch.bmm(scores.softmax(dim=-1), values)
        return rearrange(mixed, "(b heads) q d -> b heads q d", heads=query.shape[1])


def _fewest_fused_keys(dtype: torch.dtype) -> int:
    if (
        dtype == torch.float32
        and (torch.is_grad_enabled() or _ONLY_AVX2)
        and not torch.compiler.is_compiling()  # an exported graph is the same wherever it was made
    ):
        return _FUSED_KEYS_IN_FLOAT32
    return _FUSED_KEYS_ON_CPU.get(dtype, 256)


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


def lowered(tokens: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
    """Tokens that several maps read, in the type that maps compute in."""
    return tokens.to(computed_in(tokens))


def computed_in(tokens: Float[Tensor, "*B D"]) -> torch.dtype:
    """The type a map of such tokens is computed in, and gives: autocast's, or their own."""
    device = tokens.device.type
    if tokens.dtype == torch.float64 or not torch.amp.is_autocast_available(device):
        return tokens.dtype
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tokens.dtype


def multiplies_bfloat16() -> bool:
    """Whether this processor has bfloat16 products of its own; else they are imitated, slower than float32."""
    known = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)  # private: another torch may lack it
    if known is None or not torch.backends.mkldnn.is_available() or not known():  # type: ignore[no-untyped-call]
        return False
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return True
    # There the answer so far only meant AVX-512, which older processors have without such products.
    tells = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return any(tell is not None and tell() for tell in tells)


def _may_be_overwritten() -> bool:
    """Whether results that nothing reads again need no new memory, whose pages cost more than the arithmetic."""
    return not torch.is_grad_enabled() and runs_as_written()


def runs_as_written() -> bool:
    """Whether the work is done here and now: not compiled, nor traced for elsewhere."""
    return not torch.compiler.is_compiling() and not torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
