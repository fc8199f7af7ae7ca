"""Commands in process: exit codes, what is printed where, what is written."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from jaxtyping import UInt8

import maedfer
from discs import DiscFinder
from maedfer.cli import main
from maedfer.config import ClassifierConfig, LGIFormerConfig
from maedfer.errors import RenderError
from maedfer.models import ExpressionClassifier
from maedfer.video.encode import write_video
from maedfer.weights import save_model

LABELS = ("happy", "sad", "neutral")
TINY = LGIFormerConfig(image_size=32, embed_dim=16, depth=1, num_heads=2, region_size=(2, 1, 2))

Picture = UInt8[np.ndarray, "H W 3"]


def discs(count: int, seconds: float = 3.0) -> Iterator[Picture]:
    for _ in range(round(seconds * 12.5)):
        image = np.full((96, 96 * max(1, count), 3), 90, np.uint8)
        for index in range(count):
            cv2.circle(image, (48 + 96 * index, 48), 24, (230, 20, 20), -1)
        yield image


def video(path: Path, faces: int) -> Path:
    write_video(path, discs(faces), 12.5)
    return path


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real detector's file is no part of the project; discs are faces here."""
    monkeypatch.setattr("maedfer.predict.CenterFace", lambda **settings: DiscFinder())


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    model = ExpressionClassifier(ClassifierConfig(encoder=TINY, labels=LABELS))
    torch.nn.init.normal_(model.head.weight, std=3.0)
    return save_model(model, tmp_path / "weights")


