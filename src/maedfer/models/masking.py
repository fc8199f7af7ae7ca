"""Which tokens pre-training hides: drawn per region of the spatial grid and shared by all frames (paper section 3.1).

Every spatial window of a region keeps the same number of patches, so every region keeps the same number of tokens and
the encoder works on one dense tensor. A ViT has one window, the whole frame: that is VideoMAE's tube masking.
"""

from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Int64
from torch import Tensor

from maedfer.errors import ConfigError
from maedfer.models.grid import RegionGrid

__all__ = ["TokenMask", "draw_mask", "kept_patches", "mask_from_boolean", "published_grouping"]


@dataclass(frozen=True)
class TokenMask:
    """Visible and hidden tokens as row-major indices.

    Attributes:
        keep: visible tokens, region by region, ascending inside a region.
        drop: hidden tokens, ascending.
    """

    keep: Int64[Tensor, "B R K"]
    drop: Int64[Tensor, "B M"]

    @property
    def hidden(self) -> Bool[Tensor, "B N"]:
        """True where a token is hidden, in row-major order."""
        batch, regions, kept = self.keep.shape
        empty = torch.zeros(batch, regions * kept + self.drop.shape[1], dtype=torch.bool, device=self.drop.device)
        return empty.scatter(1, self.drop, True)


def kept_patches(grid: RegionGrid, mask_ratio: float) -> int:
    """Patches that a spatial window keeps: all but the whole part of ``mask_ratio`` times its patches.

    Raises:
        ConfigError: the ratio would keep none or hide none.
    """
    patches = grid.region[1] * grid.region[2]
    kept = patches - int(mask_ratio * patches + 1e-9)
    if not 0 < kept < patches:
        raise ConfigError(
            f"mask_ratio {mask_ratio}: a window of {patches} patches would keep {kept}; expected 1 to {patches - 1}, "
            "choose another ratio or larger regions"
        )
    return kept


def draw_mask(
    grid: RegionGrid,
    mask_ratio: float,
    batch: int,
    *,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> TokenMask:
    """A random mask for every clip of a batch, the same for the same ``generator`` state.

    Raises:
        ConfigError: see :func:`kept_patches`.
    """
    kept = kept_patches(grid, mask_ratio)
    (_, nh, nw), (_, h, w) = grid.regions, grid.region
    where = torch.device(device) if generator is None else generator.device
    noise = torch.rand(batch, nh * nw, h * w, generator=generator, device=where).to(device)
    hidden = torch.ones_like(noise, dtype=torch.bool).scatter(2, noise.argsort(dim=2)[:, :, :kept], False)
    frame = rearrange(hidden, "b (nh nw) (h w) -> b (nh h nw w)", nh=nh, nw=nw, h=h, w=w)
    return _from_boolean(grid, repeat(frame, "b s -> b (t s)", t=grid.tokens[0]), kept * grid.region[0])


def mask_from_boolean(grid: RegionGrid, hidden: Bool[Tensor, "B N"]) -> TokenMask:
    """The mask given by booleans in row-major order (True = hidden).

    Raises:
        ConfigError: another number of tokens, or regions that keep different numbers of tokens.
    """
    if hidden.shape[1] != grid.num_tokens:
        raise ConfigError(f"mask: expected {grid.num_tokens} tokens (grid {grid.tokens}), got {hidden.shape[1]}")
    counts = (~grid.group(hidden)).sum(dim=2)
    kept = int(counts.max())
    if int(counts.min()) != kept or not 0 < kept < grid.region_tokens:
        raise ConfigError(
            f"mask: expected every region of {grid.region} to keep the same number of its {grid.region_tokens} tokens "
            f"(at least one, not all), got {int(counts.min())} to {kept}; draw it with draw_mask on the same grid"
        )
    return _from_boolean(grid, hidden, kept)


def published_grouping(grid: RegionGrid, hidden: Bool[Tensor, "B N"]) -> TokenMask:
    """The mask as the published code reads it: visible tokens are dealt to the regions by their row-major rank.

    That is the true region of every token when regions span the grid's width and the mask keeps equal numbers in all of
    them (as in the released model); otherwise tokens land in other regions, as they did when those weights were made.

    Raises:
        ConfigError: the visible tokens cannot be dealt out evenly.
    """
    counts = (~hidden).sum(dim=1)
    visible = int(counts.max())
    if int(counts.min()) != visible or visible % (grid.num_regions * grid.region[0]) or visible == 0:
        raise ConfigError(
            f"mask: expected one number of visible tokens that {grid.num_regions} regions of {grid.region[0]} steps in "
            f"time share evenly, got {int(counts.min())} to {visible}"
        )
    (nt, nh, nw), (t, _, _) = grid.regions, grid.region
    keep = hidden.to(torch.uint8).argsort(dim=1, stable=True)[:, :visible]
    return TokenMask(
        keep=rearrange(keep, "b (nt t s k) -> b (nt s) (t k)", nt=nt, t=t, s=nh * nw),
        drop=(~hidden).to(torch.uint8).argsort(dim=1, stable=True)[:, : grid.num_tokens - visible],
    )


def _from_boolean(grid: RegionGrid, hidden: Bool[Tensor, "B N"], kept: int) -> TokenMask:
    order = grid.group(hidden).to(torch.uint8).argsort(dim=2, stable=True)[:, :, :kept]
    indices = repeat(grid.indices().to(hidden.device), "r l -> b r l", b=hidden.shape[0])
    masked = grid.num_tokens - kept * grid.num_regions
    return TokenMask(
        keep=indices.gather(2, order), drop=(~hidden).to(torch.uint8).argsort(dim=1, stable=True)[:, :masked]
    )
