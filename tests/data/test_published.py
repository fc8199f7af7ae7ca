"""The constants against the facts file, and the printed scores against the printed outcomes."""

import json
from pathlib import Path

import pytest

from maedfer.data.corpora.crema_d import TEST_SPEAKERS
from maedfer.data.corpora.enterface import TEST_SUBJECTS
from maedfer.data.published import OUTCOMES, RESULTS, PublishedOutcome, expected_sizes, published_result
from maedfer.emotions import LABEL_SETS, label_set
from maedfer.errors import ConfigError
from maedfer.evaluate.metrics import scores_of_confusion

FACTS = json.loads((Path(__file__).parents[1] / "parity/reference/published_facts.json").read_text())


def test_results_are_the_published_ones() -> None:
    assert {r.name: [r.paper.uar, r.paper.war] for r in RESULTS} == FACTS["results (UAR/WAR, %)"]
    rivals = {r.name: [r.videomae.uar, r.videomae.war] for r in RESULTS if r.videomae is not None}
    assert rivals == FACTS["results of VideoMAE pre-trained on VoxCeleb2 (UAR/WAR, %)"]
    folds = published_result("dfew").folds
    assert [[fold.uar, fold.war] for fold in folds] == FACTS["DFEW folds (UAR/WAR, %)"]


def test_a_set_s_result_is_the_mean_of_its_folds() -> None:
    result = published_result("DFEW")
    assert round(sum(fold.uar for fold in result.folds) / 5, 2) == result.paper.uar
    assert round(sum(fold.war for fold in result.folds) / 5, 2) == result.paper.war


def test_sizes_are_the_published_ones() -> None:
    def pair(name: str, fold: int | None) -> list[int]:
        sizes = expected_sizes(name)
        return [sizes[fold, "train"], sizes[fold, "test"]]

    facts = FACTS["sizes (train/test)"]
    for name in ("DFEW", "MAFW", "CREMA-D", "eNTERFACE05"):
        assert pair(name, 1) == facts[f"{name} fold 1"]
    assert pair("FERV39k", None) == facts["FERV39k"]
    assert all(pair("ravdess", fold) == facts["RAVDESS per fold"] for fold in range(1, 7))
    assert expected_sizes("VoxCeleb2") == {(None, "train"): 1092009}
    assert expected_sizes("my clips") == {}


@pytest.mark.parametrize("name", ["DFEW", "MAFW", "CREMA-D", "RAVDESS", "eNTERFACE05"])
def test_every_fold_has_all_clips(name: str) -> None:
    sizes = expected_sizes(name)
    folds = sorted({fold for fold, _ in sizes if fold is not None})
    totals = {sizes[fold, "train"] + sizes[fold, "test"] for fold in folds}
    assert totals == {sum(sizes[fold, "test"] for fold in folds)}


def test_labels_and_folds_are_the_published_ones() -> None:
    assert {name: list(known.labels) for name, known in LABEL_SETS.items()} == FACTS["labels, in index order"]
    spoken = ", ".join(f"{first}-{last}" for first, last in TEST_SPEAKERS)
    assert spoken in FACTS["folds"]["CREMA-D"]
    first = ",".join(map(str, TEST_SUBJECTS[0]))
    others = ", ".join(f"{{{subjects[0]}..{subjects[-1]}}}" for subjects in TEST_SUBJECTS[1:])
    assert f"{{{first}}}, {others}" in FACTS["folds"]["eNTERFACE05"]


@pytest.mark.parametrize(("outcome", "key"), list(zip(OUTCOMES, ("DFEW fold 1", "MAFW fold"), strict=True)))
def test_scores_of_the_outcomes_are_those_printed(outcome: PublishedOutcome, key: str) -> None:
    fact = FACTS["published test outcomes"][key]
    assert [list(row) for row in outcome.confusion] == fact["confusion"]
    assert (outcome.scores.uar, outcome.scores.war) == (fact["uar"], fact["war"])
    assert (outcome.macro_f1, outcome.weighted_f1) == (fact["macro_f1"], fact["weighted_f1"])
    scores = scores_of_confusion(outcome.confusion, label_set(outcome.name).labels)
    assert round(100 * scores.uar, 2) == fact["uar"]
    assert round(100 * scores.war, 2) == fact["war"]
    assert round(scores.war, 4) == fact["micro_f1"]  # one label a clip: micro F1 is the share that is right
    assert round(scores.macro_f1, 4) == fact["macro_f1"]
    assert round(scores.weighted_f1, 4) == fact["weighted_f1"]
    assert scores.count == expected_sizes(outcome.name)[outcome.fold, "test"]


def test_no_result_is_made_up() -> None:
    with pytest.raises(ConfigError, match="no published result"):
        published_result("AFEW")
