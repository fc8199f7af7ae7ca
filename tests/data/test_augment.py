import pytest
import torch

from maedfer.data.augment import Augment, mix_clips, smooth_targets
from maedfer.data.rand_augment import rand_augment
from maedfer.recipes import AugmentConfig, demo_finetune, paper_dfew, paper_pretrain


def still_clips(batch=4, frames=6, side=40):
    """Clips whose frames are all the same picture: a change that differs between frames shows."""
    picture = torch.randint(0, 256, (batch, 3, 1, side, side), dtype=torch.uint8)
    return picture.expand(-1, -1, frames, -1, -1).contiguous()


@pytest.mark.parametrize(
    "config", [paper_dfew().augment, paper_pretrain().augment, demo_finetune().augment, AugmentConfig(flip=0.0)]
)
def test_every_frame_of_a_clip_is_changed_alike(config):
    torch.manual_seed(0)
    changed = Augment(config, 40)(still_clips())
    assert changed.shape == (4, 3, 6, 40, 40)
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert (changed - changed[:, :, :1]).abs().max() < 1e-5


def test_clips_of_a_batch_are_changed_differently():
    torch.manual_seed(1)
    same = still_clips(1).expand(8, -1, -1, -1, -1)
    changed = Augment(paper_dfew().augment, 32)(same)
    assert len({float(clip.mean()) for clip in changed}) > 4


def test_the_seed_alone_decides():
    clips = still_clips()
    augment = Augment(paper_dfew().augment, 32)
    torch.manual_seed(5)
    first = augment(clips)
    torch.manual_seed(5)
    assert torch.equal(first, augment(clips))


def test_without_changes_the_pixels_stay():
    clips = still_clips()
    plain = Augment(AugmentConfig(flip=0.0), 40)(clips)
    assert torch.equal((plain * 255).round().byte(), clips)


def test_affine_moves_a_dot_within_its_reach():
    clips = torch.zeros(64, 3, 2, 41, 41, dtype=torch.uint8)
    clips[..., 19:22, 19:22] = 255
    torch.manual_seed(0)
    changed = Augment(AugmentConfig(flip=0.0, affine=(0.0, 0.1, 0.0)), 41)(clips)[:, 0, 0]
    mass = changed.sum((1, 2))
    columns = (changed.sum(1) * torch.arange(41.0)).sum(1) / mass - 20
    assert columns.abs().max() <= 4.2
    assert columns.std() > 1


@pytest.mark.parametrize("config", [AugmentConfig(mixup=0.8), AugmentConfig(cutmix=1.0)])
def test_mixing_keeps_targets_in_proportion_to_pixels(config):
    torch.manual_seed(3)
    clips = torch.zeros(2, 3, 2, 16, 16)
    clips[0] = 1
    targets = torch.eye(2)
    mixed, soft = mix_clips(clips, targets, config)
    assert torch.allclose(soft.sum(1), torch.ones(2))
    assert torch.allclose(mixed[0].mean(), soft[0, 0], atol=1e-5)


def test_smoothing_spreads_its_share():
    soft = smooth_targets(torch.tensor([1]), 4, 0.2)
    assert torch.allclose(soft, torch.tensor([[0.05, 0.85, 0.05, 0.05]]))


def test_rand_augment_changes_something_and_keeps_the_range():
    torch.manual_seed(0)
    frames = torch.rand(2, 3, 24, 24)
    results = [rand_augment(frames, 4, 7.0) for _ in range(40)]
    assert all(float(r.min()) >= 0 and float(r.max()) <= 1 for r in results)
    assert sum(not torch.equal(r, frames) for r in results) > 25
