"""The whole export: files written, opened again as prediction opens them, and compared with the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from maedfer.config_json import to_json
from maedfer.errors import MaedferError
from maedfer.export.compare import Agreement, compare
from maedfer.export.graph import write_graph
from maedfer.export.quantise import write_int8
from maedfer.face_sample import sample_faces
from maedfer.hub import from_pretrained, locate
from maedfer.models import ExpressionClassifier
from maedfer.onnx_model import INT8_FILE, ONNX_FILE, open_onnx, require_onnx
from maedfer.output import require_writable, write_text
from maedfer.weights import CONFIG_FILE, fingerprint

__all__ = ["Exported", "export_onnx"]

#: Largest difference between the logits of torch and of the float32 file that is no mistake of the export.
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Exported:
    """What was written, and how it compares with torch float32.

    Attributes:
        files: the paths, ONNX first.
        float32: ``model.onnx`` against torch.
        int8: ``model.int8.onnx`` against torch, on clips it was not calibrated on where there are two or more; ``None``
            where it was not asked for.
    """

    files: tuple[Path, ...]
    float32: Agreement
    int8: Agreement | None


def export_onnx(
    model: str | Path | ExpressionClassifier,
    out: str | Path,
    *,
    int8: bool = False,
    calibration: Sequence[Path] = (),
    calibration_clips: int = 64,
) -> Exported:
    """Write a classifier as ONNX into a folder that ``maedfer predict --model`` takes.

    Args:
        model: a name or path (see :func:`maedfer.hub.from_pretrained`), or a classifier on the CPU.
        out: the folder: ``model.onnx``, ``config.json`` and, where asked for, ``model.int8.onnx``.
        int8: also quantise.
        calibration: manifests and videos of faces like those that will be judged; none: the sample video inside the
            package, which shows rendered faces only. The files are compared on them too.
        calibration_clips: how many of them at most, 1 to 512: every second one calibrates, the others compare.

    Raises:
        WeightsError: there is no such model.
        ConfigError: the extra ``export`` is missing, or there are no clips.
        OutputError: the folder cannot be written.
        DecodeError, ManifestError: the calibration clips cannot be read.
        MaedferError: the file gives other logits than the model.
    """
    require_onnx()
    folder = Path(out)
    require_writable(folder)
    network, sha256 = _model(model)
    clips = sample_faces(calibration, network.config, most=calibration_clips)
    files = {ONNX_FILE: folder / ONNX_FILE}
    # One of an earlier export would be taken for this model's.
    (folder / INT8_FILE).unlink(missing_ok=True)
    write_graph(network, folder / ONNX_FILE, sha256=sha256)
    if int8:
        write_int8(folder / ONNX_FILE, folder / INT8_FILE, clips[::2])
        files[INT8_FILE] = folder / INT8_FILE
    write_text(folder / CONFIG_FILE, to_json(network.config))
    opened = {name: open_onnx(path, threads=torch.get_num_threads()) for name, path in files.items()}
    found = compare(network, opened, clips[1::2] if len(clips) > 1 else clips)
    if not found[ONNX_FILE].largest_difference <= _TOLERANCE:  # so that NaN is refused too
        raise MaedferError(
            f"{folder / ONNX_FILE}: expected torch's logits within {_TOLERANCE:g}, got a difference of "
            f"{found[ONNX_FILE].largest_difference:g}; do not use the file, report versions of torch and onnxruntime"
        )
    return Exported((*files.values(), folder / CONFIG_FILE), found[ONNX_FILE], found.get(INT8_FILE))


def _model(model: str | Path | ExpressionClassifier) -> tuple[ExpressionClassifier, str | None]:
    if isinstance(model, ExpressionClassifier):
        return model.eval(), None
    return from_pretrained(model), fingerprint(locate(model))
