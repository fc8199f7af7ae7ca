"""Intervals: they cover the truth as often as they say, are the same again, and know that clips of one person agree."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Int

from maedfer.errors import ConfigError
from maedfer.evaluate.bootstrap import intervals_of, rates_of
from maedfer.evaluate.metrics import score

Ints = Int[np.ndarray, " N"]


def draw(seed: int, count: int = 300, classes: int = 3, right: float = 0.7) -> tuple[Ints, Ints]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, count)
    wrong = (truth + rng.integers(1, classes, count)) % classes
    return truth, np.where(rng.random(count) < right, truth, wrong)


@settings(max_examples=30)
@given(
    pairs=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40),
)
def test_counted_scores_equal_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = ([pair[side] for pair in pairs] for side in (0, 1))
    expected = score(truth, predicted, "abcde")
    rates = rates_of(np.array([expected.confusion]))
    for name in ("war", "uar", "macro_f1", "weighted_f1"):
        assert getattr(rates, name)[0] == pytest.approx(getattr(expected, name))
    recall = [None if np.isnan(value) else pytest.approx(value) for value in rates.recall[0]]
    assert list(expected.recall) == recall


def test_intervals_cover_the_true_accuracy() -> None:
    covered = 0
    for seed in range(200):
        low, high = intervals_of(*draw(seed), 3, resamples=200, seed=seed).war
        covered += low <= 0.7 <= high
    assert 180 <= covered <= 198  # 95 % of 200 are 190, give or take 3.1


def test_counts_drawn_are_clips_drawn() -> None:
    """The shortcut through counts against resampling the clips themselves."""
    truth, predicted = draw(1, count=120)
    rng = np.random.default_rng(0)
    hits = [(truth == predicted)[rng.integers(0, 120, 120)].mean() for _ in range(4000)]
    slow = np.percentile(hits, [2.5, 97.5])
    assert intervals_of(truth, predicted, 3, resamples=4000).war == pytest.approx(tuple(slow), abs=0.012)


def test_the_same_seed_gives_the_same_and_order_does_not_matter() -> None:
    truth, predicted = draw(2)
    groups = [f"s{index % 30}" for index in range(300)]
    order = np.random.default_rng(5).permutation(300)
    for own in (None, groups):
        other = None if own is None else [own[index] for index in order]
        first = intervals_of(truth, predicted, 3, groups=own)
        assert first == intervals_of(truth[order], predicted[order], 3, groups=other)
        assert first != intervals_of(truth, predicted, 3, groups=own, seed=1)
        assert first.units == (300 if own is None else 30)


def test_people_who_are_all_right_or_all_wrong_widen_the_interval() -> None:
    rng = np.random.default_rng(7)
    truth = rng.integers(0, 3, 400)
    person = np.arange(400) // 20
    predicted = np.where((rng.random(20) < 0.7)[person], truth, (truth + 1) % 3)
    clip = intervals_of(truth, predicted, 3)
    subject = intervals_of(truth, predicted, 3, groups=list(map(str, person)))
    assert subject.war[1] - subject.war[0] > 3 * (clip.war[1] - clip.war[0])
    alone = intervals_of(truth, predicted, 3, groups=[f"{index}" for index in range(400)])
    assert alone.war == pytest.approx(clip.war, abs=0.012)  # one clip a person: subjects are clips


def test_a_class_that_never_occurs_has_no_interval() -> None:
    found = intervals_of(np.array([0, 0, 2, 2]), np.array([0, 2, 2, 2]), 4, resamples=100)
    assert found.recall[1] is found.recall[3] is None
    assert found.recall[2] == (1.0, 1.0)
    assert found.recall[0] is not None


def test_ten_thousand_clips_take_a_moment() -> None:
    truth, predicted = draw(3, count=10_000, classes=11)
    begin = time.process_time()
    intervals_of(truth, predicted, 11)
    intervals_of(truth, predicted, 11, groups=[f"{index % 500}" for index in range(10_000)])
    assert time.process_time() - begin < 5


def test_what_cannot_be_drawn_is_refused() -> None:
    truth, predicted = draw(4)
    with pytest.raises(ConfigError, match="100 resamples"):
        intervals_of(truth, predicted, 3, resamples=10)
    with pytest.raises(ConfigError, match="one group for each"):
        intervals_of(truth, predicted, 3, groups=["a"])
    with pytest.raises(ConfigError, match="clips"):
        intervals_of(truth[:0], predicted[:0], 3)
