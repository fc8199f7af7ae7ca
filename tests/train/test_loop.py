"""The loop on made-up crops: resuming changes nothing, bad losses are skipped, small sets are learnt by heart."""

import json
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from maedfer.config import ClassifierConfig, LGIFormerConfig
from maedfer.data.augment import Augment
from maedfer.data.crops import CroppedClips
from maedfer.data.dataset import CachedDataset
from maedfer.errors import TrainingError
from maedfer.models import ExpressionClassifier
from maedfer.recipes import AugmentConfig, ComputeConfig, FinetuneRecipe, OptimConfig
from maedfer.train.loop import Job, train
from maedfer.train.optim import parameter_groups

SIZE = 32


def job(out, *, epochs=2, loss=None, clips=12, rate=0.05, smoothing=0.1, drop_path=0.2, accumulate=1, minutes=1e9):
    torch.manual_seed(0)
    encoder = LGIFormerConfig(
        image_size=SIZE, num_frames=4, embed_dim=24, depth=2, num_heads=2, region_size=(2, 1, 2), drop_path=drop_path
    )
    model = ExpressionClassifier(ClassifierConfig(encoder=encoder))
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (clips, 3, 8, SIZE, SIZE), dtype=np.uint8)
    targets = [index % 7 for index in range(clips)]
    data = CachedDataset(CroppedClips(pixels, np.ones(clips)), list(range(clips)), targets, 4, train=True)
    augment = Augment(AugmentConfig(jitter=0.1), SIZE)
    return Job(
        model=model,
        groups=parameter_groups(model, depth=2, weight_decay=0.05),
        dataset=data,
        loss=loss or (lambda m, b: F.cross_entropy(m(augment(b.clips)), b.targets)),
        recipe=FinetuneRecipe(
            optim=OptimConfig(
                epochs=epochs, warmup_epochs=0.0, batch_size=4, accumulate=accumulate, base_lr=rate, clip_grad=1.0
            ),
            out=out,
            seed=7,
            compute=ComputeConfig(precision="no"),
            label_smoothing=smoothing,
            checkpoint_minutes=minutes,
        ),
        validate=None,
    )


class StoppedError(Exception):
    pass


def stop_at(step):
    def progress(done, total, numbers):
        if done == step:
            raise StoppedError

    return progress


def weights(run):
    return torch.cat([p.detach().flatten() for p in run.model.parameters()])


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5])
def test_a_resumed_run_equals_one_that_was_not_stopped(tmp_path, step):
    whole = job(tmp_path / "whole")
    train(whole)
    first = job(tmp_path / "parts", minutes=0.0)  # a checkpoint after every step
    with pytest.raises(StoppedError):
        train(first, stop_at(step))
    second = job(tmp_path / "parts")
    train(second)
    assert torch.equal(weights(whole), weights(second))
    lines = [json.loads(line) for line in (tmp_path / "parts" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]


def test_no_checkpoint_stands_between_accumulated_steps(tmp_path):
    whole = job(tmp_path / "whole", accumulate=3)
    train(whole)
    first = job(tmp_path / "parts", accumulate=3, minutes=0.0)
    with pytest.raises(StoppedError):
        train(first, stop_at(5))
    assert [p.name for p in (tmp_path / "parts" / "checkpoints").iterdir()] == ["step-00000003"]
    second = job(tmp_path / "parts", accumulate=3)
    train(second)
    assert torch.equal(weights(whole), weights(second))


def test_accumulated_steps_need_enough_clips(tmp_path):
    with pytest.raises(TrainingError, match="batch of 16"):
        train(job(tmp_path, accumulate=4))


def test_half_a_line_of_numbers_does_not_stop_a_resumed_run(tmp_path):
    train(job(tmp_path))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "tra')
    train(job(tmp_path))
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]


def test_sigterm_saves_before_it_stops(tmp_path):
    before = signal.getsignal(signal.SIGTERM)

    def progress(done, total, numbers):
        if done == 2:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(TrainingError, match="resumes"):
        train(job(tmp_path / "run"), progress)
    assert signal.getsignal(signal.SIGTERM) == before
    assert sorted(p.name for p in (tmp_path / "run" / "checkpoints").iterdir()) == ["step-00000002"]
    whole, second = job(tmp_path / "whole"), job(tmp_path / "run")
    train(whole)
    train(second)
    assert torch.equal(weights(whole), weights(second))


def test_other_settings_are_not_resumed(tmp_path):
    train(job(tmp_path, epochs=1))
    with pytest.raises(TrainingError, match="other settings"):
        train(job(tmp_path, epochs=1, smoothing=0.2))


def test_other_clips_are_not_resumed(tmp_path):
    train(job(tmp_path, epochs=1))
    with pytest.raises(TrainingError, match="expected 12 clips"):
        train(job(tmp_path, epochs=1, clips=16))


def test_a_damaged_checkpoint_is_named(tmp_path):
    train(job(tmp_path, epochs=1))
    file = next((tmp_path / "checkpoints").glob("step-*")) / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(TrainingError, match="damaged"):
        train(job(tmp_path, epochs=1))


def test_a_loss_that_is_not_finite_changes_nothing_and_stops_at_a_cap(tmp_path):
    run = job(tmp_path, epochs=20, loss=lambda m, b: m(b.clips).sum() * float("nan"))
    before = weights(run).clone()
    with pytest.raises(TrainingError, match="no finite loss"):
        train(run)
    assert torch.equal(before, weights(run))


def test_too_few_clips_for_a_batch_say_so(tmp_path):
    with pytest.raises(TrainingError, match="batch of 4"):
        train(job(tmp_path, clips=3))


def test_a_handful_of_clips_is_learnt_by_heart(tmp_path):
    run = job(tmp_path, epochs=40, clips=4, rate=0.2, drop_path=0.0)
    plain = replace(run, loss=lambda m, b: F.cross_entropy(m(b.clips), b.targets))
    train(plain)
    run.model.eval()
    samples = [run.dataset[i] for i in range(4)]
    with torch.no_grad():
        found = run.model(torch.stack([s.clip for s in samples])).argmax(1).tolist()
    assert found == [s.target for s in samples]
