"""Draws of a global batch are the same however it is divided."""

import pytest
import torch

from maedfer.config import ClassifierConfig, LGIFormerConfig, ViTConfig
from maedfer.models import ExpressionClassifier
from maedfer.models.draws import BatchShare
from maedfer.models.layers import DropPath, share_drop_paths

ENCODER = LGIFormerConfig(
    image_size=32, num_frames=4, embed_dim=24, depth=2, num_heads=2, region_size=(2, 1, 2), drop_path=0.5
)
VIT = ViTConfig(image_size=32, num_frames=4, embed_dim=24, depth=2, num_heads=2, drop_path=0.5)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_shares_put_together_are_the_whole(count):
    torch.manual_seed(3)
    whole = BatchShare().uniform(8, 2)
    parts = []
    for index in range(count):
        torch.manual_seed(3)
        parts.append(BatchShare(index, count).uniform(8 // count, 2))
    assert torch.equal(torch.cat(parts), whole)


def test_drop_path_keeps_the_mean_and_drops_its_share():
    path = DropPath(0.25).train()
    kept = path(torch.ones(4000, 1, 1))
    assert torch.allclose(kept.unique(), torch.tensor([0.0, 1 / 0.75]))
    assert kept.mean() == pytest.approx(1.0, abs=0.05)


def test_drop_path_scales_bfloat16_without_bias():
    branch = torch.rand(4000, 1, 64).to(torch.bfloat16) + 0.5
    dropped = DropPath(0.1).train()(branch).float()
    kept = dropped[:, 0, 0] != 0
    assert float(dropped[kept].sum() / branch[kept].float().sum()) == pytest.approx(1 / 0.9, rel=5e-4)


@pytest.mark.parametrize("encoder", [ENCODER, VIT])
def test_parts_of_a_batch_lose_the_branches_that_they_lose_in_the_whole(encoder):
    model = ExpressionClassifier(ClassifierConfig(encoder=encoder)).train()
    model.head.weight.data.normal_()
    clips = torch.randint(0, 256, (4, 3, 4, 32, 32), dtype=torch.uint8)
    torch.manual_seed(5)
    whole = model(clips)
    parts = []
    for index in range(2):
        torch.manual_seed(5)
        share_drop_paths(model, BatchShare(index, 2))
        parts.append(model(clips[2 * index : 2 * index + 2]))
    assert torch.allclose(torch.cat(parts), whole, atol=1e-5)
    share_drop_paths(model, BatchShare())
    torch.manual_seed(5)
    assert torch.equal(model(clips), whole)
