"""From raw windows to answers: smoothing, the threshold, spans; and none of it reaches back into the windows."""

import itertools
import math
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maedfer.errors import ConfigError
from maedfer.report import UNSURE, ModelIdentity, Prediction, Settings, WindowPrediction
from maedfer.report.answers import answers_of, own_times, segments_of
from maedfer.video.types import VideoInfo

LABELS = ("calm", "glad", "sad")
SPAN_S = 2.56


def window(start: float, probabilities: Sequence[float], track: int = 0, end: float | None = None) -> WindowPrediction:
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    label, confidence = LABELS[best], probabilities[best]
    return WindowPrediction(
        track, start, start + SPAN_S if end is None else end, label, confidence, tuple(probabilities), 1.0
    )


def prediction(windows: Sequence[WindowPrediction], smoothing_s: float = 0.0, least: float = 0.0) -> Prediction:
    return Prediction(
        video=VideoInfo("talk.mp4", 64, 48, None, 25.0, "h264", 0),
        duration_s=100.0,
        labels=LABELS,
        model=ModelIdentity("tiny", None, "0"),
        settings=Settings(1.28, SPAN_S, 0.5, "cpu", "FakeDetector", smoothing_s=smoothing_s, min_confidence=least),
        windows=tuple(windows),
        unseen=(),
        faces=(),
    )


#: (seconds to the next window, weights of the classes) of each window, and the length of the last one. Plain values:
#: under the tests building a window draws random numbers, which a strategy must not.
Drawn = tuple[list[tuple[float, tuple[float, float, float]]], float]

FACES = st.tuples(
    st.lists(
        st.tuples(
            st.sampled_from([0.16, 0.64, 1.28, 2.56, 2.5605, 5.0]),
            st.tuples(st.floats(0.001, 1.0), st.floats(0.001, 1.0), st.floats(0.001, 1.0)),
        ),
        min_size=1,
        max_size=10,
    ),
    st.floats(0.16, SPAN_S),
)


def face(drawn: Drawn, shift: float = 0.0) -> list[WindowPrediction]:
    """Windows of one face as a video gives them: one span, uneven gaps, the last ones cut at the video's end."""
    steps, last = drawn
    starts = [shift + math.fsum(hop for hop, _ in steps[:index]) for index in range(len(steps))]
    return [
        window(start, [value / math.fsum(row) for value in row], end=min(start + SPAN_S, starts[-1] + last))
        for start, (_, row) in zip(starts, steps, strict=True)
    ]


@given(drawn=FACES)
def test_without_smoothing_and_threshold_the_answers_are_the_raw_windows(drawn: Drawn) -> None:
    windows = face(drawn)
    answers = answers_of(windows, LABELS, 0.0, 0.0)
    assert [(a.start_s, a.end_s, a.label, a.confidence, a.probabilities) for a in answers] == [
        (w.start_s, w.end_s, w.label, w.confidence, w.probabilities) for w in windows
    ]


def test_a_tie_keeps_the_label_that_the_model_said() -> None:
    tied = WindowPrediction(0, 0.0, 2.0, "sad", 0.5, (0.5, 0.0, 0.5), 1.0)
    (answer,) = answers_of([tied], LABELS, 0.0, 0.0)
    assert answer.label == "sad"


@given(drawn=FACES, smoothing_s=st.one_of(st.sampled_from([1e-300, 0.01, 1.0, 3600.0]), st.floats(0.001, 60.0)))
def test_smoothing_keeps_sums_at_one_and_stays_between_the_raw_values(drawn: Drawn, smoothing_s: float) -> None:
    windows = face(drawn)
    for answer in answers_of(windows, LABELS, smoothing_s, 0.0):
        assert math.fsum(answer.probabilities) == pytest.approx(1, abs=1e-12)
        assert answer.confidence == max(answer.probabilities)
        assert answer.label == LABELS[answer.probabilities.index(answer.confidence)]
        for value, column in zip(
            answer.probabilities, zip(*(w.probabilities for w in windows), strict=True), strict=True
        ):
            assert min(column) - 1e-12 <= value <= max(column) + 1e-12


@given(drawn=FACES, smoothing_s=st.floats(0.1, 20.0))
def test_smoothing_is_the_gaussian_mean_written_out(drawn: Drawn, smoothing_s: float) -> None:
    """The plain sum over every window of the run, where all are in reach of four deviations."""
    windows = face(drawn)
    answers = answers_of(windows, LABELS, smoothing_s, 0.0)
    run = [windows[0]]
    for one in windows[1:]:
        if one.start_s > run[-1].end_s + 1e-3:
            break
        run.append(one)
    own = [(w.start_s + w.end_s) / 2 for w in run]
    for middle, answer in zip(own, answers, strict=False):
        near = [abs(other - middle) <= 4 * smoothing_s for other in own]
        weights = [math.exp(-(((o - middle) / smoothing_s) ** 2) / 2) * n for o, n in zip(own, near, strict=True)]
        for index, value in enumerate(answer.probabilities):
            mean = math.fsum(w * one.probabilities[index] for w, one in zip(weights, run, strict=True))
            assert value == pytest.approx(mean / math.fsum(weights), abs=1e-9)


@given(one=FACES, other=FACES, gap=st.floats(0.01, 5.0), smoothing_s=st.floats(0.1, 3600.0))
def test_smoothing_never_crosses_a_gap(one: Drawn, other: Drawn, gap: float, smoothing_s: float) -> None:
    """What comes after a gap is answered as if nothing had been before, and the other way round."""
    first = face(one)
    later = face(other, first[-1].end_s + gap)
    together = answers_of([*first, *later], LABELS, smoothing_s, 0.0)
    assert together[: len(first)] == answers_of(first, LABELS, smoothing_s, 0.0)
    assert together[len(first) :] == answers_of(later, LABELS, smoothing_s, 0.0)


