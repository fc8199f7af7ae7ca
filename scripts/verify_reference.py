"""Compares maedfer with tensors that the published implementation made.

    python scripts/verify_reference.py FILE.safetensors ...

A file holds a model's weights under their published names, an input, the outputs, and the norm of every parameter's
gradient; its metadata ``config`` says the sizes. A value passes when |ours - theirs| <= 1e-5 + 1e-4 * |theirs|. One
line per file gives the largest absolute and relative difference of every kind. The exit status is 1 if any value fails
or any file cannot be checked.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from maedfer.config import ModelConfig
from maedfer.errors import MaedferError, WeightsError
from maedfer.models import ExpressionClassifier, MaskedAutoencoder
from maedfer.models.fitting import build_model
from maedfer.models.published import config_from_words, from_published, to_published

__all__ = ["ABSOLUTE", "RELATIVE", "main", "verify"]

ABSOLUTE = 1e-5
RELATIVE = 1e-4


def read(path: Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    """The settings and tensors of a reference file.

    Raises:
        WeightsError: not such a file.
        ConfigError: unknown or impossible settings.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            words = json.loads((file.metadata() or {})["config"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(f"expected a safetensors file with JSON metadata 'config' ({error})") from error
    if not isinstance(words, dict):
        raise WeightsError(f"metadata 'config': expected an object, got {words!r:.60}")
    return config_from_words(words), tensors


def part(tensors: dict[str, Tensor], stem: str) -> dict[str, Tensor]:
    """The tensors whose name begins with ``stem.``, without it."""
    return {name.removeprefix(f"{stem}."): tensor for name, tensor in tensors.items() if name.startswith(f"{stem}.")}


def classify(model: ExpressionClassifier, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Feature, logits and cross-entropy of the reference input, which is normalised already."""
    feature = model.features_of_normalised(inputs["video"])
    logits = model.head(feature)
    return {"feature": feature, "logits": logits, "loss": F.cross_entropy(logits, inputs["label"])}


def reconstruct(model: MaskedAutoencoder, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Prediction, target and loss of the reference input, which is normalised already."""
    mask = model.mask(inputs["mask"].flatten(1).bool())
    prediction = model.decode(model.encode(inputs["video"], mask), mask)
    unit = inputs["video"] * model.normalizer.deviation + model.normalizer.mean
    target = model.target(unit, mask)
    return {"prediction": prediction, "target": target, "loss": model.loss(prediction, target)}


def gradient_norms(model: nn.Module, config: ModelConfig) -> dict[str, Tensor]:
    """Norm of every parameter's gradient under its published name; 0 where nothing reads the parameter."""
    gradients = {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for name, parameter in model.named_parameters()
    }
    return {name: gradient.norm() for name, gradient in to_published(gradients, config).items()}


def verify(path: Path) -> tuple[bool, str]:
    """Whether every value of a file agrees, and the line that says how closely.

    Raises:
        MaedferError: the file cannot be checked.
    """
    config, tensors = read(path)
    model = build_model(config, from_published(part(tensors, "weight")), path.name)
    try:
        inputs = part(tensors, "input")
        ours = classify(model, inputs) if isinstance(model, ExpressionClassifier) else reconstruct(model, inputs)
    except KeyError as error:
        raise WeightsError(f"the tensor input.{error.args[0]} is missing") from error
    except (RuntimeError, IndexError) as error:
        raise WeightsError(f"the input does not fit the settings ({error})") from error
    expected, norms = part(tensors, "output"), part(tensors, "gradnorm")
    if not expected:
        raise WeightsError("there are no output tensors to compare with")
    pairs = {name: [(ours[name], tensor)] for name, tensor in expected.items() if name in ours}
    unknown = sorted(set(expected) - set(ours))
    if norms:
        torch.autograd.backward(ours["loss"])
        own = gradient_norms(model, config)
        unknown += sorted(set(norms) - set(own))
        pairs["gradient norms"] = [(own[name], tensor) for name, tensor in norms.items() if name in own]
    if unknown:
        raise WeightsError(f"nothing here makes {', '.join(unknown[:3])}")
    reports = {kind: compare(values) for kind, values in pairs.items()}
    text = "  ".join(f"{kind} {absolute:.1e}/{relative:.1e}" for kind, (_, absolute, relative) in reports.items())
    return all(passed for passed, _, _ in reports.values()), f"{text}  ({len(norms)} gradient norms)"


def compare(pairs: list[tuple[Tensor, Tensor]]) -> tuple[bool, float, float]:
    """Whether all values pass, the largest absolute, and the largest relative difference."""
    passed, absolute, relative = True, 0.0, 0.0
    for ours, theirs in pairs:
        if ours.shape != theirs.shape:
            raise WeightsError(f"expected shape {tuple(theirs.shape)}, ours is {tuple(ours.shape)}")
        theirs = theirs.double()
        difference = (ours.detach().double() - theirs).abs()
        passed &= bool((difference <= ABSOLUTE + RELATIVE * theirs.abs()).all())
        absolute = max(absolute, float(difference.max()))
        relative = max(relative, float((difference / theirs.abs().clamp(min=ABSOLUTE)).max()))
    return passed, absolute, relative


def main(arguments: list[str] | None = None) -> int:
    """Checks all files; 0 if everything agrees."""
    parser = argparse.ArgumentParser(
        description="Compare maedfer with tensors of the published implementation. A value passes when "
        f"|ours - theirs| <= {ABSOLUTE:g} + {RELATIVE:g} * |theirs|. Shown: largest absolute / relative difference."
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.safetensors")
    failures = 0
    files = parser.parse_args(arguments).files
    for path in files:
        try:
            agrees, line = verify(path)
        except MaedferError as error:
            agrees, line = False, f"cannot be checked: {error}"
        failures += not agrees
        print(f"{'ok  ' if agrees else 'FAIL'} {path.name}: {line}")
    print(f"{len(files) - failures} of {len(files)} files agree within {ABSOLUTE:g} + {RELATIVE:g} * |theirs|")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
