import argparse
import json
import os
import pickle
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from maedfer.config import AutoencoderConfig, ClassifierConfig, DecoderConfig, LGIFormerConfig, ViTConfig
from maedfer.errors import WeightsError
from maedfer.models import ExpressionClassifier, MaskedAutoencoder
from maedfer.weights import fingerprint, load_model, read_official, save_model, write_official

KEYS = json.loads((Path(__file__).parent / "parity/reference/official_checkpoint_keys.json").read_text())
FINETUNED, PRETRAINED = KEYS["finetuned (region tokens, 7 classes)"], KEYS["pre-trained"]
ENCODER = LGIFormerConfig(
    image_size=16, patch_size=4, num_frames=4, embed_dim=64, depth=2, num_heads=1, region_size=(2, 2, 4)
)
SMALL_OFFICIAL = LGIFormerConfig(embed_dim=64, num_heads=1, depth=1)
CLASSIFIER = ClassifierConfig(encoder=ENCODER)
AUTOENCODER = AutoencoderConfig(encoder=ENCODER, decoder=DecoderConfig(embed_dim=64, depth=1, num_heads=1))


def clip() -> Tensor:
    return torch.randint(0, 256, (2, 3, 4, 16, 16), dtype=torch.uint8)


def official(
    path: Path, shapes: dict[str, list[int]], blocks: int | None = 2, nest: str = "model", **beside: object
) -> dict[str, Tensor]:
    """A random checkpoint with the shapes of the official one; only its first ``blocks`` blocks."""
    state = {
        name: torch.randn(shape)
        for name, shape in shapes.items()
        if blocks is None or not (block := re.search(r"(?<!decoder\.)blocks\.(\d+)\.", name)) or int(block[1]) < blocks
    }
    namespace = argparse.Namespace(lr=1e-3, model="vit", window_size=(8, 10, 10), opt_betas=[0.9, 0.95], resume=None)
    extra = {"optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}}, "scaler": {"scale": 65536.0}, "epoch": 49}
    torch.save({nest: state, "args": namespace, **extra, **beside}, path)
    return state


@pytest.mark.parametrize(
    "config", [CLASSIFIER, AUTOENCODER, ClassifierConfig(encoder=ViTConfig(depth=1, embed_dim=24))]
)
def test_saved_and_loaded_is_the_same_model(tmp_path: Path, config: ClassifierConfig | AutoencoderConfig) -> None:
    model = ExpressionClassifier(config) if isinstance(config, ClassifierConfig) else MaskedAutoencoder(config)
    save_model(model, tmp_path / "new" / "run", card="# A model\n")
    again = load_model(tmp_path / "new" / "run")
    assert again.config == config
    assert not again.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)
    for name, buffer in model.named_buffers():  # computed, not stored
        assert torch.equal(dict(again.named_buffers())[name], buffer)
    assert {p.name for p in (tmp_path / "new" / "run").iterdir()} == {"model.safetensors", "config.json", "README.md"}


def test_loaded_model_runs_and_trains(tmp_path: Path) -> None:
    model = ExpressionClassifier(CLASSIFIER).eval()
    save_model(model, tmp_path)
    again = load_model(tmp_path / "model.safetensors")
    clips = clip()
    assert torch.equal(again(clips), model(clips))
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    assert [name for name, parameter in again.named_parameters() if not parameter.requires_grad] == frozen
    again(clips).sum().backward()


def test_half_is_half_the_size_and_float32_again(tmp_path: Path) -> None:
    model = ExpressionClassifier(CLASSIFIER)
    save_model(model, tmp_path / "full")
    save_model(model, tmp_path / "half", half=True)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.6 * sizes[0]
    again = load_model(tmp_path / "half")
    for name, tensor in model.state_dict().items():
        assert again.state_dict()[name].dtype == torch.float32
        torch.testing.assert_close(again.state_dict()[name], tensor, atol=1e-3, rtol=1e-3)


