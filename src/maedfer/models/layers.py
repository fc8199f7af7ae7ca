"""The parts that encoder and decoder are made of: positions, attention, MLP, drop path."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Float32
from torch import Tensor, nn

__all__ = [
    "LAYER_NORM_EPS",
    "Attention",
    "DropPath",
    "FusedAttention",
    "Mlp",
    "attend",
    "drop_rates",
    "sincos_positions",
]

LAYER_NORM_EPS = 1e-6

# On a CPU the fused kernel wins at 800 keys (2.1-2.4x) and loses at 101 keys in bfloat16 (2.5x slower).
_FUSED_KEYS_ON_CPU = 256


def sincos_positions(count: int, dim: int) -> Float32[Tensor, "N D"]:
    """Fixed sine-cosine positions over the flat index p: angle(p, j) = p / 10000^(2*(j//2)/D).

    Sine at even j, cosine at odd j; computed in float64. Always on the CPU, also under ``torch.device("meta")``,
    because the table is no weight and no file restores it.
    """
    column = np.arange(dim)
    angle = np.arange(count)[:, None] / np.power(10000.0, 2 * (column // 2) / dim)
    angle[:, 0::2] = np.sin(angle[:, 0::2])
    angle[:, 1::2] = np.cos(angle[:, 1::2])
    return torch.from_numpy(angle.astype(np.float32))


def drop_rates(last: float, depth: int) -> list[float]:
    """Drop-path rate of every block: linear from 0 at the first to ``last`` at the last."""
    return [last * index / max(depth - 1, 1) for index in range(depth)]


def attend(
    query: Float[Tensor, "B heads Q d"], key: Float[Tensor, "B heads K d"], value: Float[Tensor, "B heads K d"]
) -> Float[Tensor, "B heads Q d"]:
    """Scaled dot-product attention by the kernel that is faster for the size and device."""
    if query.device.type != "cpu" or key.shape[-2] >= _FUSED_KEYS_ON_CPU:
        return F.scaled_dot_product_attention(query, key, value)
    scores = (query / math.sqrt(query.shape[-1])) @ key.transpose(-2, -1)
    return scores.softmax(dim=-1).to(value.dtype) @ value


class Attention(nn.Module):
    """Self- or cross-attention with separate q and kv projections: q and v have a bias, k has none."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q = nn.Linear(dim, dim, bias=False)
        self.kv = nn.Linear(dim, 2 * dim, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(dim))
        self.v_bias = nn.Parameter(torch.zeros(dim))
        self.proj = nn.Linear(dim, dim)

    def forward(
        self, tokens: Float[Tensor, "B Q D"], context: Float[Tensor, "B K D"] | None = None
    ) -> Float[Tensor, "B Q D"]:
        """Every token attends to ``context``; without one, to the tokens themselves."""
        kv_bias = torch.cat((torch.zeros_like(self.v_bias), self.v_bias))
        query = F.linear(tokens, self.q.weight, self.q_bias)
        key_value = F.linear(tokens if context is None else context, self.kv.weight, kv_bias)
        query = rearrange(query, "b n (heads d) -> b heads n d", heads=self.num_heads)
        key, value = rearrange(key_value, "b n (two heads d) -> two b heads n d", two=2, heads=self.num_heads)
        mixed: Tensor = self.proj(rearrange(attend(query, key, value), "b heads n d -> b n (heads d)"))
        return mixed


class FusedAttention(nn.Module):
    """Self-attention with one qkv projection (VideoMAE): the same bias rule as :class:`Attention`."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(dim))
        self.v_bias = nn.Parameter(torch.zeros(dim))
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """Every token attends to all."""
        bias = torch.cat((self.q_bias, torch.zeros_like(self.v_bias), self.v_bias))
        pattern = "b n (three heads d) -> three b heads n d"
        query, key, value = rearrange(F.linear(tokens, self.qkv.weight, bias), pattern, three=3, heads=self.num_heads)
        mixed: Tensor = self.proj(rearrange(attend(query, key, value), "b heads n d -> b n (heads d)"))
        return mixed


class Mlp(nn.Module):
    """Two linear maps with the exact (erf) GELU between."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, tokens: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Token by token."""
        mapped: Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return mapped


class DropPath(nn.Module):
    """Stochastic depth: in training, drops a residual branch for whole entries of the first axis."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """The branch, or zeros for the dropped entries; the kept ones are scaled to the same mean."""
        if not self.training or self.rate == 0.0:
            return branch
        kept = branch.new_empty(branch.shape[0], 1, 1).bernoulli_(1 - self.rate)
        return branch * kept / (1 - self.rate)
