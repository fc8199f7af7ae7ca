"""A disk that fills up at any byte: one plain error, nothing half-written under a final name, older results stay.

The disk is imitated by the largest size that a file of this process may have, so that what libraries write by
themselves, beneath Python, fails as well.
"""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from doubles import LABELS, synthetic
from maedfer.config import ClassifierConfig, LGIFormerConfig
from maedfer.data.manifest import read_manifest, write_manifest
from maedfer.data.pack import pack_manifest
from maedfer.errors import MaedferError, OutputError
from maedfer.evaluate.evaluation import ClipResult, Evaluation
from maedfer.evaluate.metrics import score
from maedfer.evaluate.report import write_evaluation
from maedfer.export.graph import write_graph
from maedfer.insight.sheet import new_figure, save_figure
from maedfer.models import ExpressionClassifier
from maedfer.report import Embeddings, ModelIdentity
from maedfer.report.files import save
from maedfer.train.checkpoint import _write_folder
from maedfer.video.encode import write_video
from maedfer.video.types import VideoInfo
from maedfer.weights import save_model, write_official

SIZES = {"image_size": 16, "patch_size": 4, "num_frames": 4, "embed_dim": 24, "depth": 1, "num_heads": 2}


def classifier() -> ExpressionClassifier:
    torch.manual_seed(0)
    return ExpressionClassifier(ClassifierConfig(encoder=LGIFormerConfig(region_size=(2, 2, 4), **SIZES)))


def noise(seed: int, count: int = 12) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.integers(0, 256, (64, 48, 3), dtype=np.uint8) for _ in range(count)]


def save_prediction(*formats: str) -> Callable[[Path], object]:
    return lambda folder: save(synthetic(60.0, 2), folder, formats)


def save_annotated(folder: Path) -> None:
    source = folder.parent / "source.mp4"
    save(replace(synthetic(2.56, 1), video=VideoInfo(str(source), 48, 64, 0.48, 25.0, "h264", 0)), folder, ("mp4",))


def save_embeddings(name: str) -> Callable[[Path], object]:
    count = 40
    starts = np.arange(count, dtype=np.float64)
    vectors = np.random.default_rng(0).normal(size=(count, 32)).astype(np.float32)
    found = Embeddings(
        video=VideoInfo("a.mp4", 48, 64, 40.0, 25.0, "h264", 0),
        model=ModelIdentity("default", "ab" * 32, "0.1"),
        tracks=np.zeros(count, np.int64),
        starts_s=starts,
        ends_s=starts + 2,
        coverage=np.ones(count),
        vectors=vectors,
    )
    return lambda folder: found.save(folder / name)


def save_scores(folder: Path) -> None:
    clips = tuple(ClipResult(f"clip {i}", LABELS[i % 7], LABELS[i % 5], (1 / 7,) * 7, 1) for i in range(60))
    targets = [LABELS.index(clip.truth) for clip in clips]
    guesses = [LABELS.index(clip.predicted) for clip in clips]
    write_evaluation(Evaluation(score(targets, guesses, LABELS), clips), folder, {"weights": "x"}, resamples=100)


def save_picture(folder: Path) -> None:
    figure = new_figure(4.0, 3.0)
    figure.subplots().imshow(noise(1, 1)[0])
    save_figure(figure, folder / "sheet.png")


def save_checkpoint(folder: Path) -> None:
    _write_folder(folder / "step-00000001", lambda fresh: save_file({"w": torch.rand(5000)}, fresh / "m.safetensors"))


def save_shards(folder: Path) -> None:
    source = folder.parent / "clips"
    if not source.exists():
        source.mkdir()
        write_video(source / "0.mp4", iter(noise(0, 30)), 25.0)
        write_manifest(source / "manifest.csv", [{"path": "0.mp4", "split": "train", "label": "happy"}])
    pack_manifest(read_manifest(source / "manifest.csv"), folder, size=32)


WRITERS = {
    "tables and page": save_prediction("csv", "json", "html"),
    "parquet": save_prediction("parquet"),
    "embeddings npz": save_embeddings("e.npz"),
    "embeddings parquet": save_embeddings("e.parquet"),
    "video": lambda folder: write_video(folder / "v.mp4", iter(noise(2)), 25.0),
    "annotated video": save_annotated,
    "scores": save_scores,
    "picture": save_picture,
    "weights": lambda folder: save_model(classifier(), folder, card="A card."),
    "official weights": lambda folder: write_official(classifier(), folder / "w.pth"),
    "graph": lambda folder: write_graph(classifier(), folder / "model.onnx", sha256=None),
    "checkpoint": save_checkpoint,
    "shards": save_shards,
}


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def error_of(write: Callable[[Path], object], folder: Path, limit: int) -> str | None:
    """What a writer complains of that has no room; the limit is gone when it is asked."""
    try:
        with files_of_at_most(limit):
            write(folder)
    except MaedferError as error:
        return str(error)
    return None


def sizes(folder: Path) -> dict[str, int]:
    """Of the files in ``folder``; its notes of what is done are no results."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.parent.name != ".maedfer-pack")
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


@pytest.mark.parametrize("name", WRITERS)
def test_what_appears_is_whole(name: str, tmp_path: Path) -> None:
    write = WRITERS[name]
    write_video(tmp_path / "source.mp4", iter(noise(3)), 25.0)
    whole = tmp_path / "whole"
    whole.mkdir()
    write(whole)
    expected = sizes(whole)
    largest = max(expected.values())
    for limit in (0, largest // 3, largest - 1):
        folder = tmp_path / str(limit)
        folder.mkdir(exist_ok=True)
        message = error_of(write, folder, limit)
        assert message is not None, f"files of at most {limit} bytes: {sizes(folder)} of {expected} without an error"
        assert "\n" not in message
        left = sizes(folder)
        assert left.items() <= expected.items(), "a file is half-written, or a temporary one was left"
        assert max(left.values(), default=0) <= limit


def test_older_results_stay(tmp_path: Path) -> None:
    save(synthetic(60.0, 2), tmp_path, ("csv", "json", "html"))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with files_of_at_most(1000), pytest.raises(OutputError):
        save(synthetic(50.0, 1), tmp_path, ("csv", "json", "html"))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
