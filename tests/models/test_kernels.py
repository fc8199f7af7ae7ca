"""Faster kernels give the values and gradients of torch's own functions."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from maedfer.config import ClassifierConfig, LGIFormerConfig
from maedfer.models import ExpressionClassifier, kernels, pack_weights
from maedfer.models.encoder import LGIBlock
from maedfer.models.kernels import Linear, add_branch, attend, gelu, linear
from maedfer.models.vit import ViTBlock

ONEDNN = pytest.mark.skipif(not kernels._HAS_ONEDNN, reason="this build of torch has no oneDNN for this processor")


def leaves(*shapes: tuple[int, ...], dtype: torch.dtype = torch.float32) -> list[Tensor]:
    return [torch.randn(*shape).to(dtype).requires_grad_() for shape in shapes]


def compare(made: Tensor, expected: Tensor, inputs: list[Tensor], tolerance: float) -> None:
    weight = torch.randn_like(expected)
    ours, theirs = (
        (value, *torch.autograd.grad((value * weight).sum(), inputs, retain_graph=True)) for value in (made, expected)
    )
    for our, their in zip(ours, theirs, strict=True):
        # Sums over many products: their size sets the rounding.
        torch.testing.assert_close(our, their, atol=tolerance * float(their.detach().abs().max()), rtol=tolerance)


@ONEDNN
@pytest.mark.parametrize("lead", [(300,), (3, 100), (2, 3, 50)])
@pytest.mark.parametrize("with_bias", [True, False])
def test_linear_and_its_gradients(lead: tuple[int, ...], with_bias: bool) -> None:
    tokens, weight, bias = leaves((*lead, 256), (320, 256), (320,))
    made = linear(tokens, weight, bias if with_bias else None)
    assert "OneDNN" in type(made.grad_fn).__name__
    inputs = [tokens, weight, bias] if with_bias else [tokens, weight]
    compare(made, F.linear(tokens, weight, bias if with_bias else None), inputs, 1e-5)


@ONEDNN
def test_linear_of_tensors_with_gaps() -> None:
    base, weights = leaves((4, 90, 256), (256, 512))
    tokens, weight = base[:, -80:], weights[:, ::2].t().reshape(256, 256).t()
    made = linear(tokens, weight)
    assert "OneDNN" in type(made.grad_fn).__name__
    compare(made, F.linear(tokens, weight), [base, weights], 1e-5)
    made, expected = linear(tokens, weight), F.linear(tokens, weight)
    ours, theirs = (torch.autograd.grad(value.mean(), base)[0] for value in (made, expected))  # a gradient of stride 0
    torch.testing.assert_close(ours, theirs, atol=1e-7, rtol=1e-5)


@ONEDNN
def test_linear_gives_only_the_gradients_that_are_asked_for() -> None:
    tokens, weight, bias = leaves((300, 256), (320, 256), (320,))
    weight.requires_grad_(False)
    linear(tokens, weight, bias).sum().backward()
    assert weight.grad is None
    torch.testing.assert_close(bias.grad, torch.full((320,), 300.0))
    torch.testing.assert_close(tokens.grad, weight.sum(dim=0).expand(300, 256), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_take_torch_own_linear(dtype: torch.dtype) -> None:
    tokens, weight, bias = leaves((300, 256), (320, 256), (320,), dtype=dtype)
    assert torch.equal(linear(tokens, weight, bias), F.linear(tokens, weight, bias))


def test_autocast_reaches_a_large_linear() -> None:
    layer, tokens = Linear(256, 320), torch.randn(300, 256)
    with torch.autocast("cpu", torch.bfloat16):
        mapped = layer(tokens)
    assert mapped.dtype == torch.bfloat16
    torch.testing.assert_close(mapped.float(), layer(tokens), atol=0.03, rtol=0.03)


def test_a_large_linear_can_be_exported() -> None:
    layer, tokens = Linear(256, 320).eval(), torch.randn(300, 256)
    exported = torch.export.export(layer, (tokens,)).module()
    torch.testing.assert_close(exported(tokens), layer(tokens), atol=1e-5, rtol=1e-5)


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


@pytest.mark.parametrize("operator", [None, lambda tokens, weight: tokens, lambda *_: torch.zeros(2, 2)])
def test_without_the_private_product_or_with_another_torchs_own_is_taken(monkeypatch, operator) -> None:
    """The operator is absent, has another signature, or gives something else."""

    class Namespace:
        pass

    if operator is not None:
        Namespace._linear_pointwise = staticmethod(operator)
    monkeypatch.setattr(torch.ops, "mkldnn", Namespace)
    monkeypatch.setattr(kernels, "_HAS_ONEDNN", kernels._onednn_answers())
    assert not kernels._HAS_ONEDNN
    tokens, weight, bias = leaves((300, 256), (320, 256), (320,))
    assert torch.equal(linear(tokens, weight, bias), F.linear(tokens, weight, bias))


def test_a_bias_with_gaps_is_read_as_it_is() -> None:
    tokens, weight, spread = leaves((300, 256), (320, 256), (640,))
    bias = spread[::2]
    torch.testing.assert_close(linear(tokens, weight, bias), F.linear(tokens, weight, bias), atol=1e-4, rtol=1e-5)


PACKED = pytest.mark.skipif(not kernels._HAS_PACKED, reason="this build of torch packs no weights for this processor")


def packed(layer: Linear) -> Linear:
    pack_weights(layer)
    assert layer._packed is not None
    return layer


def read_packed(layer: Linear, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a call reads the packed copy."""
    read: list[bool] = []
    product = kernels._product

    def seen(tokens: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        read.append(layer._packed is not None and weight is layer._packed.blocks)
        return product(tokens, weight, bias)

    with monkeypatch.context() as patch:
        patch.setattr(kernels, "_product", seen)
        layer(torch.randn(3, layer.in_features))
    return read == [True]


@PACKED
@pytest.mark.parametrize("rows", [(1,), (5,), (300,), (2, 90), (3, 4, 600)])
@pytest.mark.parametrize("bias", [True, False])
def test_packed_weights_map_any_number_of_rows_as_they_are(rows: tuple[int, ...], bias: bool) -> None:
    layer, tokens = Linear(96, 160, bias=bias), torch.randn(*rows, 97)[..., 1:]
    with torch.no_grad():
        expected = F.linear(tokens, layer.weight, layer.bias)
        torch.testing.assert_close(packed(layer)(tokens), expected, atol=1e-5, rtol=1e-5)
        other = torch.randn(160)
        torch.testing.assert_close(layer.mapped(tokens, other), F.linear(tokens, layer.weight, other))


@PACKED
@torch.no_grad()
def test_a_weight_that_is_no_longer_what_was_packed_is_read_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = packed(Linear(64, 64))
    assert read_packed(layer, monkeypatch)
    for change in (
        lambda: layer.weight.mul_(2),
        lambda: layer.load_state_dict(Linear(64, 64).state_dict()),
        lambda: setattr(layer, "weight", torch.nn.Parameter(torch.randn(64, 64))),
        lambda: layer.to("meta").to_empty(device="cpu").weight.normal_(),
    ):
        packed(layer)
        change()
        assert not read_packed(layer, monkeypatch)
        tokens = torch.randn(3, 64)
        torch.testing.assert_close(layer(tokens), F.linear(tokens, layer.weight, layer.bias))
    for other in (lambda weight: weight.t(), lambda weight: weight[:32]):  # of the same memory
        layer = packed(Linear(64, 64, bias=False))
        layer.weight = torch.nn.Parameter(other(layer.weight.detach()))
        assert not read_packed(layer, monkeypatch)
    layer = Linear(64, 64)
    with torch.enable_grad():
        assert not read_packed(packed(layer), monkeypatch), "a gradient needs the weight"
        assert layer(torch.randn(3, 64)).requires_grad
    for _ in range(20):  # freed memory is given out again, at the same address
        assert not read_packed(packed(layer).half().float(), monkeypatch)


@PACKED
def test_a_packed_weight_that_is_trained_afterwards_is_read_itself() -> None:
    """A fused optimizer changes weights without telling their version."""
    layer, tokens = packed(Linear(64, 64)), torch.randn(3, 64)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1, fused=True)
    layer(tokens).square().sum().backward()
    optimizer.step()
    with torch.no_grad():
        torch.testing.assert_close(layer(tokens), F.linear(tokens, layer.weight, layer.bias))


