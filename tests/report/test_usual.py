"""A face against its own usual look: constant features vanish, changes stay, and nothing else is touched."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from doubles import LABELS, synthetic
from maedfer.errors import ConfigError
from maedfer.report import Prediction, WindowPrediction, print_prediction
from maedfer.report.usual import LEAST_S, against_usual

HAPPY, ANGRY, SAD = (LABELS.index(name) for name in ("happy", "angry", "sad"))


def windows(logits: np.ndarray, hop_s: float = 1.28) -> list[WindowPrediction]:
    found = []
    for place, row in enumerate(np.exp(logits - logits.max(axis=1, keepdims=True))):
        row = row / row.sum()
        best, start = int(row.argmax()), place * hop_s
        found.append(WindowPrediction(0, start, start + 2.56, LABELS[best], float(row[best]), tuple(row.tolist()), 1.0))
    return found


def stern(count: int = 20) -> np.ndarray:
    """A man with low brows, who smiles for the last quarter."""
    logits = np.tile(np.eye(len(LABELS))[ANGRY] * 3.0, (count, 1))
    logits[3 * count // 4 :, HAPPY] += 6
    return logits


def test_low_brows_are_no_anger_and_a_smile_stays_a_smile() -> None:
    raw = windows(stern())
    assert [one.label for one in raw[:15]] == ["angry"] * 15
    read = against_usual(raw, LABELS)
    assert [one.label for one in read] == ["neutral"] * 15 + ["happy"] * 5
    assert min(one.confidence for one in read) > 0.5
    assert [(one.start_s, one.end_s) for one in read] == [(one.start_s, one.end_s) for one in raw]


@given(st.lists(st.floats(-0.8, 0.8), min_size=7, max_size=7), st.integers(0, 1000))
def test_what_a_face_always_adds_changes_nothing(constant: list[float], seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 0.5, (16, len(LABELS)))
    logits[:, HAPPY] -= 2  # hardly ever a smile, whatever is added
    plain, shifted = (against_usual(windows(part), LABELS) for part in (logits, logits + np.array(constant)))
    for one, other in zip(plain, shifted, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)
        assert sum(one.probabilities) == pytest.approx(1)


def test_who_mostly_smiles_is_not_said_to_rest() -> None:
    raw = windows(np.tile(np.eye(len(LABELS))[HAPPY] * 3.0, (20, 1)))
    assert against_usual(raw, LABELS) == raw


def test_the_order_of_windows_says_nothing() -> None:
    raw = windows(stern())
    assert against_usual(raw[::-1], LABELS) == against_usual(raw, LABELS)[::-1]


def test_a_face_that_is_hardly_known_stays_as_it_is() -> None:
    raw = windows(stern(9))
    assert raw[-1].end_s < LEAST_S
    assert against_usual(raw, LABELS) == raw
    assert against_usual([], LABELS) == []


def test_a_model_without_a_resting_face_has_no_usual_one() -> None:
    with pytest.raises(ConfigError, match="neutral"):
        against_usual(windows(stern()), [name.replace("neutral", "calm") for name in LABELS])
    prediction = replace(synthetic(60.0, 1), labels=tuple(name.replace("neutral", "calm") for name in LABELS))
    with pytest.raises(ConfigError, match="baseline none"):
        prediction.reread(baseline="person")


def prediction_of(logits: np.ndarray) -> Prediction:
    found = windows(logits)
    return replace(synthetic(found[-1].end_s, 1), windows=tuple(found), unseen=(), portraits=())


def test_raw_windows_are_kept_and_answers_go_by_the_baseline() -> None:
    prediction = prediction_of(stern())
    read = prediction.reread(baseline="person")
    assert read.windows == prediction.windows
    assert [answer.label for answer in prediction.answers(0)] == ["angry"] * 15 + ["happy"] * 5
    assert [answer.label for answer in read.answers(0)] == ["neutral"] * 15 + ["happy"] * 5
    assert [segment.label for segment in read.segments(0)] == ["neutral", "happy"]
    assert read.reread(baseline="none") == prediction
    smooth = read.reread(smoothing_s=1.0).answers(0)
    assert smooth[0].label == "neutral", "the baseline comes before the smoothing"


def test_faces_do_not_share_a_usual_look() -> None:
    one, other = windows(stern()), windows(np.tile(np.eye(len(LABELS))[SAD] * 3.0, (20, 1)))
    both = tuple(one) + tuple(replace(window, track=1) for window in other)
    read = replace(prediction_of(stern()), windows=both).reread(baseline="person")
    assert [answer.label for answer in read.answers(0)] == ["neutral"] * 15 + ["happy"] * 5
    assert {answer.label for answer in read.answers(1)} == {"neutral"}


def test_the_page_and_the_tables_show_both(tmp_path: Path) -> None:
    read = prediction_of(stern()).reread(baseline="person")
    _, table = read.save(tmp_path, ("html", "json"))
    window = json.loads(table.read_text())["windows"][0]
    assert window["label"] == "angry"
    assert window["answer"] == "neutral"
    page = (tmp_path / "report.html").read_text()
    assert "Each face against itself" in page
    assert "<span>Relative</span>" in page
    assert "Each face against itself" not in read.reread(baseline="none").save(tmp_path, ("html",))[0].read_text()


def test_what_is_too_short_or_smiles_is_shown_as_it_is(tmp_path: Path) -> None:
    brief = replace(prediction_of(stern()), windows=tuple(windows(stern(9)))).reread(baseline="person")
    smiling = np.tile(np.eye(len(LABELS))[HAPPY] * 3.0, (20, 1))
    for untouched in (brief, replace(brief, windows=tuple(windows(smiling)))):
        assert untouched.reworked == ""
        page, table = untouched.save(tmp_path, ("html", "json"))
        assert "<span>Relative</span>" not in page.read_text()
        assert [w["label"] for w in json.loads(table.read_text())["windows"]] == [w.label for w in untouched.windows]
    assert brief.reread(smoothing_s=1.0).reworked == "smoothed"
    assert prediction_of(stern()).reread(baseline="person", smoothing_s=1.0).reworked == "relative, smoothed"


def test_the_terminal_says_what_an_answer_is_relative_to() -> None:
    def printed(prediction: Prediction) -> str:
        console = Console(file=StringIO(), width=200)
        print_prediction(prediction, console)
        return str(console.file.getvalue())  # type: ignore[attr-defined]

    read = prediction_of(stern()).reread(baseline="person")
    assert "--baseline none" in printed(read)
    assert "--baseline none" not in printed(read.reread(baseline="none"))
    assert "--baseline none" not in printed(replace(read, windows=tuple(windows(stern(9)))))
