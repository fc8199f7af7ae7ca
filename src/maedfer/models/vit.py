"""The plain ViT of VideoMAE: the baseline encoder, and the blocks of the decoder.

Like LGI-Former it takes a normalised clip and, in pre-training, the indices of its visible tokens, and hands out local
tokens region by region: here the whole grid is one region, and there are no representative tokens.
"""

from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn

from maedfer.config import EncoderConfig, LGIFormerConfig, ViTConfig
from maedfer.models.embedding import build_embedding
from maedfer.models.encoder import LGIFormer
from maedfer.models.grid import RegionGrid
from maedfer.models.kernels import add_branch
from maedfer.models.layers import LAYER_NORM_EPS, Block, BlockStack, DropPath, FusedAttention, Mlp, drop_rates

__all__ = ["ViTBlock", "ViTEncoder", "build_encoder"]


class ViTBlock(Block):
    """A plain transformer block: self-attention over all tokens, MLP; pre-norm and residual."""

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float, drop_path: float) -> None:
        super().__init__()
        self.drop_path = DropPath(drop_path)
        self.attention_norm = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        self.attention = FusedAttention(dim, num_heads)
        self.mlp_norm = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))

    def forward(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """The whole block."""
        tokens = add_branch(tokens, self.drop_path(self.normed(tokens, self.attention_norm, self.attention)))
        return add_branch(tokens, self.drop_path(self.mlp_branch(tokens)))

    def begin_as_identity(self) -> None:
        """Give tokens on as they come until training has changed that: every residual branch ends in zeros."""
        nn.init.zeros_(self.attention.proj.weight)
        nn.init.zeros_(self.mlp.fc2.weight)


class ViTEncoder(BlockStack):
    """The encoder of VideoMAE: joint attention over all tokens, which are handed out as one region."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.config = config
        self.grid = RegionGrid.of(config)
        self.embed = build_embedding(config)
        self.blocks = nn.ModuleList(
            ViTBlock(config.embed_dim, config.num_heads, config.mlp_ratio, rate)
            for rate in drop_rates(config.drop_path, config.depth)
        )

    def forward(
        self, pixels: Float[Tensor, "B 3 T H W"], keep: Int64[Tensor, "B 1 K"] | None = None
    ) -> Float[Tensor, "B 1 K D"]:
        """Local tokens of a normalised clip; only the visible ones where ``keep`` gives their row-major indices."""
        tokens: Tensor = rearrange(self.embed(pixels, keep), "b 1 k d -> b k d")
        for block in self.blocks:
            tokens = self.through(block, tokens)
        return rearrange(tokens, "b k d -> b 1 k d")

    def local_tokens(
        self, pixels: Float[Tensor, "B 3 T H W"], keep: Int64[Tensor, "B 1 K"] | None = None
    ) -> Float[Tensor, "B 1 K D"]:
        """The same as :meth:`forward`, under the name both encoders share."""
        tokens: Tensor = self(pixels, keep)
        return tokens


def build_encoder(config: EncoderConfig) -> LGIFormer | ViTEncoder:
    """The encoder that ``config`` describes."""
    return LGIFormer(config) if isinstance(config, LGIFormerConfig) else ViTEncoder(config)
