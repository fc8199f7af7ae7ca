import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from maedfer.config import LGIFormerConfig, ViTConfig
from maedfer.errors import ConfigError
from maedfer.models.grid import RegionGrid
from maedfer.models.masking import TokenMask, draw_mask, kept_patches, mask_from_boolean, published_grouping

sizes = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))


def grid_of(regions: tuple[int, int, int], region: tuple[int, int, int]) -> RegionGrid:
    t, h, w = (many * part for many, part in zip(regions, region, strict=True))
    return RegionGrid((t, h, w), region)


@given(regions=sizes, region=sizes)
def test_grouping_and_back_is_the_identity(regions: tuple[int, int, int], region: tuple[int, int, int]) -> None:
    grid = grid_of(regions, region)
    tokens = torch.randn(2, grid.num_tokens, 3)
    grouped = grid.group(tokens)
    assert grouped.shape == (2, grid.num_regions, grid.region_tokens, 3)
    assert torch.equal(grid.ungroup(grouped), tokens)
    assert torch.equal(grid.indices().flatten().sort().values, torch.arange(grid.num_tokens))


@given(regions=sizes, region=sizes)
def test_a_region_is_a_box_of_neighbours(regions: tuple[int, int, int], region: tuple[int, int, int]) -> None:
    grid = grid_of(regions, region)
    place = torch.stack(torch.unravel_index(grid.indices(), grid.tokens), dim=-1)
    extent = place.amax(dim=1) - place.amin(dim=1) + 1
    assert (extent == torch.tensor(region)).all()
    corners = place[:, 0] // torch.tensor(region)
    flat = (corners[:, 0] * regions[1] + corners[:, 1]) * regions[2] + corners[:, 2]
    assert torch.equal(flat, torch.arange(grid.num_regions))


@given(regions=sizes, region=sizes, ratio=st.floats(0.05, 0.95), seed=st.integers(0, 99))
def test_mask_is_a_tube_and_keeps_equal_numbers(
    regions: tuple[int, int, int], region: tuple[int, int, int], ratio: float, seed: int
) -> None:
    grid = grid_of(regions, region)
    patches = region[1] * region[2]
    assume(1 <= patches - int(ratio * patches + 1e-9) < patches)
    mask = draw_mask(grid, ratio, 3, generator=torch.Generator().manual_seed(seed))
    kept = kept_patches(grid, ratio)
    assert mask.keep.shape == (3, grid.num_regions, kept * region[0])
    frames = mask.hidden.reshape(3, grid.tokens[0], -1)
    assert (frames == frames[:, :1]).all()
    assert ((~grid.group(mask.hidden)).sum(dim=2) == kept * region[0]).all()
    both = torch.cat((mask.keep.flatten(1), mask.drop), dim=1).sort(dim=1).values
    assert (both == torch.arange(grid.num_tokens)).all()
    assert (mask.drop.diff(dim=1) > 0).all()
    own_region = torch.zeros(grid.num_tokens, dtype=torch.long)
    own_region[grid.indices().flatten()] = torch.arange(grid.num_regions).repeat_interleave(grid.region_tokens)
    assert (own_region[mask.keep] == torch.arange(grid.num_regions)[:, None]).all()


def test_same_generator_same_mask_and_clips_differ() -> None:
    grid = RegionGrid.of(LGIFormerConfig())
    first = draw_mask(grid, 0.9, 4, generator=torch.Generator().manual_seed(1))
    again = draw_mask(grid, 0.9, 4, generator=torch.Generator().manual_seed(1))
    other = draw_mask(grid, 0.9, 4, generator=torch.Generator().manual_seed(2))
    assert torch.equal(first.keep, again.keep)
    assert not torch.equal(first.keep, other.keep)
    assert not torch.equal(first.keep[0], first.keep[1])
    assert first.keep.shape == (4, 8, 10)
    assert first.drop.shape == (4, 720)


def test_every_patch_is_kept_equally_often() -> None:
    grid = RegionGrid((1, 4, 4), (1, 2, 4))
    mask = draw_mask(grid, 0.75, 4000, generator=torch.Generator().manual_seed(0))
    share = (~mask.hidden).float().mean(dim=0)
    assert (share - 0.25).abs().max() < 0.03


def test_vit_gets_a_tube_over_the_whole_frame() -> None:
    grid = RegionGrid.of(ViTConfig())
    mask = draw_mask(grid, 0.9, 2)
    assert mask.keep.shape == (2, 1, 80)


def test_booleans_round_trip() -> None:
    grid = RegionGrid((4, 4, 4), (2, 2, 2))
    mask = draw_mask(grid, 0.5, 2)
    again = mask_from_boolean(grid, mask.hidden)
    assert torch.equal(again.keep, mask.keep)
    assert torch.equal(again.drop, mask.drop)


def test_published_grouping_agrees_where_regions_span_the_width_and_only_there() -> None:
    wide, narrow = RegionGrid((4, 4, 4), (2, 2, 4)), RegionGrid((4, 4, 4), (2, 4, 2))
    for grid in (wide, narrow):
        mask = draw_mask(grid, 0.75, 8)
        published = published_grouping(grid, mask.hidden)
        assert torch.equal(published.drop, mask.drop)
        assert torch.equal(published.keep.sort(dim=2).values, mask.keep) == (grid is wide)


@pytest.mark.parametrize("read", [mask_from_boolean, published_grouping])
def test_uneven_masks_are_refused(read: object) -> None:
    grid = RegionGrid((2, 2, 4), (1, 2, 2))
    uneven = torch.zeros(1, 16, dtype=torch.bool)
    uneven[0, :7] = True
    with pytest.raises(ConfigError, match="mask"):
        read(grid, uneven)  # type: ignore[operator]


def test_a_ratio_that_keeps_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="mask_ratio"):
        kept_patches(RegionGrid((1, 2, 2), (1, 2, 2)), 0.1)


def test_ratio_is_not_at_the_mercy_of_rounding() -> None:
    assert kept_patches(RegionGrid((1, 10, 10), (1, 10, 10)), 0.57) == 43
    assert kept_patches(RegionGrid.of(LGIFormerConfig()), 0.9) == 5


def test_regions_must_divide_the_grid() -> None:
    with pytest.raises(ConfigError, match="divide"):
        RegionGrid((4, 4, 4), (2, 3, 2))


def test_mask_type_holds_indices() -> None:
    mask = TokenMask(keep=torch.tensor([[[0, 3]]]), drop=torch.tensor([[1, 2]]))
    assert mask.hidden.tolist() == [[False, True, True, False]]
