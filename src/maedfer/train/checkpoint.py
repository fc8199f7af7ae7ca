"""Resumable checkpoints: safetensors and JSON only, written to a temporary folder and moved."""

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from maedfer.errors import OutputError, TrainingError

__all__ = ["Position", "latest_checkpoint", "load_checkpoint", "save_checkpoint"]

_KEPT = 2  # if the newest is damaged by a failing disk, the one before it is still there


@dataclass(frozen=True)
class Position:
    """Where a run stands.

    Attributes:
        epoch: epochs finished.
        batch: batches finished in the current epoch.
        step: batches finished in all.
        skipped: steps skipped for a loss or gradient that was not finite.
        recipe: fingerprint of the settings; a checkpoint of other settings is not resumed.
        processes: processes that share the clips.
        clips: training clips; 0 when not known.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    skipped: int = 0
    recipe: str = ""
    processes: int = 1
    clips: int = 0


def save_checkpoint(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, position: Position) -> Path:
    """Write ``folder/step-NNNNNNNN`` and remove all but the newest two.

    Raises:
        OutputError: it cannot be written.
    """
    final = folder / f"step-{position.step:08d}"
    fresh = folder / f".step-{position.step:08d}"
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        save_file({name: value.contiguous() for name, value in model.state_dict().items()}, fresh / "model.safetensors")
        save_file(_optimizer_tensors(model, optimizer), fresh / "optimizer.safetensors")
        (fresh / "position.json").write_text(json.dumps(asdict(position)))
        shutil.rmtree(final, ignore_errors=True)
        os.replace(fresh, final)
        for old in sorted(folder.glob("step-*"))[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{final}: the checkpoint cannot be written ({error}); free some space") from error
    return final


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest finished checkpoint in ``folder``, if there is one."""
    found = sorted(folder.glob("step-*"))
    return found[-1] if found else None


def load_checkpoint(checkpoint: Path, model: nn.Module, optimizer: torch.optim.Optimizer, recipe: str) -> Position:
    """Put a checkpoint's values into ``model`` and ``optimizer``; returns where the run stood.

    Raises:
        TrainingError: it is damaged, or belongs to a run with other settings.
    """
    try:
        position = Position(**json.loads((checkpoint / "position.json").read_text()))
        weights = load_file(checkpoint / "model.safetensors")
        moments = load_file(checkpoint / "optimizer.safetensors")
    except Exception as error:
        raise TrainingError(
            f"{checkpoint}: the checkpoint is damaged ({error}); delete it to resume from the one before"
        ) from error
    if position.recipe != recipe:
        raise TrainingError(
            f"{checkpoint.parent.parent}: holds a run with other settings; give another --out, or delete it"
        )
    try:
        model.load_state_dict(weights)
        _restore_optimizer(model, optimizer, moments)
    except (RuntimeError, KeyError) as error:
        raise TrainingError(
            f"{checkpoint}: its tensors belong to another model ({error}); give another --out, or delete the run"
        ) from error
    return position


def _optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors = {}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{key}:{name}"] = value
    return tensors


def _restore_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer, moments: dict[str, Tensor]) -> None:
    parameters = dict(model.named_parameters())
    for joined, value in moments.items():
        key, name = joined.split(":", 1)
        parameter = parameters[name]
        optimizer.state[parameter][key] = value if key == "step" else value.to(parameter.device)
