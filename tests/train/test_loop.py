"""The loop on made-up clips: resuming changes nothing, bad losses are skipped, small sets are learnt by heart."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from maedfer.errors import TrainingError
from maedfer.recipes import ComputeConfig, PretrainRecipe
from maedfer.train.loop import train
from maedfer.train.settings import settings_hash
from training_jobs import finetune_job, pretrain_job


class StoppedError(Exception):
    pass


def stop_at(step):
    def progress(done, total, numbers):
        if done == step:
            raise StoppedError

    return progress


def lines(out, kind="train"):
    found = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line for line in found if line["kind"] == kind]


def same(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize(
    ("job", "step", "changes"),
    [
        (finetune_job, 1, {}),
        (finetune_job, 4, {"ema": 0.9}),
        (finetune_job, 3, {"accumulate": 2, "batch_size": 2}),
        (pretrain_job, 2, {}),
        (pretrain_job, 5, {"ema": 0.9, "accumulate": 2, "batch_size": 2}),
    ],
)
def test_a_resumed_run_equals_one_that_was_not_stopped(tmp_path, job, step, changes):
    whole = train(job(tmp_path / "whole", **changes))
    with pytest.raises(StoppedError):  # a checkpoint after every step; the last one is lost
        train(job(tmp_path / "parts", minutes=0.0, **changes), stop_at(step))
    second = train(job(tmp_path / "parts", **changes))
    assert same(whole.weights, second.weights)
    assert [line["step"] for line in lines(tmp_path / "parts")] == [1, 2, 3, 4, 5, 6]
    assert [line["loss"] for line in lines(tmp_path / "parts")] == [line["loss"] for line in lines(tmp_path / "whole")]


def test_accumulated_batches_learn_what_one_large_batch_learns(tmp_path):
    large = train(finetune_job(tmp_path / "large", clips=17, batch_size=8))
    parts = train(finetune_job(tmp_path / "parts", clips=17, batch_size=2, accumulate=4))
    assert len(lines(tmp_path / "large")) == len(lines(tmp_path / "parts")) == 4
    for one, many in zip(lines(tmp_path / "large"), lines(tmp_path / "parts"), strict=True):
        assert many["loss"] == pytest.approx(one["loss"], abs=1e-5)
    for name, value in large.weights.items():
        assert torch.allclose(value, parts.weights[name], atol=2e-4), name


def test_a_run_is_resumed_with_its_global_batch_divided_otherwise(tmp_path):
    with pytest.raises(StoppedError):
        train(finetune_job(tmp_path, minutes=0.0), stop_at(3))
    train(finetune_job(tmp_path, batch_size=2, accumulate=2))
    assert len(lines(tmp_path)) == 6


def test_accumulated_batches_need_enough_clips(tmp_path):
    with pytest.raises(TrainingError, match="batch of 16"):
        train(finetune_job(tmp_path, accumulate=4))


def test_half_a_line_of_numbers_does_not_stop_a_resumed_run(tmp_path):
    train(finetune_job(tmp_path))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "tra')
    train(finetune_job(tmp_path))
    assert [line["step"] for line in lines(tmp_path)] == [1, 2, 3, 4, 5, 6]


def test_the_log_says_how_fast_and_how_well_it_goes(tmp_path):
    train(finetune_job(tmp_path))
    for line in lines(tmp_path):
        assert 0 <= line["wait"] < 1
        assert line["gradient_norm"] > 0
        assert line["clips_per_second"] == pytest.approx(4 / line["seconds"])


def test_sigterm_saves_before_it_stops(tmp_path):
    before = signal.getsignal(signal.SIGTERM)

    def progress(done, total, numbers):
        if done == 2:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(TrainingError, match="resumes"):
        train(finetune_job(tmp_path / "run"), progress)
    assert signal.getsignal(signal.SIGTERM) == before
    assert sorted(p.name for p in (tmp_path / "run" / "checkpoints").iterdir()) == ["step-00000002"]
    whole, second = train(finetune_job(tmp_path / "whole")), train(finetune_job(tmp_path / "run"))
    assert same(whole.weights, second.weights)


def test_other_settings_clips_and_global_batches_are_not_resumed(tmp_path):
    train(finetune_job(tmp_path, epochs=1))
    with pytest.raises(TrainingError, match="other settings"):
        train(finetune_job(tmp_path, epochs=1, smoothing=0.2))
    with pytest.raises(TrainingError, match="expected 12 clips and 4"):
        train(finetune_job(tmp_path, epochs=1, clips=16))
    with pytest.raises(TrainingError, match="expected 12 clips and 4"):
        train(finetune_job(tmp_path, epochs=1, batch_size=3))


def test_a_damaged_checkpoint_and_one_of_another_layout_are_named(tmp_path):
    train(finetune_job(tmp_path, epochs=1))
    checkpoint = next((tmp_path / "checkpoints").glob("step-*"))
    position = checkpoint / "position.json"
    state = json.loads(position.read_text())
    position.write_text(json.dumps(state["position"]))  # as before there were layouts
    with pytest.raises(TrainingError, match="layout 2, got 1"):
        train(finetune_job(tmp_path, epochs=1))
    position.write_text(json.dumps(state))
    file = checkpoint / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(TrainingError, match="damaged"):
        train(finetune_job(tmp_path, epochs=1))


def test_a_loss_that_is_not_finite_changes_nothing_and_stops_at_a_cap(tmp_path):
    run = finetune_job(tmp_path, epochs=20, most_skipped=3, loss=lambda m, b: m(b.clips).sum() * float("nan"))
    run = replace(run, names=lambda row: f"clip-{row}")
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    with pytest.raises(TrainingError, match=r"4 steps had no finite loss.*clip-\d+, clip-\d+"):
        train(run)
    assert same(before, run.model.state_dict())
    skipped = lines(tmp_path, "skipped")
    assert [line["step"] for line in skipped] == [1, 2, 3, 4]
    assert all(len(line["clips"]) == 4 for line in skipped)
    assert [line["loss"] for line in lines(tmp_path)] == [None] * 3


def test_one_bad_gradient_is_left_out_and_counted_over_a_stop(tmp_path):
    def loss(model, batch):
        value = model(batch.clips).square().sum()  # finite, with a gradient that is not
        return value if 5 not in batch.rows else value + (next(model.parameters()).sum() * 0).sqrt()

    train(finetune_job(tmp_path, epochs=3, loss=loss))
    assert [line["skipped"] for line in lines(tmp_path)][-1] == 3
    assert all(line["loss"] is not None for line in lines(tmp_path))
    bad = lines(tmp_path, "skipped")
    assert len(bad) == 3
    assert all("row 5" in line["clips"] for line in bad)


def test_best_and_last_weights_are_kept_over_a_stop(tmp_path):
    scores = iter([0.5, 0.9, 0.9, 0.2])
    seen = []

    def validate(model, accelerator):
        assert not model.training
        seen.append({name: value.clone() for name, value in model.state_dict().items()})
        return {"uar": next(scores)}

    def job():
        return replace(finetune_job(tmp_path, epochs=4, ema=0.8), validate=validate, better="uar")

    with pytest.raises(StoppedError):
        train(job(), stop_at(7))
    finished = train(job())
    assert same(finished.best, seen[1])
    assert same(finished.weights, seen[3])
    names = sorted(p.name for p in (tmp_path / "checkpoints").iterdir())
    assert names == ["best-00000006", "step-00000009", "step-00000012"]
    assert [line["uar"] for line in lines(tmp_path, "validation")] == [0.5, 0.9, 0.9, 0.2]


def test_the_average_is_the_average_of_the_weights(tmp_path):
    states = []
    job = finetune_job(tmp_path, ema=0.5)

    def progress(done, total, numbers):
        states.append({name: value.detach().clone() for name, value in job.model.named_parameters()})

    start = {name: value.detach().clone() for name, value in job.model.named_parameters()}
    finished = train(job, progress)
    for name, value in start.items():
        for updates, state in enumerate(states, 1):
            value = torch.lerp(value, state[name], 1 - min(0.5, (1 + updates) / (10 + updates)))
        assert torch.allclose(finished.weights[name], value, atol=1e-6), name
    assert not same(finished.weights, job.model.state_dict())


def test_too_few_clips_for_a_batch_say_so(tmp_path):
    with pytest.raises(TrainingError, match="batch of 4"):
        train(finetune_job(tmp_path, clips=3))


def test_a_batch_of_eight_is_learnt_by_heart(tmp_path):
    job = finetune_job(
        tmp_path,
        clips=8,
        batch_size=8,
        epochs=40,
        base_lr=0.1,
        drop_path=0.0,
        loss=lambda m, b: F.cross_entropy(m(b.clips), b.targets),
    )
    train(job)
    job.model.eval()
    with torch.no_grad():
        found = job.model(job.feed.pixels).argmax(1).tolist()
    assert found == [row % 7 for row in range(8)]


def test_a_run_is_resumed_whatever_way_it_is_computed():
    recipe = PretrainRecipe()
    for compute in (
        ComputeConfig(checkpoint_activations="light"),
        ComputeConfig(fsdp=True),
        ComputeConfig(compile=True),
    ):
        assert settings_hash(replace(recipe, compute=compute), 1) == settings_hash(recipe, 1)
    assert settings_hash(replace(recipe, compute=ComputeConfig(precision="bf16")), 1) != settings_hash(recipe, 1)


@pytest.mark.parametrize("level", ["selective", "full"])
def test_computing_activations_again_changes_nothing(tmp_path, level):
    again = ComputeConfig(precision="no", checkpoint_activations=level)
    for name, job in (("fine", finetune_job), ("pre", pretrain_job)):
        kept = train(job(tmp_path / name, epochs=1))
        repeated = train(job(tmp_path / f"{name}-again", epochs=1, compute=again))
        assert same(kept.weights, repeated.weights)


@pytest.mark.slow
def test_a_compiled_model_learns_the_same(tmp_path):
    code = (
        "from pathlib import Path; from training_jobs import finetune_job; from maedfer.recipes import ComputeConfig; "
        "from maedfer.train.loop import train; "
        f"train(finetune_job(Path({str(tmp_path)!r}) / 'compiled', batch_size=2, accumulate=2, epochs=1, "
        "compute=ComputeConfig(precision='no', compile=True)))"
    )  # in its own process: shapes that are checked at every call cannot be compiled
    tests = Path(__file__).parents[1]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(tests), str(tests.parent / "src")]))
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=1800)
    plain = train(finetune_job(tmp_path / "plain", batch_size=2, accumulate=2, epochs=1))
    for one, other in zip(lines(tmp_path / "plain"), lines(tmp_path / "compiled"), strict=True):
        assert other["loss"] == pytest.approx(one["loss"], abs=1e-5)
    held = load_file(tmp_path / "compiled" / "checkpoints" / "step-00000003" / "model.safetensors")
    assert held.keys() == plain.weights.keys()
