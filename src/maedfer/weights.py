"""Weights on disk: our directories (``model.safetensors`` + ``config.json``) and official ``.pth`` checkpoints.

The only file that opens weights. Nothing in a file is trusted: pickles are read by torch's restricted reader with
``argparse.Namespace`` as the only addition, and sizes are compared with the file before memory is taken for them.
"""

import argparse
import hashlib
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from maedfer import emotions
from maedfer.config import ModelConfig
from maedfer.config_json import from_json, to_json
from maedfer.errors import ConfigError, OutputError, WeightsError
from maedfer.models import ExpressionClassifier, MaskedAutoencoder
from maedfer.models.fitting import build_model, refuse_not_finite
from maedfer.models.published import config_from_shapes, from_published, to_published

__all__ = [
    "CONFIG_FILE",
    "WEIGHTS_FILE",
    "Model",
    "fingerprint",
    "load_model",
    "read_official",
    "save_model",
    "write_official",
]

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
_CARD_FILE = "README.md"
_LARGEST_CONFIG = 1 << 20  # bytes; ours are below 2 KiB
_MOST_TENSORS = 20_000  # the largest official checkpoint has 575
_CLASS_COUNTS = {7: "DFEW", 8: "RAVDESS", 11: "MAFW"}  # 6 is CREMA-D or eNTERFACE05: the caller must say

Model = ExpressionClassifier | MaskedAutoencoder


def save_model(model: Model, directory: str | Path, *, half: bool = False, card: str | None = None) -> Path:
    """Writes ``model.safetensors`` and ``config.json``, each under a temporary name first, then moved.

    Args:
        model: a classifier or an autoencoder.
        directory: made if absent.
        half: store float16, at half the size; loading gives float32 again.
        card: text of a ``README.md`` beside the weights.

    Returns:
        The directory.

    Raises:
        WeightsError: a weight is not finite (in float16, where ``half`` asks for it).
        OutputError: the directory cannot be written.
    """
    directory = Path(directory)
    dtype = torch.float16 if half else torch.float32
    state = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in model.state_dict().items()}
    refuse_not_finite(state, str(directory))
    data = safetensors.torch.save(state, metadata={"format": "pt"})
    _write(directory / WEIGHTS_FILE, lambda path: path.write_bytes(data))
    _write(directory / CONFIG_FILE, lambda path: path.write_text(to_json(model.config), encoding="utf-8"))
    if card is not None:
        _write(directory / _CARD_FILE, lambda path: path.write_text(card, encoding="utf-8"))
    return directory


def load_model(
    path: str | Path,
    *,
    device: torch.device | str = "cpu",
    config: ModelConfig | None = None,
    label_set: str | None = None,
) -> Model:
    """A model in evaluation mode, from one of our directories or an official checkpoint.

    Args:
        path: directory of :func:`save_model` (or its ``model.safetensors``), or an official ``.pth``.
        device: where to put it.
        config: of an official checkpoint that has other sizes than the released ones; ours bring their own.
        label_set: name of the label set of an official classifier; by default DFEW for 7 classes, RAVDESS for 8, MAFW
            for 11.

    Raises:
        WeightsError: the file is absent, unsafe, truncated, not finite, or belongs to another model.
    """
    path = Path(path)
    if path.is_dir() or path.suffix == ".safetensors":
        file = path / WEIGHTS_FILE if path.is_dir() else path
        model = build_model(_read_config(file.with_name(CONFIG_FILE)), _read_safetensors(file), str(file))
    else:
        state = read_official(path)
        model = build_model(config or _infer_config(state, label_set, path), state, str(path))
    return model.to(device).eval()


def read_official(path: str | Path) -> dict[str, Tensor]:
    """The weights of an official ``.pth`` under our names; optimizer, scaler and settings beside them are left out.

    Raises:
        WeightsError: absent, truncated, not such a checkpoint, or a pickle that asks for anything but tensors and an
            ``argparse.Namespace``; it is refused without running it.
    """
    path = Path(path)
    _refuse_odd_archive(path)
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # a hostile pickle can make the reader fail in any way
        reason = " ".join(repr(str(error))[1:-1].split())[:300]
        raise WeightsError(
            f"{path}: not a checkpoint that can be read safely ({type(error).__name__}: {reason}); expected tensors "
            "and plain settings written by torch.save; download it again from its author"
        ) from error
    state = _find_state(content, path)
    size = path.stat().st_size
    claimed = [tensor.numel() * tensor.itemsize for tensor in state.values()]
    held = [tensor.untyped_storage().nbytes() for tensor in state.values()]
    # Twice, because shared parameters are listed twice.
    if sum(claimed) > 2 * size or any(claim > hold for claim, hold in zip(claimed, held, strict=True)):
        raise WeightsError(
            f"{path}: its tensors claim more values than the file's {size} bytes hold; download it again"
        )
    return {name: tensor.clone() for name, tensor in from_published(state).items()}


