"""Parameters and multiply-adds of the full models against the published figures (counted on the meta device)."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from maedfer.config import AutoencoderConfig, ClassifierConfig, LGIFormerConfig, ModelConfig, ViTConfig
from maedfer.models import ExpressionClassifier, MaskedAutoencoder, TokenMask, layers

FACTS = json.loads((Path(__file__).parents[1] / "parity/reference/published_facts.json").read_text())["cost"]
FINETUNED = FACTS["fine-tuned model, 7 classes, 16x160x160"]
PRETRAINING = FACTS["pre-training model"]
VIT_B = FACTS["VideoMAE ViT-B at 16x160x160, 7 classes"]


def build(config: ModelConfig) -> nn.Module:
    with torch.device("meta"):
        model = ExpressionClassifier(config) if isinstance(config, ClassifierConfig) else MaskedAutoencoder(config)
    return model.to("meta").eval()


def clip(batch: int = 1) -> torch.Tensor:
    return torch.empty(batch, 3, 16, 160, 160, device="meta")


def giga(run: Callable[[], object]) -> float:
    """Multiply-adds in 10^9. The fused kernel of a CPU would be counted as zero, hence the backend."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        run()
    return counter.get_total_flops() / 2e9


@pytest.fixture
def unfolded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every projection on every token, as the published model computes."""
    monkeypatch.setattr(layers, "_folding_pays", lambda *_: False)


def folded_saving(tokens: int, regions: int, dim: int, heads: int) -> float:
    """Multiply-adds in 10^9 that folding spares one exchange, by hand."""
    plain = 2 * tokens * dim**2 + 2 * tokens * regions * dim
    folding = 2 * regions * dim**2 + regions * dim
    return (plain - folding - 2 * tokens * dim * heads * regions) / 1e9


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_lgi_former(unfolded: None) -> None:
    model = build(ClassifierConfig())
    assert parameters(model) == FINETUNED["parameters"] == 84_878_343
    whole = giga(lambda: model.head(model.norm(model.encoder(clip())[:, :, 0].mean(dim=1))))
    assert whole == pytest.approx(FINETUNED["GMACs"], abs=5e-4)
    # What nothing reads is skipped: 47.042 in place of 49.652, 5.3 % less.
    ours = giga(lambda: model(clip()))
    assert ours == pytest.approx(47.042, abs=5e-4)
    assert 1 - ours / whole == pytest.approx(0.053, abs=5e-4)


def test_folded_exchanges_spare_what_the_products_say() -> None:
    # 47.042 - 5.540: the exchanges of all blocks but the last, which nothing reads.
    assert giga(lambda: build(ClassifierConfig())(clip())) == pytest.approx(41.502, abs=1e-3)
    assert 15 * folded_saving(800, 8, 512, 8) == pytest.approx(5.540, abs=5e-4)


def test_vit_b() -> None:
    model = build(ClassifierConfig(encoder=ViTConfig()))
    assert parameters(model) == VIT_B["parameters"] == 86_232_583
    assert giga(lambda: model(clip())) == pytest.approx(VIT_B["GMACs"], abs=5e-4)


def decoding(model: nn.Module, batch: int) -> float:
    """Multiply-adds in 10^9 from normalised clips to the values of hidden tubelets."""
    mask = TokenMask(
        keep=torch.empty(batch, 8, 10, dtype=torch.long, device="meta"),
        drop=torch.empty(batch, 720, dtype=torch.long, device="meta"),
    )
    return giga(lambda: model.decode(model.encode(clip(batch), mask), mask))


def test_pre_training(unfolded: None, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(AutoencoderConfig())
    assert parameters(model) == PRETRAINING["parameters"] == 92_760_192
    # The published model embeds the 720 hidden tubelets too, and its last block works on the 80 visible tokens too:
    # their attention to 800 keys, output projection and MLP.
    hidden = 720 * 1536 * 512 / 1e9
    unread = 80 * (2 * 800 * 384 + 384**2 + 8 * 384**2) / 1e9
    published = PRETRAINING["GMACs at mask ratio 0.9, forward"]
    assert decoding(model, 1) + hidden + unread == pytest.approx(published, abs=5e-4)
    # In a batch the hidden tokens of the first block are projected once for each of the 800 positions.
    repeated = (4 * 720 - 800) * 3 * 384**2 / 1e9
    plain = decoding(model, 1)
    assert decoding(model, 4) + repeated == pytest.approx(4 * plain, abs=5e-4)
    monkeypatch.undo()
    assert decoding(model, 1) + 16 * folded_saving(80, 8, 512, 8) == pytest.approx(plain, abs=5e-4)


def test_saving_over_a_plain_vit_of_the_same_width_and_depth(unfolded: None) -> None:
    plain = build(ClassifierConfig(encoder=ViTConfig(embed_dim=512, depth=16, num_heads=8)))
    assert giga(lambda: plain(clip())) == pytest.approx(51.4, abs=0.1)
    longer = build(ClassifierConfig(encoder=LGIFormerConfig(num_frames=64)))
    long_clip = torch.empty(1, 3, 64, 160, 160, device="meta")
    assert giga(lambda: longer(long_clip)) < 4.1 * giga(lambda: build(ClassifierConfig())(clip()))
