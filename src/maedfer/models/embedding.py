"""From a normalised clip to tokens with positions; the only place that cuts pixels for the encoders."""

import math

import torch
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn

from maedfer.config import EncoderConfig
from maedfer.models.grid import RegionGrid
from maedfer.models.layers import sincos_positions
from maedfer.models.linear import linear
from maedfer.models.stem import ConvolutionalEmbedding

__all__ = ["TubeletEmbedding", "build_embedding"]


class TubeletEmbedding(nn.Module):
    """One linear map of every tubelet plus its fixed position.

    The weight has the shape of the equivalent Conv3d (kernel = stride). Being a map of single tubelets, it embeds only
    those that are visible.
    """

    positions: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.grid = RegionGrid.of(config)
        kernel = (config.tubelet_size, config.patch_size, config.patch_size)
        self.weight = nn.Parameter(torch.empty(config.embed_dim, 3, *kernel))
        self.bias = nn.Parameter(torch.empty(config.embed_dim))
        bound = 1 / math.sqrt(3 * math.prod(kernel))
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)
        positions = sincos_positions(self.grid.num_tokens, config.embed_dim)
        self.register_buffer("positions", positions, persistent=False)

    def forward(
        self, pixels: Float[Tensor, "B 3 T H W"], keep: Int64[Tensor, "B R K"] | None = None
    ) -> Float[Tensor, "B R K D"]:
        """Tokens region by region; those of the row-major indices ``keep``, or all."""
        if keep is None:
            return self.grid.group(self.project(self.cut(pixels)) + self.positions)
        flat = rearrange(keep, "b r k -> b (r k)")
        tokens = self.project(self.cut(pixels, flat)) + self.positions[flat]
        return rearrange(tokens, "b (r k) d -> b r k d", r=keep.shape[1])

    def cut(
        self, pixels: Float[Tensor, "B 3 T H W"], chosen: Int64[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "B N P"]:
        """The clip's tubelets, values in the weight's order (channel, frame, row, column).

        Only those of the row-major indices ``chosen``, which spares copying the others; without it all, in row-major
        order.
        """
        _, _, frames, rows, columns = self.weight.shape
        pattern = "b c (t p) (h q) (w r) -> b t h w c p q r"
        tubelets = rearrange(pixels, pattern, p=frames, q=rows, r=columns)
        if chosen is None:
            return rearrange(tubelets, "b t h w c p q r -> b (t h w) (c p q r)")
        clips = torch.arange(len(pixels), device=pixels.device)
        visible = tubelets[rearrange(clips, "b -> b 1"), *torch.unravel_index(chosen, self.grid.tokens)]
        return rearrange(visible, "b n c p q r -> b n (c p q r)")

    def project(self, tubelets: Float[Tensor, "B N P"]) -> Float[Tensor, "B N D"]:
        """The linear map of tubelets that :meth:`cut` made."""
        return linear(tubelets, rearrange(self.weight, "d c p q r -> d (c p q r)"), self.bias)


def build_embedding(config: EncoderConfig) -> TubeletEmbedding | ConvolutionalEmbedding:
    """The embedding that ``config`` describes."""
    return TubeletEmbedding(config) if config.stem_width is None else ConvolutionalEmbedding(config)
