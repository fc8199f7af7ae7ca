"""One plain training loop for both stages, on Accelerate."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from maedfer.allocator import give_back_freed_memory, keep_freed_memory
from maedfer.data.feed import ClipFeed
from maedfer.errors import TrainingError
from maedfer.models.draws import BatchShare
from maedfer.recipes import FinetuneRecipe, PretrainRecipe
from maedfer.train.batch import Batch, collate
from maedfer.train.checkpoint import (
    Position,
    best_value,
    best_weights,
    latest_checkpoint,
    load_checkpoint,
    save_best,
    save_checkpoint,
)
from maedfer.train.optim import learning_rate
from maedfer.train.placement import Learner, place
from maedfer.train.processes import from_main, start_processes, summed
from maedfer.train.run_log import RunLog, StopRequest
from maedfer.train.settings import settings_hash, write_settings
from maedfer.train.update import update

__all__ = ["Finished", "Job", "Progress", "train"]

_LISTED = 64  # clips that an error lists
#: Is told (step, steps in all, numbers by name) while a run goes on.
Progress = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class Job:
    """What one run trains, and how.

    Attributes:
        model: trained in place.
        groups: parameter groups with ``scale``, see :func:`maedfer.train.optim.parameter_groups`.
        feed: training clips.
        loss: (model, batch) -> mean over the batch, so that the mean of equal parts is that of the whole. Draws per
            clip are made through ``batch.share``.
        recipe: batch size, epochs, rates, folder, seed; a checkpoint of another recipe is not resumed.
        validate: (model, accelerator) -> numbers to log after an epoch, the same in all processes, all of which call
            it; ``None``: nothing. The model is in evaluation mode, with the averaged weights where there are any.
        better: name of the validation number whose highest value makes weights the best; ``None``: none are kept.
        names: row -> name of a clip, for errors and the log; ``None``: rows are named by their number.
    """

    model: nn.Module
    groups: list[dict[str, Any]]
    feed: ClipFeed
    loss: Callable[[nn.Module, Batch], Tensor]
    recipe: PretrainRecipe | FinetuneRecipe
    validate: Callable[[nn.Module, Accelerator], dict[str, float]] | None = None
    better: str | None = None
    names: Callable[[int], str] | None = None


@dataclass(frozen=True)
class Finished:
    """What a run leaves in memory.

    Attributes:
        accelerator: the processes.
        weights: state of the model on the CPU, the averaged one where the recipe asks for it; empty but for the main
            process.
        best: the same after the epoch with the best validation; ``None`` without ``Job.better``, and but for the
            main process.
    """

    accelerator: Accelerator
    weights: dict[str, Tensor]
    best: dict[str, Tensor] | None


def train(job: Job, progress: Progress | None = None) -> Finished:
    """Run ``job`` to its end, resuming an unfinished run in ``job.recipe.out``.

    A step is one update by a global batch: ``batch_size`` clips x ``accumulate`` x processes. It draws all its random
    numbers from (seed, step), for the whole global batch: so a resumed run equals one that was not stopped, and one
    process learns what many learn. SIGTERM writes a checkpoint and raises ``TrainingError``.

    Args:
        job: the run; the same in all processes, which share the folder.
        progress: called in the main process with (steps done, steps in all, latest numbers).

    Raises:
        TrainingError: too few clips for a step, a precision that this machine lacks, losses that stay not finite,
            SIGTERM; or ``out`` holds a run with other settings, clips or global batch, or is not the same folder for
            all processes.
        OutputError: a checkpoint cannot be written.
    """
    (give_back_freed_memory if job.recipe.compute.gives_back_memory else keep_freed_memory)()
    accelerator = start_processes(job.recipe.compute)
    fresh = _beginning(job, accelerator)
    learner = place(job.model, job.groups, job.recipe, accelerator)
    position = _resume(job, learner, fresh)
    log = RunLog(job.recipe.out, accelerator)
    log.cut(position.step)
    if accelerator.is_main_process:
        write_settings(job.recipe)  # now: the folder is new, or holds this very run
    folder = job.recipe.out / "checkpoints"
    with StopRequest() as stop, log:
        while position.epoch < job.recipe.optim.epochs:
            position = _train_epoch(
                job, learner, position, log, stop, progress if accelerator.is_main_process else None
            )
            _validate(job, learner, position, log)
            save_checkpoint(folder, learner, position)
    with learner.evaluated():
        weights = learner.state()
    best = best_weights(folder, fresh.recipe) if job.better is not None and accelerator.is_main_process else None
    return Finished(accelerator, weights, best)


def _train_epoch(
    job: Job, learner: Learner, position: Position, log: RunLog, stop: StopRequest, progress: Progress | None
) -> Position:
    recipe, steps = job.recipe, position.clips // position.global_batch
    total, saved = steps * recipe.optim.epochs, time.monotonic()
    feed = _global_batches(job, learner.accelerator, position, steps)
    while position.done < steps:
        began = time.perf_counter()
        batches = next(feed)
        waited = time.perf_counter() - began
        step = position.step
        rate = learning_rate(step, steps, recipe.optim, position.global_batch)
        for group in learner.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        outcome = update(learner, job.loss, batches, recipe.optim, (recipe.seed, step))
        position = replace(position, done=position.done + 1, step=step + 1)
        if learner.average is not None and outcome.updated:
            learner.average.update(position.step - position.skipped)
        if outcome.broken:
            position = _skip(job, learner, position, batches, log)
        seconds = time.perf_counter() - began
        numbers = {
            "epoch": position.epoch + position.done / steps,
            "lr": rate,
            "loss": outcome.loss,
            "gradient_norm": outcome.norm,
            "seconds": seconds,
            "wait": waited / seconds,
            "clips_per_second": position.global_batch / seconds,
            "skipped": float(position.skipped),
        }
        log.write("train", position.step, numbers)
        if progress is not None:
            progress(position.step, total, numbers)
        overdue = time.monotonic() - saved > 60 * recipe.checkpoint_minutes
        # All must save at the same step, for they wait for each other there.
        asked, overdue = (up > 0 for up in summed(learner.accelerator, float(stop.asked), float(overdue)))
        if asked or (overdue and position.done < steps):  # at the end of an epoch one is written anyway
            save_checkpoint(recipe.out / "checkpoints", learner, position)
            saved = time.monotonic()
        if asked:
            raise TrainingError(f"stopped by SIGTERM at step {position.step}; the same command resumes it")
    return replace(position, epoch=position.epoch + 1, done=0)


def _global_batches(job: Job, accelerator: Accelerator, position: Position, steps: int) -> Iterator[list[Batch]]:
    """This process's batches of each step. A step's clips are the same however they are divided."""
    parts, processes = job.recipe.optim.accumulate, accelerator.num_processes
    own = BatchShare(accelerator.process_index, processes)
    size = job.recipe.optim.batch_size
    source = job.feed.batches(position.epoch, position.done * parts, size, own)
    for _ in range(position.done, steps):
        batches = []
        for part in range(parts):
            share = BatchShare(part * processes + own.index, parts * processes)
            batches.append(collate(next(source), share).to(accelerator.device))
        yield batches


def _skip(job: Job, learner: Learner, position: Position, batches: list[Batch], log: RunLog) -> Position:
    rows = learner.accelerator.gather(torch.cat([batch.rows for batch in batches])).tolist()
    clips = [f"row {row}" if job.names is None else job.names(row) for row in rows]
    position = replace(position, skipped=position.skipped + 1)
    log.write_skipped(position.step, clips)
    if position.skipped > job.recipe.optim.most_skipped:
        more = f" and {len(clips) - _LISTED} more" if len(clips) > _LISTED else ""
        raise TrainingError(
            f"{position.skipped} steps had no finite loss or gradient; lower --optim.base-lr, use --compute.precision "
            f"no, or look at the clips of the last one: {', '.join(clips[:_LISTED])}{more}"
        )
    return position


def _validate(job: Job, learner: Learner, position: Position, log: RunLog) -> None:
    if job.validate is None:
        return
    accelerator, folder = learner.accelerator, job.recipe.out / "checkpoints"
    with learner.evaluated() as model:
        numbers = job.validate(model, accelerator)
        log.write("validation", position.step, {"epoch": float(position.epoch), **numbers})
        if job.better is None:
            return
        value = from_main(accelerator, numbers[job.better])
        held = best_value(folder, position.recipe) if accelerator.is_main_process else None
        if value > from_main(accelerator, -math.inf if held is None else held):
            weights = learner.state()
            if accelerator.is_main_process:
                save_best(folder, weights, value, position)


def _beginning(job: Job, accelerator: Accelerator) -> Position:
    optim, clips = job.recipe.optim, len(job.feed)
    global_batch = optim.batch_size * optim.accumulate * accelerator.num_processes
    if clips < global_batch:
        raise TrainingError(f"{clips} clips do not fill a batch of {global_batch}; lower --optim.batch-size")
    return Position(recipe=settings_hash(job.recipe, accelerator.num_processes), global_batch=global_batch, clips=clips)


def _resume(job: Job, learner: Learner, fresh: Position) -> Position:
    found = latest_checkpoint(job.recipe.out / "checkpoints")
    step = -1.0 if found is None else float(found.name.removeprefix("step-"))
    others = summed(learner.accelerator, abs(step - from_main(learner.accelerator, step)))[0]
    if others:
        raise TrainingError(
            f"{job.recipe.out}: not all processes see the same checkpoints there; choose an --out on a file system "
            "that all machines share"
        )
    return fresh if found is None else load_checkpoint(found, learner, fresh)
