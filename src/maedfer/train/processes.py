"""The processes of a run: started, told apart, and brought to one mind before each decision."""

import os
from dataclasses import replace
from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs

from maedfer.errors import TrainingError
from maedfer.models.kernels import multiplies_bfloat16
from maedfer.recipes import ComputeConfig

__all__ = ["end_processes", "from_main", "is_main_process", "settled", "start_processes", "summed"]

# A process that fails ends the others at their next exchange; one that hangs, after this time.
_PATIENCE = timedelta(minutes=30)


def is_main_process() -> bool:
    """Whether this process is the one that writes and speaks; known before :func:`start_processes`."""
    return int(os.environ.get("RANK", "0")) == 0


def settled(compute: ComputeConfig) -> ComputeConfig:
    """The same with ``"auto"`` replaced by the precision that this machine is made for."""
    if compute.precision != "auto":
        return compute
    return replace(compute, precision="bf16" if _native_bf16() else "no")


def start_processes(compute: ComputeConfig) -> Accelerator:
    """Join the processes that ``torchrun`` or ``accelerate launch`` started; without them this one is alone.

    Can be called again: it is the same group of processes.

    Raises:
        TrainingError: a precision that this machine lacks, or another one than before in this process; a launcher that
            was told to shard by itself.
    """
    handlers = [
        InitProcessGroupKwargs(timeout=_PATIENCE),
        DistributedDataParallelKwargs(gradient_as_bucket_view=True),  # no second copy of the gradients
    ]
    try:
        accelerator = Accelerator(mixed_precision=settled(compute).precision, kwargs_handlers=handlers)
    except ValueError as error:
        raise TrainingError(
            f"precision {compute.precision} cannot be used here ({error}); use --compute.precision no, or one a process"
        ) from error
    kind = accelerator.distributed_type.value
    if kind in ("FSDP", "DEEPSPEED", "MEGATRON_LM"):
        raise TrainingError(f"the launcher asks for {kind}; launch plain processes and give --compute.fsdp to shard")
    return accelerator


def _native_bf16() -> bool:
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return multiplies_bfloat16()


def end_processes() -> None:
    """Leave the group at the end of a command; not after a failure, for it would wait for the others."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def summed(accelerator: Accelerator, *values: float) -> list[float]:
    """Each value summed over the processes, in one exchange: all then decide alike."""
    row = torch.tensor(values, dtype=torch.float64 if accelerator.device.type != "mps" else torch.float32)
    total: list[float] = accelerator.reduce(row.to(accelerator.device), "sum").tolist()
    return total


def from_main(accelerator: Accelerator, value: float) -> float:
    """The main process's value, in all processes."""
    return summed(accelerator, value if accelerator.is_main_process else 0.0)[0]
