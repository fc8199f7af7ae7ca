"""Agreement with the published implementation, through the script that users run."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

REFERENCE = Path(__file__).parent / "reference"
FILES = sorted(REFERENCE.glob("*.safetensors"))
SCRIPT = Path(__file__).parents[2] / "scripts" / "verify_reference.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify_reference", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def copy(path: Path, to: Path, words: dict[str, object] | None = None, **changed: torch.Tensor) -> Path:
    with safe_open(path, "pt") as file:
        settings = json.loads(file.metadata()["config"])
    tensors = load_file(path) | changed
    save_file(tensors, to, {"config": json.dumps(settings | (words or {}))})
    return to


def test_there_are_thirteen_files() -> None:
    assert len(FILES) == 13


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_agrees(script: ModuleType, path: Path) -> None:
    agrees, line = script.verify(path)
    assert agrees, line


def test_exit_status_is_zero_only_if_all_agree(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = REFERENCE / "finetune_region.safetensors"
    assert script.main([str(good)]) == 0
    logits = load_file(good)["output.logits"].clone()
    logits[0, 0] += 1e-4
    bad = copy(good, tmp_path / "bad.safetensors", **{"output.logits": logits})
    assert script.main([str(good), str(bad)]) == 1
    assert "FAIL bad.safetensors" in capsys.readouterr().out


def test_a_wrong_gradient_norm_is_seen(script: ModuleType, tmp_path: Path) -> None:
    good = REFERENCE / "pretrain_weighted.safetensors"
    bad = copy(good, tmp_path / "bad.safetensors", **{"gradnorm.mask_token": torch.tensor(1.0)})
    assert not script.verify(bad)[0]


def test_the_corrected_order_is_another_one(script: ModuleType) -> None:
    from dataclasses import replace

    from maedfer.models import MaskedAutoencoder

    config, tensors = script.read(REFERENCE / "pretrain_joint_target.safetensors")
    inputs = script.part(tensors, "input")
    from maedfer.models.published import from_published

    predictions = []
    for order in (True, False):
        model = MaskedAutoencoder(replace(config, published_decoder_order=order))
        model.load_state_dict(from_published(script.part(tensors, "weight")))
        predictions.append(script.reconstruct(model, inputs)["prediction"])
    assert (predictions[0] - predictions[1]).abs().max() > 1e-2


def test_what_cannot_be_checked_is_told(script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cut.safetensors").write_bytes((REFERENCE / "finetune_vit.safetensors").read_bytes()[:5000])
    good = REFERENCE / "finetune_vit.safetensors"
    copy(good, tmp_path / "word.safetensors", {"rotary": True})
    copy(good, tmp_path / "size.safetensors", {"embed_dim": 25})
    copy(good, tmp_path / "output.safetensors", **{"output.magic": torch.zeros(1)})
    for name, message in (
        ("cut", "expected a safetensors file"),
        ("word", "unknown settings rotary"),
        ("size", "num_heads"),
        ("output", "nothing here makes magic"),
        ("absent", "expected a safetensors file"),
    ):
        assert script.main([str(tmp_path / f"{name}.safetensors")]) == 1
        assert message in capsys.readouterr().out
