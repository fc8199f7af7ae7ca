import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from maedfer.data import colour_changes as change
from maedfer.data import opencv_changes as opencv
from maedfer.data.erasing import erase_boxes
from maedfer.data.rand_augment import COLOURS, FILL, MOVES, DrawnChanges, draw_changes
from maedfer.data.warp_clips import warp_clips
from maedfer.models.draws import BatchShare

STRENGTH = 0.7


def photograph_like(batch=2, frames=2, side=33):
    """Uneven histograms and dark borders: noise alone would make equalising and stretching do nothing."""
    pixels = torch.rand(batch, 3, frames, side, side) ** 2 * 200 + 20
    pixels[..., :5] = 30
    return pixels.byte()


def by_pil(clips, function):
    pictures = [[Image.fromarray(frame.permute(1, 2, 0).numpy()) for frame in clip.unbind(1)] for clip in clips]
    arrays = [[np.array(function(picture)) for picture in row] for row in pictures]
    return torch.from_numpy(np.array(arrays)).permute(0, 4, 1, 2, 3)


def affine(*numbers):
    return lambda picture: picture.transform(
        picture.size, Image.Transform.AFFINE, numbers, resample=Image.Resampling.BILINEAR, fillcolor=(FILL,) * 3
    )


def one_change(batch, operation, sign):
    return DrawnChanges(
        operations=torch.full((batch, 1), operation),
        strengths=torch.full((batch, 1), STRENGTH),
        signs=torch.full((batch, 1), sign),
    )


PIL_COLOURS = {
    change.auto_contrast: lambda sign: ImageOps.autocontrast,
    change.equalize: lambda sign: ImageOps.equalize,
    change.invert: lambda sign: ImageOps.invert,
    change.posterize: lambda sign: lambda picture: ImageOps.posterize(picture, 2),
    change.solarize: lambda sign: lambda picture: ImageOps.solarize(picture, 256 - 179),
    change.solarize_add: lambda sign: (
        lambda picture: picture.point([min(255, value + 77) if value < 128 else value for value in range(256)] * 3)
    ),
    change.colour: lambda sign: lambda picture: ImageEnhance.Color(picture).enhance(1 + sign * 0.63),
    change.contrast: lambda sign: lambda picture: ImageEnhance.Contrast(picture).enhance(1 + sign * 0.63),
    change.brightness: lambda sign: lambda picture: ImageEnhance.Brightness(picture).enhance(1 + sign * 0.63),
    change.sharpness: lambda sign: lambda picture: ImageEnhance.Sharpness(picture).enhance(1 + sign * 0.63),
}


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("operation", range(len(COLOURS)), ids=[each.__name__ for each in COLOURS])
def test_colours_change_as_in_pil(operation, sign):
    clips = photograph_like()
    changed = one_change(2, operation, sign).recolour(clips.clone())
    truth = by_pil(clips, PIL_COLOURS[COLOURS[operation]](sign))
    assert (truth != clips).float().mean() > 0.2
    # PIL rounds the smoothed picture or the grey to bytes before it goes on.
    assert (changed.int() - truth.int()).abs().max() <= 2
    assert (changed.int() - truth.int()).abs().float().mean() < 0.6


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("move", range(len(MOVES)), ids=MOVES)
def test_moves_go_where_pil_goes(move, sign):
    side = 40
    clips = torch.nn.functional.interpolate(torch.rand(2, 6, 5, 5), (side, side), mode="bicubic").clamp(0, 1)
    clips = (clips * 255).byte().view(2, 3, 2, side, side)
    changed = warp_clips(clips, one_change(2, len(COLOURS) + move, sign).matrices(side), side, FILL)
    shear, shift = sign * STRENGTH * 0.3, sign * STRENGTH * 0.45 * side
    angle, centre = -math.radians(sign * STRENGTH * 30), side / 2
    cosine, sine = math.cos(angle), math.sin(angle)
    numbers = {
        "rotate": (
            *(cosine, sine, centre - cosine * centre - sine * centre),
            *(-sine, cosine, centre + sine * centre - cosine * centre),
        ),
        "shear_x": (1, shear, 0, 0, 1, 0),
        "shear_y": (1, 0, 0, shear, 1, 0),
        "translate_x": (1, 0, shift, 0, 1, 0),
        "translate_y": (1, 0, 0, 0, 1, shift),
    }[MOVES[move]]
    apart = (changed.int() - by_pil(clips, affine(*numbers)).int()).abs()
    assert (changed != clips).float().mean() > 0.3
    assert (apart > 4).float().mean() < 0.1  # PIL does not interpolate across the border of the picture
    assert apart[:, :, :, 14:-14, 14:-14].max() <= 4


