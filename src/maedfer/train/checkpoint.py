"""Resumable checkpoints: safetensors and JSON only, written to a temporary folder and moved."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from maedfer.errors import OutputError, TrainingError
from maedfer.train.placement import Learner, full_tensors, like

__all__ = [
    "Position",
    "best_value",
    "best_weights",
    "latest_checkpoint",
    "load_checkpoint",
    "save_best",
    "save_checkpoint",
]

_KEPT = 2  # if the newest is damaged by a failing disk, the one before it is still there
_LAYOUT = 2


@dataclass(frozen=True)
class Position:
    """Where a run stands.

    Attributes:
        epoch: epochs finished.
        done: steps finished in the current epoch.
        step: steps finished in all.
        skipped: of them, those left out for a loss or gradient that was not finite.
        recipe: fingerprint of the settings; a checkpoint of other settings is not resumed.
        global_batch: clips of a step, over all processes and accumulated batches.
        clips: training clips of an epoch.
    """

    epoch: int = 0
    done: int = 0
    step: int = 0
    skipped: int = 0
    recipe: str = ""
    global_batch: int = 0
    clips: int = 0


def save_checkpoint(folder: Path, learner: Learner, position: Position) -> None:
    """Write ``folder/step-NNNNNNNN`` and remove all but the newest two. All processes call it; the main one writes.

    Raises:
        OutputError: it cannot be written.
    """
    weights = learner.state()
    moments = full_tensors(learner.accelerator, _moments(learner))
    average = full_tensors(learner.accelerator, learner.average.values) if learner.average is not None else {}
    scaler = learner.accelerator.scaler
    state = {
        "layout": _LAYOUT,
        "position": asdict(position),
        "scaler": None if scaler is None else scaler.state_dict(),
    }

    def write(fresh: Path) -> None:
        save_file(weights, fresh / "model.safetensors")
        save_file(moments, fresh / "optimizer.safetensors")
        if average:
            save_file(average, fresh / "average.safetensors")
        (fresh / "position.json").write_text(json.dumps(state))

    if learner.accelerator.is_main_process:
        _write_folder(folder / f"step-{position.step:08d}", write)
        for old in sorted(folder.glob("step-*"))[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
    learner.accelerator.wait_for_everyone()


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest finished checkpoint in ``folder``, if there is one."""
    found = sorted(folder.glob("step-*"))
    return found[-1] if found else None


def load_checkpoint(checkpoint: Path, learner: Learner, fresh: Position) -> Position:
    """Put a checkpoint's values into ``learner``; returns where the run stood.

    Args:
        checkpoint: one that :func:`save_checkpoint` wrote, by however many processes.
        learner: as it was when the run began.
        fresh: the beginning of the run that is to be resumed.

    Raises:
        TrainingError: it is damaged, of another layout, or belongs to a run with other settings or clips.
    """
    position, scaler = _position(checkpoint, fresh)
    try:
        weights = load_file(checkpoint / "model.safetensors")
        moments = load_file(checkpoint / "optimizer.safetensors")
        average = load_file(checkpoint / "average.safetensors") if learner.average is not None else {}
    except Exception as error:
        raise _damaged(checkpoint, error) from error
    try:
        own = learner.bare.state_dict()
        learner.bare.load_state_dict({name: like(value, own[name]) for name, value in weights.items()})
        _restore_moments(learner, moments)
        if learner.average is not None:
            for name, value in learner.average.values.items():
                value.copy_(like(average[name], value))
        if learner.accelerator.scaler is not None and scaler is not None:
            learner.accelerator.scaler.load_state_dict(scaler)
    except (RuntimeError, KeyError, ValueError, TypeError) as error:
        raise TrainingError(
            f"{checkpoint}: its tensors belong to another model ({error}); give another --out, or delete the run"
        ) from error
    return position


def save_best(folder: Path, weights: dict[str, Tensor], value: float, position: Position) -> None:
    """Write ``weights``, of the best validation so far, to ``folder/best-NNNNNNNN``; the ones before go.

    Raises:
        OutputError: it cannot be written.
    """
    final = folder / f"best-{position.step:08d}"

    def write(fresh: Path) -> None:
        save_file(weights, fresh / "model.safetensors")
        (fresh / "value.json").write_text(json.dumps({"value": value, "recipe": position.recipe}))

    _write_folder(final, write)
    for old in folder.glob("best-*"):
        if old != final:
            shutil.rmtree(old, ignore_errors=True)


