"""A classifier as an ONNX file, run by onnxruntime: opened with distrust, fed with the same clips as the torch model.

The only file that opens ONNX. A file is parsed and checked before the runtime sees it, and the runtime is given the
checked bytes, never a path, so nothing outside the file can be pulled in. onnx and onnxruntime are the extra
``export``; they are loaded when a file is opened.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, UInt8

from maedfer.config import ClassifierConfig
from maedfer.config_json import from_json
from maedfer.errors import ConfigError, WeightsError

__all__ = [
    "INT8_FILE",
    "METADATA",
    "ONNX_FILE",
    "OnnxClassifier",
    "Runtime",
    "clip_shape",
    "find_onnx",
    "open_onnx",
    "require_onnx",
]

#: Which engine runs a model; ``"auto"``: onnxruntime where there is only an ONNX file, else torch.
Runtime = Literal["auto", "torch", "onnx"]

ONNX_FILE = "model.onnx"
INT8_FILE = "model.int8.onnx"
#: What our files say of themselves; ``maedfer.config`` is what we read, the others are for programs of other makers.
METADATA = ("maedfer.config", "maedfer.version", "source.sha256", "precision", "labels", "preprocessing")

_LARGEST_FILE = (1 << 31) - 1  # bytes: the most that a protobuf message can have
_LARGEST_CONFIG = 1 << 20  # bytes, as of a config.json
_MOST_NODES = 100_000  # the paper's model has about 1,500
_OPSETS = {"": range(17, 27), "ai.onnx": range(17, 27), "com.microsoft": range(1, 2)}
_REMEDY = "export it again: maedfer export MODEL --out DIR"


def require_onnx() -> None:
    """Make sure that the packages of the extra are there.

    Raises:
        ConfigError: one is missing.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"ONNX needs onnx and onnxruntime ({error}); run: pip install 'maedfer[export]', or use --runtime torch"
        ) from error


def find_onnx(path: Path, runtime: Runtime) -> Path | None:
    """The ONNX file to be run for a model at ``path``; ``None`` where torch is to run it.

    Of a folder it is the int8 file where there is one, because somebody asked for it.

    Args:
        path: an ONNX file, or a folder with one.
        runtime: what was asked for.

    Raises:
        ConfigError: an unknown runtime, or torch for an ONNX file.
        WeightsError: ONNX was asked for and there is none.
    """
    if runtime not in ("auto", "torch", "onnx"):
        raise ConfigError(f"runtime: expected auto, torch or onnx, got {runtime!r}")
    candidates = [path] if path.suffix == ".onnx" else [path / INT8_FILE, path / ONNX_FILE]
    found = next((file for file in candidates if file.is_file()), None)
    if runtime == "onnx" and found is None:
        raise WeightsError(f"{path}: expected {ONNX_FILE} or {INT8_FILE} for --runtime onnx, found neither; {_REMEDY}")
    if runtime == "torch" and path.suffix == ".onnx":
        raise ConfigError(f"{path}: torch cannot run an ONNX file; use --runtime onnx, or give the folder of weights")
    if runtime == "torch" or (runtime == "auto" and (path / "model.safetensors").is_file()):
        return None
    return found


class OnnxClassifier:
    """An opened ONNX file; made by :func:`open_onnx`.

    Attributes:
        config: settings of the model that was exported.
        sha256: of the ONNX file.
        precision: ``"float32"`` or ``"int8"``, as the file says.
    """

    def __init__(self, session: Any, config: ClassifierConfig, sha256: str, precision: str) -> None:
        self._session, self.config, self.sha256, self.precision = session, config, sha256, precision

    def logits(self, pixels: UInt8[np.ndarray, "B 3 T H W"]) -> Float32[np.ndarray, "B C"]:
        """Logits of clips in RGB, 0..255.

        Raises:
            ConfigError: frames or pixels differ from the model's, or the clips are no bytes.
        """
        return self._run("logits", pixels, len(self.config.labels))

    def embeddings(self, pixels: UInt8[np.ndarray, "B 3 T H W"]) -> Float32[np.ndarray, "B D"]:
        """What the head reads, as the torch model's ``features``; arguments and errors as of :meth:`logits`."""
        return self._run("embedding", pixels, self.config.encoder.embed_dim)

    def _run(self, output: str, pixels: np.ndarray, width: int) -> np.ndarray:
        expected = clip_shape(self.config)
        if pixels.dtype != np.uint8 or pixels.ndim != 5 or pixels.shape[1:] != expected:
            raise ConfigError(
                f"clip: expected uint8 (B, {', '.join(map(str, expected))}) for (batch, RGB, frames, height, width), "
                f"got {pixels.dtype} {pixels.shape}; resample the clip or use a model of that size"
            )
        if not len(pixels):
            return np.empty((0, width), np.float32)
        result: np.ndarray = self._session.run([output], {"clips": np.ascontiguousarray(pixels)})[0]
        return result


