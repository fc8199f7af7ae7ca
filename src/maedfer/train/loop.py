"""One plain training loop for both stages, on Accelerate."""

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import DataLoader

from maedfer.allocator import keep_freed_memory
from maedfer.data.dataset import CachedDataset, DecodedDataset, Sample
from maedfer.errors import TrainingError
from maedfer.recipes import OptimConfig
from maedfer.train.checkpoint import Position, latest_checkpoint, load_checkpoint, save_checkpoint
from maedfer.train.optim import learning_rate
from maedfer.train.run_log import RunLog, StopRequest

__all__ = ["Batch", "Job", "collate", "train"]

_MOST_SKIPPED = 20  # steps without a finite gradient before the run gives up


@dataclass(frozen=True)
class Batch:
    """Samples of one step: ``clips`` uint8 (B, 3, T, S, S), ``targets`` (B,), ``rows`` (B,)."""

    clips: Tensor
    targets: Tensor
    rows: Tensor


@dataclass(frozen=True)
class Job:
    """What one run trains, and how.

    Attributes:
        model: trained in place.
        groups: parameter groups with ``scale``, see :func:`maedfer.train.optim.parameter_groups`.
        dataset: training samples; its ``epoch`` is set before each epoch.
        loss: (model, batch) -> scalar.
        optim: batch size, epochs, rates.
        validate: model -> numbers to log after an epoch; ``None``: nothing.
        settings: text that identifies the run; a checkpoint with another text is not resumed.
    """

    model: nn.Module
    groups: list[dict[str, Any]]
    dataset: CachedDataset | DecodedDataset
    loss: Callable[[nn.Module, Batch], Tensor]
    optim: OptimConfig
    validate: Callable[[nn.Module], dict[str, float]] | None
    settings: str
    out: Path
    seed: int
    precision: Literal["no", "bf16", "fp16"]
    checkpoint_minutes: float
    workers: int


def train(job: Job, progress: Callable[[int, int, dict[str, float]], None] | None = None) -> Accelerator:
    """Run ``job`` to its end, resuming an unfinished run in ``job.out``.

    Step s draws all its random numbers from (seed, s, process), so a resumed run equals one that was not stopped.
    SIGTERM writes a checkpoint and raises ``TrainingError``.

    Args:
        job: the run.
        progress: called with (steps done, steps in all, latest numbers).

    Raises:
        TrainingError: too few clips for a batch, other settings in ``out``, a loss that stays not finite, SIGTERM.
    """
    keep_freed_memory()
    accelerator = Accelerator(mixed_precision=job.precision, gradient_accumulation_steps=job.optim.accumulate)
    optimizer = torch.optim.AdamW(job.groups, lr=0.0, betas=job.optim.betas)
    model, optimizer = accelerator.prepare(job.model, optimizer)
    log = RunLog(job.out, accelerator)
    position = _resume(job, accelerator, model, optimizer)
    log.cut(position.step)
    per_process = job.optim.batch_size * accelerator.num_processes
    if len(job.dataset) < per_process:
        raise TrainingError(f"{len(job.dataset)} clips do not fill a batch of {per_process}; lower --optim.batch-size")
    with StopRequest() as stop:
        while position.epoch < job.optim.epochs:
            position = _train_epoch(job, accelerator, model, optimizer, position, log, stop, progress)
            if job.validate is not None:
                numbers = job.validate(accelerator.unwrap_model(model))
                log.write("validation", position.step, {"epoch": float(position.epoch), **numbers})
            _save(job, accelerator, model, optimizer, position)
    accelerator.end_training()
    return accelerator


