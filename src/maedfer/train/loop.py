"""One plain training loop for both stages, on Accelerate."""

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import DataLoader

from maedfer.allocator import keep_freed_memory
from maedfer.data.dataset import CachedDataset, DecodedDataset
from maedfer.errors import TrainingError
from maedfer.recipes import FinetuneRecipe, PretrainRecipe
from maedfer.train.batch import Batch, collate
from maedfer.train.checkpoint import Position, latest_checkpoint, load_checkpoint, save_checkpoint
from maedfer.train.optim import learning_rate
from maedfer.train.run_log import RunLog, StopRequest
from maedfer.train.settings import run_settings, write_settings

__all__ = ["Job", "train"]

_MOST_SKIPPED = 20  # steps without a finite gradient before the run gives up


@dataclass(frozen=True)
class Job:
    """What one run trains, and how.

    Attributes:
        model: trained in place.
        groups: parameter groups with ``scale``, see :func:`maedfer.train.optim.parameter_groups`.
        dataset: training samples; its ``epoch`` is set before each epoch.
        loss: (model, batch) -> scalar.
        recipe: batch size, epochs, rates, folder, seed; a checkpoint of another recipe is not resumed.
        validate: model -> numbers to log after an epoch; ``None``: nothing.
    """

    model: nn.Module
    groups: list[dict[str, Any]]
    dataset: CachedDataset | DecodedDataset
    loss: Callable[[nn.Module, Batch], Tensor]
    recipe: PretrainRecipe | FinetuneRecipe
    validate: Callable[[nn.Module], dict[str, float]] | None


def train(
    job: Job,
    progress: Callable[[int, int, dict[str, float]], None] | None = None,
) -> Accelerator:
    """Run ``job`` to its end, resuming an unfinished run in ``job.recipe.out``.

    Step s draws all its random numbers from (seed, s, process), so a resumed run equals one that was not stopped
    (except in fp16, whose loss scale starts anew). SIGTERM writes a checkpoint and raises ``TrainingError``.

    Args:
        job: the run.
        progress: called with (steps done, steps in all, latest numbers).

    Raises:
        TrainingError: too few clips for an update, a precision that this machine lacks, a loss that stays not finite,
            SIGTERM; or ``out`` holds a run with other settings, clips or processes.
    """
    keep_freed_memory()
    accelerator = _accelerator(job)
    optimizer = torch.optim.AdamW(job.groups, lr=0.0, betas=job.recipe.optim.betas)
    model, optimizer = accelerator.prepare(job.model, optimizer)
    log = RunLog(job.recipe.out, accelerator)
    position = _resume(job, accelerator, model, optimizer)
    log.cut(position.step)
    if accelerator.is_main_process:
        write_settings(job.recipe)  # now: the folder is new, or holds this very run
    _batches_an_epoch(job, accelerator.num_processes)
    with StopRequest() as stop, log:
        while position.epoch < job.recipe.optim.epochs:
            position = _train_epoch(job, accelerator, model, optimizer, position, log, stop, progress)
            if job.validate is not None:
                numbers = job.validate(accelerator.unwrap_model(model))
                log.write("validation", position.step, {"epoch": float(position.epoch), **numbers})
            _save(job, accelerator, model, optimizer, position)
    accelerator.end_training()
    return accelerator


def _train_epoch(
    job: Job,
    accelerator: Accelerator,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    position: Position,
    log: RunLog,
    stop: StopRequest,
    progress: Callable[[int, int, dict[str, float]], None] | None,
) -> Position:
    batches = _batches_an_epoch(job, accelerator.num_processes)
    used = batches * job.recipe.optim.batch_size * accelerator.num_processes
    saved = time.monotonic()
    for batch in _batches(job, accelerator, position, used):
        _seed(job.recipe.seed, position.step, accelerator.process_index)
        rate = _set_rates(optimizer, position.step, batches, job, accelerator.num_processes)
        loss, finite = _step(job, accelerator, model, optimizer, batch)
        position = _advance(position, finite)
        numbers = {"epoch": position.epoch + position.batch / batches, "lr": rate, "loss": loss}
        log.write("train", position.step, numbers)
        if progress is not None:
            progress(position.step, batches * job.recipe.optim.epochs, numbers)
        overdue = time.monotonic() - saved > 60 * job.recipe.checkpoint_minutes
        asked, overdue = _any_process(accelerator, stop.asked, overdue)
        if position.step % job.recipe.optim.accumulate:
            continue  # a checkpoint does not hold gradients that wait for their update
        if asked or overdue:
            _save(job, accelerator, model, optimizer, position)
            saved = time.monotonic()
        if asked:
            raise TrainingError(f"stopped by SIGTERM at step {position.step}; the same command resumes it")
    return replace(position, epoch=position.epoch + 1, batch=0)


