"""From a normalised clip to tokens by convolutions: for encoders that learn from few clips (ours, not the paper's).

A linear map of whole tubelets has to learn what an edge is for each place inside a patch by itself; convolutions share
it over all places. Batch norm, up to the tokens themselves, takes away what all faces have in common, which layer norm
leaves in, and which hides what differs between two expressions (docs/training.md gives the figures). Masking follows
ConvMAE (Gao et al. 2022): hidden tubelets are black before every stage, and nothing of them reaches a visible token.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from maedfer.config import EncoderConfig
from maedfer.errors import ConfigError
from maedfer.models.batch_norm import BatchNorm
from maedfer.models.grid import RegionGrid
from maedfer.models.layers import sincos_positions

__all__ = ["ConvolutionalEmbedding"]

#: Channels of each stage, over the first one's; every stage halves the side.
_WIDENING = (1, 2, 4, 6, 8)


class ConvolutionalEmbedding(nn.Module):
    """Every frame through residual convolutions down to one vector a patch; the frames of a tubelet are joined.

    Args:
        config: with ``stem_width``, the channels of the first stage.
    """

    positions: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        if config.stem_width is None:
            raise ConfigError("ConvolutionalEmbedding: expected stem_width, got None; use TubeletEmbedding")
        self.grid = RegionGrid.of(config)
        self.tubelet_size = config.tubelet_size
        widths = [config.stem_width * share for share in _WIDENING[: config.patch_size.bit_length() - 1]]
        self.first = nn.Conv2d(3, widths[0], 3, stride=2, padding=1, bias=False)
        self.first_norm = BatchNorm(widths[0])
        self.stages = nn.ModuleList(_Stage(*pair) for pair in pairwise(widths))
        self.join = nn.Linear(config.tubelet_size * widths[-1], config.embed_dim, bias=False)
        self.join_norm = BatchNorm(config.embed_dim)
        self.register_buffer("positions", sincos_positions(self.grid.num_tokens, config.embed_dim), persistent=False)

    def initialise(self) -> None:
        """Deviations that keep the size of activations from stage to stage."""
        # On the meta device a file will bring the weights; drawing them would load torch's compiler, which takes 2 s.
        if self.join.weight.is_meta:
            return
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.xavier_uniform_(self.join.weight)

    def forward(
        self, pixels: Float[Tensor, "B 3 T H W"], keep: Int64[Tensor, "B R K"] | None = None
    ) -> Float[Tensor, "B R K D"]:
        """Tokens region by region; those of the row-major indices ``keep``, or all."""
        visible = None if keep is None else self._visible(keep)
        frames = rearrange(pixels, "b c t h w -> (b t) c h w").contiguous(memory_format=torch.channels_last)
        frames = F.relu(self.first_norm(self.first(_hide(frames, visible))))
        for stage in self.stages:
            frames = stage(_hide(frames, visible))
        joined = rearrange(frames, "(b t p) d h w -> b (t h w) (p d)", b=pixels.shape[0], p=self.tubelet_size)
        if keep is None:
            return self.grid.group(self._tokens(joined) + self.positions)
        flat = rearrange(keep, "b r k -> b (r k)")
        chosen = joined[rearrange(torch.arange(len(flat), device=flat.device), "b -> b 1"), flat]
        return rearrange(self._tokens(chosen) + self.positions[flat], "b (r k) d -> b r k d", r=keep.shape[1])

    def _tokens(self, joined: Float[Tensor, "B N P"]) -> Float[Tensor, "B N D"]:
        tokens: Tensor = self.join_norm(rearrange(self.join(joined), "b n d -> (b n) d"))
        return rearrange(tokens, "(b n) d -> b n d", b=joined.shape[0])

    def _visible(self, keep: Int64[Tensor, "B R K"]) -> Bool[Tensor, "F 1 h w"]:
        """Which patches of each frame are visible."""
        time, rows, columns = self.grid.tokens
        seen = torch.zeros(len(keep), self.grid.num_tokens, dtype=torch.bool, device=keep.device)
        seen.scatter_(1, rearrange(keep, "b r k -> b (r k)"), True)
        return repeat(seen, "b (t h w) -> (b t p) 1 h w", t=time, h=rows, w=columns, p=self.tubelet_size)


class _Stage(nn.Module):
    """A residual block of two convolutions (He et al. 2016) that halves the side."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        self.norm1 = BatchNorm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = BatchNorm(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=2, bias=False)
        self.shortcut_norm = BatchNorm(outputs)

    def forward(self, frames: Float[Tensor, "F I H W"]) -> Float[Tensor, "F O h w"]:
        changed = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(frames)))))
        return F.relu(changed + self.shortcut_norm(self.shortcut(frames)))


def _hide(frames: Float[Tensor, "F C H W"], visible: Bool[Tensor, "F 1 h w"] | None) -> Float[Tensor, "F C H W"]:
    """Frames with the hidden patches black (0, the mean of normalised pixels)."""
    if visible is None:
        return frames
    return frames * F.interpolate(visible.to(frames.dtype), size=frames.shape[-2:])
