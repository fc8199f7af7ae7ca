"""Faster kernels give the values and gradients of torch's own functions."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from maedfer.config import LGIFormerConfig
from maedfer.models.encoder import LGIBlock
from maedfer.models.kernels import add_branch, attend, gelu, multiplies_bfloat16
from maedfer.models.vit import ViTBlock


def leaves(*shapes: tuple[int, ...], dtype: torch.dtype = torch.float32) -> list[Tensor]:
    return [torch.randn(*shape).to(dtype).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("autocast", [True, False])
@pytest.mark.parametrize("keys", [9, 300, 1100])
def test_attention_in_bfloat16_is_that_in_float64(keys: int, autocast: bool) -> None:
    inputs = leaves((2, 3, 7, 16), (2, 3, keys, 16), (2, 3, keys, 16), dtype=torch.bfloat16)
    exact = [tensor.detach().double().requires_grad_() for tensor in inputs]
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        made = attend(*inputs)
    assert made.dtype == torch.bfloat16
    expected = (exact[0] @ exact[1].transpose(-2, -1) / 4).softmax(dim=-1) @ exact[2]
    torch.testing.assert_close(made.double(), expected, atol=0.02, rtol=0.02)
    weight = torch.randn_like(expected)
    ours = torch.autograd.grad((made.double() * weight).sum(), inputs)
    theirs = torch.autograd.grad((expected * weight).sum(), exact)
    for our, their in zip(ours, theirs, strict=True):
        assert float((our.double() - their).norm() / their.norm()) < 0.02


def test_attention_without_gradients_is_that_with_them() -> None:
    """Other kernels may be taken where nothing is kept for the backward pass."""
    inputs = leaves((2, 3, 7, 16), (2, 3, 101, 16), (2, 3, 101, 16))
    expected = attend(*inputs)
    with torch.no_grad():
        torch.testing.assert_close(attend(*inputs), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("gradients", [True, False])
def test_a_branch_is_added_and_the_tokens_are_kept(gradients: bool) -> None:
    tokens, branch = torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    before, expected, hidden = tokens.clone(), tokens + branch, F.gelu(branch)
    with torch.set_grad_enabled(gradients):
        assert torch.equal(gelu(branch.clone()), hidden)
        assert torch.equal(add_branch(tokens, branch), expected)
    assert torch.equal(tokens, before)


def test_a_branch_of_another_type_gives_the_type_that_a_sum_has() -> None:
    tokens, branch = torch.randn(2, 3), torch.randn(2, 3).bfloat16()
    with torch.no_grad():
        added = add_branch(tokens, branch.clone())
    assert added.dtype == torch.float32
    assert torch.equal(added, tokens + branch)


@pytest.mark.parametrize(
    "block", [LGIBlock(LGIFormerConfig(embed_dim=32, num_heads=4, depth=1), 0.0), ViTBlock(32, 4, 4.0, 0.0)]
)
@pytest.mark.parametrize("autocast", [False, True])
def test_a_block_without_gradients_gives_what_it_gives_with_them_and_leaves_its_input(
    block: torch.nn.Module, autocast: bool
) -> None:
    tokens = torch.randn(2, 4, 9, 32) if isinstance(block, LGIBlock) else torch.randn(2, 36, 32)
    before = tokens.clone()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        with_gradients = block(tokens)
        with torch.no_grad():
            without = block(tokens)
    assert torch.equal(tokens, before)
    assert without.dtype == with_gradients.dtype
    torch.testing.assert_close(
        without, with_gradients, atol=1e-2 if autocast else 1e-6, rtol=1e-2 if autocast else 1e-5
    )


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this build of torch has no oneDNN")
@pytest.mark.parametrize(("products", "tiles"), [(False, False), (True, False), (False, True)])
def test_avx512_alone_is_no_bfloat16_product(monkeypatch: pytest.MonkeyPatch, products: bool, tiles: bool) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: products)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles)
    assert multiplies_bfloat16() == (products or tiles)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    assert not multiplies_bfloat16()
