import math

import pytest
import torch
from torch.nn import functional as F

from maedfer.data.clip_geometry import (
    TRIES,
    affine_matrices,
    corner_boxes,
    drawn_box,
    mirror_matrices,
    turn_matrices,
    view_matrices,
    whole_boxes,
)
from maedfer.data.warp_clips import warp_clips, warp_with_kornia, warp_with_opencv


def smooth_clips(batch=3, frames=2, side=48, cells=6):
    """Pictures without detail finer than some pixels: what is left are errors of place, not of interpolation."""
    coarse = torch.rand(batch, 3 * frames, cells, cells)
    pictures = F.interpolate(coarse, (side, side), mode="bicubic", align_corners=True).clamp(0, 1)
    return (pictures * 255).round().byte().view(batch, 3, frames, side, side)


def difference(one, two):
    return int((one.int() - two.int()).abs().max())


def turned(clips, degrees):
    return turn_matrices(torch.full((len(clips),), math.radians(degrees), dtype=torch.float64), clips.shape[-1])


def test_corner_boxes_lie_in_corners_and_the_centre():
    boxes = corner_boxes(torch.rand(400, 2), 160, (1.0, 0.875, 0.75, 0.66))
    left, top, width, height = boxes.unbind(1)
    assert set(width.tolist()) == {160, 140, 120, 106}
    assert torch.equal(width, height)
    places = {
        (float(a / max(160 - w, 1)), float(b / max(160 - w, 1))) for a, b, w in zip(left, top, width, strict=True)
    }
    assert places == {(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.5)}


def test_drawn_boxes_stay_inside_and_have_the_drawn_areas():
    within = torch.tensor([[10.0, 20.0, 100.0, 100.0]], dtype=torch.float64).repeat(2000, 1)
    boxes, fits = drawn_box(torch.rand(2000, TRIES + 1, 2), within, (0.08, 1.0), (3 / 4, 4 / 3))
    left, top, width, height = boxes.unbind(1)
    assert fits.float().mean() > 0.99
    assert torch.equal(boxes, boxes.round())
    assert left.min() == 10
    assert top.min() == 20
    assert (left + width).max() == 110
    assert (top + height).max() == 120
    assert (width / height).max() < 1.4
    areas = width * height / 10_000
    assert 0.07 < areas.min() < 0.1
    assert areas.max() > 0.9


def test_where_no_box_fits_the_whole_is_taken():
    within = whole_boxes(4, 50)
    boxes, fits = drawn_box(torch.rand(4, TRIES + 1, 2), within, (1.0, 1.0), (1.5, 2.0))
    assert not fits.any()
    assert torch.equal(boxes, within)


@pytest.mark.parametrize("warp", [warp_with_opencv, warp_with_kornia])
def test_a_quarter_turn_is_exact_and_anticlockwise(warp):
    clips = torch.randint(0, 256, (2, 3, 3, 20, 20), dtype=torch.uint8)
    assert difference(warp(clips, turned(clips, 90.0), 20, None), clips.rot90(1, (-2, -1))) <= 1


def test_all_frames_are_interpolated_alike():
    """However many planes are left over when they are warped four at a time."""
    picture = torch.randint(0, 256, (1, 3, 1, 24, 24), dtype=torch.uint8)
    whole = warp_with_opencv(picture, turned(picture, 13.0), 24, 128)
    for frames in range(2, 7):
        clip = picture.expand(-1, -1, frames, -1, -1).contiguous()
        changed = warp_with_opencv(clip, turned(clip, 13.0), 24, 128)
        assert torch.equal(changed, whole.expand_as(changed))


@pytest.mark.parametrize("warp", [warp_with_opencv, warp_with_kornia])
@pytest.mark.parametrize("fill", [None, 128])
def test_both_ways_of_warping_agree_with_a_sum_over_pixels(warp, fill):
    """The reference samples by hand, in float64."""
    clips = smooth_clips()
    matrices = (
        turned(clips, 17.0)
        @ affine_matrices(torch.rand(3, 4), 40, (9.0, 0.2, 0.2))
        @ mirror_matrices(torch.tensor([True, False, True]), 40)
    )
    assert difference(warp(clips, matrices, 40, fill), sampled_by_hand(clips, matrices, 40, fill)) <= 2