def test_smoothing_mends_a_single_wrong_window_and_leaves_a_lone_one_exactly_alone() -> None:
    rows = [[0.8, 0.1, 0.1]] * 3 + [[0.3, 0.6, 0.1]] + [[0.8, 0.1, 0.1]] * 3
    windows = [window(1.28 * index, row) for index, row in enumerate(rows)]
    assert [a.label for a in answers_of(windows, LABELS, 0.0, 0.0)].count("glad") == 1
    assert {a.label for a in answers_of(windows, LABELS, 2.0, 0.0)} == {"calm"}
    (alone,) = answers_of([window(0.0, [0.2, 0.7, 0.1])], LABELS, 5.0, 0.0)
    assert alone.probabilities == (0.2, 0.7, 0.1)


@given(drawn=FACES, smoothing_s=st.sampled_from([0.0, 2.0]), least=st.floats(0.0, 1.0))
def test_unsure_exactly_below_the_threshold(drawn: Drawn, smoothing_s: float, least: float) -> None:
    windows = face(drawn)
    free = answers_of(windows, LABELS, smoothing_s, 0.0)
    for answer, before in zip(answers_of(windows, LABELS, smoothing_s, least), free, strict=True):
        assert (answer.label == UNSURE) == (before.confidence < least)
        assert answer.label in (UNSURE, before.label)
        assert (answer.confidence, answer.probabilities) == (before.confidence, before.probabilities)


@given(drawn=FACES, smoothing_s=st.sampled_from([0.0, 1.0, 30.0]), least=st.floats(0.0, 1.0))
def test_spans_never_overlap_and_cover_the_windows(drawn: Drawn, smoothing_s: float, least: float) -> None:
    windows = face(drawn)
    answers = answers_of(windows, LABELS, smoothing_s, least)
    spans = segments_of(answers)
    assert spans[0].start_s == windows[0].start_s
    assert spans[-1].end_s == windows[-1].end_s
    assert all(span.start_s < span.end_s and 0 <= span.confidence <= 1 + 1e-9 for span in spans)
    for before, after in itertools.pairwise(spans):
        assert before.end_s <= after.start_s
        assert before.label != after.label or before.end_s < after.start_s
    own = own_times(answers)
    assert math.fsum(end - start for start, end in own) == pytest.approx(math.fsum(s.end_s - s.start_s for s in spans))
    for (start, end), answer in zip(own, answers, strict=True):
        assert answer.start_s - 1e-3 <= start < end <= answer.end_s + 1e-3  # half a bridged millisecond
        assert [span.label for span in spans if span.start_s <= (start + end) / 2 < span.end_s] == [answer.label]


@given(drawn=FACES, smoothing_s=st.floats(0.0, 100.0), least=st.floats(0.0, 1.0))
def test_rereading_never_changes_what_the_model_said(drawn: Drawn, smoothing_s: float, least: float) -> None:
    windows = face(drawn)
    made = prediction(windows)
    raw = made.answers(0)
    other = made.reread(smoothing_s=smoothing_s, min_confidence=least)
    other.answers(0)
    assert other.windows == made.windows == tuple(windows)
    assert other.reread(smoothing_s=0.0, min_confidence=0.0).answers(0) == raw == made.answers(0)
    assert made.settings.smoothing_s == 0
    assert (other.settings.smoothing_s, other.settings.min_confidence) == (smoothing_s, least)
    assert made.reread() == made


def test_rereading_with_nonsense_is_refused() -> None:
    made = prediction([window(0.0, [0.5, 0.3, 0.2])])
    with pytest.raises(ConfigError, match="smoothing_s"):
        made.reread(smoothing_s=-1.0)
    with pytest.raises(ConfigError, match="smoothing_s"):
        made.reread(smoothing_s=math.nan)
    with pytest.raises(ConfigError, match="min_confidence"):
        made.reread(min_confidence=1.5)


def test_faces_are_smoothed_each_for_itself_in_any_order() -> None:
    one = [window(1.28 * i, [0.9, 0.05, 0.05]) for i in range(4)]
    two = [window(1.28 * i, [0.05, 0.9, 0.05], track=7) for i in range(4)]
    made = prediction([w for pair in zip(two[::-1], one, strict=True) for w in pair], smoothing_s=5.0)
    assert made.tracks() == (0, 7)
    assert {a.label for a in made.answers(0)} == {"calm"}
    assert [a.start_s for a in made.answers(7)] == [w.start_s for w in two]
    assert made.answers(3) == ()


def test_ten_hours_are_smoothed_in_seconds() -> None:
    """The work grows with the windows in reach, not with the square of the video; generous, for a slow machine."""
    count = 28_125
    rows = [
        (0.5 + 0.4 * math.sin(index), 0.3 - 0.3 * math.sin(index), 0.2 - 0.1 * math.sin(index)) for index in range(99)
    ]
    made = prediction([window(1.28 * index, rows[index % 99]) for index in range(count)], smoothing_s=2.0)
    began = time.perf_counter()
    assert len(made.answers(0)) == count
    for _ in range(50):
        made.answers(0)
    assert made.summary(0).judged_s == pytest.approx(1.28 * (count - 1) + SPAN_S)
    assert time.perf_counter() - began < 15


@pytest.mark.parametrize(("start", "end"), [(1.0, 1.0), (2.0, 1.0), (0.0, math.inf), (math.nan, 1.0)])
def test_a_window_without_length_is_refused(start: float, end: float) -> None:
    with pytest.raises(ConfigError, match="ends after its start"):
        WindowPrediction(0, start, end, "calm", 1.0, (1.0, 0.0, 0.0), 1.0)
