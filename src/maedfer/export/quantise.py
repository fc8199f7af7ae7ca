"""From a float32 ONNX file to an int8 one: static quantisation of the products with weights by onnxruntime."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from maedfer.errors import ConfigError
from maedfer.onnx_model import require_onnx
from maedfer.output import write_whole

__all__ = ["write_int8"]

_BATCH = 4
_PRODUCTS = ("MatMul", "Gemm", "Conv")
_BETWEEN_CONVOLUTIONS = ("Relu", "Add")


def write_int8(source: Path, path: Path, clips: UInt8[np.ndarray, "N 3 T H W"]) -> None:
    """Quantise the products with weights: int8 weights by channel, uint8 activations, ranges seen on ``clips``.

    A convolutional stem stays in 8 bits from its first convolution to its last sum. LayerNorm, softmax, GELU, the
    products of attention and the head stay float32: they are a few hundredths of the work and most of the error.
    Weights use 7 bits, without which processors that lack VNNI overflow silently.

    Args:
        source: of :func:`maedfer.export.graph.write_graph`.
        path: of the file to appear.
        clips: what the model will see, some dozens.

    Raises:
        ConfigError: no clips, or the extra ``export`` is missing.
        OutputError: the file cannot be written.
    """
    require_onnx()
    if not len(clips):
        raise ConfigError("calibration: expected at least one clip, got none; give clips that show faces")
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        ready, raw = Path(folder, "ready.onnx"), Path(folder, "int8.onnx")
        # Shapes and fused operators; the symbolic pass needs sympy's guesses and adds nothing to a traced graph.
        quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready),
            str(raw),
            _Clips(clips),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=[*_PRODUCTS, *_BETWEEN_CONVOLUTIONS],
            nodes_to_quantize=_in_8_bits(onnx.load(ready)),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        quantised, original = onnx.load(raw), onnx.load(source)
    _drop_unused_operator_sets(quantised)
    facts = {entry.key: entry.value for entry in original.metadata_props}
    onnx.helper.set_model_props(quantised, facts | {"precision": "int8"})
    data = quantised.SerializeToString()
    write_whole(path, lambda temporary: temporary.write_bytes(data))


def _drop_unused_operator_sets(model: Any) -> None:
    """onnxruntime declares all that it knows; the file would seem to need them."""
    used = {node.domain for node in model.graph.node}
    kept = [entry for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _in_8_bits(model: Any) -> list[str]:
    """Names of the products with a weight, but for the head, which makes the logits, and of what joins convolutions."""
    weights = {tensor.name for tensor in model.graph.initializer}
    maker = {name: node for node in model.graph.node for name in node.output}
    chosen: dict[str, Any] = {}
    for node in model.graph.node:  # in the order of their results
        if node.op_type in _PRODUCTS:
            kept = node.input[1] in weights and "logits" not in node.output
        else:
            makers = [maker[name] for name in node.input if name in maker]
            kept = (
                node.op_type in _BETWEEN_CONVOLUTIONS
                and len(makers) == len(node.input)
                and all(one.name in chosen and one.op_type in ("Conv", "Add") for one in makers)
            )
        if kept:
            chosen[node.name] = node
    return list(chosen)


class _Clips:
    """Clips in the batches that onnxruntime's calibration asks for."""

    def __init__(self, clips: UInt8[np.ndarray, "N 3 T H W"]) -> None:
        self._batches: Iterator[dict[str, np.ndarray]] = (
            {"clips": clips[first : first + _BATCH]} for first in range(0, len(clips), _BATCH)
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch, or ``None``."""
        return next(self._batches, None)
