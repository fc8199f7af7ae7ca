import pytest
import torch
from torch import Tensor, nn

from maedfer.config import AutoencoderConfig, ClassifierConfig, LGIFormerConfig, ViTConfig
from maedfer.errors import ConfigError
from maedfer.models import ExpressionClassifier
from maedfer.models.layers import DropPath, drop_rates

SIZES = {"image_size": 16, "patch_size": 4, "num_frames": 8, "embed_dim": 24, "depth": 2, "num_heads": 2}
LGI = LGIFormerConfig(region_size=(2, 2, 4), **SIZES)
ABLATIONS = [
    LGI,
    LGIFormerConfig(region_size=(2, 2, 4), local_step="representative", **SIZES),
    LGIFormerConfig(region_size=(2, 2, 4), exchange_step="self", **SIZES),
    LGIFormerConfig(region_size=(2, 2, 4), exchange_step="none", **SIZES),
    LGIFormerConfig(region_size=(2, 2, 4), global_step=False, **SIZES),
    LGIFormerConfig(region_size=(2, 2, 4), share_local_exchange=True, **SIZES),
    LGIFormerConfig(region_size=(2, 2, 4), exchange_step="self", share_local_exchange=True, **SIZES),
]


def classifier(encoder: LGIFormerConfig | ViTConfig = LGI, pooling: str = "representative") -> ExpressionClassifier:
    model = ExpressionClassifier(ClassifierConfig(encoder=encoder, pooling=pooling))
    with torch.no_grad():
        model.head.weight.mul_(1000)  # undo the small start of the head, so that logits differ
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()


def clip(batch: int = 2) -> Tensor:
    return torch.randint(0, 256, (batch, 3, 8, 16, 16), dtype=torch.uint8)


@pytest.mark.parametrize("encoder", ABLATIONS)
def test_skipping_unread_work_leaves_the_logits(encoder: LGIFormerConfig) -> None:
    model = classifier(encoder)
    pixels = model.normalizer(model.normalizer.scale(clip()))
    whole = model.head(model.norm(model.encoder(pixels)[:, :, 0].mean(dim=1)))
    torch.testing.assert_close(model.head(model.features_of_normalised(pixels)), whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", [LGIFormerConfig, ViTConfig])
def test_a_stem_alone_classifies_and_trains_whole(kind: type[LGIFormerConfig | ViTConfig]) -> None:
    regions = {"region_size": (2, 2, 4)} if kind is LGIFormerConfig else {}
    model = classifier(kind(**{**SIZES, **regions, "depth": 0, "stem_width": 8}), "places").train()
    model(clip()).square().sum().backward()
    trained = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert all(gradient is not None and gradient.any() for gradient in trained.values())


def test_a_stem_alone_has_nothing_that_represents() -> None:
    alone = LGIFormerConfig(**{**SIZES, "region_size": (2, 2, 4), "depth": 0, "stem_width": 8})
    with pytest.raises(ConfigError, match="pooling"):
        ClassifierConfig(encoder=alone, pooling="representative")
    with pytest.raises(ConfigError, match="depth"):
        AutoencoderConfig(encoder=alone)
    with pytest.raises(ConfigError, match="depth"):
        LGIFormerConfig(**{**SIZES, "region_size": (2, 2, 4), "depth": 0})


@pytest.mark.parametrize("pooling", ["representative", "local", "all", "places"])
@pytest.mark.parametrize("encoder", [*ABLATIONS, ViTConfig(**SIZES)])
def test_every_trainable_parameter_gets_a_gradient(encoder: LGIFormerConfig | ViTConfig, pooling: str) -> None:
    model = classifier(encoder, pooling).train()
    model(clip()).square().sum().backward()
    silent = [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.any())
    ]
    assert silent == []
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    lgi = isinstance(encoder, LGIFormerConfig)
    if lgi and (pooling, encoder.exchange_step) == ("representative", "cross"):
        assert {name.split(".")[3].partition("_")[0] for name in frozen} == {"exchange"}
    elif lgi and pooling in ("local", "places") and encoder.exchange_step == "none":
        assert {name.split(".")[3].partition("_")[0] for name in frozen} == {"global"}
    else:
        assert frozen == set()