def test_the_order_of_moves_is_kept():
    clips = photograph_like(1, 1, 40)
    turn, shift = len(COLOURS), len(COLOURS) + MOVES.index("translate_x")
    both = DrawnChanges(
        operations=torch.tensor([[turn, shift]]), strengths=torch.full((1, 2), 0.5), signs=torch.ones(1, 2)
    )
    single = [one_change(1, operation, 1.0) for operation in (turn, shift)]
    first, second = (
        DrawnChanges(each.operations, each.strengths * 0 + 0.5, each.signs).matrices(40) for each in single
    )
    assert torch.allclose(both.matrices(40), first @ second)
    assert not torch.allclose(both.matrices(40), second @ first)
    assert warp_clips(clips, both.matrices(40), 40, FILL).shape == clips.shape


@pytest.mark.parametrize("operation", range(len(COLOURS)), ids=[each.__name__ for each in COLOURS])
def test_equal_frames_stay_equal_and_other_clips_stay(operation):
    clips = photograph_like(3, 1).expand(-1, -1, 4, -1, -1).contiguous()
    drawn = one_change(3, operation, 1.0)
    drawn.operations[1] = -1
    changed = drawn.recolour(clips.clone())
    assert torch.equal(changed, changed[:, :, :1].expand_as(changed))
    assert torch.equal(changed[1], clips[1])
    assert not torch.equal(changed[0], clips[0])


def test_both_ways_of_looking_up_are_the_same():
    clips = photograph_like(3, 4)
    for channels, frames in ((1, 1), (3, 1), (1, 4), (3, 4)):
        tables = torch.randint(0, 256, (3, channels, frames, 256), dtype=torch.uint8)
        assert torch.equal(change.look_up(clips, tables), change.gather_from(clips, tables))


def test_opencv_changes_what_pytorch_does():
    clips = photograph_like(3, 4).transpose(0, 1)[:, [2, 0, 1]].transpose(0, 1)  # not in one piece
    assert torch.equal(opencv.histograms(clips), change.histograms_with_torch(clips))
    assert torch.equal(opencv.sums(clips), clips.sum((-2, -1), dtype=torch.int64))
    for factor in (0.1, 0.7, 1.3, 1.9):
        factors = torch.tensor([factor, 1.0, 2 - factor])
        signed = (factors - 1) / 0.9
        for own, torchs in (
            (change.sharpness, change.sharpness_with_torch),
            (change.colour, change.colour_with_torch),
        ):
            made, expected = own(clips, signed.abs(), signed.sign()), torchs(clips, factors)
            assert (made.int() - expected.int()).abs().max() <= 1
            assert (made == expected).float().mean() > 0.97
            assert torch.equal(made[1], clips[1]), "a factor of 1 changes nothing"
    edges = change.sharpness(clips, torch.ones(3), torch.ones(3))
    for side in ((..., 0), (..., -1), (..., 0, slice(None)), (..., -1, slice(None))):
        assert torch.equal(edges[side], clips[side])


def test_sharpness_and_equalize_are_kornias():
    from kornia.enhance import equalize, sharpness

    clips = photograph_like()
    strength = torch.full((2,), STRENGTH)
    frames = clips.transpose(1, 2).flatten(0, 1).float() / 255
    sharp = (sharpness(frames, 1.63) * 255).round().byte().view(2, 2, 3, 33, 33).transpose(1, 2)
    even = (equalize(frames) * 255).round().byte().view(2, 2, 3, 33, 33).transpose(1, 2)
    assert (change.sharpness(clips, strength, torch.ones(2)).int() - sharp.int()).abs().max() <= 1
    assert (change.equalize(clips, strength, torch.ones(2)).int() - even.int()).abs().max() <= 2


def test_draws_are_those_of_the_recipe():
    drawn = draw_changes(4000, 4, 7.0, BatchShare())
    applied = drawn.operations >= 0
    assert abs(float(applied.float().mean()) - 0.5) < 0.02
    counts = torch.bincount(drawn.operations[applied], minlength=15)
    assert len(counts) == 15
    assert counts.max() / counts.min() < 1.5
    assert abs(float(drawn.strengths.mean()) - 0.7) < 0.01
    assert abs(float(drawn.strengths.std()) - 0.05) < 0.01
    assert abs(float(drawn.signs.mean())) < 0.05


def test_erasing_fills_a_box_with_noise():
    clips = torch.zeros(400, 3, 2, 32, 32, dtype=torch.uint8)
    erased = erase_boxes(clips, 0.25, BatchShare())
    touched = (erased > 0).any(1).any(1)
    share = touched.flatten(1).any(1).float().mean()
    assert 0.17 < share < 0.33
    for clip, mask in zip(erased, touched, strict=True):
        if not mask.any():
            continue
        lines, columns = (mask.any(axis).nonzero().flatten() for axis in (1, 0))
        box = clip[:, :, lines[0] : lines[-1] + 1, columns[0] : columns[-1] + 1]
        area = box.shape[-1] * box.shape[-2] / 32**2
        assert 0.01 < area < 0.36
        assert mask.sum() > 0.9 * area * 32**2
        assert torch.equal(box[:, 0], box[:, 1])
    values = erased[:, :, 0][touched[:, None].expand(-1, 3, -1, -1)].float()
    assert abs(float(values.mean()) / 255 - 0.45) < 0.03
    assert abs(float(values.std()) / 255 - 0.22) < 0.03
