"""Both stages on tiny clips, from a manifest to weights that load again."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import maedfer
from maedfer import hub
from maedfer.cli import main
from maedfer.config import AutoencoderConfig, ClassifierConfig, DecoderConfig, LGIFormerConfig
from maedfer.data.manifest import read_manifest, write_manifest
from maedfer.data.pack import pack_manifest
from maedfer.errors import ConfigError, ManifestError, TrainingError, WeightsError
from maedfer.models import ExpressionClassifier, MaskedAutoencoder
from maedfer.recipes import (
    AdaptConfig,
    AugmentConfig,
    ComputeConfig,
    DataConfig,
    FinetuneRecipe,
    ImbalanceConfig,
    OptimConfig,
    PretrainRecipe,
)
from maedfer.train.finetune import finetune
from maedfer.train.labelled import labelled_parts, train_and_validation
from maedfer.train.pretrain import pretrain
from maedfer.video import write_video
from maedfer.weights import load_model, save_model

ENCODER = LGIFormerConfig(image_size=32, num_frames=4, embed_dim=24, depth=2, num_heads=2, region_size=(2, 1, 2))
OPTIM = OptimConfig(epochs=1, warmup_epochs=0.0, batch_size=4, base_lr=0.05)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    rows = ["path,label,label_set,subject,split"]
    for index in range(14):
        name = f"{index}.mp4"
        frames = [rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(20)]
        write_video(folder / name, frames, 25.0)
        label = ("happy", "sad", "fear")[index % 3]
        rows.append(f"{name},{label},DFEW,s{index % 7},{'test' if index % 7 == 6 else 'train'}")
    path = folder / "manifest.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Weights of a classifier with other labels and a head that matters."""
    torch.manual_seed(3)
    model = ExpressionClassifier(ClassifierConfig(encoder=ENCODER, labels=("happy", "sad", "fear", "calm")))
    return save_model(model, tmp_path_factory.mktemp("start"))


@pytest.fixture(scope="module")
def folded(manifest):
    """The same clips in three folds without splits; those of fold 2 cannot be read."""
    rows = []
    for index, line in enumerate(manifest.read_text().splitlines()):
        clip, label, labels, subject, _ = line.split(",")
        fold = index % 3 + 1
        if index and fold == 2:
            (manifest.parent / f"broken{clip}").write_bytes(b"not a video")
            clip = f"broken{clip}"
        rows.append(f"{clip},{label},{labels},{subject},{fold if index else 'fold'}")
    path = manifest.parent / "folds.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def lines(out: Path, kind: str) -> list[dict]:
    found = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line for line in found if line["kind"] == kind]


def pretrain_recipe(manifest: Path, out: Path) -> PretrainRecipe:
    model = AutoencoderConfig(
        encoder=ENCODER, decoder=DecoderConfig(embed_dim=16, depth=1, num_heads=2), mask_ratio=0.5
    )
    data = DataConfig(manifest=manifest, crop="centre", workers=0)
    return PretrainRecipe(
        model=model, data=data, optim=OPTIM, augment=AugmentConfig(), out=out, compute=ComputeConfig(precision="no")
    )


def finetune_recipe(manifest: Path, out: Path) -> FinetuneRecipe:
    data = DataConfig(manifest=manifest, crop="centre", workers=0)
    model = ClassifierConfig(encoder=ENCODER)
    return FinetuneRecipe(
        model=model,
        data=data,
        optim=OPTIM,
        augment=AugmentConfig(mixup=0.8),
        out=out,
        validation_share=0.2,
        compute=ComputeConfig(precision="no"),
    )


def test_pretraining_feeds_finetuning(manifest, tmp_path):
    weights = pretrain(pretrain_recipe(manifest, tmp_path / "pre"))
    before = load_model(weights)
    assert isinstance(before, MaskedAutoencoder)
    still = replace(OPTIM, base_lr=0.0, final_lr=0.0)
    recipe = replace(finetune_recipe(manifest, tmp_path / "fine"), init=weights, optim=still)
    after = load_model(finetune(recipe))
    assert isinstance(after, ExpressionClassifier)
    for name, value in after.encoder.state_dict().items():
        assert torch.equal(value, before.encoder.state_dict()[name]), name
    scores = lines(tmp_path / "fine", "validation")
    assert len(scores) == 1
    assert 0 <= scores[0]["uar"] <= 1
    assert json.loads((tmp_path / "fine" / "recipe.json").read_text())["seed"] == 0


def test_weights_of_few_frames_start_a_model_of_more_and_nothing_need_be_scored(manifest, start, tmp_path):
    longer = replace(ENCODER, num_frames=8)
    recipe = replace(finetune_recipe(manifest, tmp_path), init=start, model=ClassifierConfig(encoder=longer))
    model = load_model(finetune(replace(recipe, validation_share=0.0)))
    assert model.config.encoder.num_frames == 8
    assert lines(tmp_path, "train")
    assert not lines(tmp_path, "validation")


