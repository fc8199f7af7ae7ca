"""The decoder of pre-training: plain ViT blocks over visible and hidden tokens (paper section 3.3).

Before the first block a hidden token is the mask token plus a position, the same in all clips; after the last block
nobody reads the visible tokens. The work that follows from neither is left out; the values are those of plain blocks.
"""

from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from maedfer.config import DecoderConfig
from maedfer.models.layers import LAYER_NORM_EPS, BlockStack
from maedfer.models.linear import Linear
from maedfer.models.vit import ViTBlock

__all__ = ["Decoder", "DecoderBlock", "HiddenTokens"]


class HiddenTokens(NamedTuple):
    """Hidden tokens as they enter the decoder.

    Attributes:
        table: (N, D), what a hidden token is at each of the N positions.
        positions: (B, M), row-major positions of the hidden tokens.
    """

    table: Tensor
    positions: Tensor

    def look_up(self, rows: Float[Tensor, "N C"]) -> Float[Tensor, "B M C"]:
        """Of one row a position, those of the hidden tokens; its gradients are summed in float32 at least."""
        wide = rows.to(torch.promote_types(rows.dtype, torch.float32))
        return F.embedding(self.positions, wide).to(rows.dtype)

    @property
    def repeats(self) -> bool:
        """Whether there are more hidden tokens than different ones."""
        return self.positions.numel() > len(self.table)


class DecoderBlock(ViTBlock):
    """A ViT block that can leave out what its place in the decoder makes needless. It has no drop path."""

    def forward(
        self, tokens: Float[Tensor, "B N D"], hidden: HiddenTokens | None = None, read: int | None = None
    ) -> Float[Tensor, "B Q D"]:
        """The last ``read`` of the tokens as the whole block leaves them; all without it.

        Args:
            tokens: visible and hidden ones.
            hidden: what the last tokens are, if they repeat from clip to clip.
            read: Q.
        """
        if hidden is None:
            projected = self.project(tokens)
        else:
            visible = tokens.shape[1] - hidden.positions.shape[1]
            parts = (self.project(tokens[:, :visible]), hidden.look_up(self.project(hidden.table[None])[0]))
            projected = torch.cat(parts, dim=1)
        read = tokens.shape[1] if read is None else read
        tokens = tokens[:, -read:] + self.attention.mix(projected, read)
        return tokens + self.mlp_branch(tokens)

    def project(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B N E"]:
        """Norm, queries, keys and values of tokens."""
        return self.normed(tokens, self.attention_norm, self.attention.project)


class Decoder(BlockStack):
    """Plain ViT blocks, a LayerNorm and a linear map to the values of a tubelet."""

    def __init__(self, config: DecoderConfig, tubelet_values: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            DecoderBlock(config.embed_dim, config.num_heads, config.mlp_ratio, 0.0) for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.embed_dim, eps=LAYER_NORM_EPS)
        self.head = Linear(config.embed_dim, tubelet_values)

    def forward(self, visible: Float[Tensor, "B V D"], hidden: HiddenTokens) -> Float[Tensor, "B M P"]:
        """Values of the hidden tokens."""
        tokens = torch.cat((visible, hidden.look_up(hidden.table)), dim=1)
        for number, block in enumerate(self.blocks):
            repeated = hidden if number == 0 and hidden.repeats else None
            read = hidden.positions.shape[1] if number == len(self.blocks) - 1 else None
            tokens = self.through(partial(block, hidden=repeated, read=read), tokens)
        values: Tensor = self.head(self.norm(tokens))
        return values