def sampled_by_hand(clips, matrices, size, fill):
    side = clips.shape[-1]
    y, x = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)]).double().flatten(1)
    result = torch.zeros(*clips.shape[:3], size, size, dtype=torch.float64)
    for clip, matrix, out in zip(clips.double(), matrices, result, strict=True):
        column, line = ((matrix @ points)[:2] - 0.5).view(2, size, size)
        for a in (0, 1):
            for b in (0, 1):
                i, j = line.floor().long() + a, column.floor().long() + b
                weight = (1 - (line - i).abs()) * (1 - (column - j).abs())
                inside = (i >= 0) & (i < side) & (j >= 0) & (j < side)
                values = clip[:, :, mirrored(i, side), mirrored(j, side)]
                out += weight * (values if fill is None else torch.where(inside, values, float(fill)))
    return result.round().byte()


def mirrored(index, side):
    return (side - 1) - ((side - 1) - index.abs() % (2 * side - 2)).abs()


def test_a_crop_is_the_same_by_both_ways_but_for_its_border():
    clips = smooth_clips()
    boxes = torch.tensor([[0, 0, 48, 48], [5, 7, 31, 24], [13, 1, 33, 40]], dtype=torch.float64)
    matrices = view_matrices(boxes, 60) @ mirror_matrices(torch.tensor([False, True, False]), 60)
    one, two = warp_with_opencv(clips, matrices, 60, None), warp_with_kornia(clips, matrices, 60, None)
    assert difference(one[..., 2:-2, 2:-2], two[..., 2:-2, 2:-2]) <= 2
    plain = F.interpolate(clips[1, :, :, 7:31, 5:36].float(), (60, 60), mode="bilinear").flip(-1)
    assert difference(one[1], plain.round().byte()) <= 1


def test_a_crop_of_the_models_size_is_a_slice():
    clips = torch.randint(0, 256, (1, 3, 2, 40, 40), dtype=torch.uint8)
    matrices = view_matrices(torch.tensor([[4, 9, 16, 16]], dtype=torch.float64), 16)
    assert torch.equal(warp_clips(clips, matrices, 16, None), clips[..., 9:25, 4:20])


@pytest.mark.parametrize("warp", [warp_with_opencv, warp_with_kornia])
@pytest.mark.parametrize("degrees", [0.0, 10.0])
def test_fine_stripes_shrink_to_grey(warp, degrees):
    """Without an average over areas a shrunken picture shows stripes that are not there."""
    stripes = (torch.arange(160) % 2 * 255).byte().expand(1, 3, 2, 160, 160).contiguous()
    matrices = turned(stripes, degrees) @ view_matrices(whole_boxes(1, 160), 40)
    small = warp(stripes, matrices, 40, None)
    assert small.float().sub(127.5).abs().max() <= 16


@pytest.mark.parametrize("degrees", [0.0, 10.0])
def test_shrinking_is_the_same_by_both_ways(degrees):
    clips = smooth_clips(side=150, cells=4)
    matrices = turned(clips, degrees) @ view_matrices(whole_boxes(3, 150), 40)
    one, two = (warp(clips, matrices, 40, None) for warp in (warp_with_opencv, warp_with_kornia))
    assert difference(one, two) <= 4


def test_what_lies_outside_is_filled():
    clips = torch.full((2, 3, 2, 20, 20), 255, dtype=torch.uint8)
    matrices = view_matrices(torch.tensor([[-20, 0, 40, 20]], dtype=torch.float64).repeat(2, 1), 40)
    for warp in (warp_with_opencv, warp_with_kornia):
        new = warp(clips, matrices, 40, 128)
        assert (new[..., :19] == 128).all()
        assert (new[..., 2:-2, 21:-2] == 255).all()
        assert (warp(clips, matrices, 40, None) == 255).all()
