"""From pixels to probabilities or vectors: the step that prediction and evaluation share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from maedfer.errors import ConfigError, MaedferError
from maedfer.models import ExpressionClassifier
from maedfer.onnx_model import OnnxClassifier

__all__ = ["Device", "Precision", "class_probabilities", "clip_embeddings", "dtype_of", "resolve_device"]

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "bf16"]

_DTYPES: dict[str, torch.dtype] = {"float32": torch.float32, "bf16": torch.bfloat16}


def resolve_device(device: Device) -> torch.device:
    """The device that ``device`` names; ``"auto"`` takes CUDA when there is one.

    Raises:
        ConfigError: an unknown word, or CUDA was asked for and there is none.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"device: expected auto, cpu or cuda, got {device!r}")
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ConfigError(
            "device: cuda was asked for, but this PyTorch sees no CUDA device; "
            "use --device cpu (or auto), or install a CUDA build of PyTorch and a driver"
        )
    return torch.device("cuda" if available and device != "cpu" else "cpu")


def dtype_of(precision: Precision, model: ExpressionClassifier | OnnxClassifier) -> torch.dtype:
    """What ``model`` computes in at ``precision``.

    Raises:
        ConfigError: an unknown word, or bf16 of an ONNX file, which computes in what it was written in.
    """
    if precision not in _DTYPES:
        raise ConfigError(f"precision: expected float32 or bf16, got {precision!r}")
    if isinstance(model, OnnxClassifier) and precision != "float32":
        raise ConfigError(
            f"precision: an ONNX file computes in what it was written in, got {precision}; leave it out, or take the "
            "weights with --runtime torch"
        )
    return _DTYPES[precision]


def class_probabilities(
    model: ExpressionClassifier | OnnxClassifier,
    pixels: UInt8[np.ndarray, "B 3 T H W"],
    names: Sequence[str],
    precision: Precision = "float32",
) -> Float[np.ndarray, "B C"]:
    """Softmax of the logits over the model's temperature. The model's mode is left as it was.

    Args:
        model: on any device, or an ONNX file.
        pixels: RGB clips, 0..255.
        names: one name per clip, for the error message.
        precision: ``"bf16"`` rounds the factors of products to bfloat16 and sums in float32 (autocast): faster on
            processors that have such products, and off by some thousandths. A caller's own autocast is not asked.

    Returns:
        Float32 rows that sum to 1.

    Raises:
        ConfigError: the model does not compute in that precision.
        MaedferError: the model gave a number that is not finite; the clip is named.
    """
    dtype = dtype_of(precision, model)
    if isinstance(model, OnnxClassifier):
        logits = torch.from_numpy(model.logits(pixels))
    else:
        with _evaluating(model, dtype):
            logits = model(_on_device(model, pixels)).float()
    _require_finite(logits, names)
    return torch.softmax(logits / model.config.temperature, dim=1).cpu().numpy()


def clip_embeddings(
    model: ExpressionClassifier | OnnxClassifier,
    pixels: UInt8[np.ndarray, "B 3 T H W"],
    names: Sequence[str],
    precision: Precision = "float32",
) -> Float[np.ndarray, "B D"]:
    """The output of the last LayerNorm, before the head, in float32; arguments and errors as the probabilities'."""
    dtype = dtype_of(precision, model)
    if isinstance(model, OnnxClassifier):
        vectors = torch.from_numpy(model.embeddings(pixels))
    else:
        with _evaluating(model, dtype):
            vectors = model.features(_on_device(model, pixels)).float()
    _require_finite(vectors, names)
    return vectors.cpu().numpy()


@contextmanager
def _evaluating(model: ExpressionClassifier, dtype: torch.dtype) -> Iterator[None]:
    training, device = model.training, next(model.parameters()).device.type
    model.eval()
    try:
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=dtype == torch.bfloat16):
            yield
    finally:
        model.train(training)


def _on_device(model: ExpressionClassifier, pixels: UInt8[np.ndarray, "B 3 T H W"]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).to(next(model.parameters()).device)


def _require_finite(values: Tensor, names: Sequence[str]) -> None:
    finite = torch.isfinite(values).all(dim=1).tolist()
    broken = [name for name, good in zip(names, finite, strict=True) if not good]
    if broken:
        raise MaedferError(
            f"{', '.join(broken[:3])}: expected finite scores, got NaN or infinity from the model; "
            "its weights are damaged or were trained in too low a precision"
        )