def test_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    model = ExpressionClassifier(CLASSIFIER)
    save_model(model, tmp_path)
    before = fingerprint(tmp_path)
    model.head.weight.data[0, 0] = float("nan")
    with pytest.raises(WeightsError, match=r"head\.weight.*finite"):
        save_model(model, tmp_path)
    assert fingerprint(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == 2


def test_fingerprint_follows_the_bytes(tmp_path: Path) -> None:
    model = ExpressionClassifier(CLASSIFIER)
    save_model(model, tmp_path / "a")
    save_model(model, tmp_path / "b")
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b" / "model.safetensors")
    model.head.bias.data += 1
    save_model(model, tmp_path / "b")
    assert fingerprint(tmp_path / "a") != fingerprint(tmp_path / "b")
    with pytest.raises(WeightsError, match="readable"):
        fingerprint(tmp_path / "absent")


@pytest.mark.parametrize("nest", ["model", "module"])
def test_official_classifier(tmp_path: Path, nest: str) -> None:
    state = official(tmp_path / "dfew.pth", FINETUNED, nest=nest)
    model = load_model(tmp_path / "dfew.pth")
    assert isinstance(model, ExpressionClassifier)
    assert model.config == ClassifierConfig(encoder=LGIFormerConfig(depth=2))
    assert torch.equal(model.encoder.representative_tokens, state["lg_region_tokens"])
    assert torch.equal(model.encoder.blocks[1].exchange_attention.kv.weight, state["blocks.1.third_attn.kv.weight"])
    assert torch.equal(model.norm.weight, state["fc_norm.weight"])


def test_official_autoencoder_keeps_the_published_order(tmp_path: Path) -> None:
    state = official(tmp_path / "pretrained.pth", PRETRAINED, blocks=1)
    model = load_model(tmp_path / "pretrained.pth")
    assert isinstance(model, MaskedAutoencoder)
    assert model.config == AutoencoderConfig(encoder=LGIFormerConfig(depth=1), published_decoder_order=True)
    assert torch.equal(model.encoder_norm.bias, state["encoder.norm.bias"])
    assert torch.equal(model.decoder.blocks[0].attention.qkv.weight, state["decoder.blocks.0.attn.qkv.weight"])


@pytest.mark.parametrize("shapes", [FINETUNED, PRETRAINED], ids=["519 keys", "575 keys"])
@pytest.mark.slow
def test_official_round_trip_of_every_key(tmp_path: Path, shapes: dict[str, list[int]]) -> None:
    round_trip(tmp_path, official(tmp_path / "in.pth", shapes, blocks=None), len(shapes))


@pytest.mark.parametrize("shapes", [FINETUNED, PRETRAINED], ids=["fine-tuned", "pre-trained"])
def test_official_round_trip(tmp_path: Path, shapes: dict[str, list[int]]) -> None:
    state = official(tmp_path / "in.pth", shapes, blocks=1)
    round_trip(tmp_path, state, len(state))


def round_trip(tmp_path: Path, state: dict[str, Tensor], count: int) -> None:
    write_official(load_model(tmp_path / "in.pth"), tmp_path / "out.pth")
    again = torch.load(tmp_path / "out.pth", weights_only=True)["model"]
    assert len(again) == count
    assert set(again) == set(state)
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize("change", [{"share_local_exchange": True}, {"exchange_step": "self"}, {"global_step": False}])
def test_ablations_are_recognised(tmp_path: Path, change: dict[str, object]) -> None:
    config = ClassifierConfig(encoder=replace(SMALL_OFFICIAL, **change))
    model = ExpressionClassifier(config)
    write_official(model, tmp_path / "model.pth")
    again = load_model(tmp_path / "model.pth")
    assert again.config == config
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in model.state_dict().items())


def test_label_sets_by_class_count(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    for classes, expected in ((7, "happy"), (8, "neutral"), (11, "anger")):
        labels = tuple(map(str, range(classes)))
        write_official(ExpressionClassifier(ClassifierConfig(encoder=SMALL_OFFICIAL, labels=labels)), path)
        assert load_model(path).config.labels[0] == expected
    write_official(ExpressionClassifier(ClassifierConfig(encoder=SMALL_OFFICIAL, labels=tuple("abcdef"))), path)
    with pytest.raises(WeightsError, match="CREMA-D, eNTERFACE05"):
        load_model(path)
    assert load_model(path, label_set="crema-d").config.labels[3] == "happy"
    with pytest.raises(WeightsError, match="11"):
        load_model(path, label_set="MAFW")


def test_other_sizes_need_their_config(tmp_path: Path) -> None:
    model = ExpressionClassifier(CLASSIFIER)
    write_official(model, tmp_path / "model.pth")
    with pytest.raises(WeightsError):
        load_model(tmp_path / "model.pth")
    again = load_model(tmp_path / "model.pth", config=CLASSIFIER)
    assert torch.equal(again(clips := clip()), model.eval()(clips))


class Trap:
    def __init__(self, call: Callable[..., object], *arguments: object) -> None:
        self.reduced = (call, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.reduced


@pytest.mark.parametrize("where", ["args", "model"])
def test_a_pickle_that_runs_code_is_refused_unrun(tmp_path: Path, where: str) -> None:
    witness = tmp_path / "witness"
    official(tmp_path / "trap.pth", FINETUNED, 1, "other", **{where: Trap(os.mkdir, str(witness))})
    with pytest.raises(WeightsError, match="safely"):
        load_model(tmp_path / "trap.pth")
    assert not witness.exists()
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Trap(os.mkdir, str(witness))))
    with pytest.raises(WeightsError):
        read_official(tmp_path / "plain.pth")
    assert not witness.exists()


