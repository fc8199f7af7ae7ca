"""ONNX and int8 say what torch says, prediction takes their folder, and a hostile file is refused before it runs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from maedfer import face_sample  # noqa: E402
from maedfer.config import ClassifierConfig, EncoderConfig, LGIFormerConfig, ViTConfig  # noqa: E402
from maedfer.errors import ConfigError, WeightsError  # noqa: E402
from maedfer.export import compare, export_onnx, write_graph, write_int8  # noqa: E402
from maedfer.face_sample import sample_faces  # noqa: E402
from maedfer.inference import class_probabilities, clip_embeddings  # noqa: E402
from maedfer.judge import Judge  # noqa: E402
from maedfer.models import ExpressionClassifier  # noqa: E402
from maedfer.onnx_model import INT8_FILE, ONNX_FILE, find_onnx, open_onnx  # noqa: E402
from maedfer.video.types import Clip  # noqa: E402

SIZES = {"image_size": 32, "patch_size": 8, "num_frames": 4, "embed_dim": 24, "depth": 2, "num_heads": 2}
LGI = LGIFormerConfig(**SIZES, region_size=(1, 2, 4))


def classifier(encoder: EncoderConfig = LGI, **settings: Any) -> ExpressionClassifier:
    """A small one whose head is not near zero, so that logits differ between clips."""
    config = ClassifierConfig(encoder=encoder, labels=("happy", "sad", "angry"), temperature=0.8, **settings)
    model = ExpressionClassifier(config).eval()
    torch.nn.init.normal_(model.head.weight)
    return model


def learnt(model: ExpressionClassifier) -> ExpressionClassifier:
    """With running statistics that are not those of the start."""
    model.train()
    for _ in range(3):
        model(torch.from_numpy(some_clips(4)))
    return model.eval()


def some_clips(count: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, 3, 4, 32, 32), np.uint8)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[ExpressionClassifier, Path]:
    """A model and a folder with its float32 and int8 files."""
    torch.manual_seed(7)
    model, folder = classifier(), tmp_path_factory.mktemp("exported")
    write_graph(model, folder / ONNX_FILE, sha256="ab")
    write_int8(folder / ONNX_FILE, folder / INT8_FILE, some_clips(8))
    return model, folder


@pytest.mark.parametrize("count", [1, 2, 5])
def test_logits_and_embeddings_are_torchs_for_any_batch(
    exported: tuple[ExpressionClassifier, Path], count: int
) -> None:
    model, folder = exported
    file, clips = open_onnx(folder / ONNX_FILE, threads=1), some_clips(count)
    names = ["x"] * count
    with torch.inference_mode():
        expected = model(torch.from_numpy(clips)).numpy()
    assert np.abs(file.logits(clips) - expected).max() < 1e-4
    assert np.abs(file.embeddings(clips) - clip_embeddings(model, clips, names)).max() < 1e-4
    # The temperature is applied outside the file, once.
    assert np.abs(class_probabilities(file, clips, names) - class_probabilities(model, clips, names)).max() < 1e-4


@pytest.mark.parametrize(
    "model_of",
    [
        lambda: classifier(ViTConfig(**SIZES)),
        lambda: classifier(LGI, pooling="places"),
        lambda: learnt(classifier(replace(LGI, stem_width=8), pooling="places")),
        lambda: classifier(LGIFormerConfig(**SIZES, region_size=(1, 2, 4), exchange_step="self"), pooling="all"),
    ],
    ids=["vit", "places", "stem", "all"],
)
def test_other_models_export_too(model_of: Any, tmp_path: Path) -> None:
    model, clips = model_of(), some_clips(3)
    write_graph(model, tmp_path / ONNX_FILE, sha256=None)
    file = open_onnx(tmp_path / ONNX_FILE, threads=1)
    with torch.inference_mode():
        assert np.abs(file.logits(clips) - model(torch.from_numpy(clips)).numpy()).max() < 1e-4
        assert np.abs(file.embeddings(clips) - model.features(torch.from_numpy(clips)).numpy()).max() < 1e-4


def test_int8_is_near_float32_and_smaller_in_its_weights(exported: tuple[ExpressionClassifier, Path]) -> None:
    model, folder = exported
    file = open_onnx(folder / INT8_FILE, threads=1)
    found = compare(model, {"int8": file}, some_clips(12), rounds=1)["int8"]
    with torch.inference_mode():
        spread = float(model(torch.from_numpy(some_clips(12))).std())
    assert file.precision == "int8"
    assert 0 < found.mean_difference < 0.2 * spread  # quantised indeed, and not to nonsense
    whole, small = (onnx.load(folder / name) for name in (ONNX_FILE, INT8_FILE))
    assert sum(len(tensor.raw_data) for tensor in small.graph.initializer) < 0.6 * sum(
        len(tensor.raw_data) for tensor in whole.graph.initializer
    )


def test_the_file_says_how_it_is_fed(exported: tuple[ExpressionClassifier, Path]) -> None:
    import json

    model, folder = exported
    facts = {entry.key: entry.value for entry in onnx.load(folder / ONNX_FILE).metadata_props}
    feeding = json.loads(facts["preprocessing"])
    assert json.loads(facts["labels"]) == ["happy", "sad", "angry"]
    assert facts["source.sha256"] == "ab"
    assert (feeding["num_frames"], feeding["image_size"], feeding["temperature"]) == (4, 32, 0.8)
    assert feeding["span_s"] == 2.56
    assert open_onnx(folder / ONNX_FILE, threads=1).config == model.config


def test_the_file_names_no_place_of_this_machine(exported: tuple[ExpressionClassifier, Path]) -> None:
    content = (exported[1] / ONNX_FILE).read_bytes()
    assert b"site-packages" not in content
    assert str(Path(__file__).parents[1]).encode() not in content


def test_a_judge_reads_the_folder(exported: tuple[ExpressionClassifier, Path]) -> None:
    model, folder = exported
    clips = [Clip(0, 0.0, 2.56, pixels, 1.0) for pixels in some_clips(3)]
    expected = Judge(model, "cpu", 2).classify(clips, "x")
    found = Judge(folder / ONNX_FILE, "auto", 2, "auto")
    assert (found.device, found.precision) == ("cpu", "float32")
    assert found.spec.size == 32
    assert found.identity.sha256 is not None
    for one, other in zip(found.classify(clips, "x"), expected, strict=True):
        assert one.label == other.label
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)
    assert found.embed(clips, "x").shape == (3, 24)
    assert found.embed((), "x").shape == (0, 24)
    assert Judge(folder / INT8_FILE, "auto", 2, "auto").precision == "int8"
    with pytest.raises(ConfigError, match="ONNX file computes in what it was written in, got bf16"):
        Judge(folder / ONNX_FILE, "auto", 2, "auto", "bf16")


def test_which_file_is_run(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    with pytest.raises(WeightsError, match="maedfer export"):
        find_onnx(tmp_path, "onnx")
    assert find_onnx(tmp_path, "auto") is None
    (tmp_path / ONNX_FILE).touch()
    assert find_onnx(tmp_path, "auto") == tmp_path / ONNX_FILE
    (tmp_path / INT8_FILE).touch()
    assert find_onnx(tmp_path, "auto") == tmp_path / INT8_FILE
    weights.touch()
    assert find_onnx(tmp_path, "auto") is None
    assert find_onnx(tmp_path, "onnx") == tmp_path / INT8_FILE
    with pytest.raises(ConfigError, match="torch cannot run"):
        find_onnx(tmp_path / ONNX_FILE, "torch")


def test_clips_of_another_shape_or_type_are_refused(exported: tuple[ExpressionClassifier, Path]) -> None:
    file = open_onnx(exported[1] / ONNX_FILE, threads=1)
    with pytest.raises(ConfigError, match=r"expected uint8 \(B, 3, 4, 32, 32\)"):
        file.logits(np.zeros((1, 3, 4, 32, 16), np.uint8))
    assert file.logits(np.zeros((0, 3, 4, 32, 32), np.uint8)).shape == (0, 3)


def _external(model: Any) -> None:
    tensor = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")


def _custom(model: Any) -> None:
    model.graph.node[0].domain = "evil.ops"


def _domain(model: Any) -> None:
    model.opset_import.append(onnx.helper.make_opsetid("evil.ops", 1))


def _old(model: Any) -> None:
    model.opset_import[0].version = 7


def _nested(model: Any) -> None:
    model.graph.node[0].attribute.append(
        onnx.helper.make_attribute("body", onnx.helper.make_graph([], "inner", [], []))
    )


def _renamed(model: Any) -> None:
    model.graph.input[0].name = "picture"


def _narrow(model: Any) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 99


def _without_settings(model: Any) -> None:
    del model.metadata_props[:]


def _other_labels(model: Any) -> None:
    next(entry for entry in model.metadata_props if entry.key == "labels").value = '["happy"]'


def _broken_settings(model: Any) -> None:
    next(entry for entry in model.metadata_props if entry.key == "maedfer.config").value = "{"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_external, "data outside the file"),
        (_custom, "not allowed"),
        (_domain, "unknown set of operators"),
        (_old, "unknown set of operators"),
        (_nested, "graph of its own"),
        (_renamed, "expected inputs and outputs"),
        (_narrow, "expected inputs and outputs"),
        (_without_settings, "lacks"),
        (_other_labels, "labels"),
        (_broken_settings, "metadata is damaged"),
    ],
)
def test_odd_files_are_refused(
    exported: tuple[ExpressionClassifier, Path], tmp_path: Path, spoil: Any, message: str
) -> None:
    model = onnx.load(exported[1] / ONNX_FILE)
    spoil(model)
    path = tmp_path / "spoilt.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(WeightsError, match=message):
        open_onnx(path, threads=1)


def test_damaged_and_absent_files_are_refused(exported: tuple[ExpressionClassifier, Path], tmp_path: Path) -> None:
    path, content = tmp_path / "model.onnx", (exported[1] / ONNX_FILE).read_bytes()
    with pytest.raises(WeightsError, match="readable"):
        open_onnx(path, threads=1)
    for damaged in (b"no ONNX at all", content[: len(content) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(WeightsError):
            open_onnx(path, threads=1)


def test_without_the_extra_the_command_to_install_it_is_named(
    exported: tuple[ExpressionClassifier, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"maedfer\[export\]"):
        open_onnx(exported[1] / ONNX_FILE, threads=1)


@pytest.mark.parametrize(("sources", "most", "read"), [(2000, 512, 512), (300, 256, 256), (3, 64, 3)])
def test_faces_are_taken_from_sources_evenly_from_first_to_last(
    monkeypatch: pytest.MonkeyPatch, sources: int, most: int, read: int
) -> None:
    opened: list[int] = []

    def of_source(source: Path, _: object, share: int) -> list[np.ndarray]:
        opened.append(int(source.stem))
        return [np.full((3, 1, 2, 2), opened[-1] % 256, np.uint8)] * min(share, 40)

    monkeypatch.setattr(face_sample, "_of_source", of_source)
    found = sample_faces([Path(f"{number}.png") for number in range(sources)], classifier().config, most=most)
    assert len(found) == most
    assert len(opened) == read
    assert max(np.diff(opened)) <= -(-sources // read)
    assert found[-1].flat[0] == opened[-1] % 256


def test_calibration_needs_faces_and_a_sane_number(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1 to 512"):
        sample_faces((), classifier().config, most=0)
    with pytest.raises(ConfigError, match="at least one clip"):
        write_int8(tmp_path / ONNX_FILE, tmp_path / INT8_FILE, some_clips(0))


def test_the_whole_export_drops_an_older_int8_file(tmp_path: Path) -> None:
    (tmp_path / INT8_FILE).write_bytes(b"of another model")
    model = classifier(LGIFormerConfig(**{**SIZES, "num_frames": 16}, region_size=(1, 2, 4)))
    found = export_onnx(model, tmp_path, calibration_clips=2)
    assert found.float32.largest_difference < 1e-4
    assert found.int8 is None
    assert [path.name for path in found.files] == [ONNX_FILE, "config.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", ONNX_FILE]


def test_a_stem_stays_in_8_bits_and_gelu_is_one_operator(tmp_path: Path) -> None:
    import onnxruntime

    torch.manual_seed(2)
    model = learnt(classifier(replace(LGI, stem_width=8)))
    write_graph(model, tmp_path / ONNX_FILE, sha256=None)
    write_int8(tmp_path / ONNX_FILE, tmp_path / INT8_FILE, some_clips(8))
    for name in (ONNX_FILE, INT8_FILE):
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / "run.onnx")
        options.log_severity_level = 3
        onnxruntime.InferenceSession(str(tmp_path / name), options, providers=["CPUExecutionProvider"])
        run = [node.op_type for node in onnx.load(tmp_path / "run.onnx").graph.node]
        assert "Erf" not in run, name
        assert {"Gelu", "BiasGelu"} & set(run), name
    # The last sum is rectified in float where the tokens begin; every other one is a sum of bytes.
    stages = len(model.encoder.embed.stages)
    assert run.count("QLinearConv") == 1 + 3 * stages
    assert run.count("QLinearAdd") == stages
    assert "Relu" not in run
