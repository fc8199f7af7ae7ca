"""``evaluate``, ``aggregate`` and ``compare`` as commands; two processes that share the clips say what one says."""

import csv
import json
import os
import pickle
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed

from maedfer.cli import main
from maedfer.config import ClassifierConfig, LGIFormerConfig
from maedfer.errors import ConfigError, DecodeError, MaedferError
from maedfer.evaluate.ranks import Ranks, rank_group
from maedfer.evaluate.stored import read_evaluation
from maedfer.models import ExpressionClassifier
from maedfer.video.encode import write_video
from maedfer.weights import save_model

LABELS = ("happy", "sad", "neutral")
TINY = LGIFormerConfig(image_size=32, num_frames=4, embed_dim=16, depth=1, num_heads=2, region_size=(1, 1, 2))
CLIPS = 11  # of which two processes cannot get equally many


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of noise, some long enough for two windows, in three folds; weights that answer differently for each."""
    folder, rng = tmp_path_factory.mktemp("lab"), np.random.default_rng(11)
    rows = []
    (folder / "clips").mkdir()
    for index in range(CLIPS):
        tile = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        picture = np.kron(tile, np.ones((8, 8, 1), np.uint8))
        moving = [np.roll(picture, 4 * step, axis=1) for step in range(10 + 4 * index)]
        write_video(folder / "clips" / f"{index}.mp4", moving, 6.25)
        fold, label = index % 3 + 1, LABELS[index * 2 % 3]
        rows.append([f"{index}.mp4", label, f"s{index % 4}", "", str(fold), "", "face"])
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "subject", "split", "fold", "fps", "crop"])
        writer.writerows(rows)
    torch.manual_seed(11)
    model = ExpressionClassifier(ClassifierConfig(encoder=TINY, labels=LABELS)).eval()
    torch.nn.init.normal_(model.head.weight, std=3.0)
    save_model(model, folder / "weights")
    return folder


def arguments(lab: Path, out: Path) -> list[str]:
    given = ["--manifest", str(lab / "manifest.csv"), "--root", str(lab / "clips"), "--model", str(lab / "weights")]
    return ["evaluate", *given, "--device", "cpu", "--workers", "0", "--out", str(out), "--resamples", "100"]


def test_folds_one_by_one_and_together(lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(lab, tmp_path / "none")) == 2
    assert "--fold" in capsys.readouterr().err
    whole = tmp_path / "all"
    assert main([*arguments(lab, whole), "--split", "all"]) == 0
    folders = []
    for fold in (1, 2, 3):
        folders.append(str(tmp_path / f"fold{fold}"))
        assert main([*arguments(lab, Path(folders[-1])), "--fold", str(fold)]) == 0
    capsys.readouterr()
    assert main(["aggregate", *folders, "--out", str(tmp_path / "folds"), "--resamples", "100"]) == 0
    said = capsys.readouterr().out
    pooled = json.loads((tmp_path / "folds" / "folds.json").read_text())["pooled"]
    assert pooled == json.loads((whole / "evaluation.json").read_text())["scores"]
    assert f"| **pooled clips** | {CLIPS} | {100 * pooled['uar']:.2f} |" in said
    assert {path.name for path in (tmp_path / "folds").iterdir()} == {
        "folds.json",
        "folds.md",
        "folds.png",
        "predictions.csv",
    }
    assert main(["aggregate", folders[0], folders[0], "--out", str(tmp_path / "folds")]) == 2
    assert "tested twice" in capsys.readouterr().err
    assert main(["compare", str(whole), str(whole), "--resamples", "100"]) == 0
    assert "| UAR | +0.00 | +0.00 to +0.00 |" in capsys.readouterr().out


def test_views_sampling_and_crops_are_told(lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "dense"
    options = ["--split", "all", "--views", "dense", "--hop", "0.64", "--sampling", "span"]
    options += ["--precision", "bf16"]
    assert main([*arguments(lab, out), *options]) == 0
    facts = json.loads((out / "evaluation.json").read_text())["facts"]
    assert (facts["views"], facts["hop_s"], facts["crop"], facts["sampling"]) == ("dense", "0.64", "auto", "span")
    assert facts["precision"] == "bf16"
    views = [result.views for result in read_evaluation(out).clips]
    assert views == sorted(views)
    assert views[-1] > 4
    assert main([*arguments(lab, out), "--split", "all", "--merge", "happy"]) == 2
    assert "calm:neutral" in capsys.readouterr().err


def test_two_processes_say_what_one_says(lab: Path, tmp_path: Path) -> None:
    assert main([*arguments(lab, tmp_path / "one"), "--split", "all"]) == 0
    finished = together([*arguments(lab, tmp_path / "two"), "--split", "all"])
    assert [process.returncode for process in finished] == [0, 0], finished[0].stderr
    assert finished[1].stdout == ""
    assert f"wrote {tmp_path / 'two' / 'evaluation.json'}" in finished[0].stdout
    one, two = (read_evaluation(tmp_path / name) for name in ("one", "two"))
    assert two.scores == one.scores
    assert [clip.clip for clip in two.clips] == [clip.clip for clip in one.clips]
    assert two.faceless == one.faceless == ()
    for own, other in zip(one.clips, two.clips, strict=True):
        assert other.probabilities == pytest.approx(own.probabilities, abs=1e-5)
        assert (other.truth, other.subject, other.fold, other.views) == (own.truth, own.subject, own.fold, own.views)


def together(command: list[str]) -> list[subprocess.CompletedProcess[str]]:
    """Two processes with the environment that torchrun gives."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "maedfer", *command],
            env=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        said = [process.communicate(timeout=300) for process in started]
    finally:
        for process in started:
            process.kill()
    return [
        subprocess.CompletedProcess(command, process.returncode, *texts)
        for process, texts in zip(started, said, strict=True)
    ]


