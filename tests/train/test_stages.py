"""Both stages on tiny clips, from a manifest to weights that load again."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from maedfer.config import AutoencoderConfig, ClassifierConfig, DecoderConfig, LGIFormerConfig
from maedfer.errors import ConfigError, TrainingError, WeightsError
from maedfer.models import ExpressionClassifier, MaskedAutoencoder
from maedfer.recipes import AugmentConfig, ComputeConfig, DataConfig, FinetuneRecipe, OptimConfig, PretrainRecipe
from maedfer.train.finetune import finetune
from maedfer.train.pretrain import pretrain
from maedfer.video import write_video
from maedfer.weights import load_model

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
    lines = [json.loads(line) for line in (tmp_path / "fine" / "metrics.jsonl").read_text().splitlines()]
    scores = [line for line in lines if line["kind"] == "validation"]
    assert len(scores) == 1
    assert 0 <= scores[0]["uar"] <= 1
    assert json.loads((tmp_path / "fine" / "recipe.json").read_text())["seed"] == 0


def test_weights_of_few_frames_start_a_model_of_more(manifest, tmp_path):
    short = finetune(finetune_recipe(manifest, tmp_path / "short"))
    longer = replace(ENCODER, num_frames=8)
    recipe = replace(finetune_recipe(manifest, tmp_path / "long"), init=short, model=ClassifierConfig(encoder=longer))
    model = load_model(finetune(recipe))
    assert model.config.encoder.num_frames == 8


def test_the_same_recipe_gives_the_same_weights(manifest, tmp_path):
    first = load_model(finetune(finetune_recipe(manifest, tmp_path / "a")))
    second = load_model(finetune(finetune_recipe(manifest, tmp_path / "b")))
    other = load_model(finetune(replace(finetune_recipe(manifest, tmp_path / "c"), seed=1)))
    weights = [torch.cat([p.flatten() for p in m.parameters()]) for m in (first, second, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_missing_manifest_and_wrong_weights_are_named(manifest, tmp_path):
    recipe = finetune_recipe(manifest, tmp_path / "x")
    with pytest.raises(TrainingError, match="manifest"):
        finetune(replace(recipe, data=replace(recipe.data, manifest=None)))
    wider = replace(ENCODER, embed_dim=32)
    weights = pretrain(pretrain_recipe(manifest, tmp_path / "pre"))
    with pytest.raises((ConfigError, WeightsError), match="embed_dim"):
        finetune(replace(recipe, init=weights, model=ClassifierConfig(encoder=wider)))
