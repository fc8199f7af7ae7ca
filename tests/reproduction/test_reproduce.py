"""The whole protocol on a small tree with the names of RAVDESS: prepare, train, judge, compare, and go on."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from maedfer.config import ClassifierConfig, LGIFormerConfig
from maedfer.emotions import LABEL_SETS
from maedfer.errors import ConfigError, ManifestError, WeightsError
from maedfer.preparation import PreparationOptions
from maedfer.recipes import AugmentConfig, ComputeConfig, DataConfig, FinetuneRecipe, OptimConfig, paper_dfew
from maedfer.reproduction import reproduce
from maedfer.reproduction.causes import departures
from maedfer.video import write_video

RECIPE = FinetuneRecipe(
    model=ClassifierConfig(
        encoder=LGIFormerConfig(
            image_size=32, patch_size=8, num_frames=4, embed_dim=16, depth=1, num_heads=2, region_size=(2, 2, 4)
        ),
        labels=LABEL_SETS["RAVDESS"].labels,
    ),
    data=DataConfig(crop="centre", workers=0),
    augment=AugmentConfig(),
    optim=OptimConfig(epochs=1, warmup_epochs=0.0, batch_size=4),
    compute=ComputeConfig(precision="no"),
    validation_share=0.0,
)
PREPARATION = PreparationOptions(crop="none", sample=0, workers=0)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ravdess")
    rng = np.random.default_rng(0)
    for actor in (1, 5, 9):  # three folds
        for emotion in (1, 3, 4):
            place = folder / f"Actor_{actor:02d}"
            place.mkdir(exist_ok=True)
            frames = [rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(6)]
            write_video(place / f"02-01-{emotion:02d}-01-01-01-{actor:02d}.mp4", frames, 25.0)
    return folder


def test_a_set_goes_from_its_files_to_a_table_and_is_not_done_twice(root, tmp_path):
    told: list[str] = []
    arguments = {"folds": (1, 3), "preparation": PREPARATION, "progress": lambda done, total, what: told.append(what)}
    found = reproduce("ravdess", root, RECIPE, tmp_path, **arguments)
    assert not found.complete
    assert found.paper.uar == 75.91
    assert [row.what for row in found.further] == ["ours, pooled", "ours, fold 1", "ours, fold 3"]
    assert found.ours.war == pytest.approx(sum(row.war for row in found.further[1:]) / 2)
    text = (tmp_path / "reproduction.md").read_text()
    for part in ("75.91", "Only folds 1, 3 of 3", "from scratch", "1 epochs instead", "Not comparable", "counts"):
        assert part in text, part
    assert json.loads((tmp_path / "reproduction.json").read_text())["set"] == "RAVDESS"
    for fold in (1, 3):
        tested = json.loads((tmp_path / f"fold-{fold}" / "evaluation" / "evaluation.json").read_text())["clips"]
        assert {Path(clip["clip"]).parent.name for clip in tested} == {f"Actor_{4 * fold - 3:02d}"}
    assert any("training fold 1" in what for what in told)
    stamp = (tmp_path / "fold-1" / "evaluation" / "evaluation.json").stat().st_mtime_ns
    told.clear()
    again = reproduce("ravdess", root, RECIPE, tmp_path, **arguments)
    assert again == found
    assert not [what for what in told if "loss" in what or "judging" in what]
    assert (tmp_path / "fold-1" / "evaluation" / "evaluation.json").stat().st_mtime_ns == stamp
    with pytest.raises(ConfigError, match="fold"):
        reproduce("ravdess", root, RECIPE, tmp_path, folds=(2, 7), preparation=PREPARATION)
    with pytest.raises(ManifestError, match="another crop and size"):
        reproduce("ravdess", root, RECIPE, tmp_path, preparation=PreparationOptions(size=32, sample=0))
    weights = tmp_path / "fold-1" / "weights"
    with pytest.raises(WeightsError, match="expected 'default', a folder"):  # before anything is prepared
        reproduce("ravdess", root, replace(RECIPE, init=Path("nowhere")), tmp_path, preparation=PREPARATION)
    with pytest.raises(ManifestError, match="another weights"):  # the runs that have begun came from other ones
        reproduce("ravdess", root, replace(RECIPE, init=weights), tmp_path, preparation=PREPARATION)


def test_crops_that_were_left_aside_do_not_move_the_paths(root, tmp_path, monkeypatch):
    (tmp_path / "manifest-crops").mkdir()  # of a call with other crops that was stopped
    monkeypatch.chdir(tmp_path.parent)
    near = Path(tmp_path.name)
    found = reproduce("ravdess", root, RECIPE, near, folds=(2,), preparation=PREPARATION)
    monkeypatch.chdir(tmp_path)  # the same call from elsewhere is the same run
    assert reproduce("ravdess", root, RECIPE, tmp_path, folds=(2,), preparation=PREPARATION) == found
    (tmp_path / "preparation.json").write_text("{")
    with pytest.raises(ManifestError, match="remove it"):
        reproduce("ravdess", root, RECIPE, tmp_path, folds=(2,), preparation=PREPARATION)


def test_a_changed_setting_is_named_and_makes_another_experiment():
    paper = paper_dfew()
    free = replace(
        paper,
        out=Path("x"),
        init=Path("w"),
        data=replace(paper.data, fold=1, workers=9),
        compute=ComputeConfig(precision="bf16"),
        optim=replace(paper.optim, batch_size=8),
    )
    assert departures(free, paper) == ()
    other = replace(free, optim=replace(paper.optim, base_lr=2e-3), frames=8)
    assert departures(other, paper) == ("frames 8 (paper None)", "optim.base_lr 0.002 (paper 0.001)")