def test_the_weights_inside_the_package_start_a_model_of_other_labels(manifest, tmp_path):
    before = hub.load_model("default")
    assert isinstance(before, ExpressionClassifier)
    model = replace(before.config, labels=finetune_recipe(manifest, tmp_path).model.labels[::-1], temperature=1.0)
    still = replace(OPTIM, base_lr=0.0, final_lr=0.0)
    recipe = replace(
        finetune_recipe(manifest, tmp_path), init=Path("default"), model=model, optim=still, validation_share=0.0
    )
    after = load_model(finetune(replace(recipe, adapt=AdaptConfig(freeze_embedding=True))))
    for name, value in after.encoder.state_dict().items():
        assert torch.equal(value, before.encoder.state_dict()[name]), name
    with pytest.raises(WeightsError, match="expected 'default', a folder"):
        finetune(replace(recipe, init=Path("defualt"), out=tmp_path / "other"))


def test_the_same_recipe_gives_the_same_weights(manifest, tmp_path):
    first = load_model(finetune(finetune_recipe(manifest, tmp_path / "a")))
    second = load_model(finetune(finetune_recipe(manifest, tmp_path / "b")))
    weights = [torch.cat([p.flatten() for p in m.parameters()]) for m in (first, second)]
    assert torch.equal(*weights)


def test_missing_manifest_and_wrong_weights_are_named(manifest, start, tmp_path):
    recipe = finetune_recipe(manifest, tmp_path / "x")
    with pytest.raises(TrainingError, match="manifest"):
        finetune(replace(recipe, data=replace(recipe.data, manifest=None)))
    wider = replace(ENCODER, embed_dim=32)
    with pytest.raises((ConfigError, WeightsError), match="embed_dim"):
        finetune(replace(recipe, init=start, model=ClassifierConfig(encoder=wider)))


def test_a_fold_is_tested_never_read_and_the_best_epoch_is_kept(folded, tmp_path):
    recipe = finetune_recipe(folded, tmp_path)
    recipe = replace(recipe, data=replace(recipe.data, fold=2), keep="best", optim=replace(OPTIM, epochs=2))
    train_part, validation_part = train_and_validation(recipe, read_manifest(folded))
    assert {entry.fold for part in (train_part, validation_part) for entry in part.entries} == {1, 3}
    subjects = [{entry.subject for entry in part.entries} for part in (train_part, validation_part)]
    assert not subjects[0] & subjects[1]
    seen = []
    load_model(finetune(recipe, lambda done, total, numbers: seen.append(numbers)))
    scores = lines(tmp_path, "validation")
    assert len(scores) == 2
    assert all(0 <= line["war"] <= 1 and line["loss"] > 0 for line in scores)
    whole = sum(parameter.numel() for parameter in ExpressionClassifier(recipe.model).parameters())
    assert seen[0]["of"] == whole >= seen[0]["trained parameters"] > 0


def test_folds_want_a_choice_and_the_best_wants_a_validation_part(folded, tmp_path):
    recipe = finetune_recipe(folded, tmp_path)
    with pytest.raises(ManifestError, match=r"1, 2, 3 with --data\.fold"):
        train_and_validation(recipe, read_manifest(folded))
    fold = replace(recipe, data=replace(recipe.data, fold=1), validation_share=0.0)
    train_part, validation_part = train_and_validation(fold, read_manifest(folded))
    assert validation_part is None
    assert len(train_part.entries) == sum(entry.fold != 1 for entry in read_manifest(folded).entries)
    with pytest.raises(ConfigError, match="keep best"):
        train_and_validation(replace(fold, keep="best"), read_manifest(folded))


def test_a_manifest_without_splits_is_all_for_training(manifest, tmp_path):
    with manifest.open(newline="") as file:
        rows = list(csv.DictReader(file))
    own = manifest.with_name("own.csv")
    write_manifest(own, [row | {"split": "", "fold": ""} for row in rows])
    recipe = replace(finetune_recipe(own, tmp_path), validation_share=0.2)
    train_part, validation_part = train_and_validation(recipe, read_manifest(own))
    assert validation_part is not None
    assert len(train_part.entries) + len(validation_part.entries) == len(rows)
    whole, none = train_and_validation(replace(recipe, validation_share=0.0), read_manifest(own))
    assert (len(whole.entries), none) == (len(rows), None)
    write_manifest(own, [row | {"split": "test", "fold": ""} for row in rows])
    with pytest.raises(ManifestError, match="no clip with split train"):
        train_and_validation(recipe, read_manifest(own))
    write_manifest(own, [row | {"split": "", "fold": ""} for row in rows])
    assert main(["evaluate", "--manifest", str(own), "--out", str(tmp_path / "scores")]) == 2


