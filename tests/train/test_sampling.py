"""The order of an epoch: class shares as configured, clips of a class evenly used, the same for the same arguments."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maedfer.train.sampling import class_order, class_visits

TARGETS = st.lists(st.sampled_from([0, 0, 0, 0, 1, 1, 2, 5]), min_size=1, max_size=60)
SAMPLINGS = st.sampled_from(["natural", "square_root", "balanced"])


@given(TARGETS, SAMPLINGS)
def test_shares_are_the_configured_ones_to_less_than_a_clip(targets, sampling):
    counts = Counter(targets)
    power = {"natural": 1.0, "square_root": 0.5, "balanced": 0.0}[sampling]
    whole = sum(count**power for count in counts.values())
    visits = class_visits(targets, sampling)
    assert sum(visits.values()) == len(targets)
    for index, count in counts.items():
        assert abs(visits[index] - len(targets) * count**power / whole) < 1


@given(TARGETS, SAMPLINGS, st.integers(0, 2**40), st.integers(0, 30))
def test_an_epoch_visits_classes_so_and_their_clips_evenly(targets, sampling, seed, epoch):
    order = class_order(targets, sampling, seed, epoch)
    assert Counter(targets[position] for position in order) == Counter(
        {index: count for index, count in class_visits(targets, sampling).items() if count}
    )
    visited = Counter(order)
    for index in set(targets):
        times = [visited[position] for position, target in enumerate(targets) if target == index]
        assert max(times) - min(times) <= 1


@given(TARGETS, SAMPLINGS, st.integers(0, 9), st.integers(1, 12))
def test_over_the_epochs_every_clip_of_a_class_comes_equally_often(targets, sampling, seed, epochs):
    visited = Counter(position for epoch in range(epochs) for position in class_order(targets, sampling, seed, epoch))
    for index in set(targets):
        times = [visited[position] for position, target in enumerate(targets) if target == index]
        assert max(times) - min(times) <= 1


def test_natural_order_is_a_permutation_that_epoch_and_seed_change():
    targets = [0] * 30 + [1] * 3
    first = class_order(targets, "natural", 3, 0)
    assert sorted(first) == list(range(33))
    assert first == class_order(targets, "natural", 3, 0)
    assert first != class_order(targets, "natural", 3, 1)
    assert first != class_order(targets, "natural", 4, 0)


@pytest.mark.parametrize("sampling", ["square_root", "balanced"])
def test_the_classes_are_mixed_and_hang_on_the_arguments_alone(sampling):
    targets = [0] * 64 + [1] * 16 + [2] * 4
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 - the global generator must be left alone
    order = class_order(targets, sampling, 1, 2)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    assert order == class_order(tuple(targets), sampling, 1, 2)
    assert order != class_order(targets, sampling, 1, 3)
    halves = [Counter(targets[position] for position in part) for part in (order[:42], order[42:])]
    assert all(half[index] > 0 for half in halves for index in (0, 1, 2))


def test_a_table_of_visits():
    targets = [0] * 100 + [1] * 25 + [3] * 4
    assert class_visits(targets, "natural") == {0: 100, 1: 25, 3: 4}
    assert class_visits(targets, "square_root") == {0: 76, 1: 38, 3: 15}  # 129 * 10/17, 5/17, 2/17 = 75.9, 37.9, 15.2
    assert class_visits(targets, "balanced") == {0: 43, 1: 43, 3: 43}
