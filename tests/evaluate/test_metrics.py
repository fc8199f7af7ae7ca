"""Scores against the published outcomes, printed digit by printed digit, and against a definition by hand."""

import json
from pathlib import Path

import pytest

from maedfer.emotions import label_set
from maedfer.errors import ConfigError
from maedfer.evaluate.metrics import score, scores_of_confusion

FACTS = json.loads((Path(__file__).parents[1] / "parity" / "reference" / "published_facts.json").read_text())
# Test outcomes that the authors of arXiv 2307.02227 published with their logs.
PUBLISHED = FACTS["published test outcomes"]
DFEW_FOLD_1 = PUBLISHED["DFEW fold 1"]["confusion"]


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_published_outcomes_to_the_printed_digit(name: str) -> None:
    said = PUBLISHED[name]
    scores = scores_of_confusion(said["confusion"], label_set(name.split()[0]).labels)
    assert (round(100 * scores.uar, 2), round(100 * scores.war, 2)) == (said["uar"], said["war"])
    for score_name in ("macro_f1", "weighted_f1", "micro_f1"):
        assert round(getattr(scores, score_name), 4) == said[score_name]
    assert [list(row) for row in scores.confusion] == said["confusion"]
    assert scores.count == sum(map(sum, said["confusion"]))


def test_published_folds_average_to_the_published_result() -> None:
    folds = FACTS["DFEW folds (UAR/WAR, %)"]
    means = [round(sum(fold[side] for fold in folds) / len(folds), 2) for side in (0, 1)]
    assert means == FACTS["results (UAR/WAR, %)"]["DFEW"]  # the paper's DFEW numbers are means over folds


def test_rows_are_the_truth() -> None:
    scores = score([0, 0, 0, 1], [1, 1, 0, 1], ["a", "b"])
    assert scores.confusion == ((1, 2), (0, 1))
    assert scores.recall == pytest.approx((1 / 3, 1.0))
    assert scores.precision == pytest.approx((1.0, 1 / 3))
    assert scores.f1 == pytest.approx((0.5, 0.5))
    assert scores.uar == pytest.approx(2 / 3)
    assert scores.war == pytest.approx(2 / 4)


def test_a_class_without_truth_does_not_count_for_uar() -> None:
    scores = score([0, 1], [0, 2], ["a", "b", "c", "d"])
    assert scores.uar == pytest.approx(0.5)
    assert scores.recall == (1.0, 0.0, None, None)
    assert scores.precision == (1.0, None, 0.0, None)
    assert scores.f1 == (1.0, 0.0, 0.0, None)
    assert scores.macro_f1 == pytest.approx(1 / 3)  # a, b and c occur; d does not


def test_json_and_markdown_say_the_same() -> None:
    scores = scores_of_confusion(DFEW_FOLD_1, label_set("DFEW").labels)
    plain = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
    assert plain["confusion"] == DFEW_FOLD_1
    assert plain["recall"]["happy"] == pytest.approx(454 / 489)
    page = scores.to_markdown()
    assert "| 2341 | 62.59 | 74.88 | 63.57 | 74.41 |" in page
    assert "| happy | 454 | 7 | 10 | 14 | 2 | 1 | 1 | 92.8 |" in page
    widths = {line.count("|") for line in page.splitlines()[4:]}
    assert widths == {len(scores.labels) + 3}


@pytest.mark.parametrize(
    ("truth", "predicted"),
    [([], []), ([0], [0, 1]), ([0], [2]), ([-1], [0])],
)
def test_impossible_input_is_refused(truth: list[int], predicted: list[int]) -> None:
    with pytest.raises(ConfigError):
        score(truth, predicted, ["a", "b"])


def test_a_confusion_matrix_must_be_counts() -> None:
    with pytest.raises(ConfigError, match="2 x 2"):
        scores_of_confusion([[1, 2]], ["a", "b"])
    with pytest.raises(ConfigError):
        scores_of_confusion([[1, -1], [0, 0]], ["a", "b"])
