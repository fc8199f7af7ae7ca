"""Our classifier in transformers: the same logits, the same folder both ways, a pipeline, a step of the Trainer."""

import re
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from maedfer.config import ClassifierConfig, LGIFormerConfig, ViTConfig
from maedfer.errors import ConfigError
from maedfer.hub import ModelCard, write_folder
from maedfer.models import ExpressionClassifier
from maedfer.video.encode import write_video
from maedfer.weights import load_model, save_model

transformers = pytest.importorskip("transformers", minversion="5.0")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

LABELS = ("happy", "sad", "neutral")
TINY = LGIFormerConfig(image_size=32, embed_dim=16, depth=2, num_heads=2, region_size=(2, 1, 2))
VIT = ViTConfig(image_size=32, embed_dim=16, depth=1, num_heads=2)


STEM = replace(TINY, stem_width=8)
STEM_VIT = replace(VIT, stem_width=8)


def classifier(
    encoder: LGIFormerConfig | ViTConfig = TINY, temperature: float = 1.5, pooling: str = "representative"
) -> ExpressionClassifier:
    model = ExpressionClassifier(
        ClassifierConfig(encoder=encoder, labels=LABELS, temperature=temperature, pooling=pooling)
    )
    torch.nn.init.normal_(model.head.weight)
    with torch.no_grad():
        model.train()(clips())  # batch norms, where there are any, have something of their own to keep
    return model.eval()


def clips(batch: int = 2) -> torch.Tensor:
    return torch.randint(0, 256, (batch, 3, 16, 32, 32), dtype=torch.uint8)


def loaded(folder: Path, **settings: Any) -> Any:
    import maedfer.transformers_model  # noqa: F401 - registers

    return transformers.AutoModelForVideoClassification.from_pretrained(str(folder), **settings)


@pytest.mark.parametrize(
    ("encoder", "pooling"),
    [(TINY, "representative"), (VIT, "local"), (TINY, "all"), (TINY, "local"), (STEM, "places"), (STEM_VIT, "places")],
)
@pytest.mark.parametrize("half", [False, True])
def test_the_same_logits(encoder: LGIFormerConfig | ViTConfig, pooling: str, half: bool, tmp_path: Path) -> None:
    folder = save_model(classifier(encoder, pooling=pooling), tmp_path, half=half)
    ours, theirs, batch = load_model(folder), loaded(folder), clips()
    with torch.no_grad():
        expected = ours(batch)
        assert torch.allclose(theirs(batch.transpose(1, 2)).logits, expected, rtol=0, atol=1e-6)
        floats = theirs(batch.transpose(1, 2).float() / 255, return_dict=False)[0]
    assert torch.allclose(floats, expected, rtol=0, atol=1e-5)
    assert theirs.config.id2label == dict(enumerate(LABELS))
    frozen = {name for name, parameter in theirs.named_parameters() if not parameter.requires_grad}
    fresh = ExpressionClassifier(ClassifierConfig(encoder=encoder, labels=LABELS, pooling=pooling))
    assert frozen == {name for name, parameter in fresh.named_parameters() if not parameter.requires_grad}


def test_the_default_weights_say_the_same() -> None:
    folder = Path(str(files("maedfer") / "assets" / "default"))
    ours, theirs = load_model(folder), loaded(folder)
    encoder = ours.config.encoder
    side = encoder.image_size
    batch = torch.randint(0, 256, (2, 3, encoder.num_frames, side, side), dtype=torch.uint8)
    with torch.no_grad():
        expected = ours(batch)
        assert torch.allclose(theirs(batch.transpose(1, 2)).logits, expected, rtol=0, atol=1e-5)


def test_the_folder_of_either_is_read_by_the_other(tmp_path: Path) -> None:
    from maedfer.transformers_model import from_maedfer, to_maedfer

    model = classifier()
    wrapped = from_maedfer(model)
    wrapped.save_pretrained(tmp_path)
    back = load_model(tmp_path)
    assert back.config == model.config
    batch = clips()
    with torch.no_grad():
        for other in (back, to_maedfer(wrapped)):
            assert torch.equal(other(batch), model(batch))


def test_another_number_of_classes_gets_a_new_head(tmp_path: Path) -> None:
    folder = save_model(classifier(), tmp_path / "a")
    names = {0: "calm", 1: "tense"}
    model = loaded(folder, id2label=names, label2id={v: k for k, v in names.items()}, ignore_mismatched_sizes=True)
    assert model.head.out_features == 2
    assert torch.isfinite(model(clips().transpose(1, 2)).logits).all()
    model.save_pretrained(tmp_path / "b")
    ours = load_model(tmp_path / "b")
    assert isinstance(ours, ExpressionClassifier)
    assert ours.config.labels == ("calm", "tense")


def test_the_processor_takes_the_middle_square_and_only_resizes() -> None:
    from maedfer.transformers_model import MaedferImageProcessor

    processor = MaedferImageProcessor(size={"height": 8, "width": 8})
    video = np.zeros((4, 16, 32, 3), np.uint8)
    video[:, :, 8:24] = (200, 100, 50)
    values = processor(video, return_tensors="pt")["pixel_values"]
    assert values.shape == (1, 4, 3, 8, 8)
    assert values.dtype == torch.uint8
    assert (values == torch.tensor([200, 100, 50], dtype=torch.uint8).view(1, 1, 3, 1, 1)).all()
    assert processor([video, video], return_tensors="np")["pixel_values"].shape == (2, 4, 3, 8, 8)
    with pytest.raises(ConfigError, match="uint8"):
        processor(video.astype(np.float32))


def test_the_pipeline_names_labels(tmp_path: Path) -> None:
    import maedfer.transformers_model  # noqa: F401

    model = classifier()
    folder = write_folder(model, tmp_path / "model", ModelCard("Discs", "mit"))
    video = tmp_path / "v.mp4"
    write_video(video, (np.full((32, 32, 3), 5 * index, np.uint8) for index in range(40)), 25.0)
    judge = transformers.pipeline("video-classification", model=str(folder), device="cpu")
    answers = judge(str(video), frame_sampling_rate=2)
    assert {answer["label"] for answer in answers} == set(LABELS)
    assert sum(answer["score"] for answer in answers) == pytest.approx(1, abs=1e-5)


def test_a_step_of_the_trainer_changes_the_weights(tmp_path: Path) -> None:
    from maedfer.transformers_model import from_maedfer

    model = from_maedfer(classifier())
    rows = [{"pixel_values": clips(1)[0].transpose(0, 1), "labels": index % 3} for index in range(4)]
    batch = {"pixel_values": torch.stack([row["pixel_values"] for row in rows]), "labels": torch.tensor([0, 1, 2, 0])}
    output = model(**batch)
    assert output.loss.item() == pytest.approx(torch.nn.functional.cross_entropy(output.logits, batch["labels"]).item())
    settings = transformers.TrainingArguments(
        output_dir=str(tmp_path / "run"), max_steps=1, per_device_train_batch_size=4, report_to=[], use_cpu=True,
        learning_rate=0.1, save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trainer = transformers.Trainer(model=model, args=settings, train_dataset=rows)
    trainer.train()
    assert any(not torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    trainer.save_model(str(tmp_path / "saved"))
    assert isinstance(load_model(tmp_path / "saved"), ExpressionClassifier)


def test_without_the_extra_the_command_is_named() -> None:
    code = "import sys; sys.modules['transformers'] = None; import maedfer.transformers_model"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert re.search(r"ConfigError: .*pip install 'maedfer\[hf\]'", done.stderr)
