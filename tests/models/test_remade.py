"""Activations that are computed again: the same values and gradients, of fewer things kept."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maedfer.config import AutoencoderConfig, ClassifierConfig, DecoderConfig, LGIFormerConfig, ViTConfig
from maedfer.errors import ConfigError
from maedfer.models import ExpressionClassifier, MaskedAutoencoder
from maedfer.models.layers import BlockStack, Checkpointing, checkpoint_activations
from maedfer.models.remade import _Kept, _Remaking, remade
from maedfer.models.vit import build_encoder
from maedfer.recipes import AdaptConfig, ComputeConfig, FinetuneRecipe
from maedfer.train.adapt import adapt

SIZES = {"image_size": 32, "num_frames": 4, "embed_dim": 24, "depth": 2, "num_heads": 2, "drop_path": 0.5}
LGI = LGIFormerConfig(region_size=(2, 1, 2), **SIZES)
ALONE = LGIFormerConfig(region_size=(2, 1, 2), exchange_step="self", **SIZES)
VIT = ViTConfig(**SIZES)
DECODER = DecoderConfig(embed_dim=16, depth=2, num_heads=2)
LEVELS: tuple[Checkpointing, ...] = ("light", "selective", "full")


def build(stage: str, encoder: LGIFormerConfig | ViTConfig) -> nn.Module:
    torch.manual_seed(1)
    if stage == "autoencoder":
        return MaskedAutoencoder(AutoencoderConfig(encoder=encoder, decoder=DECODER, mask_ratio=0.5)).train()
    classifier = ExpressionClassifier(ClassifierConfig(encoder=encoder)).train()
    if stage == "lora":
        adapt(classifier, AdaptConfig(train="lora", lora_rank=2))
    classifier.head.weight.data.normal_()
    return classifier


def gradients(model: nn.Module, precision: torch.dtype = torch.float32) -> dict[str, Tensor]:
    torch.manual_seed(7)
    model.zero_grad()
    clips = torch.randint(0, 256, (2, 3, 4, 32, 32), dtype=torch.uint8)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        made = model(clips)
    loss = made.loss if isinstance(model, MaskedAutoencoder) else made.float().square().sum()
    loss.backward()
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return found | {"loss": loss.detach()}


@pytest.mark.parametrize("encoder", [LGI, ALONE, VIT])
@pytest.mark.parametrize("stage", ["classifier", "autoencoder", "lora"])
@pytest.mark.parametrize("level", LEVELS)
def test_loss_and_gradients_are_the_same(level, stage, encoder):
    model = build(stage, encoder)
    kept = gradients(model)
    checkpoint_activations(model, level)
    again = gradients(model)
    assert kept.keys() == again.keys()
    assert all(torch.equal(value, again[name]) for name, value in kept.items())


@pytest.mark.parametrize("encoder", [LGI, VIT])
@pytest.mark.parametrize("stage", ["classifier", "autoencoder"])
@pytest.mark.parametrize("level", LEVELS)
def test_in_bfloat16_the_loss_is_the_same_and_gradients_up_to_rounding(level, stage, encoder):
    model = build(stage, encoder)
    kept = gradients(model, torch.bfloat16)
    checkpoint_activations(model, level)
    again = gradients(model, torch.bfloat16)
    assert torch.equal(kept["loss"], again["loss"])
    for name, value in kept.items():
        torch.testing.assert_close(again[name], value, atol=0.02 * float(value.abs().max()), rtol=0)


def bytes_kept(stack: BlockStack, tokens: Tensor, monkeypatch: pytest.MonkeyPatch) -> int:
    """Of the tensors that one block leaves to the backward pass, but for parameters."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in stack.parameters()}
    held = dict[int, Tensor]()  # holding them keeps their addresses apart

    def keep(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            held[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    pack = _Remaking._pack

    def keep_unless_remade(self: _Remaking, tensor: Tensor) -> object:
        packed = pack(self, tensor)
        if isinstance(packed, _Kept):
            keep(packed.tensor)
        return packed

    monkeypatch.setattr(_Remaking, "_pack", keep_unless_remade)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        assert stack.through(stack.blocks[1], tokens).requires_grad
    monkeypatch.undo()
    return sum(tensor.untyped_storage().nbytes() for tensor in held.values())


@pytest.mark.parametrize(("encoder", "shape"), [(LGI, (2, 4, 100, 24)), (ALONE, (2, 4, 100, 24)), (VIT, (2, 400, 24))])
def test_each_level_keeps_less(encoder, shape, monkeypatch):
    stack, kept = build_encoder(encoder), []
    for level in ("none", *LEVELS):
        checkpoint_activations(stack, level)
        kept.append(bytes_kept(stack, torch.randn(shape), monkeypatch))
    none, light, selective, full = kept
    unit = 4 * 2 * 400 * 24  # a tensor as wide as the tokens
    assert none - light >= 6 * unit  # two norms at least, and GELU's four
    assert light - selective >= 4 * unit
    assert full <= 1.1 * unit


def counted(function: Callable[[Tensor], Tensor], calls: list[str]) -> Callable[[Tensor], Tensor]:
    def step(value: Tensor) -> Tensor:
        calls.append(function.__name__)
        return function(value)

    return step


def test_each_step_runs_once_more_for_the_backward_pass():
    tokens, weight = torch.randn(5, requires_grad=True), torch.randn(5, requires_grad=True)
    calls = list[str]()
    steps = [counted(torch.exp, calls), counted(torch.tanh, calls)]
    remade(tokens, steps, lambda value: value * weight + value.square()).sum().backward()
    assert sorted(calls) == ["exp", "exp", "tanh", "tanh"]
    made = tokens.detach().requires_grad_()
    value = made.exp().tanh()
    (value * weight.detach() + value.square()).sum().backward()
    assert torch.equal(tokens.grad, made.grad)


def test_a_second_backward_pass_gives_the_same():
    tokens = torch.randn(5, requires_grad=True)
    value = remade(tokens, (torch.exp, torch.tanh), torch.square).sum()
    first, second = (torch.autograd.grad(value, tokens, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_views_of_a_result_are_made_again_as_they_were():
    tokens = torch.randn(4, 6, requires_grad=True)
    plain = tokens.detach().requires_grad_()
    columns = torch.randn(2, 4)

    def read(value: Tensor) -> Tensor:
        return columns @ value[:, 1::2] * value.t()[1:3, :3]

    remade(tokens, (torch.exp,), read).sum().backward()
    read(plain.exp()).sum().backward()
    assert torch.equal(tokens.grad, plain.grad)


def test_a_result_that_is_overwritten_or_read_as_another_type_is_kept_itself():
    tokens = torch.randn(4, 6, requires_grad=True)
    for read in (lambda value: value.mul_(2).sin(), lambda value: torch.view_as_complex(value.view(-1, 2)).abs()):
        plain = tokens.detach().requires_grad_()
        read(F.gelu(plain)).sum().backward()
        tokens.grad = None
        remade(tokens, (F.gelu,), read).sum().backward()
        torch.testing.assert_close(tokens.grad, plain.grad)


def test_what_is_kept_must_stay_as_it_was():
    tokens, weight = torch.randn(3, requires_grad=True), torch.randn(3, requires_grad=True)
    value = remade(tokens, (torch.exp,), lambda made: made * weight).sum()
    with torch.no_grad():
        weight.mul_(2)
    with pytest.raises(RuntimeError, match="in-place"):
        value.backward()


def test_doubles_are_not_lowered_and_the_meta_device_is_allowed():
    tokens = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        assert remade(tokens, (torch.exp,), torch.square).dtype == torch.float64
    empty = torch.empty(4, 6, device="meta", requires_grad=True)
    remade(empty, (torch.exp,), torch.square).sum().backward()
    assert empty.grad.shape == (4, 6)


def test_without_gradients_nothing_is_noted():
    tokens = torch.randn(4, 6, requires_grad=True)
    with torch.no_grad():
        assert torch.equal(remade(tokens, (F.gelu,), torch.square), F.gelu(tokens).square())


def test_draws_that_would_not_be_repeated_are_refused():
    compute = ComputeConfig(checkpoint_activations="selective")
    with pytest.raises(ConfigError, match="lora_dropout"):
        FinetuneRecipe(compute=compute, adapt=AdaptConfig(train="lora", lora_dropout=0.1))
    FinetuneRecipe(compute=compute, adapt=AdaptConfig(train="lora"))
