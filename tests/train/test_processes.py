"""Two processes on one machine (gloo, started by torchrun) learn what one process learns."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from maedfer.errors import ConfigError
from maedfer.recipes import ComputeConfig
from maedfer.train.loop import train
from training_jobs import finetune_job, pretrain_job
from two_processes import scored

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder of the runs that two processes made."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = dict(
        os.environ,
        ACCELERATE_USE_CPU="true",
        OMP_NUM_THREADS="1",
        PYTHONPATH=os.pathsep.join([str(TESTS), str(TESTS.parent / "src")]),
    )
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", f"--master_port={port}"]
    script = TESTS / "two_processes.py"
    done = subprocess.run(
        [*launch, str(script), str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """The folder of the same runs by this process: 18 clips in steps of 8, so two are left out."""
    folder = tmp_path_factory.mktemp("one")
    train(scored(finetune_job(folder / "fine", clips=18, batch_size=8, ema=0.9)))
    train(scored(finetune_job(folder / "stem", clips=18, batch_size=8, ema=0.9, stem_width=8)))
    train(pretrain_job(folder / "pre", clips=18, batch_size=8, ema=0.9))
    return folder


def lines(folder, kind):
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in found if line["kind"] == kind]


@pytest.mark.parametrize("stage", ["fine", "pre"])
@pytest.mark.parametrize(("kind", "tolerance"), [("", 1e-5), ("-shards", 1e-4)])
def test_two_processes_have_the_losses_of_one(one, two, stage, kind, tolerance):
    alone, together = lines(one / stage, "train"), lines(two / f"{stage}{kind}", "train")
    assert len(alone) == len(together) == 4
    for single, shared in zip(alone, together, strict=True):
        assert shared["loss"] == pytest.approx(single["loss"], abs=tolerance)
        assert shared["gradient_norm"] == pytest.approx(single["gradient_norm"], rel=1e-3)
        assert shared["lr"] == single["lr"]


@pytest.mark.parametrize("kind", ["", "-shards"])
def test_two_processes_validate_the_average_and_keep_the_best_as_one_does(one, two, kind):
    alone, together = lines(one / "fine", "validation"), lines(two / f"fine{kind}", "validation")
    assert [line["score"] for line in together] == pytest.approx([line["score"] for line in alone], rel=1e-3)
    best, same = (next((folder / "checkpoints").glob("best-*")) for folder in (one / "fine", two / f"fine{kind}"))
    assert best.name == same.name
    held = load_file(same / "model.safetensors")
    for name, value in load_file(best / "model.safetensors").items():
        assert torch.allclose(held[name], value, atol=2e-4), name


def test_batch_norm_is_that_of_the_global_batch(one, two):
    alone, together = lines(one / "stem", "train"), lines(two / "stem", "train")
    assert [line["loss"] for line in together] == pytest.approx([line["loss"] for line in alone], abs=1e-5)
    step = "checkpoints/step-00000004/average.safetensors"
    held, averages = load_file(one / "stem" / step), load_file(two / "stem" / step)
    assert "encoder.embed.first_norm.running_mean" in held
    for name, value in held.items():
        assert torch.allclose(averages[name], value, atol=2e-4), name


def test_a_sharded_run_resumes_exactly(two):
    for name in ("model", "optimizer", "average"):
        file = f"checkpoints/step-00000004/{name}.safetensors"
        whole, resumed = load_file(two / "fine-shards" / file), load_file(two / "resumed" / file)
        assert whole.keys() == resumed.keys()
        assert all(torch.equal(value, resumed[key]) for key, value in whole.items())
    steps = [line["step"] for line in lines(two / "resumed", "train")]
    assert steps == [1, 2, 3, 4]


def test_one_process_reads_the_checkpoint_of_shards(two):
    finished = train(scored(finetune_job(two / "resumed", clips=18, batch_size=8, ema=0.9)))
    average = load_file(two / "fine-shards/checkpoints/step-00000004/average.safetensors")
    assert all(torch.equal(value, finished.weights[name]) for name, value in average.items())


def test_all_processes_stop_alike_and_name_the_clips_of_both(two):
    first, second = (two / "bad-main").read_text(), (two / "bad-other").read_text()
    assert first == second
    assert "2 steps had no finite loss" in first
    assert first.count("row ") == 4


def test_a_model_is_compiled_or_sharded_not_both():
    with pytest.raises(ConfigError, match="compile or fsdp"):
        ComputeConfig(compile=True, fsdp=True)
