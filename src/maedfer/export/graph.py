"""From the torch module to a float32 ONNX file."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from maedfer import __version__
from maedfer.config_json import to_json
from maedfer.errors import ConfigError
from maedfer.models import ExpressionClassifier
from maedfer.onnx_model import require_onnx
from maedfer.output import write_whole
from maedfer.video.clips import ClipSpec

__all__ = ["write_graph"]

# LayerNormalization came with 17; 18 is what the exporter writes without converting, and old runtimes still read it.
_OPSET = 18
_MOST_CLIPS = 1024  # of one batch, as in prediction


class _BothOutputs(nn.Module):
    """The classifier with its embedding as a second output, computed once."""

    def __init__(self, model: ExpressionClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, clips: UInt8[Tensor, "B 3 T H W"]) -> tuple[Float[Tensor, "B C"], Float[Tensor, "B D"]]:
        """Logits and embedding."""
        model = self.model
        # One product and one sum instead of the normalizer's division, difference and division: it is a tenth of the
        # work of a small model.
        normalizer = model.normalizer
        pixels = clips.float() * (1 / (255 * normalizer.deviation)) - normalizer.mean / normalizer.deviation
        if model.config.pooling == "places":
            places = model.places(pixels)
            return model.logits_of_places(places), places.mean(dim=(1, 2, 3))
        embedding = model.features_of_normalised(pixels)
        logits: Tensor = model.head(embedding)
        return logits, embedding


def write_graph(model: ExpressionClassifier, path: Path, *, sha256: str | None) -> None:
    """Write a model as ONNX: uint8 ``clips`` (batch, 3, T, H, W) in RGB to ``logits`` and ``embedding``, any batch.

    Scaling and normalising are inside. The metadata says what a caller needs to cut clips and name classes.

    Args:
        model: on the CPU; its mode is left as it was.
        path: of the file.
        sha256: of the weight file that the model came from, where there is one.

    Raises:
        ConfigError: a package of the extra ``export`` is missing, or torch cannot trace the model.
        OutputError: the file cannot be written.
    """
    require_onnx()
    import onnx

    proto = _traced(model).model_proto
    onnx.helper.set_model_props(proto, _metadata(model, sha256))
    _tidy(proto.graph)
    _let_gelu_be_fused(proto.graph)
    data = proto.SerializeToString()
    write_whole(path, lambda temporary: temporary.write_bytes(data))


def _traced(model: ExpressionClassifier) -> Any:
    encoder, training = model.config.encoder, model.training
    # Two, because the tracer takes 0 and 1 for constants.
    example = torch.zeros(2, 3, encoder.num_frames, encoder.image_size, encoder.image_size, dtype=torch.uint8)
    batch = torch.export.Dim("batch", min=1, max=_MOST_CLIPS)
    try:
        with torch.inference_mode(), _quietly():
            program = torch.onnx.export(
                _BothOutputs(model).eval(),
                (example,),
                dynamo=True,
                input_names=["clips"],
                output_names=["logits", "embedding"],
                dynamic_shapes={"clips": {0: batch}},
                opset_version=_OPSET,
                verbose=False,
            )
    except ImportError as error:
        raise ConfigError(f"export needs onnxscript ({error}); run: pip install 'maedfer[export]'") from error
    except torch.onnx.errors.OnnxExporterError as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(f"torch {torch.__version__} cannot trace this model ({reason}); try another torch") from error
    finally:
        model.train(training)
    return program


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporter's remarks on torchvision, which we do not use, and on its own use of torch."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _tidy(graph: Any) -> None:
    """Drop the exporter's notes, which hold code paths of this machine, and name the first axis."""
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
    for node in graph.node:
        node.doc_string = ""
    for port in (*graph.input, *graph.output):
        port.type.tensor_type.shape.dim[0].dim_param = "batch"


def _let_gelu_be_fused(graph: Any) -> None:
    """Write ``x * (0.5 * (1 + erf))`` as ``(x * (1 + erf)) * 0.5``, which onnxruntime knows for one operator.

    Halving is exact, so no bit changes.
    """
    maker = {name: node for node in graph.node for name in node.output}
    for last in graph.node:
        half = maker.get(last.input[1]) if last.op_type == "Mul" and len(last.input) == 2 else None
        added = maker.get(half.input[1]) if half is not None and half.op_type == "Mul" else None
        grown = maker.get(added.input[0]) if added is not None and added.op_type == "Add" else None
        if half is None or added is None or grown is None or grown.op_type != "Erf":
            continue
        scalar = half.input[0]
        half.input[:] = [last.input[0], added.output[0]]
        last.input[:] = [half.output[0], scalar]


def _metadata(model: ExpressionClassifier, sha256: str | None) -> dict[str, str]:
    config, encoder = model.config, model.config.encoder
    spec = ClipSpec(num_frames=encoder.num_frames, size=encoder.image_size)
    preprocessing = {
        "input": "uint8 RGB (batch, channels, frames, height, width), an aligned face crop",
        "num_frames": spec.num_frames,
        "image_size": spec.size,
        "span_s": spec.span_s,
        "frames_per_second": spec.rate,
        "scale": "inside the model: divided by 255",
        "mean": [round(value, 6) for value in model.normalizer.mean.flatten().tolist()],
        "deviation": [round(value, 6) for value in model.normalizer.deviation.flatten().tolist()],
        "probabilities": "softmax(logits / temperature)",
        "temperature": config.temperature,
    }
    return {
        "maedfer.config": to_json(config),
        "maedfer.version": __version__,
        "source.sha256": sha256 or "",
        "precision": "float32",
        "labels": json.dumps(list(config.labels)),
        "preprocessing": json.dumps(preprocessing),
    }