def test_lora_is_published_as_a_plain_classifier(manifest, start, tmp_path):
    imbalance = ImbalanceConfig(sampling="square_root", class_weights="effective", logit_adjustment=1.0)
    recipe = replace(
        finetune_recipe(manifest, tmp_path), init=start, adapt=AdaptConfig(train="lora"), imbalance=imbalance
    )
    after, before = load_model(finetune(recipe)).state_dict(), load_model(start).state_dict()
    moved = {name for name in before if not name.startswith("head.") and not torch.equal(after[name], before[name])}
    low_rank = (".q.weight", ".kv.weight", ".proj.weight", ".fc1.weight", ".fc2.weight")
    assert all(name.endswith(low_rank) or name.startswith("norm.") for name in moved)
    assert sum(name.endswith(low_rank) for name in moved) > 10


def test_a_linear_probe_publishes_the_encoder_it_started_from(manifest, start, tmp_path):
    recipe = replace(finetune_recipe(manifest, tmp_path), init=start, adapt=AdaptConfig(train="head"))
    after, before = load_model(finetune(recipe)), load_model(start)
    for name, value in before.encoder.state_dict().items():
        assert torch.equal(value, after.encoder.state_dict()[name]), name
    assert after.config.labels == ClassifierConfig().labels  # four others were known before: the head began anew
    with pytest.raises(ConfigError, match="--init"):
        finetune(replace(recipe, init=None))


def test_shards_are_trained_on_as_they_lie(manifest, tmp_path):
    text = manifest.read_text().replace("s5,train", "s5,val")
    listed = manifest.parent / "val.csv"
    listed.write_text(text)
    pack_manifest(read_manifest(listed), tmp_path / "shards", size=32, workers=1)
    data = DataConfig(shards=str(tmp_path / "shards"), crop="centre", workers=0)
    recipe = replace(finetune_recipe(manifest, tmp_path / "run"), data=data)
    recipe = replace(recipe, imbalance=ImbalanceConfig(class_weights="inverse"))
    load_model(finetune(recipe))
    assert len(lines(tmp_path / "run", "validation")) == 1
    of_manifest = replace(recipe, data=DataConfig(manifest=listed, crop="centre", workers=0))
    visits = [{i: n for i, n in labelled_parts(each, 4).visits.items() if n} for each in (recipe, of_manifest)]
    assert visits[0] == visits[1]
    with pytest.raises(ConfigError, match="as they lie"):
        finetune(replace(recipe, imbalance=ImbalanceConfig(sampling="balanced")))


def test_shards_without_splits_are_all_for_training_but_folds_want_a_choice(folded, tmp_path):
    with folded.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for name, fold in (("undivided", ""), ("folds", "1")):
        listed = folded.with_name(f"{name}.csv")
        write_manifest(listed, [row | {"split": "", "fold": fold and row["fold"]} for row in rows])
        index = pack_manifest(read_manifest(listed), tmp_path / name, size=32, workers=1)  # less the broken clips
        data = DataConfig(shards=str(tmp_path / name), crop="centre", workers=0)
        recipe = replace(finetune_recipe(listed, tmp_path / "run"), data=data, validation_share=0.0)
        if fold:
            with pytest.raises(ManifestError, match="split train"):
                labelled_parts(recipe, 4)
        else:
            assert sum(labelled_parts(recipe, 4).visits.values()) == len(index) > 0


TWO = """
import sys
import torch

import maedfer
from maedfer import hub
from pathlib import Path
from test_stages import in_parts
from maedfer.train.finetune import finetune
from maedfer.train.processes import end_processes

torch.set_num_threads(1)
finetune(in_parts(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), 2))
end_processes()
"""


def in_parts(manifest: Path, start: Path, out: Path, batch_size: int) -> FinetuneRecipe:
    """A run with all that could hang on how a batch is divided, and three clips to validate."""
    recipe = finetune_recipe(manifest, out)
    return replace(
        recipe,
        init=start,
        keep="best",
        adapt=AdaptConfig(train="lora", lora_rank=2),
        optim=replace(OPTIM, batch_size=batch_size, epochs=2, layer_decay=0.75),
        imbalance=ImbalanceConfig(sampling="square_root", class_weights="effective", logit_adjustment=1.0),
    )


def test_two_processes_fine_tune_and_validate_as_one(manifest, start, tmp_path):
    table = manifest.read_text().splitlines()
    odd = manifest.parent / "odd.csv"
    odd.write_text("\n".join([*table[:10], *(line.replace("train", "val") for line in table[10:13]), table[13]]) + "\n")
    (tmp_path / "two.py").write_text(TWO)
    paths = os.pathsep.join([str(Path(maedfer.__file__).parents[1]), str(Path(__file__).parent)])
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "two.py"]
    done = subprocess.run(
        [*command, str(odd), str(start), str(tmp_path / "two")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": paths, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    finetune(in_parts(odd, start, tmp_path / "one", 4))
    for kind in ("train", "validation"):
        one, two = (lines(tmp_path / name, kind) for name in ("one", "two"))
        assert len(one) == len(two) > 1
        for first, second in zip(one, two, strict=True):
            assert second["loss"] == pytest.approx(first["loss"], abs=1e-5)
            assert second.get("uar") == first.get("uar")
    weights = [load_model(tmp_path / name / "weights").state_dict() for name in ("one", "two")]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=0, atol=1e-5)
