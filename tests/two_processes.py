"""What test_processes.py runs in each of two processes: ``torchrun two_processes.py FOLDER``."""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from maedfer.errors import TrainingError
from maedfer.recipes import ComputeConfig
from maedfer.train.batch import Batch
from maedfer.train.loop import Job, train
from maedfer.train.processes import end_processes, is_main_process
from training_jobs import MadeUpFeed, finetune_job, pretrain_job

SHARDED = ComputeConfig(precision="no", fsdp=True, checkpoint_activations="selective")


@torch.no_grad()
def score(model: nn.Module, accelerator: Accelerator) -> dict[str, float]:
    return {"score": float(model(MadeUpFeed(4).pixels).square().mean())}


def scored(job: Job) -> Job:
    return replace(job, validate=score, better="score")


class EndingFeed(MadeUpFeed):
    """Fails in all processes alike before the third step."""

    def batches(self, epoch, first, size, share):
        for number, batch in enumerate(super().batches(epoch, first, size, share), epoch * 4 + first):
            if number == 6:
                raise ConnectionError
            yield batch


def not_finite_in_the_second(model: nn.Module, batch: Batch) -> Tensor:
    value: Tensor = model(batch.clips).sum()
    return value * float("nan") if batch.share.index == 1 else value


def main(folder: Path) -> None:
    both = {"clips": 18, "batch_size": 2, "accumulate": 2, "ema": 0.9}
    train(scored(finetune_job(folder / "fine", **both)))
    train(scored(finetune_job(folder / "fine-shards", compute=SHARDED, **both)))
    train(scored(finetune_job(folder / "stem", clips=18, batch_size=4, ema=0.9, stem_width=8)))
    train(pretrain_job(folder / "pre", **both))
    train(pretrain_job(folder / "pre-shards", compute=SHARDED, **both))
    try:
        train(finetune_job(folder / "bad", clips=18, batch_size=2, most_skipped=1, loss=not_finite_in_the_second))
    except TrainingError as error:
        (folder / f"bad-{'main' if is_main_process() else 'other'}").write_text(str(error))
    stopping = finetune_job(folder / "resumed", compute=SHARDED, minutes=0.0, **both)
    try:
        train(scored(replace(stopping, feed=EndingFeed(18))))
    except ConnectionError:
        train(scored(finetune_job(folder / "resumed", compute=SHARDED, **both)))
    end_processes()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
