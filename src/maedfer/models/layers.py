"""The parts that encoder and decoder are made of: positions, attention, MLP, drop path, stacks of blocks."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from maedfer.models.draws import BatchShare
from maedfer.models.kernels import attend, gelu, lowered
from maedfer.models.linear import Linear
from maedfer.models.remade import remade

__all__ = [
    "LAYER_NORM_EPS",
    "Attention",
    "Block",
    "BlockStack",
    "Checkpointing",
    "DropPath",
    "FusedAttention",
    "Mlp",
    "attend",
    "checkpoint_activations",
    "drop_rates",
    "share_drop_paths",
    "sincos_positions",
]

LAYER_NORM_EPS = 1e-6

#: How much of a block the backward pass makes again instead of keeping it: nothing; its norms and GELU; the hidden
#: values of its MLP too; all.
Checkpointing = Literal["none", "light", "selective", "full"]


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


class Attention(nn.Module):
    """Self- or cross-attention with separate q and kv projections: q and v have a bias, k has none.

    Where many tokens read a few keys, as in the exchange, the projections of the tokens are folded into the keys and
    values (products are associative): the tokens then meet a matrix of heads x keys columns instead of D, twice.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q = Linear(dim, dim, bias=False)
        self.kv = Linear(dim, 2 * dim, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(dim))
        self.v_bias = nn.Parameter(torch.zeros(dim))
        self.proj = Linear(dim, dim)

    def forward(
        self, tokens: Float[Tensor, "B Q D"], context: Float[Tensor, "B K D"] | None = None
    ) -> Float[Tensor, "B Q D"]:
        """Every token attends to ``context``; without one, to the tokens themselves."""
        tokens = lowered(tokens)
        kv_bias = torch.cat((torch.zeros_like(self.v_bias), self.v_bias))
        key_value = self.kv.mapped(tokens if context is None else context, kv_bias)
        if context is not None and _folding_pays(tokens.shape[1], context.shape[1], tokens.shape[2], self.num_heads):
            return self._folded(tokens, key_value)
        query = self.q.mapped(tokens, self.q_bias)
        query = rearrange(query, "b n (heads d) -> b heads n d", heads=self.num_heads)
        key, value = rearrange(key_value, "b n (two heads d) -> two b heads n d", two=2, heads=self.num_heads)
        mixed: Tensor = self.proj(rearrange(attend(query, key, value), "b heads n d -> b n (heads d)"))
        return mixed

    def _folded(self, tokens: Float[Tensor, "B Q D"], key_value: Float[Tensor, "B K E"]) -> Float[Tensor, "B Q D"]:
        """The same result, up to rounding, with q and proj multiplied into the keys and values (E = 2D)."""
        batch, heads = len(tokens), self.num_heads
        key, value = rearrange(key_value, "b k (two heads d) -> two heads (b k) d", two=2, heads=heads)
        scale = key.shape[-1] ** -0.5
        reading = key @ rearrange(self.q.weight_for(tokens), "(heads d) i -> heads d i", heads=heads)
        offset = key @ rearrange(self.q_bias, "(heads d) -> heads d 1", heads=heads)
        writing = value @ rearrange(self.proj.weight_for(tokens), "o (heads d) -> heads d o", heads=heads)
        scores = torch.baddbmm(
            rearrange(offset, "heads (b k) 1 -> b 1 (k heads)", b=batch),
            tokens,
            rearrange(reading, "heads (b k) i -> b (k heads) i", b=batch).transpose(1, 2),
            beta=scale,
            alpha=scale,
        )
        # Heads last: softmax over the few keys then takes all heads at once, a third of the time.
        shares = rearrange(scores, "b q (k heads) -> b q k heads", heads=heads).softmax(dim=2)
        return torch.baddbmm(
            self.proj.bias,
            rearrange(shares, "b q k heads -> b q (k heads)"),
            rearrange(writing, "heads (b k) o -> b (k heads) o", b=batch),
        )


def _folding_pays(queries: int, keys: int, dim: int, heads: int) -> bool:
    """Whether folding halves the multiply-adds at least; narrow products are slower for their size.

    Never while a graph is made for elsewhere: there products with weights are what can be quantised.
    """
    plain, folded = queries * (dim + keys), queries * heads * keys + keys * dim
    return 2 * folded <= plain and not torch.compiler.is_compiling() and not torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]