def test_uint8_and_unit_floats_agree() -> None:
    model = classifier()
    clips = clip()
    torch.testing.assert_close(model(clips), model(clips.float() / 255), atol=1e-6, rtol=0)


def test_normalisation_is_that_of_imagenet() -> None:
    model = classifier()
    grey = torch.tensor([0.485, 0.456, 0.406])[:, None, None, None].expand(3, 8, 16, 16)[None]
    assert model.normalizer(grey).abs().max() < 1e-6
    white = model.normalizer(model.normalizer.scale(torch.full((1, 3, 8, 16, 16), 255, dtype=torch.uint8)))
    torch.testing.assert_close(white[0, :, 0, 0, 0], torch.tensor([2.2489, 2.4286, 2.64]), atol=1e-4, rtol=0)


def test_features_feed_the_head() -> None:
    model = classifier()
    clips = clip()
    features = model.features(clips)
    assert features.shape == (2, 24)
    torch.testing.assert_close(model.head(features), model(clips), atol=1e-6, rtol=0)


def test_clips_of_a_batch_do_not_meet() -> None:
    model = classifier()
    clips = clip(3)
    torch.testing.assert_close(model(clips)[1:2], model(clips[1:2]), atol=1e-5, rtol=0)


def test_order_of_frames_and_regions_matter() -> None:
    model = classifier()
    clips = clip()
    assert not torch.allclose(model(clips), model(clips.flip(2)), atol=1e-4)
    assert not torch.allclose(model(clips), model(clips.flip(4)), atol=1e-4)


def test_another_size_is_refused_with_both_sizes() -> None:
    with pytest.raises(ConfigError, match=r"expected \(B, 3, 8, 16, 16\).*got \(2, 3, 4, 16, 16\)"):
        classifier()(clip()[:, :, :4])


@pytest.mark.parametrize("encoder", [LGI, ViTConfig(**SIZES)])
def test_bfloat16_autocast_is_close(encoder: LGIFormerConfig | ViTConfig) -> None:
    model = classifier(encoder)
    clips = clip()
    expected = model(clips)
    with torch.autocast("cpu", torch.bfloat16):
        found = model(clips)
    assert (found.float() - expected).abs().max() < 0.05 * expected.abs().max() + 0.05


@pytest.mark.parametrize("pooling", ["representative", "places"])
def test_autocast_leaves_logits_whole(pooling: str) -> None:
    model = classifier(pooling=pooling)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(clip())
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, logits.bfloat16().float())


@pytest.mark.parametrize("keys", [60, 300])  # both sides of the switch between kernels on a CPU
def test_both_attention_kernels_agree(keys: int) -> None:
    from maedfer.models.kernels import attend

    query, key, value = torch.randn(2, 3, 5, 8), torch.randn(2, 3, keys, 8), torch.randn(2, 3, keys, 8)
    expected = torch.softmax(query.double() @ key.double().mT / 8**0.5, dim=-1) @ value.double()
    torch.testing.assert_close(attend(query, key, value).double(), expected, atol=1e-5, rtol=1e-5)


def test_start_of_fine_tuning() -> None:
    model = ExpressionClassifier(ClassifierConfig(encoder=LGIFormerConfig(depth=1, embed_dim=128)))
    assert 0.015 < model.encoder.blocks[0].mlp.fc1.weight.std().item() < 0.025
    assert model.head.weight.abs().max().item() <= 0.002  # truncated at 2, times 0.001
    assert not model.head.bias.any()
    assert not any(
        module.bias.any() for module in model.modules() if isinstance(module, nn.Linear) and module.bias is not None
    )


def test_drop_path_drops_whole_entries_and_keeps_the_mean() -> None:
    layer = DropPath(0.25).train()
    branch = torch.ones(4000, 2, 3)
    dropped = layer(branch)
    entries = dropped.flatten(1)
    assert ((entries == 0).all(dim=1) | torch.isclose(entries, torch.tensor(4 / 3)).all(dim=1)).all()
    assert abs(float(dropped.mean()) - 1) < 0.05
    assert torch.equal(layer.eval()(branch), branch)


def test_drop_rates_grow_from_zero() -> None:
    assert drop_rates(0.3, 4) == pytest.approx([0, 0.1, 0.2, 0.3])
    assert drop_rates(0.3, 1) == [0]