def test_truncated_and_empty_files_are_refused(tmp_path: Path) -> None:
    official(tmp_path / "whole.pth", FINETUNED, 1)
    data = (tmp_path / "whole.pth").read_bytes()
    for size in (0, 10, len(data) // 2, len(data) - 1):
        (tmp_path / "cut.pth").write_bytes(data[:size])
        with pytest.raises(WeightsError):
            load_model(tmp_path / "cut.pth")
    with pytest.raises(WeightsError, match="readable"):
        load_model(tmp_path / "absent.pth")


def test_an_archive_that_unfolds_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", bytes(10_000_000))
    with pytest.raises(WeightsError, match="claim"):
        load_model(tmp_path / "bomb.pth")


def test_a_tensor_larger_than_the_file_is_refused(tmp_path: Path) -> None:
    torch.save({"model": {"head.weight": torch.zeros(1).expand(1_000_000_000)}}, tmp_path / "wide.pth")
    with pytest.raises(WeightsError, match="claim"):
        load_model(tmp_path / "wide.pth")


def test_no_model_at_all_is_refused(tmp_path: Path) -> None:
    for content in ({}, {"model": {}}, {"model": {"a": 1}}, [1, 2], {"model": {"a": torch.zeros(2)}}):
        torch.save(content, tmp_path / "other.pth")
        with pytest.raises(WeightsError):
            load_model(tmp_path / "other.pth")


def test_mismatches_are_named(tmp_path: Path) -> None:
    save_model(ExpressionClassifier(CLASSIFIER), tmp_path)
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace('"depth": 2', '"depth": 3'))
    with pytest.raises(WeightsError, match=r"missing: encoder\.blocks\.2"):
        load_model(tmp_path)
    (tmp_path / "config.json").write_text(config.replace('"depth": 2', '"depth": 1'))
    with pytest.raises(WeightsError, match=r"unexpected: encoder\.blocks\.1"):
        load_model(tmp_path)
    (tmp_path / "config.json").write_text(config.replace('"num_frames": 4', '"num_frames": 8'))
    with pytest.raises(WeightsError, match=r"representative_tokens \(expected \(4, 64\), found \(2, 64\)\)"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"embed_dim": 64', '"embed_dim": 65536'),
        ('"depth": 2', '"depth": 65536'),
        ('"image_size": 16', '"image_size": 65536'),
        ('"num_frames": 4', '"num_frames": 65536'),
        ('"mlp_ratio": 4.0', '"mlp_ratio": 1e400'),
        ('"type": "ClassifierConfig"', '"type": "os.system"'),
        ("{", "["),
    ],
)
def test_settings_that_ask_for_too_much_are_refused(tmp_path: Path, old: str, new: str) -> None:
    save_model(ExpressionClassifier(CLASSIFIER), tmp_path)
    config = (tmp_path / "config.json").read_text()
    assert old in config
    (tmp_path / "config.json").write_text(config.replace(old, new, 1))
    with pytest.raises(WeightsError):
        load_model(tmp_path)


def test_damaged_directories_are_refused(tmp_path: Path) -> None:
    save_model(ExpressionClassifier(CLASSIFIER), tmp_path)
    file = tmp_path / "model.safetensors"
    data = file.read_bytes()
    lying = data.replace(b'"shape":[7,64]', b'"shape":[9,64]')
    huge = (1 << 60).to_bytes(8, "little") + data[8:]
    for damaged in (b"", data[:4], data[: len(data) // 2], lying, huge):
        assert damaged != data
        file.write_bytes(damaged)
        with pytest.raises(WeightsError, match="safetensors"):
            load_model(tmp_path)
    file.write_bytes(data)
    (tmp_path / "config.json").unlink()
    with pytest.raises(WeightsError, match=r"config\.json"):
        load_model(tmp_path)
    with pytest.raises(WeightsError):
        load_model(tmp_path / "absent.safetensors")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    model = ExpressionClassifier(CLASSIFIER)
    model.encoder.blocks[0].mlp.fc1.bias.data[3] = value
    write_official(model, tmp_path / "model.pth")
    with pytest.raises(WeightsError, match=r"mlp\.fc1\.bias.*finite"):
        load_model(tmp_path / "model.pth", config=CLASSIFIER)


def test_the_default_weights_open_without_torchs_compiler() -> None:
    """Which takes two seconds to load and leaves a folder among the temporary files."""
    code = "import sys, maedfer; maedfer.load_model('default'); print('torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.strip() == "False"
