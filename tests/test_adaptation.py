"""Adapted batch norms carry exactly the moments of the clips they were given, and nothing else of a model changes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from maedfer import adaptation
from maedfer.adaptation import ADAPTATION_FILE, LEAST_CLIPS, adapt_normalisation, adapt_weights
from maedfer.cli.app import main
from maedfer.config import ClassifierConfig, LGIFormerConfig
from maedfer.errors import ConfigError
from maedfer.models import ExpressionClassifier
from maedfer.weights import load_model, save_model

SIZES = {"image_size": 32, "patch_size": 8, "num_frames": 4, "embed_dim": 24, "depth": 1, "num_heads": 2}
ENCODER = LGIFormerConfig(**SIZES, region_size=(1, 2, 4), stem_width=8)
LABELS = ("happy", "sad", "neutral")


def classifier(encoder: LGIFormerConfig = ENCODER) -> ExpressionClassifier:
    torch.manual_seed(3)
    return ExpressionClassifier(ClassifierConfig(encoder=encoder, labels=LABELS)).eval()


def some_clips(count: int = LEAST_CLIPS + 5) -> np.ndarray:
    """Coloured tiles, darker than they are bright."""
    tiles = np.random.default_rng(5).integers(0, 120, (count, 3, 4, 8, 8), np.uint8)
    return tiles.repeat(4, axis=3).repeat(4, axis=4)


def test_the_clips_then_look_as_batches_looked_in_training() -> None:
    model, clips = classifier(), some_clips()
    adapted = adapt_normalisation(model, clips)
    both = torch.from_numpy(clips)
    pixels = model.normalizer(model.normalizer.scale(torch.cat((both, both.flip(-1)))))
    with torch.no_grad():
        expected = model.train().encoder.embed(pixels)  # each layer by the moments of this one batch
        found = adapted.encoder.embed(pixels)
        unadapted = classifier().encoder.embed(pixels)
    assert (found - expected).abs().max() < 1e-4
    assert (unadapted - expected).abs().max() > 0.1


def test_neither_order_nor_batches_matter_and_no_weight_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    model, clips = classifier(), some_clips()
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    found = adapt_normalisation(model, clips).state_dict()
    monkeypatch.setattr(adaptation, "_BATCH", 7)
    again = adapt_normalisation(model, clips[::-1]).state_dict()
    for name, value in found.items():
        assert torch.equal(model.state_dict()[name], kept[name]), name
        assert torch.allclose(value, again[name], rtol=1e-4, atol=1e-5), name
        assert torch.equal(value, kept[name]) == ("running" not in name), name


def test_what_cannot_be_adapted_is_said() -> None:
    with pytest.raises(ConfigError, match=f"at least {LEAST_CLIPS} clips"):
        adapt_normalisation(classifier(), some_clips(3))
    plain = LGIFormerConfig(**SIZES, region_size=(1, 2, 4))
    with pytest.raises(ConfigError, match="batch norm"):
        adapt_normalisation(classifier(plain), some_clips())


def test_from_weights_to_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = some_clips()
    monkeypatch.setattr(adaptation, "sample_faces", lambda sources, config, most: clips[:most])
    save_model(classifier(), tmp_path / "weights")
    before = {path.name: path.read_bytes() for path in (tmp_path / "weights").iterdir()}
    out = tmp_path / "adapted"
    talks = tmp_path / "talks"
    talks.mkdir()
    (talks / "a.mp4").touch()
    arguments = [
        "adapt",
        str(talks),
        "b.jpg",
        "--model",
        str(tmp_path / "weights"),
        "--out",
        str(out),
        "--device",
        "cpu",
    ]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert f"{len(clips)} clips of faces" in said
    assert str(out) in said
    assert {path.name: path.read_bytes() for path in (tmp_path / "weights").iterdir()} == before

    facts = json.loads((out / ADAPTATION_FILE).read_text())
    assert facts["sources"] == ["a.mp4", "b.jpg"]
    assert sum(facts["answers_before"].values()) == sum(facts["answers_after"].values()) == len(clips)
    written, expected = load_model(out).state_dict(), adapt_normalisation(classifier(), clips).state_dict()
    assert all(torch.equal(written[name], value) for name, value in expected.items())

    assert main([*arguments, "--clips", "8"]) == 2
    assert f"at least {LEAST_CLIPS}" in capsys.readouterr().err
    assert json.loads((out / ADAPTATION_FILE).read_text()) == facts


def test_faces_have_to_come_from_somewhere(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="got none"):
        adapt_weights("default", [], tmp_path)
