"""Running a model over clips: the answers are the model's own, whatever the batch; broken numbers are refused."""

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from maedfer.config import ClassifierConfig, LGIFormerConfig
from maedfer.errors import ConfigError, MaedferError, OutputError
from maedfer.evaluate.evaluation import LabelledViews, evaluate_model
from maedfer.evaluate.report import write_evaluation
from maedfer.inference import class_probabilities, resolve_device
from maedfer.models import ExpressionClassifier

TINY = LGIFormerConfig(
    image_size=32, num_frames=4, embed_dim=16, depth=1, num_heads=2, region_size=(1, 1, 2), drop_path=0.0
)


@pytest.fixture
def model() -> ExpressionClassifier:
    made = ExpressionClassifier(ClassifierConfig(encoder=TINY, labels=("calm", "glad", "sad"), temperature=0.5))
    torch.nn.init.normal_(made.head.weight, std=3.0)  # the paper's init would answer the same for every clip
    return made


def clips(count: int, seed: int = 1) -> Iterator[LabelledViews]:
    rng = np.random.default_rng(seed)
    for index in range(count):
        views = rng.integers(0, 256, (1 + index % 2, 3, 4, 32, 32), dtype=np.uint8)
        yield f"clip-{index}", views, index % 3


def test_precision_is_that_of_the_call_whatever_the_caller_has(model: ExpressionClassifier) -> None:
    pixels = np.concatenate([views for _, views, _ in clips(3)])
    names = [str(number) for number in range(len(pixels))]
    whole, rounded = (class_probabilities(model, pixels, names, precision) for precision in ("float32", "bf16"))
    assert not np.array_equal(whole, rounded)
    np.testing.assert_allclose(rounded, whole, atol=0.05)
    with torch.autocast("cpu", torch.bfloat16):
        assert np.array_equal(class_probabilities(model, pixels, names), whole)
    one, other = (evaluate_model(model, clips(3), precision=precision) for precision in ("float32", "bf16"))
    assert one.clips[0].probabilities != other.clips[0].probabilities
    assert one.clips[0].probabilities == pytest.approx(other.clips[0].probabilities, abs=0.05)


def test_answers_do_not_depend_on_the_batch(model: ExpressionClassifier) -> None:
    one = evaluate_model(model, clips(7), batch_size=1)
    many = evaluate_model(model, clips(7), batch_size=100)
    assert [result.clip for result in one.clips] == [f"clip-{index}" for index in range(7)]
    for first, second in zip(one.clips, many.clips, strict=True):
        assert first.probabilities == pytest.approx(second.probabilities, abs=1e-5)
    assert one.scores == many.scores
    assert one.scores.count == 7


def test_a_clip_is_the_mean_of_its_views_softmax(model: ExpressionClassifier) -> None:
    name, views, label = list(clips(2))[1]
    result = evaluate_model(model, [(name, views, label)]).clips[0]
    model.eval()
    with torch.no_grad():
        expected = torch.softmax(model(torch.from_numpy(views)) / 0.5, dim=1).mean(dim=0)
    assert result.probabilities == pytest.approx(expected.tolist(), abs=1e-6)
    assert result.predicted == model.config.labels[int(expected.argmax())]
    assert result.views == 2


def test_many_views_of_one_clip_go_through_in_parts(
    model: ExpressionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = np.concatenate([pixels for _, pixels, _ in clips(9)])
    whole = evaluate_model(model, [("long", views, 0)], batch_size=100)
    sizes: list[int] = []

    def counted(net: ExpressionClassifier, pixels: np.ndarray, names: list[str], precision: str) -> np.ndarray:
        sizes.append(len(pixels))
        return class_probabilities(net, pixels, names, precision)

    monkeypatch.setattr("maedfer.evaluate.evaluation.class_probabilities", counted)
    parts = evaluate_model(model, [("long", views, 0)], batch_size=4)
    assert sizes == [4, 4, 4, 1]
    assert parts.clips[0].views == 13
    assert parts.clips[0].probabilities == pytest.approx(whole.clips[0].probabilities, abs=1e-5)


def test_order_of_the_clips_changes_nothing(model: ExpressionClassifier) -> None:
    some = list(clips(12))
    turned = [some[index] for index in np.random.default_rng(4).permutation(12)]
    first, last = evaluate_model(model, iter(some)), evaluate_model(model, iter(turned), batch_size=5)
    assert first.scores == last.scores
    assert {clip.clip: clip.predicted for clip in first.clips} == {clip.clip: clip.predicted for clip in last.clips}
    assert first.confidence.nll == pytest.approx(last.confidence.nll, abs=1e-5)


def test_the_models_mode_is_left_as_it_was(model: ExpressionClassifier) -> None:
    model.train()
    evaluate_model(model, clips(1))
    assert model.training


def test_a_number_that_is_not_finite_names_the_clip(model: ExpressionClassifier) -> None:
    with torch.no_grad():
        model.head.bias[0] = float("nan")
    with pytest.raises(MaedferError, match=r"clip-0.*finite"):
        evaluate_model(model, clips(1))


def test_progress_counts_clips(model: ExpressionClassifier) -> None:
    seen: list[int] = []
    evaluate_model(model, clips(5), batch_size=2, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 5


def test_impossible_labels_and_no_clips_are_refused(model: ExpressionClassifier) -> None:
    name, views, _ = next(clips(1))
    with pytest.raises(ConfigError, match="clip-0"):
        evaluate_model(model, [(name, views, 3)])
    with pytest.raises(ConfigError):
        evaluate_model(model, [])


def test_report_files_hold_the_scores(model: ExpressionClassifier, tmp_path: Path) -> None:
    evaluation = evaluate_model(model, clips(6))
    written = write_evaluation(evaluation, tmp_path / "deep" / "out", {"model": "tiny", "split": "test"})
    numbers = json.loads(written[0].read_text(), parse_constant=pytest.fail)
    assert numbers["scores"]["war"] == pytest.approx(evaluation.scores.war)
    assert [clip["clip"] for clip in numbers["clips"]] == [f"clip-{index}" for index in range(6)]
    assert numbers["facts"] == {"model": "tiny", "split": "test"}
    assert "- split: test" in written[1].read_text()
    assert evaluation.scores.to_markdown() in written[1].read_text()
    picture = cv2.imread(str(written[3]))
    assert picture is not None
    assert picture.std() > 5  # something is drawn
    assert sorted(path.name for path in written[0].parent.iterdir()) == sorted(path.name for path in written)


def test_a_folder_that_cannot_be_made_is_named(model: ExpressionClassifier, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(OutputError, match="file"):
        write_evaluation(evaluate_model(model, clips(1)), blocked / "out", {})


def test_probabilities_are_cooled_by_the_temperature(model: ExpressionClassifier) -> None:
    pixels = next(clips(1))[1]
    warm = ExpressionClassifier(ClassifierConfig(encoder=TINY, labels=model.config.labels, temperature=50.0))
    warm.load_state_dict(model.state_dict())
    sharp, flat = (class_probabilities(net, pixels, ["x"]) for net in (model, warm))
    assert sharp.sum(axis=1) == pytest.approx([1.0], abs=1e-6)
    assert flat.max() < sharp.max()
    assert flat.argmax() == sharp.argmax()


def test_device_words() -> None:
    assert resolve_device("cpu").type == "cpu"
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device("auto").type == expected


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_that_is_absent_is_refused_with_a_remedy() -> None:
    with pytest.raises(ConfigError, match="--device cpu"):
        resolve_device("cuda")
