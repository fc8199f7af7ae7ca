import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from maedfer.config import ClassifierConfig, LGIFormerConfig
from maedfer.errors import ConfigError, ManifestError
from maedfer.models import ExpressionClassifier
from maedfer.recipes import AugmentConfig, ComputeConfig, DataConfig, FinetuneRecipe, OptimConfig
from maedfer.synth.rig import UNITS
from maedfer.train import processes
from maedfer.train.finetune import finetune
from maedfer.train.processes import settled
from maedfer.train.units import ClassAndUnits, TwoTargetClassifier, UnitTargets, symmetric_units
from maedfer.weights import load_model

ENCODER = LGIFormerConfig(
    image_size=32, patch_size=8, num_frames=4, embed_dim=24, depth=2, num_heads=2, region_size=(2, 2, 4)
)
PLACES = ClassifierConfig(encoder=ENCODER, pooling="places")


@pytest.fixture
def laboratory(tmp_path: Path) -> Path:
    """Twenty clips of 16 grey frames whose one moving unit is their brightness."""
    rng = np.random.default_rng(0)
    lines, tracks = ["path,label,label_set,subject,split"], np.zeros((20, 16, len(UNITS)), np.float16)
    for number in range(20):
        folder = tmp_path / f"{number:02d}"
        folder.mkdir()
        level = rng.uniform(0, 1, 16)
        for frame, value in enumerate(level):
            cv2.imwrite(str(folder / f"{frame:02d}.png"), np.full((32, 32, 3), int(250 * value), np.uint8))
        tracks[number, :, UNITS.index("jawOpen")] = level
        lines.append(f"{number:02d},{'happy' if number % 2 else 'sad'},DFEW,p{number},{'train' if number else 'val'}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    with (tmp_path / "units.npz").open("wb") as file:
        np.savez(file, units=tracks, names=np.array(UNITS))
    return tmp_path / "manifest.csv"


def recipe(manifest: Path, out: Path) -> FinetuneRecipe:
    return FinetuneRecipe(
        model=PLACES,
        data=DataConfig(manifest=manifest, workers=0),
        augment=AugmentConfig(),
        optim=OptimConfig(epochs=2, warmup_epochs=0.0, batch_size=4, base_lr=0.05),
        compute=ComputeConfig(precision="no"),
        unit_weight=1.0,
        out=out,
    )


def test_a_run_with_units_writes_a_plain_classifier_and_learns(laboratory: Path, tmp_path: Path) -> None:
    weights = finetune(recipe(laboratory, tmp_path / "run"))
    model = load_model(weights)
    assert type(model) is ExpressionClassifier
    assert model.config == PLACES
    assert model.head.weight.shape == (7, 24 * 16)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if line["kind"] == "train"]
    assert losses[-1] < losses[0]


def test_units_need_places_and_whole_clips(laboratory: Path, tmp_path: Path) -> None:
    plain = recipe(laboratory, tmp_path)
    with pytest.raises(ConfigError, match="places"):
        finetune(replace(plain, model=ClassifierConfig(encoder=ENCODER)))
    with pytest.raises(ConfigError, match="mixup"):
        replace(plain, augment=AugmentConfig(mixup=0.8))
    with pytest.raises(ConfigError, match="crop face"):
        replace(plain, data=replace(plain.data, crop="centre"))
    (laboratory.parent / "units.npz").write_bytes(b"no arrays")
    with pytest.raises(ManifestError, match=r"units\.npz"):
        finetune(plain)


def test_a_two_target_classifier_is_a_plain_one_in_evaluation() -> None:
    model = TwoTargetClassifier(PLACES, 25).eval()
    clips = torch.randint(0, 256, (2, 3, 4, 32, 32), dtype=torch.uint8)
    plain = ExpressionClassifier(PLACES).eval()
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("unit_head.")})
    torch.testing.assert_close(model(clips), plain(clips), atol=0, rtol=0)
    found = model.train()(clips)
    assert isinstance(found, ClassAndUnits)
    assert found.units.shape == (2, 2, 25)


