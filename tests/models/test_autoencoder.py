import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from maedfer.config import AutoencoderConfig, DecoderConfig, LGIFormerConfig, ViTConfig
from maedfer.models import MaskedAutoencoder, TokenMask, reconstruction_loss, reconstruction_target

SIZES = {"image_size": 16, "patch_size": 4, "num_frames": 8, "embed_dim": 24, "depth": 2, "num_heads": 2}
CONFIG = AutoencoderConfig(
    encoder=LGIFormerConfig(region_size=(2, 2, 4), **SIZES),
    decoder=DecoderConfig(embed_dim=16, depth=2, num_heads=2),
    mask_ratio=0.75,
)
VIT = replace(CONFIG, encoder=ViTConfig(**SIZES))


def clip(batch: int = 2) -> Tensor:
    return torch.randint(0, 256, (batch, 3, 8, 16, 16), dtype=torch.uint8)


def predict(model: MaskedAutoencoder, clips: Tensor, mask: TokenMask) -> Tensor:
    return model(clips, mask).prediction


def shuffled(mask: TokenMask) -> TokenMask:
    """The same visible tokens of every region in another order."""
    order = torch.randperm(mask.keep.shape[2])
    return replace(mask, keep=mask.keep[:, :, order])


@pytest.mark.parametrize("config", [CONFIG, VIT])
def test_every_visible_token_keeps_its_own_position(config: AutoencoderConfig) -> None:
    model = MaskedAutoencoder(config).eval()
    clips, mask = clip(), model.draw_mask(2)
    torch.testing.assert_close(predict(model, clips, mask), predict(model, clips, shuffled(mask)), atol=1e-5, rtol=0)


def test_published_order_gives_tokens_the_positions_of_others() -> None:
    model = MaskedAutoencoder(replace(CONFIG, published_decoder_order=True)).eval()
    mask = model.draw_mask(2)
    own = mask.keep.flatten(1)
    assert torch.equal(model.visible_order(mask), own.sort(dim=1).values)
    assert not torch.equal(model.visible_order(mask), own)
    assert torch.equal(MaskedAutoencoder(CONFIG).visible_order(mask), own)


def test_released_sizes_misplace_half_of_the_visible_tokens() -> None:
    small = {"encoder": LGIFormerConfig(embed_dim=8, depth=1), "decoder": DecoderConfig(embed_dim=6, depth=1)}
    model = MaskedAutoencoder(AutoencoderConfig(published_decoder_order=True, **small))
    mask = model.draw_mask(1)
    assert int((model.visible_order(mask) != mask.keep.flatten(1)).sum()) == 40


@pytest.mark.parametrize("config", [CONFIG, VIT])
def test_hidden_pixels_never_reach_the_prediction(config: AutoencoderConfig) -> None:
    model = MaskedAutoencoder(config).eval()
    clips, mask = clip(), model.draw_mask(2)
    pixels = mask.hidden.reshape(2, 1, 4, 4, 4)
    for axis, size in ((2, 2), (3, 4), (4, 4)):
        pixels = pixels.repeat_interleave(size, dim=axis)
    changed = torch.where(pixels, 255 - clips, clips)
    assert torch.equal(predict(model, clips, mask), predict(model, changed, mask))
    changed = torch.where(pixels, clips, 255 - clips)
    assert not torch.allclose(predict(model, clips, mask), predict(model, changed, mask), atol=1e-4)


@pytest.mark.parametrize("weight", [None, 0.3])
@pytest.mark.parametrize("config", [CONFIG, VIT])
def test_every_parameter_gets_a_gradient(config: AutoencoderConfig, weight: float | None) -> None:
    model = MaskedAutoencoder(replace(config, motion_weight=weight)).train()
    model(clip()).loss.backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_uint8_and_unit_floats_agree_and_the_generator_repeats() -> None:
    model = MaskedAutoencoder(CONFIG).eval()
    clips = clip()
    first = model(clips, generator=torch.Generator().manual_seed(3))
    again = model(clips.float() / 255, generator=torch.Generator().manual_seed(3))
    assert torch.equal(first.mask.keep, again.mask.keep)
    torch.testing.assert_close(first.loss, again.loss)
    assert first.prediction.shape == first.target.shape == (2, 48, 96)


