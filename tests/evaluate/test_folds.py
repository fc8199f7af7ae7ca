"""Folds taken together, two models side by side, and evaluations that come back from their files as they were."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from maedfer.errors import ConfigError
from maedfer.evaluate.comparison import compare
from maedfer.evaluate.evaluation import ClipResult, Evaluation, scored
from maedfer.evaluate.folds import aggregate
from maedfer.evaluate.metrics import score
from maedfer.evaluate.report import write_evaluation, write_folds
from maedfer.evaluate.stored import read_evaluation

LABELS = ("happy", "sad", "neutral")


def made(seed: int, count: int = 40, *, right: float = 0.7, fold: int | None = None, people: int = 8) -> Evaluation:
    rng = np.random.default_rng(seed)
    clips = []
    for index in range(count):
        probabilities = rng.dirichlet(np.ones(3)).astype(np.float32)
        predicted = int(probabilities.argmax())
        truth = predicted if rng.random() < right else (predicted + 1) % 3
        name = f"{'' if fold is None else fold}/{index}, of |{seed % 3}|.mp4"
        values = tuple(map(float, probabilities))
        clips.append(ClipResult(name, LABELS[truth], LABELS[predicted], values, 2, f"s{index % people}", fold))
    return scored(clips, LABELS, faceless=[clips[0].clip])


def test_mean_and_pooled_differ_as_folds_do() -> None:
    few, many = made(1, 10, right=1.0, fold=1), made(2, 90, right=0.5, fold=2)
    found = aggregate([few, many])
    assert found.names == ("1", "2")
    assert found.mean.war == pytest.approx((few.scores.war + many.scores.war) / 2)
    assert found.deviation.uar == pytest.approx(np.std([few.scores.uar, many.scores.uar], ddof=1))
    assert found.pooled.scores.war == pytest.approx(0.1 * few.scores.war + 0.9 * many.scores.war)
    assert found.pooled.scores.count == 100
    everything = np.add(few.scores.confusion, many.scores.confusion)
    assert np.array_equal(found.pooled.scores.confusion, everything)
    assert len(found.pooled.faceless) == 2


def test_equal_folds_have_no_deviation_and_one_fold_is_itself() -> None:
    alone = made(3, fold=4)
    found = aggregate([alone])
    assert found.names == ("4",)
    assert found.deviation.war == 0
    assert found.mean.uar == alone.scores.uar == found.pooled.scores.uar


def test_order_of_folds_changes_nothing() -> None:
    folds = [made(seed, fold=seed) for seed in range(1, 4)]
    first, last = aggregate(folds), aggregate(folds[::-1])
    assert first.pooled.scores == last.pooled.scores
    assert vars(first.mean) == pytest.approx(vars(last.mean))


def test_a_clip_tested_twice_and_other_classes_are_refused() -> None:
    one = made(1, fold=1)
    with pytest.raises(ConfigError, match="tested twice"):
        aggregate([one, one])
    other = Evaluation(score([0], [0], ("a", "b")), (ClipResult("x", "a", "a", (1.0, 0.0), 1),))
    with pytest.raises(ConfigError, match="expected the classes happy"):
        aggregate([one, other])
    with pytest.raises(ConfigError):
        aggregate([])


def test_an_evaluation_comes_back_as_it_was(tmp_path: Path) -> None:
    one = made(5, fold=2)
    numbers, page, table, figure = write_evaluation(one, tmp_path, {"model": "tiny"}, resamples=100)
    assert read_evaluation(tmp_path) == one == read_evaluation(numbers)
    said = json.loads(numbers.read_text())["intervals"]
    assert set(said) == {"clip", "subject"}
    assert said["clip"]["war"][0] <= one.scores.war <= said["clip"]["war"][1]
    assert "by subject (8)" in page.read_text()
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["clip"] for row in rows] == [result.clip for result in one.clips]
    assert rows[3]["subject"] == "s3"
    assert rows[3]["fold"] == "2"
    for row, result in zip(rows, one.clips, strict=True):
        assert float(row[f"p_{result.predicted}"]) == pytest.approx(max(result.probabilities), abs=1e-6)
    assert cv2.imread(str(figure)).std() > 5


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"evaluation\.json"):
        read_evaluation(tmp_path)
    write_evaluation(made(6), tmp_path, {}, resamples=100)
    path = tmp_path / "evaluation.json"
    whole = path.read_text()
    content = json.loads(whole)
    content["clips"][3]["probabilities"] = [1.0]
    unlikely = json.loads(whole)
    unlikely["clips"][3]["probabilities"] = [float("nan"), 0.5, 0.5]
    doubled = json.loads(whole)
    doubled["clips"][3]["probabilities"] = [0.9, 0.9, 0.0]
    texts = [json.dumps(one) for one in (content, unlikely, doubled)]
    for broken in (whole[: len(whole) // 2], "[]", "[" * 100_000, whole.replace('"crossing"', '"crossed"'), *texts):
        path.write_text(broken)
        with pytest.raises(ConfigError, match=r"evaluation\.json"):
            read_evaluation(tmp_path)


def test_report_of_folds(tmp_path: Path) -> None:
    found = aggregate([made(seed, fold=seed) for seed in range(1, 4)])
    numbers, page, table, figure = write_folds(found, tmp_path, {"set": "made up"}, resamples=100)
    content = json.loads(numbers.read_text(), parse_constant=pytest.fail)
    assert content["mean"]["war"] == pytest.approx(found.mean.war)
    assert list(content["folds"]) == ["1", "2", "3"]
    assert found.to_markdown() in page.read_text()
    assert f"{100 * found.deviation.uar:.2f}" in found.to_markdown()
    assert {line.count("|") for line in found.to_markdown().splitlines()} == {7}
    assert len(table.read_text().splitlines()) == 121
    assert cv2.imread(str(figure)).std() > 5


def answered(evaluation: Evaluation, answers: list[str]) -> Evaluation:
    clips = [
        ClipResult(old.clip, old.truth, new, old.probabilities, 1, old.subject)
        for old, new in zip(evaluation.clips, answers, strict=True)
    ]
    return scored(clips, LABELS)


def test_a_model_against_itself_and_against_a_perfect_one() -> None:
    one = made(7)
    same = compare(one, one)
    assert (same.p_value, same.war, same.war_interval, same.only_first) == (1.0, 0.0, (0.0, 0.0), 0)
    perfect = answered(one, [result.truth for result in one.clips])
    better = compare(one, perfect)
    wrong = sum(result.truth != result.predicted for result in one.clips)
    assert (better.only_second, better.only_first) == (wrong, 0)
    assert better.p_value == pytest.approx(2 * 0.5**wrong)
    assert better.war == pytest.approx(wrong / 40)
    assert better.war_interval[0] > 0
    worse = compare(perfect, one)
    assert (worse.war, worse.uar) == pytest.approx((-better.war, -better.uar))
    assert worse.war_interval == pytest.approx((-better.war_interval[1], -better.war_interval[0]))


def test_pairing_narrows_the_difference() -> None:
    """Two models that err alike differ by less than two that err apart, at the same scores."""
    one = made(8, 400, people=400)
    flipped = [result.predicted for result in one.clips]
    for index in (3, 5):
        flipped[index] = one.clips[index].truth
    alike = compare(one, answered(one, flipped))
    shuffled = list(np.random.default_rng(0).permutation(400))
    apart = answered(one, [_wrong_at(one, place, shuffled[place]) for place in range(400)])
    width = alike.war_interval[1] - alike.war_interval[0]
    other = compare(one, apart)
    assert other.war == pytest.approx(0)
    assert width < 0.5 * (other.war_interval[1] - other.war_interval[0])


def _wrong_at(one: Evaluation, place: int, source: int) -> str:
    """The truth of ``place``, but wrong where the clip ``source`` was judged wrong."""
    truth, other = one.clips[place].truth, one.clips[source]
    return truth if other.truth == other.predicted else LABELS[(LABELS.index(truth) + 1) % 3]


def test_order_does_not_matter_but_clips_do() -> None:
    one, two = made(9), answered(made(9), ["happy"] * 40)
    turned = Evaluation(two.scores, two.clips[::-1])
    assert compare(one, turned) == compare(one, two)
    with pytest.raises(ConfigError, match="same clips"):
        compare(one, made(10, 39))
    with pytest.raises(ConfigError, match="in the first and"):
        compare(one, answered_truth(one))


def answered_truth(one: Evaluation) -> Evaluation:
    clips = [
        ClipResult(old.clip, LABELS[(LABELS.index(old.truth) + 1) % 3], old.predicted, old.probabilities, 1)
        for old in one.clips
    ]
    return scored(clips, LABELS)
