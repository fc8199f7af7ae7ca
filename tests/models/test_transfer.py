from dataclasses import replace

import pytest
import torch

from maedfer.config import AutoencoderConfig, ClassifierConfig, DecoderConfig, LGIFormerConfig, ViTConfig
from maedfer.errors import ConfigError, WeightsError
from maedfer.models import ExpressionClassifier, MaskedAutoencoder, encoder_state, inflate, start_from

SMALL = LGIFormerConfig(
    image_size=16, patch_size=4, num_frames=4, embed_dim=24, depth=2, num_heads=2, region_size=(2, 4, 2)
)
LONG = replace(SMALL, num_frames=16)


def clip(config: LGIFormerConfig | ViTConfig) -> torch.Tensor:
    return torch.randint(0, 256, (1, 3, config.num_frames, config.image_size, config.image_size), dtype=torch.uint8)


def test_pre_training_starts_fine_tuning() -> None:
    autoencoder = MaskedAutoencoder(AutoencoderConfig(encoder=SMALL, decoder=DecoderConfig(embed_dim=8, num_heads=2)))
    for keep_norm in (False, True):
        model = ExpressionClassifier(ClassifierConfig(encoder=SMALL)).eval()
        autoencoder.encoder_norm.weight.data.fill_(3.0)
        start_from(model, encoder_state(autoencoder.state_dict(), keep_norm=keep_norm))
        pixels = torch.randn(1, 3, 4, 16, 16)
        assert torch.equal(model.encoder(pixels), autoencoder.encoder(pixels))
        assert bool((model.norm.weight == 3).all()) == keep_norm


def test_inflated_weights_run_on_longer_clips() -> None:
    short = ExpressionClassifier(ClassifierConfig(encoder=SMALL))
    longer = ExpressionClassifier(ClassifierConfig(encoder=LONG)).eval()
    start_from(longer, inflate(short.state_dict(), short.config, longer.config))
    before, after = short.encoder.representative_tokens, longer.encoder.representative_tokens
    assert before.shape == (2, 24)
    assert after.shape == (8, 24)
    assert torch.equal(after.reshape(4, 2, 24), before.expand(4, 2, 24))
    assert torch.equal(short.encoder.blocks[1].mlp.fc1.weight, longer.encoder.blocks[1].mlp.fc1.weight)
    assert longer(clip(LONG)).shape == (1, 7)


def test_inflating_to_the_same_sizes_changes_nothing() -> None:
    state = ExpressionClassifier(ClassifierConfig(encoder=LONG)).state_dict()
    again = inflate(state, LONG, LONG)
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())


def test_larger_pictures_take_the_token_of_the_same_place() -> None:
    table = {"encoder.representative_tokens": torch.arange(2.0)[:, None].expand(2, 24)}
    larger = replace(SMALL, image_size=32)
    assert inflate(table, SMALL, larger)["encoder.representative_tokens"][:, 0].tolist() == [0, 0, 1, 1, 0, 0, 1, 1]


def test_a_vit_needs_nothing_but_new_positions() -> None:
    old = ViTConfig(image_size=8, patch_size=4, num_frames=4, embed_dim=8, depth=1, num_heads=2)
    new = replace(old, num_frames=8)
    model = ExpressionClassifier(ClassifierConfig(encoder=new))
    start_from(model, inflate(ExpressionClassifier(ClassifierConfig(encoder=old)).state_dict(), old, new))


@pytest.mark.parametrize("exchange", ["cross", "self", "none"])
@pytest.mark.parametrize("before", [0, 1])
def test_a_deeper_encoder_begins_with_what_the_shallower_one_said(before: int, exchange: str) -> None:
    deep = replace(SMALL, depth=3, stem_width=8, exchange_step=exchange)
    _assert_same_start(replace(deep, depth=before), deep)


@pytest.mark.parametrize("before", [0, 1])
def test_a_deeper_vit_begins_with_what_the_shallower_one_said(before: int) -> None:
    deep = ViTConfig(image_size=16, patch_size=4, num_frames=4, embed_dim=24, depth=2, num_heads=2, stem_width=8)
    _assert_same_start(replace(deep, depth=before), deep)


def _assert_same_start(old: LGIFormerConfig | ViTConfig, new: LGIFormerConfig | ViTConfig) -> None:
    first = ExpressionClassifier(ClassifierConfig(encoder=old, pooling="places")).eval()
    for parameter in first.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    second = ExpressionClassifier(ClassifierConfig(encoder=new, pooling="places")).eval()
    start_from(second, inflate(first.state_dict(), old, new))
    pixels = clip(old)
    assert first(pixels).abs().max() > 0.01
    torch.testing.assert_close(second(pixels), first(pixels), atol=1e-6, rtol=0)
    # And the new blocks can learn: the last maps of their branches have gradients.
    second.train()(pixels).square().sum().backward()
    last = second.encoder.blocks[-1].mlp.fc2.weight.grad
    assert last is not None
    assert last.abs().max() > 0


def test_a_shallower_encoder_takes_no_deeper_weights() -> None:
    with pytest.raises(ConfigError, match="no fewer blocks"):
        inflate({}, SMALL, replace(SMALL, depth=1))


@pytest.mark.parametrize("other", [replace(SMALL, embed_dim=32), replace(SMALL, exchange_step="self"), ViTConfig()])
def test_other_models_are_refused(other: LGIFormerConfig | ViTConfig) -> None:
    with pytest.raises(ConfigError, match="inflate"):
        inflate({}, SMALL, other)


def test_a_start_that_does_not_fit_names_the_weights() -> None:
    model = ExpressionClassifier(ClassifierConfig(encoder=LONG))
    state = ExpressionClassifier(ClassifierConfig(encoder=SMALL)).state_dict()
    with pytest.raises(WeightsError, match=r"representative_tokens \(8, 24\) <- \(2, 24\)"):
        start_from(model, state)
    with pytest.raises(WeightsError, match=r"missing \['encoder"):
        start_from(model, {})


def test_a_head_for_other_classes_stays_fresh() -> None:
    six = ExpressionClassifier(ClassifierConfig(encoder=SMALL, labels=tuple("abcdef")))
    model = ExpressionClassifier(ClassifierConfig(encoder=SMALL))
    head = model.head.weight.clone()
    start_from(model, six.state_dict())
    assert torch.equal(model.head.weight, head)
    assert torch.equal(model.encoder.representative_tokens, six.encoder.representative_tokens)
