"""The decoder leaves work out; its values and gradients are those of plain ViT blocks over all tokens."""

import pytest
import torch
from torch import Tensor

from maedfer.config import DecoderConfig
from maedfer.models.decoder import Decoder, HiddenTokens
from maedfer.models.layers import Checkpointing, checkpoint_activations
from maedfer.models.vit import ViTBlock

WIDTH, POSITIONS, VISIBLE = 16, 12, 3


def build(depth: int) -> Decoder:
    decoder = Decoder(DecoderConfig(embed_dim=WIDTH, depth=depth, num_heads=2), tubelet_values=10).double()
    for parameter in decoder.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return decoder


def inputs(batch: int) -> tuple[Tensor, HiddenTokens]:
    order = torch.rand(batch, POSITIONS).argsort(dim=1)
    table = torch.randn(POSITIONS, WIDTH, dtype=torch.float64, requires_grad=True)
    visible = torch.randn(batch, VISIBLE, WIDTH, dtype=torch.float64, requires_grad=True)
    return visible, HiddenTokens(table, order[:, VISIBLE:].sort(dim=1).values)


def plain(decoder: Decoder, visible: Tensor, hidden: HiddenTokens) -> Tensor:
    tokens = torch.cat((visible, hidden.table[hidden.positions]), dim=1)
    for block in decoder.blocks:
        tokens = ViTBlock.forward(block, tokens)
    return decoder.head(decoder.norm(tokens[:, VISIBLE:]))


@pytest.mark.parametrize("level", ["none", "light", "selective", "full"])
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_values_and_gradients_are_the_plain_ones(depth: int, batch: int, level: Checkpointing) -> None:
    decoder = build(depth)
    checkpoint_activations(decoder, level)
    visible, hidden = inputs(batch)
    assert hidden.repeats is (batch > 1)
    expected, values = plain(decoder, visible, hidden), decoder(visible, hidden)
    torch.testing.assert_close(values, expected, atol=1e-12, rtol=1e-12)
    leaves = [visible, hidden.table, *decoder.parameters()]
    weight = torch.randn_like(values)
    gradients = [torch.autograd.grad((made * weight).sum(), leaves) for made in (values, expected)]
    for ours, theirs in zip(*gradients, strict=True):
        assert theirs.any()
        torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-10)


def test_hidden_rows_gather_their_gradients_in_float32() -> None:
    positions = torch.zeros(1, 4096, dtype=torch.long)
    rows = torch.ones(1, 1, dtype=torch.bfloat16, requires_grad=True)
    looked_up = HiddenTokens(torch.zeros(1, 1), positions).look_up(rows)
    assert looked_up.dtype == torch.bfloat16
    looked_up.sum().backward()
    assert rows.grad is not None
    assert float(rows.grad) == 4096  # adding ones in bfloat16 would stop at 256
