"""Linear maps by oneDNN, and from packed weights, give the values and gradients of torch's own."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from maedfer.config import ClassifierConfig, LGIFormerConfig
from maedfer.models import ExpressionClassifier, pack_weights
from maedfer.models import linear as maps
from maedfer.models.linear import Linear, linear

ONEDNN = pytest.mark.skipif(
    not maps._ONEDNN[torch.float32], reason="this build of torch has no oneDNN for this processor"
)
ONEDNN_BFLOAT16 = pytest.mark.skipif(not maps._ONEDNN[torch.bfloat16], reason="bfloat16 is imitated here")


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


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_other_types_take_torch_own_linear(dtype: torch.dtype) -> None:
    tokens, weight, bias = leaves((300, 256), (320, 256), (320,), dtype=dtype)
    assert torch.equal(linear(tokens, weight, bias), F.linear(tokens, weight, bias))


@ONEDNN_BFLOAT16
@pytest.mark.parametrize("autocast", [True, False])
@pytest.mark.parametrize("with_bias", [True, False])
def test_linear_in_bfloat16_is_that_in_float64(autocast: bool, with_bias: bool) -> None:
    """Under autocast from float32, of which gradients come back in float32; else from bfloat16 itself."""
    inputs = leaves((3, 100, 256), (320, 256), (320,), dtype=torch.float32 if autocast else torch.bfloat16)
    inputs = inputs if with_bias else inputs[:2]
    exact = [tensor.detach().bfloat16().double().requires_grad_() for tensor in inputs]
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        made, usual = linear(*inputs), F.linear(*inputs)
    assert "OneDNN" in type(made.grad_fn).__name__
    assert made.dtype == torch.bfloat16
    expected = F.linear(*exact)
    torch.testing.assert_close(made.double(), expected, atol=1e-3, rtol=2**-8)
    weight = torch.randn_like(expected).bfloat16().double()
    ours, torchs = (torch.autograd.grad((value.double() * weight).sum(), inputs) for value in (made, usual))
    theirs = torch.autograd.grad((expected * weight).sum(), exact)
    for our, usual_, their, given in zip(ours, torchs, theirs, inputs, strict=True):
        assert our.dtype == given.dtype
        wrong, usually = (float((found.double() - their).norm() / their.norm()) for found in (our, usual_))
        assert wrong < max(1.1 * usually, 2**-9)


@ONEDNN_BFLOAT16
def test_autocast_keeps_no_rounded_weight_for_the_backward_pass() -> None:
    tokens, weight, bias = leaves((300, 256), (320, 256), (320,))
    kept: list[Tensor] = []
    with (
        torch.autocast("cpu", torch.bfloat16),
        torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor),
    ):
        linear(tokens, weight, bias)
    new = [tensor for tensor in kept if tensor.data_ptr() not in (tokens.data_ptr(), weight.data_ptr())]
    assert [tensor.shape for tensor in new] == [tokens.shape]


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


@pytest.mark.parametrize("operator", [None, lambda tokens, weight: tokens, lambda *_: torch.zeros(2, 2)])
def test_without_the_private_product_or_with_another_torchs_own_is_taken(monkeypatch, operator) -> None:
    """The operator is absent, has another signature, or gives something else."""

    class Namespace:
        pass

    if operator is not None:
        Namespace._linear_pointwise = staticmethod(operator)
    monkeypatch.setattr(torch.ops, "mkldnn", Namespace)
    answers = maps._onednn_answers(torch.float32)
    assert not answers
    monkeypatch.setitem(maps._ONEDNN, torch.float32, answers)
    tokens, weight, bias = leaves((300, 256), (320, 256), (320,))
    assert torch.equal(linear(tokens, weight, bias), F.linear(tokens, weight, bias))


def test_a_bias_with_gaps_is_read_as_it_is() -> None:
    tokens, weight, spread = leaves((300, 256), (320, 256), (640,))
    bias = spread[::2]
    torch.testing.assert_close(linear(tokens, weight, bias), F.linear(tokens, weight, bias), atol=1e-4, rtol=1e-5)


PACKED = pytest.mark.skipif(
    not maps._PACKS[torch.float32], reason="this build of torch packs no weights for this processor"
)
PACKED_BFLOAT16 = pytest.mark.skipif(not maps._PACKS[torch.bfloat16], reason="bfloat16 is imitated here")


def packed(layer: Linear) -> Linear:
    pack_weights(layer)
    assert layer._packed is not None
    return layer


def read_packed(layer: Linear, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a call reads the packed copy."""
    read: list[bool] = []
    product = maps._product

    def seen(tokens: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        read.append(layer._packed is not None and weight is layer._packed.blocks)
        return product(tokens, weight, bias)

    with monkeypatch.context() as patch:
        patch.setattr(maps, "_product", seen)
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
        lambda: layer.to("meta").to_empty(device="cpu").load_state_dict(Linear(64, 64).state_dict()),
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


@PACKED_BFLOAT16
@torch.no_grad()
def test_weights_packed_for_bfloat16_are_read_under_autocast_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Linear(64, 64)
    pack_weights(layer, torch.bfloat16)
    assert not read_packed(layer, monkeypatch)
    with torch.autocast("cpu", torch.bfloat16):
        assert read_packed(layer, monkeypatch)
        pack_weights(layer)
        assert not read_packed(layer, monkeypatch)
    assert read_packed(layer, monkeypatch)


@PACKED_BFLOAT16
@torch.no_grad()
def test_a_model_packed_for_bfloat16_is_as_exact_as_one_that_is_not() -> None:
    torch.manual_seed(0)
    model = ExpressionClassifier(ClassifierConfig(encoder=LGIFormerConfig(embed_dim=64, depth=2, num_heads=4))).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    clips = torch.randint(0, 256, (2, 3, 16, 160, 160), dtype=torch.uint8)
    exact = model(clips)
    with torch.autocast("cpu", torch.bfloat16):
        plain = model(clips)
        pack_weights(model, torch.bfloat16)
        packed_ = model(clips)
    attention = model.encoder.blocks[0].exchange_attention
    assert "rounded" in attention.q._packed.__dict__, "the exchange rounds its weights once"
    off, usually = (float((found.float() - exact).norm() / exact.norm()) for found in (packed_, plain))
    assert off < max(2 * usually, 0.01)
    with torch.no_grad():
        attention.q.weight.mul_(2)
    assert attention.q.weight_for(torch.zeros(1, 1).bfloat16()) is attention.q.weight


def test_what_cannot_be_packed_is_left_as_it_is() -> None:
    with torch.inference_mode():
        untracked = Linear(64, 64)
    for layer in (untracked, Linear(64, 64, dtype=torch.bfloat16), Linear(64, 64, device="meta")):
        pack_weights(layer)
        assert layer._packed is None
