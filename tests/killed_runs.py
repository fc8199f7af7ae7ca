"""What test_kill.py runs: ``killed_runs.py MANIFEST FOLDER``.

For both stages: a run in a child, left alone; then the same run in children that are killed at random moments, one
after the other, until ten have died, and one that is left to finish. Children are forked after the imports, which cost
more than they.
"""

import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import sklearn.metrics  # noqa: F401 - this and the next two are else imported by every child anew
import torch
import torch._dynamo
import torch.utils.tensorboard

from maedfer.config import AutoencoderConfig, ClassifierConfig
from maedfer.recipes import AugmentConfig, ComputeConfig, DataConfig, FinetuneRecipe, PretrainRecipe
from maedfer.train.finetune import finetune
from maedfer.train.pretrain import pretrain
from training_jobs import DECODER, encoder, optim

KILLS = 10
Progress = Callable[[int, int, dict[str, float]], None]


def fine(manifest: Path, out: Path, progress: Progress) -> Path:
    recipe = FinetuneRecipe(
        model=ClassifierConfig(encoder=encoder()),
        data=DataConfig(manifest=manifest, crop="centre", workers=0),
        augment=AugmentConfig(resized_crop=(0.5, 1.0), erasing=0.5, mixup=0.8),
        optim=optim(epochs=10, batch_size=4, ema=0.9),
        compute=ComputeConfig(precision="no"),
        out=out,
        validation_share=0.2,
        keep="best",
        checkpoint_minutes=0.0,
    )
    return finetune(recipe, progress)


def pre(manifest: Path, out: Path, progress: Progress) -> Path:
    recipe = PretrainRecipe(
        model=AutoencoderConfig(encoder=encoder(), decoder=DECODER, mask_ratio=0.5),
        data=DataConfig(manifest=manifest, crop="centre", workers=0),
        optim=optim(epochs=8, batch_size=2, accumulate=2),
        compute=ComputeConfig(precision="no"),
        out=out,
        checkpoint_minutes=0.0,
    )
    return pretrain(recipe, progress)


def start(run: Callable[[Progress], object]) -> tuple[int, int]:
    """(process, pipe on which it sends a byte after every step) of a child."""
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return child, read
    try:
        run(lambda done, total, numbers: os.write(write, b".") if done else None)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def finish(child: int, pipe: int) -> int:
    """Steps of a child that is left alone."""
    steps = 0
    while got := os.read(pipe, 1024):
        steps += len(got)
    os.close(pipe)
    if os.waitpid(child, 0)[1] != 0:
        raise SystemExit("a run failed")
    return steps


def check(train: Callable[[Path, Path, Progress], Path], manifest: Path, folder: Path) -> None:
    chance = random.Random(2307)
    finish(*start(lambda progress: train(manifest, folder / "whole", progress)))
    for _ in range(KILLS):
        child, pipe = start(lambda progress: train(manifest, folder / "killed", progress))
        for _ in range(chance.randint(1, 2)):
            if not os.read(pipe, 1):
                raise SystemExit("a run ended before it was killed")
        time.sleep(chance.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(pipe)
    if not finish(*start(lambda progress: train(manifest, folder / "killed", progress))):
        raise SystemExit("the last run had nothing left to do")


if __name__ == "__main__":
    torch.set_num_threads(1)
    check(pre, Path(sys.argv[1]), Path(sys.argv[2]) / "pre")
    check(fine, Path(sys.argv[1]), Path(sys.argv[2]) / "fine")
