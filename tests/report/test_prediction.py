"""Spans: merged windows of one face, for every overlap of windows."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maedfer.errors import ConfigError
from maedfer.report import ModelIdentity, Prediction, Settings, WindowPrediction
from maedfer.video.types import VideoInfo

LABELS = ("calm", "glad")


def window(start: float, end: float, label: str = "calm", confidence: float = 0.8, track: int = 0) -> WindowPrediction:
    first = confidence if label == "calm" else 1 - confidence
    return WindowPrediction(track, start, end, label, confidence, (first, 1 - first), 1.0)


def prediction(*windows: WindowPrediction) -> Prediction:
    return Prediction(
        video=VideoInfo("talk.mp4", 64, 48, None, 25.0, "h264", 0),
        duration_s=10.0,
        labels=LABELS,
        model=ModelIdentity("tiny", None, "0"),
        settings=Settings(1.28, 2.56, 0.5, "cpu", "FakeDetector"),
        windows=windows,
        unseen=(),
        faces=(),
    )


def spans(*windows: WindowPrediction) -> list[tuple[float, float, str]]:
    return [(s.start_s, s.end_s, s.label) for s in prediction(*windows).segments(0)]


def test_windows_of_one_label_become_one_span() -> None:
    made = prediction(window(0.0, 2.0, confidence=0.9), window(1.0, 3.0, confidence=0.7))
    (segment,) = made.segments(0)
    assert (segment.start_s, segment.end_s, segment.label) == (0.0, 3.0, "calm")
    assert segment.confidence == pytest.approx(0.8)


def test_a_change_lies_in_the_middle_of_the_overlap() -> None:
    assert spans(window(0.0, 2.0), window(1.0, 3.0, "glad")) == [(0.0, 1.5, "calm"), (1.5, 3.0, "glad")]


def test_a_gap_ends_a_span_even_of_the_same_label() -> None:
    assert spans(window(0.0, 2.0), window(5.0, 7.0)) == [(0.0, 2.0, "calm"), (5.0, 7.0, "calm")]


def test_a_gap_after_a_change_moves_nothing() -> None:
    got = spans(window(0.0, 2.0), window(1.0, 3.0, "glad"), window(4.0, 6.0, "glad"))
    assert got == [(0.0, 1.5, "calm"), (1.5, 3.0, "glad"), (4.0, 6.0, "glad")]


def test_touching_windows_change_where_they_touch() -> None:
    assert spans(window(0.0, 2.0), window(2.0, 4.0, "glad")) == [(0.0, 2.0, "calm"), (2.0, 4.0, "glad")]


def test_tracks_do_not_mix_and_an_unknown_one_is_empty() -> None:
    made = prediction(window(0.0, 2.0), window(1.0, 3.0, "glad", track=4))
    assert made.tracks() == (0, 4)
    assert [(s.track, s.label, s.start_s) for s in made.segments(4)] == [(4, "glad", 1.0)]
    assert made.segments(9) == ()
    assert prediction().tracks() == ()


@given(
    steps=st.lists(st.floats(0.05, 4.0), min_size=1, max_size=12),
    labels=st.lists(st.sampled_from(LABELS), min_size=12, max_size=12),
    span=st.floats(0.5, 3.0),
    cut=st.floats(0.05, 1.0),
)
def test_spans_cover_exactly_the_windows_and_never_overlap(
    steps: list[float], labels: list[str], span: float, cut: float
) -> None:
    starts = [math.fsum(steps[:index]) for index in range(len(steps))]
    video_end = starts[-1] + span * cut
    windows = [window(s, min(s + span, video_end), label) for s, label in zip(starts, labels, strict=False)]
    found = prediction(*windows).segments(0)
    assert found[0].start_s == windows[0].start_s
    assert found[-1].end_s == windows[-1].end_s
    for segment in found:
        assert segment.start_s <= segment.end_s
    for before, after in itertools.pairwise(found):
        assert before.end_s <= after.start_s
        assert before.label != after.label or before.end_s < after.start_s
    for position in range(200):
        now = starts[0] + (video_end - starts[0]) * position / 200
        seen = any(w.start_s <= now < w.end_s for w in windows)
        told = [s.label for s in found if s.start_s <= now < s.end_s]
        if seen:
            assert len(told) == 1
            assert told[0] in {w.label for w in windows if w.start_s <= now <= w.end_s}


def test_nan_never_becomes_a_window() -> None:
    with pytest.raises(ConfigError, match="finite"):
        WindowPrediction(0, 0.0, 1.0, "calm", 0.5, (0.5, float("nan")), 1.0)