def _batches(job: Job, accelerator: Accelerator, position: Position, used: int) -> Iterator[Batch]:
    job.dataset.epoch = position.epoch
    generator = torch.Generator().manual_seed(job.recipe.seed * 1_000_003 + position.epoch)
    order = torch.randperm(len(job.dataset), generator=generator).tolist()
    size, processes = job.recipe.optim.batch_size, accelerator.num_processes
    # Each step's clips are dealt out to the processes: step s sees the same ones however a global batch is divided.
    first = position.batch * size * processes + accelerator.process_index * size
    mine = [order[start : start + size] for start in range(first, used, size * processes)]
    loader = DataLoader(
        job.dataset,
        batch_sampler=mine,
        num_workers=job.recipe.data.workers if isinstance(job.dataset, DecodedDataset) else 0,
        collate_fn=collate,
        pin_memory=accelerator.device.type == "cuda",
    )
    for batch in loader:
        yield Batch(batch.clips.to(accelerator.device), batch.targets.to(accelerator.device))


def _step(
    job: Job, accelerator: Accelerator, model: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch
) -> tuple[float, bool]:
    model.train()
    with accelerator.accumulate(model):
        loss = job.loss(model, batch)  # the prepared model casts by itself; augmentation stays in float32
        accelerator.backward(loss)
        norm = None
        if accelerator.sync_gradients:
            limit = math.inf if job.recipe.optim.clip_grad is None else job.recipe.optim.clip_grad
            norm = accelerator.clip_grad_norm_(model.parameters(), limit)
        value = float(accelerator.reduce(loss.detach(), "mean"))
        scaler = accelerator.scaler  # fp16 only
        finite = math.isfinite(value) and (scaler is not None or norm is None or math.isfinite(float(norm)))
        # The scaler leaves out a step that overflowed by itself, and must be asked: else its scale stays too high.
        if finite or scaler is not None:
            optimizer.step()
        optimizer.zero_grad()
    return value, finite


def _advance(position: Position, finite: bool) -> Position:
    skipped = position.skipped + (not finite)
    if skipped > _MOST_SKIPPED:
        raise TrainingError(
            f"{skipped} steps had no finite loss or gradient; lower --optim.base-lr or use --compute.precision no"
        )
    return replace(position, batch=position.batch + 1, step=position.step + 1, skipped=skipped)


def _set_rates(optimizer: torch.optim.Optimizer, step: int, batches: int, job: Job, processes: int) -> float:
    accumulate = job.recipe.optim.accumulate
    global_batch = job.recipe.optim.batch_size * processes * accumulate
    rate = learning_rate(step // accumulate, max(1, batches // accumulate), job.recipe.optim, global_batch)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]
    return rate


def _seed(seed: int, step: int, process: int) -> None:
    torch.manual_seed(((seed * 1_000_003 + step) * 1_009 + process) % 2**63)


def _accelerator(job: Job) -> Accelerator:
    precision, accumulate = job.recipe.compute.precision, job.recipe.optim.accumulate
    try:
        return Accelerator(mixed_precision=precision, gradient_accumulation_steps=accumulate)
    except ValueError as error:
        raise TrainingError(
            f"precision {precision} cannot be used here ({error}); use --compute.precision no, or one a process"
        ) from error


def _batches_an_epoch(job: Job, processes: int) -> int:
    """Batches of each process; a whole number of updates, so that no gradient waits over the end of an epoch."""
    update = job.recipe.optim.batch_size * processes * job.recipe.optim.accumulate
    if len(job.dataset) < update:
        raise TrainingError(f"{len(job.dataset)} clips do not fill a batch of {update}; lower --optim.batch-size")
    return len(job.dataset) // update * job.recipe.optim.accumulate


def _any_process(accelerator: Accelerator, *flags: bool) -> list[bool]:
    """Whether a flag is up in any process: all must save at the same step, for they wait for each other there."""
    raised = torch.tensor([float(flag) for flag in flags], device=accelerator.device)
    return [value > 0 for value in accelerator.reduce(raised, "sum").tolist()]


def _settings_hash(job: Job) -> str:
    return hashlib.sha256(run_settings(job.recipe).encode()).hexdigest()[:16]


def _resume(job: Job, accelerator: Accelerator, model: nn.Module, optimizer: torch.optim.Optimizer) -> Position:
    processes, clips = accelerator.num_processes, len(job.dataset)
    fresh = Position(recipe=_settings_hash(job), processes=processes, clips=clips)
    found = latest_checkpoint(job.recipe.out / "checkpoints")
    if found is None:
        return fresh
    bare = accelerator.unwrap_model(model)
    position = load_checkpoint(found, bare, _bare(optimizer), fresh.recipe)
    # Steps are counted in batches of this many clips and processes. 0 clips: the checkpoint does not say.
    if position.clips and (position.processes, position.clips) != (processes, clips):
        raise TrainingError(
            f"{found}: expected {position.clips} clips in {position.processes} process(es), as this run began, got "
            f"{clips} in {processes}; start it as it began, or give another --out"
        )
    return replace(position, processes=processes, clips=clips)


def _save(job: Job, accelerator: Accelerator, model: nn.Module, optimizer: Any, position: Position) -> None:
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        save_checkpoint(job.recipe.out / "checkpoints", accelerator.unwrap_model(model), _bare(optimizer), position)
    accelerator.wait_for_everyone()


def _bare(optimizer: Any) -> torch.optim.Optimizer:
    inner: torch.optim.Optimizer = getattr(optimizer, "optimizer", optimizer)
    return inner