def clip_shape(config: ClassifierConfig) -> tuple[int, int, int, int]:
    """Channels, frames, height and width of the clips that the model reads."""
    encoder = config.encoder
    return 3, encoder.num_frames, encoder.image_size, encoder.image_size


def open_onnx(path: Path, *, threads: int) -> OnnxClassifier:
    """Check an ONNX file that ``maedfer export`` wrote, and make it ready on the CPU.

    Args:
        path: the file.
        threads: that one run may use, at least 1.

    Raises:
        ConfigError: onnx or onnxruntime is not installed.
        WeightsError: the file is absent, too large, damaged, of another model, or asks for anything beyond plain
            operators with weights inside the file.
    """
    require_onnx()
    import onnxruntime

    content = _read(path)
    graph = _parsed(content, path)
    _refuse_odd(graph, path)
    config, facts = _metadata(graph, path)
    _refuse_other_ports(graph.graph, config, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    # Waiting threads would spin on cores that decoding and the search for faces need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors share no base class
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(f"{path}: onnxruntime cannot run it ({reason}); {_REMEDY}") from error
    return OnnxClassifier(session, config, hashlib.sha256(content).hexdigest(), facts["precision"])


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > _LARGEST_FILE:
            raise WeightsError(f"{path}: expected at most {_LARGEST_FILE} bytes, got {size}; {_REMEDY}")
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: expected a readable ONNX file ({error.strerror}); check the path") from error


def _parsed(content: bytes, path: Path) -> Any:
    import onnx

    try:
        return onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's errors differ between its implementations
        raise WeightsError(
            f"{path}: expected an ONNX file, got bytes that do not parse ({error}); {_REMEDY}"
        ) from error


def _refuse_odd(model: Any, path: Path) -> None:
    """Nothing but plain operators, one level deep, with all weights in the file."""
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    for domain, version in opsets.items():
        if version not in _OPSETS.get(domain, ()):
            raise WeightsError(f"{path}: unknown set of operators {domain or 'ai.onnx'!r} {version}; {_REMEDY}")
    graph = model.graph
    if len(graph.node) > _MOST_NODES or model.functions or graph.sparse_initializer or model.training_info:
        raise WeightsError(f"{path}: expected a plain graph of at most {_MOST_NODES} operators; {_REMEDY}")
    for node in graph.node:
        if node.domain not in opsets or node.domain not in _OPSETS:
            raise WeightsError(f"{path}: operator {node.op_type!r} of {node.domain!r} is not allowed; {_REMEDY}")
        if any(item.HasField("g") or item.graphs for item in node.attribute):
            raise WeightsError(f"{path}: operator {node.op_type!r} holds a graph of its own; {_REMEDY}")
    for tensor in _tensors(graph):
        if tensor.external_data or tensor.data_location:
            raise WeightsError(f"{path}: {tensor.name!r} names data outside the file, which is not opened; {_REMEDY}")


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        for item in node.attribute:
            if item.HasField("t"):
                yield item.t
            yield from item.tensors


def _metadata(model: Any, path: Path) -> tuple[ClassifierConfig, dict[str, str]]:
    facts = {entry.key: entry.value for entry in model.metadata_props}
    absent = [name for name in METADATA if name not in facts]
    if absent:
        raise WeightsError(f"{path}: expected a file of maedfer export, its metadata lacks {absent[0]!r}; {_REMEDY}")
    if len(facts["maedfer.config"]) > _LARGEST_CONFIG:
        raise WeightsError(f"{path}: expected at most {_LARGEST_CONFIG} bytes of settings; {_REMEDY}")
    try:
        config = from_json(facts["maedfer.config"])
        labels = json.loads(facts["labels"])
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: its metadata is damaged ({error}); {_REMEDY}") from error
    if not isinstance(config, ClassifierConfig) or labels != list(config.labels):
        raise WeightsError(f"{path}: its settings are not of a classifier with the labels it lists; {_REMEDY}")
    return config, facts


def _refuse_other_ports(graph: Any, config: ClassifierConfig, path: Path) -> None:
    """One input and two outputs, of the types and shapes that the settings say."""
    from onnx import TensorProto

    shapes: dict[str, tuple[int, ...]] = {
        "clips": clip_shape(config),
        "logits": (len(config.labels),),
        "embedding": (config.encoder.embed_dim,),
    }
    expected = [
        (name, TensorProto.UINT8 if name == "clips" else TensorProto.FLOAT, ("batch", *shape))
        for name, shape in shapes.items()
    ]
    found = [
        (
            port.name,
            port.type.tensor_type.elem_type,
            tuple(dim.dim_param or dim.dim_value for dim in port.type.tensor_type.shape.dim),
        )
        for port in (*graph.input, *graph.output)
    ]
    if found != expected:
        raise WeightsError(f"{path}: expected inputs and outputs {expected}, got {found!r:.300}; {_REMEDY}")
