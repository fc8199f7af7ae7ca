"""Runs that are killed with SIGKILL at random moments and resumed give the weights of a run that was not stopped."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from maedfer.video import write_video

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """20 videos: 16 to train on, with a fifth of the eight people for validation."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    rows = ["path,label,label_set,subject,split"]
    for index in range(20):
        frames = [rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(12)]
        write_video(folder / f"{index}.mp4", frames, 25.0)
        label = ("happy", "sad", "fear")[index % 3]
        rows.append(f"{index}.mp4,{label},DFEW,s{index % 8},{'test' if index >= 16 else 'train'}")
    path = folder / "manifest.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def environment():
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent / "src")])
    return dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=paths, CUDA_VISIBLE_DEVICES="")


def same_files(first, second, pattern):
    """Whether the files are there, under the same names, with the same bytes."""
    names = sorted(path.relative_to(first) for path in first.glob(pattern))
    assert names
    assert names == sorted(path.relative_to(second) for path in second.glob(pattern))
    return all((first / name).read_bytes() == (second / name).read_bytes() for name in names)


@pytest.fixture(scope="module")
def runs(manifest, tmp_path_factory):
    """The folder of both stages' runs, left alone and killed."""
    folder = tmp_path_factory.mktemp("runs")
    done = subprocess.run(
        [sys.executable, str(TESTS / "killed_runs.py"), str(manifest), str(folder)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


@pytest.mark.parametrize("stage", ["pre", "fine"])
def test_ten_kills_change_nothing(runs, stage):
    whole, killed = runs / stage / "whole", runs / stage / "killed"
    assert same_files(whole, killed, "weights/model.safetensors")
    assert same_files(whole, killed, "checkpoints/*/*.safetensors")
    lines = [json.loads(line) for line in (killed / "metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines if line["kind"] == "train"]
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) >= 30


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["pretrain demo-pretrain", "finetune demo-finetune-short --unit-weight 0"])
def test_ten_kills_of_the_command_change_nothing(manifest, tmp_path, stage):
    def command(out):
        options = "--data.crop centre --data.workers 1 --optim.epochs 8 --optim.batch-size 4 --compute.precision no "
        options += f"--checkpoint-minutes 0 --data.manifest {manifest} --out {out}"
        return [sys.executable, "-m", "maedfer", *stage.split(), *options.split()]

    def lines():
        file = tmp_path / "killed" / "metrics.jsonl"
        return len(file.read_text().splitlines()) if file.exists() else 0

    subprocess.run(command(tmp_path / "whole"), env=environment(), check=True, capture_output=True, timeout=900)
    chance = random.Random(2307)
    for _ in range(10):
        run = subprocess.Popen(
            command(tmp_path / "killed"), env=environment(), stdout=subprocess.DEVNULL, start_new_session=True
        )
        wanted = lines() + chance.randint(1, 2)
        while lines() < wanted:
            assert run.poll() is None, "ended before it was killed"
            time.sleep(0.02)
        time.sleep(chance.uniform(0, 0.2))
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    subprocess.run(command(tmp_path / "killed"), env=environment(), check=True, capture_output=True, timeout=900)
    assert same_files(tmp_path / "whole", tmp_path / "killed", "weights/model.safetensors")
