"""One face in a few numbers, against windows whose truth is plain."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maedfer.errors import ConfigError
from maedfer.report import UNSURE, Moment, Transition, WindowPrediction
from maedfer.report.answers import answers_of, segments_of
from maedfer.report.summary import TrackSummary, summarise

LABELS = ("calm", "glad", "sad")


def windows(said: Sequence[tuple[float, str, float]]) -> list[WindowPrediction]:
    """Windows of 2 s from (start, label, confidence)."""
    made = []
    for start, label, confidence in said:
        rest = (1 - confidence) / 2
        probabilities = tuple(confidence if name == label else rest for name in LABELS)
        made.append(WindowPrediction(3, start, start + 2.0, label, confidence, probabilities, 1.0))
    return made


def summary(said: Sequence[tuple[float, str, float]], least: float = 0.5) -> TrackSummary:
    answers = answers_of(windows(said), LABELS, 0.0, least)
    return summarise(3, answers, segments_of(answers))


def test_shares_transitions_and_moments_of_a_plain_face() -> None:
    got = summary(
        [
            (0.0, "calm", 0.6),
            (2.0, "glad", 0.95),
            (4.0, "calm", 0.8),
            (6.0, "glad", 0.7),
            (8.0, "sad", 0.4),  # unsure
            (10.0, "calm", 0.9),
            (20.0, "glad", 0.6),  # after a gap
        ]
    )
    assert (got.track, got.first_s, got.last_s) == (3, 0.0, 22.0)
    assert got.judged_s == pytest.approx(14)
    assert [label for label, _ in got.shares] == ["calm", "glad", UNSURE]
    assert [share for _, share in got.shares] == pytest.approx([6 / 14, 6 / 14, 2 / 14])
    assert got.transitions == (Transition("calm", "glad", 2), Transition("glad", "calm", 1))
    assert got.strongest == (Moment("glad", 3.0, 0.95), Moment("calm", 11.0, 0.9))


def test_neither_unsure_nor_a_gap_is_a_transition() -> None:
    assert summary([(0.0, "calm", 0.9), (2.0, "sad", 0.4), (4.0, "glad", 0.9)]).transitions == ()
    assert summary([(0.0, "calm", 0.9), (9.0, "glad", 0.9)]).transitions == ()


def test_a_face_that_was_never_clear_has_a_share_and_no_moment() -> None:
    got = summary([(0.0, "calm", 0.4), (1.0, "glad", 0.4)])
    assert got.shares == ((UNSURE, 1.0),)
    assert got.strongest == got.transitions == ()


def test_a_face_that_was_never_judged_has_no_summary() -> None:
    with pytest.raises(ConfigError, match="never was"):
        summarise(5, (), ())


@given(
    said=st.lists(
        st.tuples(st.sampled_from(LABELS), st.floats(0.34, 1.0), st.floats(0.2, 5.0)), min_size=1, max_size=15
    ),
    least=st.floats(0.0, 1.0),
)
def test_shares_sum_to_one_and_time_is_the_judged_time(said: list[tuple[str, float, float]], least: float) -> None:
    starts = [math.fsum(hop for _, _, hop in said[:index]) for index in range(len(said))]
    rows = [(start, label, confidence) for start, (label, confidence, _) in zip(starts, said, strict=True)]
    got = summary(rows, least)
    shares = [share for _, share in got.shares]
    assert math.fsum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
    union = sum(min(2.0, after - start) for start, after in zip(starts, [*starts[1:], math.inf], strict=True))
    assert got.judged_s == pytest.approx(union, abs=1e-3 * len(rows))  # a gap of a millisecond is none
    assert got.judged_s <= got.last_s - got.first_s + 1e-9
    assert UNSURE not in {moment.label for moment in got.strongest}
    for moment in got.strongest:
        own = [confidence for _, label, confidence in rows if label == moment.label]
        assert moment.probability == max(own) >= least
    assert sum(transition.count for transition in got.transitions) <= len(rows) - 1


def test_a_detour_over_unsure_is_counted_apart() -> None:
    sure, blank = 0.9, 0.4
    got = summary(
        [
            (0.0, "calm", sure),
            (2.0, "sad", blank),
            (4.0, "glad", sure),
            (6.0, "sad", blank),
            (8.0, "glad", sure),  # back to the same: nothing followed
            (10.0, "sad", blank),
            (20.0, "calm", sure),  # a gap after unsure
            (22.0, "sad", blank),
            (24.0, "sad", blank),
            (26.0, "glad", sure),
        ]
    )
    assert got.transitions == ()
    assert got.across_unsure == (Transition("calm", "glad", 2),)