def best_value(folder: Path, recipe: str) -> float | None:
    """The best validation of the run in ``folder``, where it has one with these settings."""
    found = _best(folder, recipe)
    return None if found is None else found[0]


def best_weights(folder: Path, recipe: str) -> dict[str, Tensor] | None:
    """The weights of :func:`best_value`.

    Raises:
        TrainingError: they are damaged.
    """
    found = _best(folder, recipe)
    if found is None:
        return None
    try:
        return load_file(found[1] / "model.safetensors")
    except Exception as error:
        raise TrainingError(f"{found[1]}: the best weights are damaged ({error}); delete the folder") from error


def _best(folder: Path, recipe: str) -> tuple[float, Path] | None:
    """The highest of those that a kill left side by side; of equal ones the first."""
    found = []
    for path in sorted(folder.glob("best-*")):
        try:
            held = json.loads((path / "value.json").read_text())
            if held["recipe"] == recipe:
                found.append((float(held["value"]), path))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # of a folder whose removal was cut short
    return max(found, key=lambda pair: pair[0], default=None)


def _write_folder(final: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a folder beside ``final``, then move it there; remains of broken-off ones go."""
    fresh = final.with_name(f".{final.name}")
    try:
        for remains in final.parent.glob(f".{final.name.split('-')[0]}-*"):
            shutil.rmtree(remains, ignore_errors=True)
        fresh.mkdir(parents=True)
        write(fresh)
        shutil.rmtree(final, ignore_errors=True)
        os.replace(fresh, final)
    except (OSError, SafetensorError) as error:  # the latter on a full disk
        raise OutputError(
            f"{final}: the checkpoint cannot be written ({error}); free some space, then the same command goes on from "
            "the one before"
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _position(checkpoint: Path, fresh: Position) -> tuple[Position, dict[str, Any] | None]:
    try:
        state = json.loads((checkpoint / "position.json").read_text())
        layout = state.get("layout", 1)
    except Exception as error:
        raise _damaged(checkpoint, error) from error
    if layout != _LAYOUT:
        raise TrainingError(
            f"{checkpoint}: expected a checkpoint of layout {_LAYOUT}, got {layout}: another version of maedfer wrote "
            "it; finish the run with that version, or give another --out"
        )
    try:
        position = Position(**state["position"])
        scaler = state["scaler"]
    except Exception as error:
        raise _damaged(checkpoint, error) from error
    if position.recipe != fresh.recipe:
        raise TrainingError(
            f"{checkpoint.parent.parent}: holds a run with other settings; give another --out, or delete it"
        )
    if (position.global_batch, position.clips) != (fresh.global_batch, fresh.clips):
        raise TrainingError(
            f"{checkpoint}: expected {position.clips} clips and {position.global_batch} of them in a step (batch size "
            f"x accumulate x processes), as this run began, got {fresh.clips} and {fresh.global_batch}; start it as "
            "it began, or give another --out"
        )
    return position, scaler


def _damaged(checkpoint: Path, error: Exception) -> TrainingError:
    return TrainingError(f"{checkpoint}: the checkpoint is damaged ({error}); delete it to resume from the one before")


def _moments(learner: Learner) -> dict[str, Tensor]:
    tensors = {}
    for name, parameter in learner.bare.named_parameters():
        for key, value in learner.adamw.state.get(parameter, {}).items():
            tensors[f"{key}:{name}"] = value
    return tensors


def _restore_moments(learner: Learner, moments: dict[str, Tensor]) -> None:
    parameters = dict(learner.bare.named_parameters())
    for joined, value in moments.items():
        key, name = joined.split(":", 1)
        parameter = parameters[name]
        if key != "step":
            value = like(value, parameter)
        elif learner.adamw.defaults["fused"]:  # whose kernel wants the count beside the weights
            value = value.to(parameter.device)
        learner.adamw.state[parameter][key] = value