@ONEDNN
def test_one_row_without_a_batch_has_a_gradient() -> None:
    tokens, weight = leaves((4096,), (4096, 4096))
    compare(linear(tokens, weight), F.linear(tokens, weight), [tokens, weight], 1e-4)


@ONEDNN
def test_second_derivatives_are_refused_not_wrong() -> None:
    tokens, weight = leaves((300, 256), (320, 256))
    (first,) = torch.autograd.grad(linear(tokens, weight).square().sum(), tokens, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


@PACKED
@torch.no_grad()
def test_a_packed_model_gives_its_logits_and_copies_and_stores_without_the_packed_weights() -> None:
    torch.manual_seed(0)
    model = ExpressionClassifier(ClassifierConfig(encoder=LGIFormerConfig(embed_dim=64, depth=2, num_heads=4))).eval()
    model.head.weight.normal_()
    clips = torch.randint(0, 256, (2, 3, 16, 160, 160), dtype=torch.uint8)
    plain, names = model(clips), set(model.state_dict())
    pack_weights(model)
    assert set(model.state_dict()) == names
    torch.testing.assert_close(model(clips), plain, atol=1e-5, rtol=1e-4)
    for made in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert all(layer._packed is None for layer in made.modules() if isinstance(layer, Linear))
        torch.testing.assert_close(made(clips), plain, atol=1e-5, rtol=1e-4)


def test_what_cannot_be_packed_is_left_as_it_is() -> None:
    with torch.inference_mode():
        untracked = Linear(64, 64)
    for layer in (untracked, Linear(64, 64, dtype=torch.bfloat16), Linear(64, 64, device="meta")):
        pack_weights(layer)
        assert layer._packed is None


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