def collate(samples: list[Sample]) -> Batch:
    """Samples of equal shape to one batch."""
    return Batch(
        torch.stack([sample.clip for sample in samples]),
        torch.tensor([sample.target for sample in samples]),
        torch.tensor([sample.row for sample in samples]),
    )


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
    per_process = job.optim.batch_size * accelerator.num_processes
    batches = len(job.dataset) // per_process
    saved = time.monotonic()
    for batch in _batches(job, accelerator, position, batches * per_process):
        _seed(job.seed, position.step, accelerator.process_index)
        rate = _set_rates(optimizer, position.step, batches, job, accelerator.num_processes)
        loss, finite = _step(job, accelerator, model, optimizer, batch)
        position = _advance(position, finite)
        numbers = {"epoch": position.epoch + position.batch / batches, "lr": rate, "loss": loss}
        log.write("train", position.step, numbers)
        if progress is not None:
            progress(position.step, batches * job.optim.epochs, numbers)
        if stop.asked or time.monotonic() - saved > 60 * job.checkpoint_minutes:
            _save(job, accelerator, model, optimizer, position)
            saved = time.monotonic()
        if stop.asked:
            raise TrainingError(f"stopped by SIGTERM at step {position.step}; the same command resumes it")
    return replace(position, epoch=position.epoch + 1, batch=0)


def _batches(job: Job, accelerator: Accelerator, position: Position, used: int) -> Iterator[Batch]:
    job.dataset.epoch = position.epoch
    generator = torch.Generator().manual_seed(job.seed * 1_000_003 + position.epoch)
    order = torch.randperm(len(job.dataset), generator=generator).tolist()
    size, processes = job.optim.batch_size, accelerator.num_processes
    # Each step's clips are dealt out to the processes, so step s sees the same clips whatever their number.
    first = position.batch * size * processes + accelerator.process_index * size
    mine = [order[start : start + size] for start in range(first, used, size * processes)]
    loader = DataLoader(
        job.dataset,
        batch_sampler=mine,
        num_workers=job.workers if isinstance(job.dataset, DecodedDataset) else 0,
        collate_fn=collate,
        pin_memory=accelerator.device.type == "cuda",
    )
    for batch in loader:
        yield Batch(batch.clips.to(accelerator.device), batch.targets.to(accelerator.device), batch.rows)


def _step(
    job: Job, accelerator: Accelerator, model: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch
) -> tuple[float, bool]:
    model.train()
    with accelerator.accumulate(model):
        with accelerator.autocast():
            loss = job.loss(model, batch)
        accelerator.backward(loss)
        norm = None
        if accelerator.sync_gradients:
            limit = math.inf if job.optim.clip_grad is None else job.optim.clip_grad
            norm = accelerator.clip_grad_norm_(model.parameters(), limit)
        value = float(accelerator.reduce(loss.detach(), "mean"))
        finite = math.isfinite(value) and (norm is None or math.isfinite(float(norm)))
        if finite:
            optimizer.step()
        optimizer.zero_grad()
    return value, finite


def _advance(position: Position, finite: bool) -> Position:
    skipped = position.skipped + (not finite)
    if skipped > _MOST_SKIPPED:
        raise TrainingError(
            f"{skipped} steps had no finite loss or gradient; lower --optim.base-lr or use --precision no"
        )
    return replace(position, batch=position.batch + 1, step=position.step + 1, skipped=skipped)


def _set_rates(optimizer: torch.optim.Optimizer, step: int, batches: int, job: Job, processes: int) -> float:
    accumulate = job.optim.accumulate
    global_batch = job.optim.batch_size * processes * accumulate
    rate = learning_rate(step // accumulate, max(1, batches // accumulate), job.optim, global_batch)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]
    return rate


def _seed(seed: int, step: int, process: int) -> None:
    torch.manual_seed(((seed * 1_000_003 + step) * 1_009 + process) % 2**63)


def _settings_hash(job: Job) -> str:
    return hashlib.sha256(job.settings.encode()).hexdigest()[:16]


def _resume(job: Job, accelerator: Accelerator, model: nn.Module, optimizer: torch.optim.Optimizer) -> Position:
    found = latest_checkpoint(job.out / "checkpoints")
    if found is None:
        return Position(recipe=_settings_hash(job))
    bare = accelerator.unwrap_model(model)
    return load_checkpoint(found, bare, _bare(optimizer), _settings_hash(job))


def _save(job: Job, accelerator: Accelerator, model: nn.Module, optimizer: Any, position: Position) -> None:
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        save_checkpoint(job.out / "checkpoints", accelerator.unwrap_model(model), _bare(optimizer), position)
    accelerator.wait_for_everyone()


def _bare(optimizer: Any) -> torch.optim.Optimizer:
    inner: torch.optim.Optimizer = getattr(optimizer, "optimizer", optimizer)
    return inner
