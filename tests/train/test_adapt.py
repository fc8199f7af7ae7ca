"""Linear probe, frozen blocks and LoRA: what trains changes, what is frozen does not by a bit, and all ends plain."""

import sys
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from maedfer.config import ClassifierConfig, LGIFormerConfig, ViTConfig
from maedfer.errors import ConfigError
from maedfer.models import ExpressionClassifier
from maedfer.recipes import AdaptConfig, FinetuneRecipe
from maedfer.train.adapt import adapt, merged, trainable_parameters
from maedfer.train.optim import parameter_groups
from maedfer.weights import load_model, save_model

SIZES = {"image_size": 32, "num_frames": 4, "embed_dim": 24, "depth": 2, "num_heads": 2, "drop_path": 0.3}
LGI = LGIFormerConfig(**SIZES, region_size=(2, 1, 2))
VIT = ViTConfig(**SIZES)
LORA = AdaptConfig(train="lora", lora_rank=2, lora_alpha=8.0)


def classifier(encoder=LGI):
    model = ExpressionClassifier(ClassifierConfig(encoder=encoder))
    torch.nn.init.trunc_normal_(model.head.weight, std=0.5)  # so that logits differ by more than rounding
    return model


def clips(count=4):
    return torch.randint(256, (count, 3, 4, 32, 32), dtype=torch.uint8)


def trained(model, steps=2):
    """The model after a few steps of AdamW with weight decay on whatever it trains."""
    groups = parameter_groups(model, depth=2, weight_decay=0.1, layer_decay=0.75)
    optimizer = torch.optim.AdamW([{**group, "lr": 0.05 * group["scale"]} for group in groups])
    for _ in range(steps):
        model.train()
        optimizer.zero_grad()
        F.cross_entropy(model(clips()), torch.tensor([0, 1, 2, 3])).backward()
        optimizer.step()
    return model.eval()


def changed(before, model):
    return {name for name, value in model.state_dict().items() if not torch.equal(before[name], value)}


