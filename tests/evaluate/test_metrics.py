"""Scores against the published outcomes, printed digit by printed digit, and against a definition by hand."""

import json

import pytest

from maedfer.emotions import label_set
from maedfer.errors import ConfigError
from maedfer.evaluate import score, scores_of_confusion

# Test outcomes that the authors of arXiv 2307.02227 published with their logs.
DFEW_FOLD_1 = [
    [454, 7, 10, 14, 2, 1, 1],
    [5, 292, 49, 15, 11, 1, 6],
    [19, 30, 403, 38, 33, 5, 6],
    [9, 9, 49, 336, 22, 3, 7],
    [4, 11, 58, 9, 194, 0, 18],
    [0, 0, 16, 4, 3, 3, 3],
    [1, 20, 23, 17, 48, 1, 71],
]
MAFW_FOLD = [
    [190, 21, 5, 1, 7, 13, 11, 3, 24, 1, 2],
    [17, 39, 0, 4, 4, 15, 8, 7, 25, 1, 8],
    [2, 1, 64, 1, 0, 20, 31, 0, 5, 0, 1],
    [5, 4, 0, 213, 16, 2, 0, 5, 1, 0, 2],
    [19, 6, 1, 8, 127, 13, 13, 8, 20, 10, 3],
    [15, 6, 7, 2, 3, 229, 3, 2, 24, 1, 2],
    [17, 5, 15, 5, 3, 16, 136, 1, 14, 0, 2],
    [2, 9, 1, 20, 9, 0, 1, 1, 0, 3, 1],
    [19, 17, 7, 1, 8, 34, 14, 2, 75, 4, 2],
    [0, 7, 0, 13, 5, 3, 0, 2, 9, 3, 10],
    [2, 2, 1, 1, 2, 5, 1, 3, 7, 3, 9],
]


@pytest.mark.parametrize(
    ("labels", "confusion", "uar", "war", "macro_f1", "weighted_f1"),
    [
        ("DFEW", DFEW_FOLD_1, 62.59, 74.88, 0.6357, 0.7441),
        ("MAFW", MAFW_FOLD, 46.08, 59.25, 0.4598, 0.5845),
    ],
)
def test_published_outcomes(
    labels: str, confusion: list[list[int]], uar: float, war: float, macro_f1: float, weighted_f1: float
) -> None:
    scores = scores_of_confusion(confusion, label_set(labels).labels)
    assert (round(100 * scores.uar, 2), round(100 * scores.war, 2)) == (uar, war)
    assert (round(scores.macro_f1, 4), round(scores.weighted_f1, 4)) == (macro_f1, weighted_f1)
    assert [list(row) for row in scores.confusion] == confusion
    assert scores.count == sum(map(sum, confusion))


def test_rows_are_the_truth() -> None:
    scores = score([0, 0, 0, 1], [1, 1, 0, 1], ["a", "b"])
    assert scores.confusion == ((1, 2), (0, 1))
    assert scores.recall == pytest.approx((1 / 3, 1.0))
    assert scores.uar == pytest.approx(2 / 3)
    assert scores.war == pytest.approx(2 / 4)


def test_a_class_without_truth_does_not_count_for_uar() -> None:
    scores = score([0, 1], [0, 2], ["a", "b", "c", "d"])
    assert scores.uar == pytest.approx(0.5)
    assert scores.recall == (1.0, 0.0, None, None)
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
