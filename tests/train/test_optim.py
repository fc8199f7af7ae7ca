import math

import pytest

from maedfer.config import AutoencoderConfig, ClassifierConfig, DecoderConfig, LGIFormerConfig
from maedfer.models import ExpressionClassifier, MaskedAutoencoder
from maedfer.recipes import OptimConfig
from maedfer.train.optim import learning_rate, parameter_groups

ENCODER = LGIFormerConfig(image_size=32, num_frames=4, embed_dim=24, depth=3, num_heads=2, region_size=(2, 1, 2))


def scales(model, **options):
    groups = parameter_groups(model, depth=3, weight_decay=0.05, layer_decay=0.75, **options)
    by_id = {id(p): (g["scale"], g["weight_decay"]) for g in groups for p in g["params"]}
    return {name: by_id[id(p)] for name, p in model.named_parameters() if id(p) in by_id}


def test_layer_decay_follows_the_formula():
    found = scales(ExpressionClassifier(ClassifierConfig(encoder=ENCODER)))
    assert found["encoder.embed.weight"] == (0.75**4, 0.05)
    assert found["encoder.representative_tokens"] == (0.75**4, 0.0)
    for block in range(3):
        for name, (scale, _) in found.items():
            if name.startswith(f"encoder.blocks.{block}."):
                assert scale == 0.75 ** (3 - block), name
    assert found["head.weight"] == (1.0, 0.05)
    assert found["norm.weight"] == (1.0, 0.0)


def test_published_group_of_the_representative_tokens():
    found = scales(ExpressionClassifier(ClassifierConfig(encoder=ENCODER)), representative_layer="head")
    assert found["encoder.representative_tokens"] == (1.0, 0.0)


def test_vectors_biases_and_tokens_are_not_decayed_and_nothing_is_lost():
    decoder = DecoderConfig(embed_dim=16, depth=1, num_heads=2)
    model = MaskedAutoencoder(AutoencoderConfig(encoder=ENCODER, decoder=decoder, mask_ratio=0.5))
    found = scales(model)
    assert set(found) == {name for name, p in model.named_parameters() if p.requires_grad}
    for name, parameter in model.named_parameters():
        decayed = parameter.ndim > 1 and "token" not in name
        assert (found[name][1] > 0) == decayed, name


def test_schedule_warms_up_peaks_and_ends():
    config = OptimConfig(epochs=10, warmup_epochs=2.0, base_lr=1e-3, final_lr=1e-5)
    rates = [learning_rate(update, 50, config, 512) for update in range(501)]
    assert rates[0] == pytest.approx(2e-3 / 101)
    assert max(rates) == rates[100] == pytest.approx(2e-3)
    assert rates[300] == pytest.approx(2e-5 + (2e-3 - 2e-5) * 0.5 * (1 + math.cos(math.pi * 0.5)))
    assert rates[500] == pytest.approx(2e-5)