def test_a_process_alone_needs_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")  # as some schedulers set it; without an address it says nothing
    with rank_group() as ranks:
        assert ranks == Ranks(0, 1)
        assert not distributed.is_initialized()
        assert ranks.gather(lambda: [(1, "b"), (0, "a")]) == ["a", "b"]
    assert [position for position, _ in Ranks(1, 3).own("abcdefg")] == [1, 4]


def test_a_running_group_is_used_and_left_running(tmp_path: Path) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'meet'}", rank=0, world_size=1)
    try:
        with rank_group() as ranks:
            assert (ranks.index, ranks.count) == (0, 1)
        assert distributed.is_initialized()
    finally:
        distributed.destroy_process_group()


def test_an_error_of_one_process_is_everybodys(monkeypatch: pytest.MonkeyPatch) -> None:
    def gather(parts: list[object], mine: object, group: object) -> None:
        parts[:] = pickle.loads(pickle.dumps([mine, DecodeError("3.mp4: cannot be read")]))

    def fail() -> list[tuple[int, str]]:
        raise DecodeError("2.mp4: cannot be read")

    monkeypatch.setattr("maedfer.evaluate.ranks.distributed.all_gather_object", gather)
    with pytest.raises(DecodeError, match=r"3\.mp4"):
        Ranks(0, 2).gather(lambda: [(0, "a")])
    with pytest.raises(DecodeError, match=r"2\.mp4"):
        Ranks(0, 2).gather(fail)


def test_clips_judged_twice_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def gather(parts: list[object], mine: object, group: object) -> None:
        parts[:] = [mine, mine]

    monkeypatch.setattr("maedfer.evaluate.ranks.distributed.all_gather_object", gather)
    with pytest.raises(MaedferError, match="every clip once"):
        Ranks(0, 2).gather(lambda: [(0, "a")])


def test_missing_packages_are_told_before_the_work(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "maedfer.evaluate.packages.find_spec", lambda name: None if name == "matplotlib" else find_spec(name)
    )
    monkeypatch.setattr("maedfer.data.manifest.read_manifest", pytest.fail)
    assert main([*arguments(lab, tmp_path / "out"), "--split", "all"]) == 2
    assert "pip install 'maedfer[train]'" in capsys.readouterr().err
    monkeypatch.setattr("maedfer.evaluate.packages.find_spec", lambda name: None)
    from maedfer.evaluate.packages import require_packages

    with pytest.raises(ConfigError, match="scikit-learn and matplotlib"):
        require_packages("sklearn", "matplotlib")
