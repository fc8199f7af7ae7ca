"""The convolutional embedding: what masking hides, what a batch changes, and what a file must say."""

from dataclasses import replace

import pytest
import torch

from maedfer.config import AutoencoderConfig, ClassifierConfig, DecoderConfig, LGIFormerConfig, ViTConfig
from maedfer.config_json import from_json, to_json
from maedfer.errors import ConfigError, WeightsError
from maedfer.models import ExpressionClassifier, MaskedAutoencoder
from maedfer.models.batch_norm import BatchNorm
from maedfer.models.embedding import build_embedding
from maedfer.models.fitting import build_model
from maedfer.models.stem import ConvolutionalEmbedding

ENCODER = LGIFormerConfig(
    image_size=64, num_frames=4, embed_dim=24, depth=2, num_heads=2, region_size=(1, 2, 4), stem_width=8
)


def _clip(batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 3, 4, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("patch", [4, 8, 16, 32])
def test_tokens_are_those_of_the_grid(patch: int) -> None:
    config = ViTConfig(image_size=64, num_frames=4, embed_dim=24, depth=1, num_heads=2, patch_size=patch, stem_width=8)
    embedding = build_embedding(config)
    assert isinstance(embedding, ConvolutionalEmbedding)
    assert embedding(_clip()).shape == (2, 1, config.num_tokens, 24)


def test_a_patch_that_is_no_power_of_two_is_refused() -> None:
    with pytest.raises(ConfigError, match="patch_size of 4, 8, 16, 32"):
        LGIFormerConfig(image_size=160, patch_size=20, region_size=(2, 4, 8), stem_width=8)
    for width in (0, 4, 12):
        with pytest.raises(ConfigError, match="stem_width"):
            replace(ENCODER, stem_width=width)


def test_what_is_hidden_does_not_reach_the_visible_tokens() -> None:
    torch.manual_seed(1)
    model = MaskedAutoencoder(
        AutoencoderConfig(encoder=ENCODER, decoder=DecoderConfig(embed_dim=24, depth=1, num_heads=2), mask_ratio=0.75)
    )
    mask = model.draw_mask(2, generator=torch.Generator().manual_seed(3))
    clip = _clip()
    time, rows, columns = ENCODER.token_grid
    hidden = mask.hidden.view(2, 1, time, rows, columns)
    pixels = torch.nn.functional.interpolate(hidden.float(), size=clip.shape[2:]).bool()
    changed = torch.where(pixels, torch.rand_like(clip), clip)
    shown = torch.where(pixels, clip, torch.rand_like(clip))
    encode = [model.encode(model.normalizer(values), mask) for values in (clip, changed, shown)]
    assert torch.equal(encode[0], encode[1])
    assert not torch.allclose(encode[0], encode[2])


def test_the_autoencoder_trains_every_weight() -> None:
    model = MaskedAutoencoder(
        AutoencoderConfig(encoder=ENCODER, decoder=DecoderConfig(embed_dim=24, depth=1, num_heads=2), mask_ratio=0.75)
    )
    model(_clip()).loss.backward()
    silent = [name for name, value in model.named_parameters() if value.requires_grad and value.grad is None]
    assert not silent


def test_in_evaluation_a_clip_does_not_hang_on_its_neighbours() -> None:
    model = ExpressionClassifier(ClassifierConfig(encoder=ENCODER, pooling="places"))
    model(_clip(3))
    model.eval()
    clips = _clip(3)
    torch.testing.assert_close(model(clips)[1:2], model(clips[1:2]))


def test_the_statistics_travel_with_the_weights() -> None:
    model = ExpressionClassifier(ClassifierConfig(encoder=ENCODER))
    for _ in range(3):
        model(_clip() * 0.3)
    model.eval()
    again = build_model(from_json(to_json(model.config)), model.state_dict(), "test")
    again.eval()
    assert torch.equal(again(_clip()), model(_clip()))
    assert float(model.encoder.embed.first_norm.running_mean.abs().max()) > 0  # type: ignore[union-attr]


def test_settings_of_another_stem_are_refused() -> None:
    model = ExpressionClassifier(ClassifierConfig(encoder=ENCODER))
    for width in (None, 16):
        config = ClassifierConfig(encoder=replace(ENCODER, stem_width=width))
        with pytest.raises(WeightsError, match=r"encoder\.embed"):
            build_model(config, model.state_dict(), "test")


def test_batch_norm_is_that_of_torch() -> None:
    torch.manual_seed(2)
    own, theirs = BatchNorm(5), torch.nn.BatchNorm2d(5)
    for _ in range(3):
        values = torch.randn(4, 5, 3, 2) * 3 + 1
        torch.testing.assert_close(own(values), theirs(values))
    own.eval()
    theirs.eval()
    torch.testing.assert_close(own(values), theirs(values))


def test_a_still_batch_norm_keeps_its_statistics() -> None:
    norm = BatchNorm(3)
    norm(torch.randn(8, 3))
    norm.still = True
    before = norm.running_mean.clone()
    training = norm(torch.full((4, 3), 2.0))
    norm.eval()
    assert torch.equal(training, norm(torch.full((4, 3), 2.0)))
    assert torch.equal(before, norm.running_mean)