def test_the_head_by_places_tells_places_apart_and_forgets_times() -> None:
    model = ExpressionClassifier(PLACES).eval()
    with torch.no_grad():
        model.head.weight.mul_(1000)
    places = torch.randn(2, 2, 4, 4, 24)
    torch.testing.assert_close(model.logits_of_places(places.flip(1)), model.logits_of_places(places))
    assert (model.logits_of_places(places.flip(2)) - model.logits_of_places(places)).abs().min() > 1e-6
    clips = torch.randint(0, 256, (2, 3, 4, 32, 32), dtype=torch.uint8)
    assert model.features(clips).shape == (2, 24)


def test_units_are_the_same_for_a_clip_and_its_mirror_image() -> None:
    rng = np.random.default_rng(0)
    tracks = rng.random((3, 5, len(UNITS)), np.float32)

    def other(name: str) -> str:
        if name.endswith("Left"):
            return name.removesuffix("Left") + "Right"
        return name.removesuffix("Right") + "Left" if name.endswith("Right") else name

    mirrored = tracks[..., [UNITS.index(other(name)) for name in UNITS]]
    np.testing.assert_allclose(symmetric_units(mirrored, UNITS), symmetric_units(tracks, UNITS), rtol=1e-6)


def test_unit_targets_are_standardised_on_the_training_rows_and_follow_rows_and_time(laboratory: Path) -> None:
    targets = UnitTargets(laboratory.parent / "units.npz", 20, range(1, 20))
    with np.load(laboratory.parent / "units.npz") as arrays:
        known = symmetric_units(arrays["units"].astype(np.float32), UNITS)
    mean, deviation = known[1:].mean((0, 1)), known[1:].std((0, 1)) + 0.02
    wanted = ((known - mean) / deviation)[[4, 2]].reshape(2, 8, 2, -1).mean(2)
    assert targets.units == known.shape[-1]
    start = torch.tensor([0, 0])
    assert targets.loss(torch.from_numpy(wanted), torch.tensor([4, 2]), start, 16) < 1e-10
    assert targets.loss(torch.from_numpy(wanted), torch.tensor([2, 4]), start, 16) > 1e-3
    with pytest.raises(ConfigError, match="16 frames"):
        targets.loss(torch.zeros(1, 3, known.shape[-1]), torch.tensor([0]), torch.tensor([0]), 32)


def test_unit_targets_are_those_of_the_frames_that_were_drawn(laboratory: Path) -> None:
    targets = UnitTargets(laboratory.parent / "units.npz", 20, range(1, 20))
    with np.load(laboratory.parent / "units.npz") as arrays:
        known = symmetric_units(arrays["units"].astype(np.float32), UNITS)
    mean, deviation = known[1:].mean((0, 1)), known[1:].std((0, 1)) + 0.02
    tracks = (known - mean) / deviation
    rows, starts = torch.tensor([4, 2]), torch.tensor([3, 1])
    drawn = np.stack([tracks[4, [3, 7, 11, 15]], tracks[2, [1, 5, 9, 13]]]).reshape(2, 2, 2, -1).mean(2)
    assert targets.loss(torch.from_numpy(drawn), rows, starts, 4) < 1e-10
    assert targets.loss(torch.from_numpy(drawn), rows, starts.flip(0), 4) > 1e-3


@pytest.mark.parametrize(("native", "precision"), [(True, "bf16"), (False, "no")])
def test_auto_is_bf16_only_where_the_processor_has_it(monkeypatch, native: bool, precision: str) -> None:
    monkeypatch.setattr(processes, "_native_bf16", lambda: native)
    assert settled(ComputeConfig()).precision == precision
    assert settled(ComputeConfig(precision="fp16")).precision == "fp16"
