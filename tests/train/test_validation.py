"""Validation gives the same numbers however the clips are divided, and no clip counts twice."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn
from torch.nn import functional as F

from maedfer.data.dataset import Sample
from maedfer.evaluate.metrics import score
from maedfer.train.validation import Validation, positions_of

LABELS = ("happy", "sad", "neutral", "anger")
CLIPS = 11


class Clips:
    def __len__(self):
        return CLIPS

    def __getitem__(self, item):
        pixels = np.random.default_rng(item).integers(0, 256, (3, 2, 4, 4), dtype=np.uint8)
        return Sample(torch.from_numpy(pixels), item % 3, item)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(96, 4)
        self.passes = 0

    def forward(self, clips):
        assert not self.training
        self.passes += 1
        return self.head(clips.flatten(1) / 255)


class Part(Accelerator):
    """One of several processes; the tables of those that went before are kept, as an exchange would add them."""

    process_index, num_processes, device = 0, 1, torch.device("cpu")

    def __init__(self, index, count, tables):
        self.process_index, self.num_processes, self.tables = index, count, tables

    def autocast(self):
        return nullcontext()

    def reduce(self, tensor, reduction="sum", scale=1.0):
        assert reduction == "sum"
        self.tables.append(tensor)
        return torch.stack(self.tables).sum(0)


def validation(batch_size=2, clips=CLIPS):
    return Validation(Clips(), [item % 3 for item in range(clips)], LABELS, batch_size=batch_size)


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 16])
def test_every_division_gives_the_numbers_of_one_process(processes):
    model = Model().train()
    logits = model.eval()(torch.stack([Clips()[item].clip for item in range(CLIPS)])).detach()
    truth = [item % 3 for item in range(CLIPS)]
    expected = score(truth, logits.argmax(1).tolist(), LABELS)
    tables, passes = [], []
    model.train()
    for index in range(processes):
        model.passes = 0
        found = validation()(model, Part(index, processes, tables))
        passes.append(model.passes)
        assert model.training
    assert found["uar"] == expected.uar
    assert found["war"] == expected.war
    assert found["loss"] == pytest.approx(float(F.cross_entropy(logits, torch.tensor(truth))), rel=1e-5)
    assert len(set(passes)) == 1  # sharded weights are gathered in each pass: all must make as many
    filled = torch.stack([table.abs().sum(1) > 0 for table in tables]).sum(0)
    assert filled.tolist() == [1] * CLIPS


@pytest.mark.parametrize(("clips", "processes"), [(1, 1), (1, 5), (7, 3), (9, 3)])
def test_positions_are_divided_without_overlap_or_loss(clips, processes):
    parts = [positions_of(clips, index, processes) for index in range(processes)]
    assert sorted(position for own, _ in parts for position in own) == list(range(clips))
    assert len({len(padded) for _, padded in parts}) == 1
    assert all(padded[: len(own)] == own for own, padded in parts)


def test_a_class_without_clips_does_not_lower_the_mean():
    class Perfect(nn.Module):
        def forward(self, clips):
            return F.one_hot(torch.tensor([0, 1, 2] * 4)[: len(clips)], 4).float()

    found = validation(batch_size=CLIPS)(Perfect(), Part(0, 1, []))
    assert found["uar"] == found["war"] == 1.0


def test_the_runs_own_random_numbers_are_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    model = Model()
    torch.manual_seed(5)
    validation()(model, Part(0, 1, []))
    assert torch.equal(torch.rand(3), expected)
