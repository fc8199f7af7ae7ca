"""Weights and settings of strangers: a named error of one line, or a model; never another exception or much memory."""

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzing.changed_weights import CLASSIFIERS, load_changed, one_line, save_all
from maedfer.config import ClassifierConfig, EncoderConfig, ViTConfig
from maedfer.errors import WeightsError
from maedfer.models import ExpressionClassifier
from maedfer.models.fitting import build_model
from maedfer.weights import CONFIG_FILE, WEIGHTS_FILE, load_model

PROPERTIES = Path(__file__).parent / "settings_properties.py"

QUIET = settings(max_examples=80)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return save_all(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def small_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions are the one thing that settings alone could make large."""
    from maedfer.models import embedding, stem

    def watched(count: int, dim: int) -> torch.Tensor:
        assert count * dim <= 1 << 24, (count, dim)
        return torch.zeros(count, dim)

    for module in (embedding, stem):
        monkeypatch.setattr(module, "sincos_positions", watched)


def test_odd_settings_give_a_model_or_a_named_error(tmp_path: Path) -> None:
    # A process of its own: the hook that checks annotations under the tests would find the odd values first.
    command = [sys.executable, str(PROPERTIES), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


@QUIET
@given(data=st.data())
def test_headers_that_lie_give_a_model_or_a_named_error(folders: list[Path], data: st.DataObject) -> None:
    folder = folders[data.draw(st.integers(0, 3))]
    content = (folder / WEIGHTS_FILE).read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header: dict[str, Any] = json.loads(content[8 : 8 + size])
    name = data.draw(st.sampled_from(sorted(header)))
    change = data.draw(st.sampled_from(["dtype", "shape", "data_offsets", "name", "gone", "twice"]))
    entry = header.pop(name)
    if change in ("dtype", "shape", "data_offsets"):
        odd = {
            "dtype": st.sampled_from(["F64", "F16", "BF16", "I32", "BOOL", "C64", "F8_E4M3", "F4", "U16", "x", 3]),
            "shape": st.lists(st.sampled_from([-1, 0, 1, 2, 7, 16, 2**31, 2**62, 2**64 - 1, 1.5, "3"]), max_size=5),
            "data_offsets": st.lists(st.sampled_from([0, 1, 64, 2**40, 2**63, 2**64 - 1, -4]), min_size=1, max_size=3),
        }[change]  # fmt: skip
        header[name] = {**entry, change: data.draw(odd)}
    elif change in ("name", "twice"):
        header[data.draw(st.text(max_size=5)) + "\n"] = entry
        if change == "twice":
            header[name] = entry
    text = json.dumps(header).encode()
    load_changed(folder, data=struct.pack("<Q", len(text)) + text + content[8 + size :])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float8_e4m3fn, torch.bfloat16, torch.complex64, torch.int8])
def test_every_type_of_number_is_taken_or_refused_by_name(folders: list[Path], dtype: torch.dtype) -> None:
    state = safetensors.torch.load_file(folders[0] / WEIGHTS_FILE)
    load_changed(folders[0], data=safetensors.torch.save({name: value.to(dtype) for name, value in state.items()}))


def test_a_number_too_large_for_float32_is_refused(folders: list[Path]) -> None:
    state = ExpressionClassifier(CLASSIFIERS[0]).state_dict()
    state["head.bias"] = torch.full((7,), 1e300, dtype=torch.float64)
    with pytest.raises(WeightsError, match=r"head\.bias.*finite"):
        build_model(CLASSIFIERS[0], state, "test")


def _wide(dim: int, tokens: int) -> tuple[EncoderConfig, EncoderConfig]:
    frames = tokens // 256
    sizes: dict[str, Any] = {"num_frames": frames, "tubelet_size": 1, "embed_dim": dim, "depth": 1, "num_heads": 1}
    plain = ViTConfig(image_size=16, patch_size=1, **sizes)
    return plain, ViTConfig(image_size=64, patch_size=4, stem_width=8, **sizes)


@pytest.mark.parametrize("stem", [False, True])
def test_positions_are_not_computed_for_weights_that_are_not_there(small_only: None, stem: bool) -> None:
    config = ClassifierConfig(encoder=_wide(16_384, 65_536)[stem])
    with torch.device("meta"):
        names = {
            "encoder.embed.weight": torch.empty(16_384, 3, 1, 1, 1),
            "encoder.embed.first.weight": torch.empty(8, 3, 3, 3),
            "encoder.embed.join_norm.weight": torch.empty(16_384),
        }
        names |= {f"more.{index}": torch.empty(1) for index in range(20)}
    with pytest.raises(WeightsError, match="65536 tokens of width 16384"):
        build_model(config, names, "test")


def test_thousands_of_blocks_are_not_built_for_a_few_weights() -> None:
    encoder = ViTConfig(image_size=16, patch_size=4, num_frames=4, embed_dim=16, depth=300, num_heads=1)
    state = ExpressionClassifier(CLASSIFIERS[2]).state_dict()
    state |= {f"more.{index}": torch.zeros(1) for index in range(400)}
    with pytest.raises(WeightsError, match="300 blocks"):
        build_model(ClassifierConfig(encoder=encoder), state, "test")


def _meta() -> Any:
    return torch.zeros(2, 2, device="meta")


def _sparse() -> Any:
    return torch.zeros(2, 2).to_sparse()


@pytest.mark.parametrize("odd", [_meta, _sparse, lambda: torch.zeros(2, 2, dtype=torch.complex64), lambda: "text"])
def test_tensors_without_plain_values_are_refused(tmp_path: Path, odd: Callable[[], Any]) -> None:
    torch.save({"model": {"head.weight": odd()}}, tmp_path / "a.pth")
    with pytest.raises(WeightsError) as caught:
        load_model(tmp_path / "a.pth", config=CLASSIFIERS[0])
    assert one_line(caught.value)


def test_a_checkpoint_of_width_nothing_is_refused(tmp_path: Path) -> None:
    shapes = {"patch_embed.proj.weight": (0, 3, 2, 16, 16), "blocks.0.mlp.fc1.weight": (4, 0), "head.weight": (7, 0)}
    torch.save({"model": {name: torch.zeros(shape) for name, shape in shapes.items()}}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="tells its size"):
        load_model(tmp_path / "a.pth")


def test_names_of_weights_stay_in_their_line() -> None:
    state = ExpressionClassifier(CLASSIFIERS[0]).state_dict() | {"a\nb\x1b[31m" + "c" * 5000: torch.zeros(1)}
    with pytest.raises(WeightsError, match=r"1 unexpected: a\\nb\\x1b") as caught:
        build_model(CLASSIFIERS[0], state, "test")
    assert one_line(caught.value)


def test_a_file_of_settings_as_large_as_a_film_is_not_read(folders: list[Path]) -> None:
    file = folders[0] / CONFIG_FILE
    whole = file.read_bytes()
    try:
        with file.open("r+b") as opened:
            opened.truncate(1 << 40)
        with pytest.raises(WeightsError, match="at most"):
            load_model(folders[0])
    finally:
        file.write_bytes(whole)