def test_predict_prints_a_table_per_face_and_names_the_files(
    finder: None, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talk = video(tmp_path / "talk.mp4", 2)
    out = tmp_path / "out"
    assert main(["predict", str(talk), "--model", str(weights), "--out", str(out), "--device", "cpu"]) == 0
    said = capsys.readouterr()
    assert "face 0" in said.out
    assert "face 1" in said.out
    assert "2 faces" in said.out
    for name in ("predictions.csv", "predictions.json"):
        assert f"wrote {out / 'talk' / name}" in said.out
    assert said.err == ""  # no terminal, no bar
    with (out / "talk" / "predictions.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["track"] for row in rows} == {"0", "1"}
    columns = ["track", "start_s", "end_s", "label", "confidence", *LABELS, "coverage", "answer", "answer_confidence"]
    assert list(rows[0]) == columns


def test_hop_decides_how_many_windows(
    finder: None, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talk = video(tmp_path / "talk.mp4", 1)
    counts = []
    for hop in ("2.56", "0.16"):
        out = tmp_path / hop
        assert main(["predict", str(talk), "--model", str(weights), "--out", str(out), "--hop", hop]) == 0
        content = json.loads((out / "talk" / "predictions.json").read_text())
        assert content["settings"]["hop_s"] == float(hop)
        counts.append(len(content["windows"]))
    assert counts[0] < counts[1]
    assert main(["predict", str(talk), "--model", str(weights), "--out", str(tmp_path), "--hop", "9"]) == 2
    assert "hop" in capsys.readouterr().err


def test_a_video_that_fails_is_named_and_the_rest_go_on(
    finder: None, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    good = video(tmp_path / "good.mp4", 1)
    out = tmp_path / "out"
    assert main(["predict", str(text), str(good), "--model", str(weights), "--out", str(out)]) == 1
    said = capsys.readouterr()
    at_once, at_the_end = said.err.split("1 failed:\n")
    assert at_once == at_the_end
    assert at_once.startswith("maedfer: ")
    assert "text.mp4" in at_once
    assert at_once.count("\n") == 1
    assert (out / "good" / "predictions.json").is_file()
    assert not (out / "text").exists()


def test_two_videos_of_one_name_keep_their_own_results(
    finder: None, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    paths = [video(tmp_path / "a.mp4", 1), video(tmp_path / "other" / "a.mp4", 2)]
    out = tmp_path / "out"
    assert main(["predict", *map(str, paths), "--model", str(weights), "--out", str(out)]) == 0
    tracks = [len(json.loads((out / name / "predictions.json").read_text())["tracks"]) for name in ("a", "a-2")]
    assert tracks == [1, 2]


def test_no_face_is_no_error(finder: None, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wall = video(tmp_path / "wall.mp4", 0)
    assert main(["predict", str(wall), "--model", str(weights), "--out", str(tmp_path / "out")]) == 0
    assert "No face was found" in capsys.readouterr().out
    content = json.loads((tmp_path / "out" / "wall" / "predictions.json").read_text())
    assert content["windows"] == []
    assert content["unseen"]


def test_results_that_cannot_be_written_are_refused_before_the_work(
    finder: None, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talk = video(tmp_path / "talk.mp4", 1)
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert main(["predict", str(talk), "--model", str(weights), "--out", str(blocked)]) == 2
    assert str(blocked) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["predict"], "at least one video"),
        (["predict", "x.mp4", "--model", "nobody/nothing.pth"], "nothing there"),
        (["predict", "x.mp4", "--model", "missing.pth"], "missing.pth"),
        (["evaluate", "--manifest", "missing.csv"], "missing.csv"),
    ],
)
def test_a_deliberate_error_is_one_line_and_exit_code_2(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("maedfer: ")
    assert error.count("\n") == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_that_is_absent_is_one_line(
    finder: None, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    assert main(["predict", "x.mp4", "--model", str(weights), "--out", out, "--device", "cuda"]) == 2
    assert "--device cpu" in capsys.readouterr().err


def test_arguments_that_do_not_parse_are_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "a.mp4", "--device", "tpu"]) == 2
    assert main(["predict", "a.mp4", "--precision", "fp8"]) == 2
    assert main(["nonsense"]) == 2
    assert "nonsense" in "".join(capsys.readouterr())


def test_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import maedfer.cli.batches  # noqa: F401 - while a Predictor is a Predictor: types are looked up once

    class Interrupted:
        def __init__(self, name: str, **settings: object) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr("maedfer.predict.Predictor", Interrupted)
    assert main(["predict", "a.mp4"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"maedfer {maedfer.__version__}\n"
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for command in ("predict", "live", "embed", "demo", "synth", "evaluate", "aggregate", "compare"):
        assert command in shown
    for command in ("prepare", "pack", "calibrate", "pretrain", "finetune", "reproduce", "reconstruct", "curves"):
        assert command in shown
    assert main(["predict", "--help"]) == 0
    assert "--hop" in capsys.readouterr().out


def test_help_does_not_wait_for_torch() -> None:
    code = (
        "import sys; from maedfer.cli import main; main(['--help']); main(['finetune', '--help']); "
        "print(*[name for name in ('torch', 'cv2', 'av', 'scipy') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr.strip() == ""


@pytest.mark.parametrize(("command", "recipe"), [("finetune", "demo_finetune"), ("pretrain", "demo_pretrain")])
def test_a_recipe_is_a_command_whose_fields_are_options(
    command: str, recipe: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[object] = []

    def run(recipe: object, progress: object) -> Path:
        seen.append(recipe)
        return tmp_path

    monkeypatch.setattr(f"maedfer.train.{command}.{command}", run)
    assert main([command, recipe, "--optim.epochs", "3", "--model.encoder.depth", "2", "--out", "there"]) == 0
    (given,) = seen
    assert given.optim.epochs == 3  # type: ignore[attr-defined]
    assert given.model.encoder.depth == 2  # type: ignore[attr-defined]
    assert given.out == Path("there")  # type: ignore[attr-defined]
    assert f"wrote {tmp_path}" in capsys.readouterr().out


def test_synth_passes_its_settings_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[object, ...]] = []

    def fake(
        out: Path,
        clips: int,
        seed: int,
        *,
        rig: str,
        size: int,
        fps: float,
        seconds: float,
        test_share: float,
        features: float,
        studio: bool,
        sequence: bool,
        workers: int | None,
        progress: object,
    ) -> Path:
        seen.append((out, clips, seed, rig, size, fps, seconds, test_share, features, studio, sequence, workers))
        if rig == "missing.npz":
            raise RenderError("missing.npz: expected a rig")
        return out / "manifest.csv"

    monkeypatch.setattr("maedfer.synth.synthesize", fake)
    assert main(["synth", "--out", str(tmp_path), "--clips", "7", "--seed", "3", "--features", "0.2", "--studio"]) == 0
    assert main(["synth", "--out", str(tmp_path), "--clips", "7", "--sequence"]) == 0
    assert seen == [
        (tmp_path, 7, 3, "anny", 160, 25.0, 2.56, 0.1, 0.2, True, False, None),
        (tmp_path, 7, 0, "anny", 160, 25.0, 2.56, 0.1, 0.0, False, True, None),
    ]
    assert f"wrote {tmp_path / 'manifest.csv'}" in capsys.readouterr().out
    assert main(["synth", "--out", str(tmp_path), "--clips", "7", "--rig", "missing.npz"]) == 2
    assert capsys.readouterr().err == "maedfer: missing.npz: expected a rig\n"
    assert main(["synth", "--clips", "7"]) == 2
    assert main(["synth", "--out", str(tmp_path)]) == 2
    assert "say how many clips" in capsys.readouterr().err


def test_synth_makes_a_part_of_a_benchmark_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[object, ...]] = []

    def fake(
        out: Path,
        name: str,
        part: str,
        *,
        clips: int | None,
        rig_path: Path | None,
        workers: int | None,
        progress: object,
    ) -> Path:
        seen.append((out, name, part, clips, rig_path, workers))
        return out / "manifest.csv"

    monkeypatch.setattr("maedfer.synth.synthesize_part", fake)
    line = ["synth", "--out", str(tmp_path), "--benchmark", "synth-v1"]
    assert main([*line, "--part", "test"]) == 0
    assert main([*line, "--part", "shift", "--rig", "ict_facekit.npz", "--clips", "70"]) == 0
    assert seen == [
        (tmp_path, "synth-v1", "test", None, None, None),
        (tmp_path, "synth-v1", "shift", 70, Path("ict_facekit.npz"), None),
    ]
    capsys.readouterr()
    assert main(line) == 2
    assert "given together" in capsys.readouterr().err
    assert main([*line, "--part", "test", "--fps", "12"]) == 2
    assert "leave out --fps" in capsys.readouterr().err


def test_evaluate_scores_a_manifest(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The clips are face crops of two sizes; one is too short for a whole window, one long enough for two views."""
    lines = ["path,label,label_set,subject,split"]
    for index, seconds in enumerate((1.0, 3.0, 5.0)):
        write_video(tmp_path / f"{index}.mp4", discs(1, seconds), 12.5)
        lines.append(f"{index}.mp4,{LABELS[index]},,s{index},test")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "report"
    arguments = ["evaluate", "--manifest", str(tmp_path / "manifest.csv"), "--model", str(weights)]
    assert main([*arguments, "--crop", "centre", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    content = json.loads((out / "evaluation.json").read_text())
    assert content["scores"]["count"] == 3
    assert [clip["views"] for clip in content["clips"]] == [1, 2, 2]
    assert [clip["truth"] for clip in content["clips"]] == list(LABELS)
    assert content["facts"]["split"] == "test"
    assert (out / "evaluation.md").read_text().split("\n\n")[2].splitlines()[2] in said
    assert f"wrote {out / 'evaluation.png'}" in said
    assert main([*arguments, "--split", "val", "--out", str(out)]) == 2
    assert "val" in capsys.readouterr().err


def test_evaluate_names_the_clips_without_a_face(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the true detector, in processes of its own; a second call reads the kept crops and says the same."""
    lines = ["path,label,label_set,subject,split"]
    for index in range(2):
        write_video(tmp_path / f"{index}.mp4", discs(0, 1.0), 12.5)
        lines.append(f"{index}.mp4,{LABELS[index]},,s{index},test")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "report"
    arguments = ["evaluate", "--manifest", str(tmp_path / "manifest.csv"), "--model", str(weights), "--out", str(out)]
    for _ in range(2):
        assert main([*arguments, "--workers", "1"]) == 0
        assert "No face was found in 2 clips" in capsys.readouterr().out
        assert json.loads((out / "evaluation.json").read_text())["faceless"] == ["0.mp4", "1.mp4"]


def test_demo_shows_the_truth_beside_the_answer(
    finder: None, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("maedfer.cli.commands.files", lambda _: tmp_path)
    arguments = ["demo", "--model", str(weights), "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "no sample video" in capsys.readouterr().err

    sample = tmp_path / "assets" / "sample"
    sample.mkdir(parents=True)
    video(sample / "sample.mp4", 2)
    (sample / "sample_truth.csv").write_text("face,start_s,end_s,label\n0,0,3,disgust\n1,0,3,surprise\n")
    assert main(arguments) == 0
    said = capsys.readouterr().out
    left, right = said.split("face 1")
    assert "disgust" in left
    assert "surprise" in right
    assert f"wrote {tmp_path / 'out' / 'sample' / 'predictions.csv'}" in said
