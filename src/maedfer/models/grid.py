"""The region grid: one object that feeds masking, encoder and positions, so that they cannot disagree.

Token grid ``(t, h, w)``, row-major over (time, row, column), cut into regions of one shape in row-major order of
regions (paper section 3.2). A plain ViT is the case of one region that covers the grid.
"""

import math
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Int64, Shaped
from torch import Tensor

from maedfer.config import EncoderConfig, LGIFormerConfig
from maedfer.errors import ConfigError

__all__ = ["RegionGrid"]

_MOST_TOKENS = 1 << 16  # 10 times a 64-frame clip at 224 pixels: a larger grid is a broken or hostile config file


@dataclass(frozen=True)
class RegionGrid:
    """A token grid and the shape of its regions.

    Attributes:
        tokens: tokens along (time, rows, columns).
        region: tokens of a region along the same axes; divides ``tokens``.
    """

    tokens: tuple[int, int, int]
    region: tuple[int, int, int]

    def __post_init__(self) -> None:
        if min(self.region) < 1 or any(whole % part for whole, part in zip(self.tokens, self.region, strict=True)):
            raise ConfigError(f"region {self.region} must divide the token grid {self.tokens}; choose a divisor")
        if math.prod(self.tokens) > _MOST_TOKENS:
            raise ConfigError(f"token grid {self.tokens}: expected at most {_MOST_TOKENS} tokens; use larger patches")

    @classmethod
    def of(cls, config: EncoderConfig) -> "RegionGrid":
        """The grid of an encoder; a ViT gets one region that covers everything."""
        region = config.region_size if isinstance(config, LGIFormerConfig) else config.token_grid
        return cls(config.token_grid, region)

    @property
    def regions(self) -> tuple[int, int, int]:
        """Regions along (time, rows, columns)."""
        return (
            self.tokens[0] // self.region[0],
            self.tokens[1] // self.region[1],
            self.tokens[2] // self.region[2],
        )

    @property
    def num_regions(self) -> int:
        """R, the number of regions and of representative tokens."""
        return math.prod(self.regions)

    @property
    def region_tokens(self) -> int:
        """L, the local tokens of a region."""
        return math.prod(self.region)

    @property
    def num_tokens(self) -> int:
        """N, the local tokens of a clip."""
        return math.prod(self.tokens)

    def group(self, tokens: Shaped[Tensor, "B N *D"]) -> Shaped[Tensor, "B R L *D"]:
        """Row-major tokens, region by region; inside a region row-major over (time, row, column)."""
        (nt, nh, nw), (t, h, w) = self.regions, self.region
        pattern = "b (nt t nh h nw w) ... -> b (nt nh nw) (t h w) ..."
        return rearrange(tokens, pattern, nt=nt, nh=nh, nw=nw, t=t, h=h, w=w)

    def ungroup(self, tokens: Shaped[Tensor, "B R L *D"]) -> Shaped[Tensor, "B N *D"]:
        """The inverse of :meth:`group`."""
        (nt, nh, nw), (t, h, w) = self.regions, self.region
        pattern = "b (nt nh nw) (t h w) ... -> b (nt t nh h nw w) ..."
        return rearrange(tokens, pattern, nt=nt, nh=nh, nw=nw, t=t, h=h, w=w)

    def indices(self) -> Int64[Tensor, "R L"]:
        """Row-major index of every token, region by region."""
        return self.group(torch.arange(self.num_tokens, device="cpu")[None])[0]