def state(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("encoder", [LGI, VIT])
def test_a_linear_probe_leaves_the_encoder_bit_equal(encoder):
    model = adapt(classifier(encoder), AdaptConfig(train="head"))
    before = state(model)
    assert changed(before, trained(model)) == {"norm.weight", "norm.bias", "head.weight", "head.bias"}
    assert trainable_parameters(model) == 2 * 24 + 7 * 24 + 7


def test_a_linear_probe_keeps_no_graph_and_drops_no_path():
    model = adapt(classifier(), AdaptConfig(train="head"))
    pixels = torch.rand(2, 3, 4, 32, 32)
    calm = model.eval().pool(pixels)
    busy = model.train().pool(pixels)
    assert not busy.requires_grad
    assert torch.equal(calm, busy)


@pytest.mark.parametrize("train", ["all", "lora"])
def test_frozen_blocks_stay_bit_equal_and_still(train):
    model = adapt(classifier(), AdaptConfig(train=train, freeze_blocks=1, lora_rank=2))
    before = state(model)
    moved = changed(before, trained(model))
    frozen = ("encoder.embed", "encoder.representative_tokens", "encoder.blocks.0.")
    assert not any(name.startswith(frozen) for name in moved)
    assert any(name.startswith("encoder.blocks.1.") for name in moved)
    tokens = model.train().encoder.tokens(torch.rand(2, 3, 4, 32, 32))
    after = model.encoder.blocks[0](tokens)
    assert not after.requires_grad
    assert torch.equal(after, model.eval().encoder.blocks[0](tokens))


def test_a_frozen_embedding_is_still_and_everything_behind_it_trains():
    model = adapt(classifier(replace(LGI, stem_width=8)), AdaptConfig(freeze_embedding=True))
    before = state(model)
    moved = changed(before, trained(model))
    assert not any(name.startswith("encoder.embed") for name in moved), "its running means stay too"
    assert {name for name, value in model.named_parameters() if value.requires_grad} <= moved
    assert {"encoder.representative_tokens", "head.weight"} <= moved
    pixels = torch.rand(2, 3, 4, 32, 32)
    assert torch.equal(model.train().encoder.embed(pixels), model.eval().encoder.embed(pixels))


def test_without_frozen_blocks_everything_that_is_read_trains():
    plain, model = classifier(), adapt(classifier(), AdaptConfig())
    assert trainable_parameters(model) == trainable_parameters(plain)
    before = state(model)
    moved = changed(before, trained(model))
    assert {name for name, value in model.named_parameters() if value.requires_grad} <= moved


@pytest.mark.parametrize("encoder", [LGI, VIT])
def test_lora_starts_as_the_model_itself(encoder):
    model = classifier(encoder).eval()
    batch = clips()
    before = model(batch)
    torch.testing.assert_close(adapt(model, LORA).eval()(batch), before)


@pytest.mark.parametrize("encoder", [LGI, VIT])
def test_lora_computes_in_bfloat16_what_the_model_does(encoder):
    model = classifier(encoder).eval()
    batch = clips(2)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        before = model(batch)
        after = adapt(model, LORA).eval()(batch)
    assert after.dtype == before.dtype == torch.float32  # the head alone
    torch.testing.assert_close(after, before, rtol=0.05, atol=0.02)


@pytest.mark.parametrize("encoder", [LGI, VIT])
def test_every_addition_gets_a_gradient_and_changes_the_logits(encoder):
    model = adapt(classifier(encoder), LORA)
    model.eval()
    additions = {name: value for name, value in model.named_parameters() if "lora_" in name}
    linears = {name.rpartition(".lora_")[0].rpartition(".")[2] for name in additions}
    assert linears == ({"qkv", "proj", "fc1", "fc2"} if encoder is VIT else {"q", "kv", "proj", "fc1", "fc2"})
    batch = clips(2)
    with torch.no_grad():
        before = model(batch)
        for name, value in additions.items():
            if "lora_B" in name:
                value.normal_(std=0.3)
    after = model(batch)
    after.pow(2).sum().backward()  # a gradient that is not zero: the addition has a part in the logits
    silent = [name for name, value in additions.items() if value.grad is None or not value.grad.any()]
    assert not silent
    assert (after - before).abs().max() > 1e-2


@pytest.mark.parametrize("encoder", [LGI, VIT])
def test_merged_weights_are_plain_and_give_the_same_logits(encoder, tmp_path, monkeypatch):
    original = classifier(encoder)
    before = state(original)
    model = trained(adapt(original, LORA))
    batch = clips()
    with torch.no_grad():
        expected = model(batch)
    plain = merged(model, LORA, model.state_dict()).eval()
    assert set(plain.state_dict()) == set(before)
    save_model(plain, tmp_path)
    monkeypatch.setitem(sys.modules, "peft", None)
    loaded = load_model(tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(loaded(batch), expected, rtol=1e-4, atol=1e-5)
        assert torch.equal(model(batch), expected)  # merging leaves the adapted model as it was
    for name in ("encoder.embed.weight", "encoder.blocks.0.mlp_norm.weight"):
        assert torch.equal(loaded.state_dict()[name], before[name])
    weight = "encoder.blocks.0.mlp.fc1.weight"
    rank = torch.linalg.matrix_rank((loaded.state_dict()[weight] - before[weight]).double(), rtol=1e-4)
    assert int(rank) == LORA.lora_rank


def test_lora_trains_additions_norm_and_head_alone():
    model = adapt(classifier(), LORA)
    before = state(model)
    moved = changed(before, trained(model))
    assert all("lora_" in name or name.startswith(("norm.", "head.")) for name in moved)
    assert {name for name, value in model.named_parameters() if value.requires_grad} == moved


def test_layers_of_additions_follow_their_block():
    model = adapt(classifier(), LORA)
    groups = parameter_groups(model, depth=2, weight_decay=0.05, layer_decay=0.75)
    scales = {id(value): group["scale"] for group in groups for value in group["params"]}
    for name, value in model.named_parameters():
        if "lora_" in name:
            block = int(name.split(".")[2])
            assert scales[id(value)] == 0.75 ** (2 - block)
    assert scales[id(model.head.weight)] == 1.0


def test_dropout_acts_in_training_alone():
    calm = ViTConfig(**{**SIZES, "drop_path": 0.0})
    model = adapt(classifier(calm), LORA)
    dropping = adapt(classifier(calm), AdaptConfig(train="lora", lora_rank=2, lora_dropout=0.5))
    batch = clips()
    for each in (model, dropping):
        for name, value in each.named_parameters():
            if "lora_B" in name:
                value.data.normal_(std=0.3)
    assert torch.equal(model.train()(batch), model.eval()(batch))
    assert not torch.equal(dropping.train()(batch), dropping.eval()(batch))


def test_contradictions_and_a_missing_peft_are_named(monkeypatch):
    with pytest.raises(ConfigError, match="linear probe"):
        AdaptConfig(train="head", freeze_blocks=1)
    with pytest.raises(ConfigError, match="linear probe"):
        AdaptConfig(train="head", freeze_embedding=True)
    with pytest.raises(ConfigError, match="2 blocks"):
        FinetuneRecipe(model=ClassifierConfig(encoder=LGI), adapt=AdaptConfig(train="lora", freeze_blocks=2))
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigError, match=r"maedfer\[train\]"):
        adapt(classifier(), LORA)