def test_perfect_prediction_has_no_loss_and_a_step_lowers_it() -> None:
    model = MaskedAutoencoder(CONFIG)
    clips, mask = clip(), model.draw_mask(2)
    target = model.target(model.normalizer.scale(clips), mask)
    assert float(model.loss(target, target)) == 0
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    before = model(clips, mask).loss
    before.backward()
    optimizer.step()
    assert model(clips, mask).loss.item() < before.item()


def test_autocast_loss_is_float32_and_close() -> None:
    model = MaskedAutoencoder(CONFIG).eval()
    clips, mask = clip(), model.draw_mask(2)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(clips, mask).loss
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, model(clips, mask).loss, atol=0.02, rtol=0.02)


@pytest.mark.parametrize(("tubelet", "group"), [(2, 2), (4, 2), (4, 4), (2, 4), (2, 1), (1, 2), (4, 3)])
@pytest.mark.parametrize("kind", ["joint", "appearance"])
def test_target_value_by_value(tubelet: int, group: int, kind: str) -> None:
    clips = torch.rand(1, 3, 8, 6, 6)
    target = reconstruction_target(clips, tubelet_size=tubelet, patch_size=3, kind=kind, motion_group=group)

    def normalised(frame: int, row: int, column: int, channel: int) -> float:
        t, h, w = frame // tubelet * tubelet, row // 3 * 3, column // 3 * 3
        block = clips[0, channel, t : t + tubelet, h : h + 3, w : w + 3].double().flatten()
        mean = block.sum() / len(block)
        variance = ((block - mean) ** 2).sum() / (len(block) - 1)
        return float((clips[0, channel, frame, row, column].double() - mean) / (math.sqrt(variance) + 1e-6))

    for frame, row, column, channel in [(0, 0, 0, 0), (1, 4, 2, 1), (2, 3, 5, 2), (5, 1, 4, 0), (7, 5, 3, 1)]:
        expected = normalised(frame, row, column, channel)
        if kind == "joint" and frame % group:
            expected -= normalised(frame // group * group, row, column, channel)
        token = (frame // tubelet * 2 + row // 3) * 2 + column // 3
        value = ((frame % tubelet * 3 + row % 3) * 3 + column % 3) * 3 + channel
        assert float(target[0, token, value]) == pytest.approx(expected, abs=1e-4)


def test_half_weight_is_the_plain_mean_and_ends_read_one_kind() -> None:
    prediction, target = torch.randn(2, 5, 96), torch.randn(2, 5, 96)
    sizes = {"tubelet_size": 2, "motion_group": 2}
    plain = reconstruction_loss(prediction, target, motion_weight=None, **sizes)
    torch.testing.assert_close(reconstruction_loss(prediction, target, motion_weight=0.5, **sizes), plain)
    appearance = (prediction - target)[:, :, :48].square().mean()
    motion = (prediction - target)[:, :, 48:].square().mean()
    torch.testing.assert_close(reconstruction_loss(prediction, target, motion_weight=0.0, **sizes), appearance)
    torch.testing.assert_close(reconstruction_loss(prediction, target, motion_weight=1.0, **sizes), motion)
    torch.testing.assert_close(
        reconstruction_loss(prediction, target, motion_weight=0.3, **sizes), 0.7 * appearance + 0.3 * motion
    )


def test_still_picture_has_no_motion() -> None:
    still = torch.rand(1, 3, 1, 8, 8).expand(1, 3, 8, 8, 8)
    target = reconstruction_target(still, tubelet_size=2, patch_size=4, kind="joint", motion_group=2)
    assert target[:, :, 48:].abs().max() < 1e-6
    assert target[:, :, :48].abs().max() > 0.5
