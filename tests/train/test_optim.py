"""Rates, decays and gradients against the formulas of the paper's training."""

import math

import pytest
import torch
from torch.nn import functional as F

from maedfer.config import AutoencoderConfig, ClassifierConfig, DecoderConfig, LGIFormerConfig, ViTConfig
from maedfer.models import ExpressionClassifier, MaskedAutoencoder
from maedfer.recipes import OptimConfig, paper_dfew, paper_pretrain
from maedfer.train.optim import learning_rate, parameter_groups

ENCODER = LGIFormerConfig(image_size=32, num_frames=4, embed_dim=24, depth=3, num_heads=2, region_size=(2, 1, 2))
VIT = ViTConfig(image_size=32, num_frames=4, embed_dim=24, depth=3, num_heads=2)
DECODER = DecoderConfig(embed_dim=16, depth=1, num_heads=2)


def scales(model, **options):
    groups = parameter_groups(model, depth=3, weight_decay=0.05, layer_decay=0.75, **options)
    by_id = {id(p): (g["scale"], g["weight_decay"]) for g in groups for p in g["params"]}
    return {name: by_id[id(p)] for name, p in model.named_parameters() if id(p) in by_id}


# scale 0.75^(depth + 1 - layer); embedding 0, block i is i + 1, norm and head depth + 1
@pytest.mark.parametrize(
    ("prefix", "exponent"),
    [
        ("encoder.embed.", 4),
        ("encoder.representative_tokens", 4),
        ("encoder.blocks.0.", 3),
        ("encoder.blocks.1.", 2),
        ("encoder.blocks.2.", 1),
        ("norm.", 0),
        ("head.", 0),
    ],
)
def test_layer_decay_follows_the_formula(prefix, exponent):
    found = scales(ExpressionClassifier(ClassifierConfig(encoder=ENCODER)))
    chosen = {name: scale for name, (scale, _) in found.items() if name.startswith(prefix)}
    assert chosen
    assert set(chosen.values()) == {0.75**exponent}


def test_every_parameter_has_a_layer():
    found = scales(ExpressionClassifier(ClassifierConfig(encoder=ENCODER)))
    parts = ("encoder.embed.", "encoder.representative_tokens", "encoder.blocks.", "norm.", "head.")
    assert all(name.startswith(parts) for name in found)


def test_published_group_of_the_representative_tokens():
    found = scales(ExpressionClassifier(ClassifierConfig(encoder=ENCODER)), representative_layer="head")
    assert found["encoder.representative_tokens"] == (1.0, 0.0)


def test_vectors_biases_and_tokens_are_not_decayed_and_nothing_is_lost():
    model = MaskedAutoencoder(AutoencoderConfig(encoder=ENCODER, decoder=DECODER, mask_ratio=0.5))
    found = scales(model)
    assert set(found) == {name for name, p in model.named_parameters() if p.requires_grad}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decayed = parameter.ndim > 1 and "token" not in name
            assert (found[name][1] > 0) == decayed, name


def test_schedule_warms_up_peaks_and_ends():
    config = OptimConfig(epochs=10, warmup_epochs=2.0, base_lr=1e-3, final_lr=1e-5)
    rates = [learning_rate(update, 50, config, 512) for update in range(501)]
    assert rates[0] == pytest.approx(2e-3 / 101)
    assert max(rates) == rates[100] == pytest.approx(2e-3)
    assert rates[300] == pytest.approx(2e-5 + (2e-3 - 2e-5) * 0.5 * (1 + math.cos(math.pi * 0.5)))
    assert rates[500] == pytest.approx(2e-5)


# The paper's recipes at a global batch of 128: peak base x 128 / 256 after 5 of 100 epochs, half way down in the
# middle of the rest, and the end of the cosine.
@pytest.mark.parametrize(
    ("optim", "peak", "end"),
    [(paper_pretrain().optim, 3e-4 * 0.5, 1e-5 * 0.5), (paper_dfew().optim, 1e-3 * 0.5, 1e-6 * 0.5)],
)
def test_schedules_of_the_paper(optim, peak, end):
    steps = 40
    assert (optim.epochs, optim.warmup_epochs) == (100, 5.0)
    assert learning_rate(5 * steps, steps, optim, 128) == pytest.approx(peak)
    assert learning_rate(5 * steps // 2, steps, optim, 128) == pytest.approx(peak / 2, rel=0.01)
    assert learning_rate(5 * steps + 95 * steps // 2, steps, optim, 128) == pytest.approx((peak + end) / 2)
    assert learning_rate(100 * steps, steps, optim, 128) == pytest.approx(end)


@pytest.mark.parametrize("pooling", ["representative", "local", "all", "places"])
def test_every_trained_parameter_of_the_classifier_gets_a_gradient(pooling):
    model = ExpressionClassifier(ClassifierConfig(encoder=ENCODER, pooling=pooling))
    check_gradients(model, lambda clips: F.cross_entropy(model(clips), torch.tensor([0, 1])))


@pytest.mark.parametrize("encoder", [ENCODER, VIT])
def test_every_trained_parameter_of_the_autoencoder_gets_a_gradient(encoder):
    model = MaskedAutoencoder(AutoencoderConfig(encoder=encoder, decoder=DECODER, mask_ratio=0.5))
    check_gradients(model, lambda clips: model(clips).loss)


def test_every_parameter_of_a_vit_classifier_gets_a_gradient():
    model = ExpressionClassifier(ClassifierConfig(encoder=VIT, pooling="local"))
    check_gradients(model, lambda clips: F.cross_entropy(model(clips), torch.tensor([0, 1])))


def check_gradients(model, loss):
    loss(torch.randint(0, 256, (2, 3, 4, 32, 32), dtype=torch.uint8)).backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name
        else:
            assert parameter.grad is None, name