class FusedAttention(nn.Module):
    """Self-attention with one qkv projection (VideoMAE): the same bias rule as :class:`Attention`."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = Linear(dim, 3 * dim, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(dim))
        self.v_bias = nn.Parameter(torch.zeros(dim))
        self.proj = Linear(dim, dim)

    def forward(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """Every token attends to all."""
        return self.mix(self.project(tokens), tokens.shape[1])

    def project(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B N E"]:
        """Queries, keys and values of tokens (E = 3D)."""
        bias = torch.cat((self.q_bias, torch.zeros_like(self.v_bias), self.v_bias))
        return self.qkv.mapped(tokens, bias)

    def mix(self, projected: Float[Tensor, "B N E"], read: int) -> Float[Tensor, "B Q D"]:
        """What the last ``read`` (Q) tokens get of all."""
        pattern = "b n (three heads d) -> three b heads n d"
        query, key, value = rearrange(projected, pattern, three=3, heads=self.num_heads)
        mixed: Tensor = self.proj(rearrange(attend(query[:, :, -read:], key, value), "b heads n d -> b n (heads d)"))
        return mixed


class Mlp(nn.Module):
    """Two linear maps with the exact (erf) GELU between."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = Linear(dim, hidden)
        self.fc2 = Linear(hidden, dim)

    def forward(self, tokens: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Token by token."""
        mapped: Tensor = self.fc2(gelu(self.fc1(tokens)))
        return mapped


class DropPath(nn.Module):
    """Stochastic depth: in training, drops a residual branch for whole entries of the first axis.

    Args:
        rate: share of entries that are dropped.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.parts = 1
        self.part: Tensor | None = None  # a tensor, so that a compiled model need not be compiled for each part

    def forward(self, branch: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """The branch, or zeros for the dropped entries; the kept ones are scaled to the same mean."""
        if not self.training or self.rate == 0.0:
            return branch
        drawn = torch.rand(self.parts, branch.shape[0], 1, 1, device=branch.device)
        own = drawn[0] if self.part is None else drawn.index_select(0, self.part)[0]
        return branch * (own >= self.rate).to(branch.dtype) / (1 - self.rate)  # 1 / (1 - rate) is no bfloat16


def share_drop_paths(model: nn.Module, share: BatchShare) -> None:
    """Let every drop path of ``model`` draw for the whole global batch and use the rows of ``share``.

    The entries of a clip (its regions) follow each other, so a share of the clips is a share of the entries.
    """
    paths = [module for module in model.modules() if isinstance(module, DropPath)]
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    part = torch.tensor([share.index], device=device) if share.count > 1 else None
    for path in paths:
        path.parts, path.part = share.count, part


class Block(nn.Module):
    """A residual block that ends in an MLP."""

    checkpointing: Checkpointing = "none"
    mlp_norm: nn.LayerNorm
    mlp: Mlp

    def normed(
        self,
        tokens: Float[Tensor, "B N D"],
        norm: nn.Module,
        read: Callable[[Float[Tensor, "B N D"]], Float[Tensor, "B Q E"]],
    ) -> Float[Tensor, "B Q E"]:
        """``read`` of the normalised tokens, which need not be kept."""
        return remade(tokens, (norm,), read) if self._saves() else read(norm(tokens))

    def mlp_branch(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """Norm and MLP."""
        if not self._saves():
            mapped: Tensor = self.mlp(self.mlp_norm(tokens))
            return mapped
        fc1, fc2 = self.mlp.fc1, self.mlp.fc2
        if self.checkpointing == "selective":
            return remade(tokens, (self.mlp_norm, fc1, F.gelu), fc2)
        return remade(tokens, (self.mlp_norm,), lambda normed: remade(fc1(normed), (F.gelu,), fc2))

    def _saves(self) -> bool:
        return self.checkpointing != "none" and torch.is_grad_enabled()


class BlockStack(nn.Module):
    """A network of blocks, whose activations may be computed again in the backward pass instead of being kept."""

    checkpointing: Checkpointing = "none"

    def through(
        self, block: Callable[[Float[Tensor, "*B D"]], Float[Tensor, "*C D"]], tokens: Float[Tensor, "*B D"]
    ) -> Float[Tensor, "*C D"]:
        """``block(tokens)``; the block's random draws are the same when it is computed again."""
        if self.checkpointing != "full" or not torch.is_grad_enabled():
            return block(tokens)
        result: Tensor = checkpoint(block, tokens, use_reentrant=False)
        return result


def checkpoint_activations(model: nn.Module, checkpointing: Checkpointing) -> None:
    """Say how much all blocks and stacks of blocks in ``model`` compute again."""
    for module in model.modules():
        if isinstance(module, BlockStack):
            module.checkpointing = checkpointing
        elif isinstance(module, Block):  # within a block that is computed again as a whole nothing is left to save
            module.checkpointing = "none" if checkpointing == "full" else checkpointing
