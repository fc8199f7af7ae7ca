"""LGI-Former, the local-global interaction transformer (paper section 3.2), with the paper's ablations."""

from functools import partial
from typing import Literal

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int64
from torch import Tensor, nn

from maedfer.config import LGIFormerConfig
from maedfer.models.embedding import build_embedding
from maedfer.models.grid import RegionGrid
from maedfer.models.kernels import add_branch
from maedfer.models.layers import LAYER_NORM_EPS, Attention, Block, BlockStack, DropPath, Mlp, drop_rates

__all__ = ["LGIBlock", "LGIFormer"]


class LGIBlock(Block):
    """One block of LGI-Former: local attention, global attention, local-global exchange, MLP; pre-norm and residual.

    Tokens come as (B, R, S, D): R regions, each its representative token followed by its local tokens. The ablations of
    the paper's tables 6 and 7 are fields of the config.
    """

    def __init__(self, config: LGIFormerConfig, drop_path: float) -> None:
        super().__init__()
        dim, heads = config.embed_dim, config.num_heads
        self.drop_path = DropPath(drop_path)
        self.local_norm = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        self.local_context_norm = (
            nn.LayerNorm(dim, eps=LAYER_NORM_EPS) if config.local_step == "representative" else None
        )
        self.local_attention = Attention(dim, heads)
        self.global_norm = nn.LayerNorm(dim, eps=LAYER_NORM_EPS) if config.global_step else None
        self.global_attention = Attention(dim, heads) if config.global_step else None
        self.exchange_norm = nn.LayerNorm(dim, eps=LAYER_NORM_EPS) if config.exchange_step != "none" else None
        self.exchange_context_norm = nn.LayerNorm(dim, eps=LAYER_NORM_EPS) if config.exchange_step == "cross" else None
        owns_exchange = config.exchange_step != "none" and not config.share_local_exchange
        self.exchange_attention = Attention(dim, heads) if owns_exchange else None
        self.mlp_norm = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        self.mlp = Mlp(dim, int(dim * config.mlp_ratio))

    def forward(self, tokens: Float[Tensor, "B R S D"]) -> Float[Tensor, "B R S D"]:
        """The whole block."""
        tokens = self.local(tokens)
        representative = self.global_(tokens[:, :, 0])
        tokens = self.exchange(representative, tokens[:, :, 1:])
        return self.feed_forward(tokens)

    def representatives(self, tokens: Float[Tensor, "B R S D"]) -> Float[Tensor, "B R D"]:
        """The representative tokens that :meth:`forward` returns, without the work that only local tokens need."""
        if self.exchange_norm is not None and self.exchange_context_norm is None:
            tokens = self.local(tokens)
            representative = self.global_(tokens[:, :, 0])
            representative = self.exchange_representative(representative, tokens[:, :, 1:])
        else:
            representative = self.global_(self.local_representative(tokens))
        return self.feed_forward(rearrange(representative, "b r d -> b r 1 d"))[:, :, 0]

    def local(self, tokens: Float[Tensor, "B R S D"]) -> Float[Tensor, "B R S D"]:
        """Step 1: self-attention inside each region (ablation: only the representative token changes)."""
        if self.local_context_norm is not None:
            representative = self.local_representative(tokens)
            return torch.cat((rearrange(representative, "b r d -> b r 1 d"), tokens[:, :, 1:]), dim=2)
        regions = rearrange(tokens, "b r s d -> (b r) s d")
        regions = self._add(regions, self.normed(regions, self.local_norm, self.local_attention))
        return rearrange(regions, "(b r) s d -> b r s d", b=tokens.shape[0])

    def local_representative(self, tokens: Float[Tensor, "B R S D"]) -> Float[Tensor, "B R D"]:
        """Step 1 for the representative tokens alone."""
        regions = rearrange(tokens, "b r s d -> (b r) s d")
        if self.local_context_norm is not None:
            query, context = self.local_norm(regions[:, :1]), self.local_context_norm(regions[:, 1:])
        else:
            context = self.local_norm(regions)
            query = context[:, :1]
        updated = self._add(regions[:, :1], self.local_attention(query, context))
        return rearrange(updated, "(b r) 1 d -> b r d", b=tokens.shape[0])

    def global_(self, representative: Float[Tensor, "B R D"]) -> Float[Tensor, "B R D"]:
        """Step 2: self-attention over the representative tokens of all regions."""
        if self.global_norm is None or self.global_attention is None:
            return representative
        return self._add(representative, self.global_attention(self.global_norm(representative)))

    def exchange(
        self, representative: Float[Tensor, "B R D"], local: Float[Tensor, "B R K D"]
    ) -> Float[Tensor, "B R S D"]:
        """Step 3: local tokens of all regions read from all representative tokens, which do not change.

        Ablations: self-attention inside each region, or nothing.
        """
        if self.exchange_norm is None:
            return _join(representative, local)
        attention = self.exchange_attention or self.local_attention
        if self.exchange_context_norm is None:
            regions = rearrange(_join(representative, local), "b r s d -> (b r) s d")
            regions = self._add(regions, self.normed(regions, self.exchange_norm, attention))
            return rearrange(regions, "(b r) s d -> b r s d", b=local.shape[0])
        flat = rearrange(local, "b r k d -> b (r k) d")
        context = self.exchange_context_norm(representative)
        flat = self._add(flat, self.normed(flat, self.exchange_norm, partial(attention, context=context)))
        return _join(representative, rearrange(flat, "b (r k) d -> b r k d", r=local.shape[1]))

    def exchange_representative(
        self, representative: Float[Tensor, "B R D"], local: Float[Tensor, "B R K D"]
    ) -> Float[Tensor, "B R D"]:
        """Step 3 of the self-attention ablation for the representative tokens alone."""
        if self.exchange_norm is None:
            return representative
        attention = self.exchange_attention or self.local_attention
        regions = rearrange(_join(representative, local), "b r s d -> (b r) s d")
        context = self.exchange_norm(regions)
        updated = self._add(regions[:, :1], attention(context[:, :1], context))
        return rearrange(updated, "(b r) 1 d -> b r d", b=local.shape[0])

    def feed_forward(self, tokens: Float[Tensor, "B R S D"]) -> Float[Tensor, "B R S D"]:
        """Step 4: the MLP on every token."""
        regions = rearrange(tokens, "b r s d -> (b r) s d")
        regions = self._add(regions, self.mlp_branch(regions))
        return rearrange(regions, "(b r) s d -> b r s d", b=tokens.shape[0])

    def _add(self, tokens: Float[Tensor, "B N D"], branch: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        return add_branch(tokens, self.drop_path(branch))

    def begin_as_identity(self) -> None:
        """Give tokens on as they come until training has changed that: every residual branch ends in zeros."""
        for part in (self.local_attention, self.global_attention, self.exchange_attention):
            if part is not None:
                nn.init.zeros_(part.proj.weight)
        nn.init.zeros_(self.mlp.fc2.weight)

    def unread_parameters(self, result: Literal["representative", "local"]) -> list[nn.Parameter]:
        """The parameters that do not change these tokens; frozen in a last block of which only those are read."""
        parts: tuple[nn.Module | None, ...] = ()
        if result == "representative" and self.exchange_context_norm is not None:
            parts = (self.exchange_norm, self.exchange_context_norm, self.exchange_attention)
        elif result == "local" and self.exchange_norm is None:
            parts = (self.global_norm, self.global_attention)
        return [parameter for part in parts if part is not None for parameter in part.parameters()]


class LGIFormer(BlockStack):
    """Embedding, positions, representative tokens and LGI blocks; no final norm."""

    def __init__(self, config: LGIFormerConfig) -> None:
        super().__init__()
        self.config = config
        self.grid = RegionGrid.of(config)
        self.embed = build_embedding(config)
        self.representative_tokens = nn.Parameter(torch.empty(self.grid.num_regions, config.embed_dim))
        nn.init.trunc_normal_(self.representative_tokens, std=0.02)
        self.blocks = nn.ModuleList(LGIBlock(config, rate) for rate in drop_rates(config.drop_path, config.depth))

    def forward(
        self, pixels: Float[Tensor, "B 3 T H W"], keep: Int64[Tensor, "B R K"] | None = None
    ) -> Float[Tensor, "B R S D"]:
        """Every region's representative token followed by its local tokens, as the last block leaves them.

        Args:
            pixels: normalised clip.
            keep: row-major indices of the visible tokens, region by region; all tokens without it.
        """
        tokens = self.tokens(pixels, keep)
        for block in self.blocks:
            tokens = self.through(block, tokens)
        return tokens

    def tokens(
        self, pixels: Float[Tensor, "B 3 T H W"], keep: Int64[Tensor, "B R K"] | None = None
    ) -> Float[Tensor, "B R S D"]:
        """The tokens that enter the first block."""
        representative = repeat(self.representative_tokens, "r d -> b r d", b=pixels.shape[0])
        return _join(representative, self.embed(pixels, keep))

    def local_tokens(
        self, pixels: Float[Tensor, "B 3 T H W"], keep: Int64[Tensor, "B R K"] | None = None
    ) -> Float[Tensor, "B R K D"]:
        """The local tokens of :meth:`forward`, region by region."""
        tokens: Tensor = self(pixels, keep)
        return tokens[:, :, 1:]

    def representatives(self, pixels: Float[Tensor, "B 3 T H W"]) -> Float[Tensor, "B R D"]:
        """The representative tokens of :meth:`forward`; the last block skips what only its local tokens need."""
        tokens = self.tokens(pixels)
        for block in self.blocks[:-1]:
            tokens = self.through(block, tokens)
        return self.through(self.last_block.representatives, tokens)

    @property
    def last_block(self) -> LGIBlock:
        """The block whose local tokens representative pooling never reads."""
        block = self.blocks[-1]
        assert isinstance(block, LGIBlock)
        return block


def _join(representative: Float[Tensor, "B R D"], local: Float[Tensor, "B R K D"]) -> Float[Tensor, "B R S D"]:
    return torch.cat((rearrange(representative, "b r d -> b r 1 d"), local), dim=2)
