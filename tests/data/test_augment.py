import math

import cv2
import pytest
import torch

from maedfer.data.augment import Augment, mix_clips, smooth_targets
from maedfer.data.blurring import blur
from maedfer.data.opencv_changes import to_unit
from maedfer.errors import ConfigError
from maedfer.models.draws import BatchShare
from maedfer.recipes import AugmentConfig, demo_finetune, demo_pretrain, paper_dfew, paper_pretrain

RECIPES = {
    "demo_pretrain": demo_pretrain().augment,
    "demo_finetune": demo_finetune().augment,
    "paper_pretrain": paper_pretrain().augment,
    "paper_dfew": paper_dfew().augment,
    "plain": AugmentConfig(flip=0.0),
    "all": AugmentConfig(
        resized_crop=(0.3, 1.0),
        multi_scale=(1.0, 0.8),
        affine=(5.0, 0.05, 0.08),
        stretch=0.1,
        jitter=0.1,
        blur=1.5,
        rand_augment=(4, 7.0),
        erasing=0.5,
    ),
}


def still_clips(batch=4, frames=6, side=40):
    """Clips whose frames are all the same picture: a change that differs between frames shows."""
    picture = torch.randint(0, 256, (batch, 3, 1, side, side), dtype=torch.uint8)
    return picture.expand(-1, -1, frames, -1, -1).contiguous()


def moving_clips(batch=4, frames=3, side=32):
    return torch.randint(0, 256, (batch, 3, frames, side, side), dtype=torch.uint8)


@pytest.mark.parametrize("config", RECIPES.values(), ids=RECIPES)
def test_every_frame_of_a_clip_is_changed_alike(config):
    changed = Augment(config, 40)(still_clips(16))
    assert changed.shape == (16, 3, 6, 40, 40)
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert torch.equal(changed, changed[:, :, :1].expand_as(changed))


def test_clips_of_a_batch_are_changed_differently():
    same = still_clips(1).expand(8, -1, -1, -1, -1)
    changed = Augment(paper_dfew().augment, 32)(same)
    assert len({float(clip.mean()) for clip in changed}) > 4


@pytest.mark.parametrize("config", RECIPES.values(), ids=RECIPES)
def test_the_seed_alone_decides_and_the_clips_given_stay(config):
    clips = moving_clips()
    before = clips.clone()
    augment = Augment(config, 32)
    torch.manual_seed(5)
    first = augment(clips)
    torch.manual_seed(5)
    assert torch.equal(first, augment(clips))
    assert torch.equal(clips, before)


@pytest.mark.parametrize("config", RECIPES.values(), ids=RECIPES)
def test_two_processes_change_and_mix_as_one(config):
    """Recipe by recipe, one process with eight clips and two with four each, seeded alike, give the same bits."""
    clips, targets = moving_clips(8), torch.eye(8)

    def run(share):
        torch.manual_seed(11)
        rows = [share.own(each) for each in (clips, targets)]
        return mix_clips(Augment(config, 32)(rows[0], share), rows[1], config, share)

    whole = run(BatchShare())
    parts = [run(BatchShare(index, 2)) for index in range(2)]
    for one, two in zip(whole, zip(*parts, strict=True), strict=True):
        assert torch.equal(one, torch.cat(two))


@pytest.mark.parametrize("config", RECIPES.values(), ids=RECIPES)
def test_what_is_drawn_next_depends_neither_on_the_pixels_nor_on_the_process(config):
    states = []
    for index, level in enumerate((0, 255)):
        torch.manual_seed(2)
        clips = torch.full((4, 3, 3, 32, 32), level, dtype=torch.uint8)
        share = BatchShare(index, 2)
        mix_clips(Augment(config, 32)(clips, share), torch.eye(4), config, share)
        states.append(torch.get_rng_state())
    assert torch.equal(*states)


def test_without_changes_the_pixels_stay():
    clips = still_clips()
    plain = Augment(AugmentConfig(flip=0.0), 40)(clips)
    assert torch.equal((plain * 255).round().byte(), clips)


def test_a_mirror_image_is_exact():
    clips = moving_clips()
    flipped = Augment(AugmentConfig(flip=1.0), 32)(clips)
    assert torch.equal((flipped * 255).round().byte(), clips.flip(-1))


def test_affine_moves_a_dot_within_its_reach():
    clips = torch.zeros(64, 3, 2, 41, 41, dtype=torch.uint8)
    clips[..., 19:22, 19:22] = 255
    changed = Augment(AugmentConfig(flip=0.0, affine=(0.0, 0.1, 0.0)), 41)(clips)[:, 0, 0]
    mass = changed.sum((1, 2))
    columns = (changed.sum(1) * torch.arange(41.0)).sum(1) / mass - 20
    assert columns.abs().max() <= 4.2
    assert columns.std() > 1