def write_official(model: Model, path: str | Path) -> Path:
    """Writes a ``.pth`` with the published names, nested under ``model``, for use with the published code.

    Raises:
        OutputError: the file cannot be written.
    """
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    content = {"model": to_published(state, model.config)}
    _write(Path(path), lambda temporary: torch.save(content, temporary))
    return Path(path)


def fingerprint(path: str | Path) -> str:
    """SHA-256 of a weights file (of ``model.safetensors`` for a directory), in hexadecimal.

    Raises:
        WeightsError: it cannot be read.
    """
    path = Path(path)
    try:
        with (path / WEIGHTS_FILE if path.is_dir() else path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path}: expected a readable weights file ({error.strerror}); check the path") from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path, device="cpu")
    except Exception as error:  # a header can claim types and sizes at which the reader, or torch, fails in its own way
        reason = " ".join(repr(str(error))[1:-1].split())[:300]
        raise WeightsError(
            f"{path}: expected a whole safetensors file ({reason}); it is absent, truncated or damaged: copy it again"
        ) from error


def _read_config(path: Path) -> ModelConfig:
    try:
        if path.stat().st_size > _LARGEST_CONFIG:
            raise WeightsError(
                f"{path}: expected at most {_LARGEST_CONFIG} bytes of settings; not written by save_model"
            )
        return from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsError(
            f"{path}: expected the settings beside the weights ({error.strerror}); copy the whole directory"
        ) from error
    except ValueError as error:  # ConfigError, or text that is not UTF-8
        raise WeightsError(f"{path}: {error}") from error


def _infer_config(state: Mapping[str, Tensor], label_set: str | None, path: Path) -> ModelConfig:
    classes = state["head.weight"].shape[0] if "head.weight" in state and state["head.weight"].ndim else 0
    name = label_set if label_set is not None else _CLASS_COUNTS.get(classes)
    if classes and name is None:
        fitting = ", ".join(entry.name for entry in emotions.LABEL_SETS.values() if len(entry.labels) == classes)
        raise WeightsError(
            f"{path}: {classes} classes do not tell the labels; pass label_set= ({fitting or 'none fits'}) or config="
        )
    try:
        names = emotions.label_set(name).labels if classes and name is not None else None
        return config_from_shapes({key: tuple(tensor.shape) for key, tensor in state.items()}, names)
    except ConfigError as error:
        raise WeightsError(f"{path}: {error}; pass config= where its sizes differ from the released model") from error


def _find_state(content: object, path: Path) -> dict[str, Tensor]:
    for nest in ("model", "module"):
        if isinstance(content, dict) and isinstance(content.get(nest), dict):
            content = content[nest]
            break
    if not isinstance(content, dict) or not 0 < len(content) <= _MOST_TENSORS:
        raise WeightsError(
            f"{path}: expected a table of tensors, alone or under 'model' or 'module'; got something else"
        )
    for name, tensor in content.items():
        plain = type(tensor) in (Tensor, torch.nn.Parameter) and not tensor.is_quantized
        if not isinstance(name, str) or not plain or tensor.layout != torch.strided or tensor.device.type != "cpu":
            raise WeightsError(f"{path}: expected only dense tensors among the weights, got {name!r:.60}; not a model")
    return content


def _refuse_odd_archive(path: Path) -> None:
    """Before torch reads it: a zip whose entries are stored as they are, so that they cannot unfold to more."""
    try:
        with zipfile.ZipFile(path) as archive:
            declared = sum(entry.file_size for entry in archive.infolist())
        size = path.stat().st_size
    except OSError as error:
        raise WeightsError(f"{path}: expected a readable checkpoint ({error.strerror}); check the path") from error
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise WeightsError(
            f"{path}: expected a checkpoint written by torch.save of torch >= 1.6 ({error}); it is truncated, damaged "
            "or older: download it again, or save it anew"
        ) from error
    if declared > size:
        raise WeightsError(f"{path}: its entries claim {declared} bytes in a file of {size}; download it again")


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Lets ``write`` fill a temporary file beside ``path``, then moves it there."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        raise OutputError(f"{path}: cannot be written ({error}); choose a writable place with free space") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
