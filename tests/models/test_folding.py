"""Folded attention: the values and gradients of plain attention, and only where it spares work."""

import pytest
import torch

from maedfer.models import layers
from maedfer.models.layers import Attention

QUERIES, KEYS, DIM, HEADS = 200, 3, 64, 4


def made() -> tuple[Attention, torch.Tensor, torch.Tensor]:
    attention = Attention(DIM, HEADS)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.normal_(0.0, 0.2)
    return attention, torch.randn(2, QUERIES, DIM, requires_grad=True), torch.randn(2, KEYS, DIM, requires_grad=True)


def both(monkeypatch: pytest.MonkeyPatch, attention: Attention, *inputs: torch.Tensor) -> list[torch.Tensor]:
    assert layers._folding_pays(QUERIES, KEYS, DIM, HEADS)
    folded = attention(*inputs)
    monkeypatch.setattr(layers, "_folding_pays", lambda *_: False)
    return [folded, attention(*inputs)]


def test_values_and_all_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    attention, tokens, context = made()
    attention.double()
    tokens, context = (tensor.detach().double().requires_grad_() for tensor in (tokens, context))
    folded, plain = both(monkeypatch, attention, tokens, context)
    torch.testing.assert_close(folded, plain, atol=1e-10, rtol=1e-10)
    weight = torch.randn_like(plain)
    inputs = [tokens, context, *attention.parameters()]
    ours, theirs = (torch.autograd.grad((value * weight).sum(), inputs) for value in (folded, plain))
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, atol=1e-9, rtol=1e-9)


def test_under_autocast_it_rounds_no_worse_than_plain_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    attention, tokens, context = made()
    with torch.no_grad():
        exact = attention(tokens, context)
        with torch.autocast("cpu", torch.bfloat16):
            folded, plain = both(monkeypatch, attention, tokens, context)
    assert folded.dtype == plain.dtype == torch.bfloat16
    ours, theirs = (float((value.float() - exact).norm() / exact.norm()) for value in (folded, plain))
    assert ours < max(1.5 * theirs, 0.01)


@pytest.mark.parametrize(("queries", "keys", "pays"), [(800, 8, True), (80, 8, True), (800, 101, False), (8, 8, False)])
def test_it_is_taken_where_it_spares_half(queries: int, keys: int, pays: bool) -> None:
    """At the width of the paper's model: the exchange of fine-tuning and of pre-training, and what is no exchange."""
    assert layers._folding_pays(queries, keys, 512, 8) is pays


def test_an_exported_graph_keeps_products_with_weights() -> None:
    attention, tokens, context = made()
    tokens, context = tokens.detach(), context.detach()
    exported = torch.export.export(attention.eval(), (tokens, context))
    assert not any("baddbmm" in str(node.target) for node in exported.graph.nodes)
    torch.testing.assert_close(exported.module()(tokens, context), attention(tokens, context), atol=1e-5, rtol=1e-4)