def test_stretch_changes_a_height_and_no_width():
    clips = torch.zeros(64, 3, 1, 60, 60, dtype=torch.uint8)
    clips[..., 20:40, 20:40] = 255
    changed = Augment(AugmentConfig(flip=0.0, stretch=0.25), 60)(clips)[:, 0, 0]
    assert torch.allclose(changed.amax(1).sum(1), torch.tensor(20.0), atol=0.05)
    heights = changed.amax(2).sum(1)
    assert heights.min() >= 20 / 1.25 - 0.5
    assert heights.max() <= 20 * 1.25 + 0.5
    assert float(heights.log().mean()) == pytest.approx(math.log(20), abs=0.06)
    assert heights.std() > 1.5


def test_blur_is_each_clips_own_and_that_of_opencv():
    clips = moving_clips(batch=3, side=32)
    deviations = torch.tensor([0.0, 0.8, 2.0])
    blurred = blur(clips, deviations, 2.0)
    assert torch.equal(blurred[0], clips[0])
    for clip, result, deviation in zip(clips[1:], blurred[1:], deviations[1:].tolist(), strict=True):
        for picture, found in zip(clip.flatten(0, 1).numpy(), result.flatten(0, 1).numpy(), strict=True):
            wanted = cv2.GaussianBlur(picture, (11, 11), deviation, borderType=cv2.BORDER_REFLECT_101)
            assert abs(wanted.astype(int) - found).max() <= 2
    assert torch.equal(blur(clips, torch.zeros(3), 2.0), clips)


def test_jitter_changes_brightness_alone():
    clips = torch.full((32, 3, 2, 16, 16), 100, dtype=torch.uint8)
    changed = Augment(AugmentConfig(jitter=0.2), 16)(clips)
    assert torch.equal(changed, changed[:, :1, :1, :1, :1].expand_as(changed))
    levels = changed[:, 0, 0, 0, 0] * 255
    assert levels.min() >= 100 * 0.8 - 51 - 1
    assert levels.max() <= 100 * 1.2 + 51 + 1
    assert levels.std() > 10


@pytest.mark.parametrize("config", [AugmentConfig(mixup=0.8), AugmentConfig(cutmix=1.0)])
def test_mixing_keeps_targets_in_proportion_to_pixels(config):
    clips = torch.zeros(2, 3, 2, 16, 16)
    clips[0] = 1
    mixed, soft = mix_clips(clips, torch.eye(2), config)
    assert torch.allclose(soft.sum(1), torch.ones(2))
    assert torch.allclose(mixed[0].mean(), soft[0, 0], atol=1e-5)


@pytest.mark.parametrize("config", [AugmentConfig(mixup=0.8), AugmentConfig(cutmix=1.0)])
def test_neighbours_are_mixed_and_a_last_odd_clip_stays(config):
    clips = torch.arange(5.0).view(5, 1, 1, 1, 1).expand(5, 3, 2, 16, 16).contiguous()
    mixed, soft = mix_clips(clips, torch.eye(5), config)
    assert torch.equal(mixed[4], clips[4])
    assert torch.equal(soft[4], torch.eye(5)[4])
    assert torch.allclose(mixed.mean((1, 2, 3, 4)), soft @ torch.arange(5.0), atol=1e-5)
    partners = torch.tensor([[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]])
    assert torch.equal(soft > 0, partners > 0)


def test_with_both_some_batches_are_cut_and_some_blended():
    config = paper_dfew().augment
    clips = torch.stack([torch.zeros(3, 1, 16, 16), torch.ones(3, 1, 16, 16)])
    blended = 0
    for _ in range(40):
        mixed, _ = mix_clips(clips, torch.eye(2), config)
        blended += bool(((mixed > 0) & (mixed < 1)).all())
    assert 8 < blended < 32


def test_smoothing_spreads_its_share():
    soft = smooth_targets(torch.tensor([1]), 4, 0.2)
    assert torch.allclose(soft, torch.tensor([[0.05, 0.85, 0.05, 0.05]]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"flip": 1.5},
        {"erasing": -0.1},
        {"multi_scale": (1.0, 0.0)},
        {"resized_crop": (0.9, 0.5)},
        {"affine": (5.0, 0.1, 1.0)},
        {"stretch": 1.0},
        {"blur": 4.0},
        {"rand_augment": (0, 7.0)},
        {"rand_augment": (4, 11.0)},
        {"mixup": -1.0},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))}.*expected"):
        AugmentConfig(**wrong)


def test_bytes_become_the_floats_that_division_gives():
    clips = torch.arange(256, dtype=torch.uint8).repeat(2, 3, 4, 5, 1)
    assert torch.equal(to_unit(clips), clips.float() / 255)
    turned = clips.transpose(-1, -2)
    assert torch.equal(to_unit(turned), turned.float() / 255)
