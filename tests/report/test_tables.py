"""The files of a prediction: exact columns, agreement with each other, safe folders, whole or not at all."""

import csv
import dataclasses
import json
from pathlib import Path

import pytest

from maedfer.errors import OutputError
from maedfer.output import require_writable, write_text, write_whole
from maedfer.report import (
    FaceBox,
    ModelIdentity,
    Prediction,
    Settings,
    WindowPrediction,
    result_folders,
    write_csv,
    write_json,
)
from maedfer.video.types import VideoInfo, Window

LABELS = ("calm", "glad, very", "sad")


@pytest.fixture
def prediction() -> Prediction:
    return Prediction(
        video=VideoInfo(Path("talk é.mp4"), 64, 48, 9.5, 25.0, "h264", 90),
        duration_s=10.0,
        labels=LABELS,
        model=ModelIdentity("tiny", "ab" * 32, "0.1.0"),
        settings=Settings(1.28, 2.56, 0.5, "cpu", "FakeDetector"),
        windows=(
            WindowPrediction(0, 0.0, 2.56, "glad, very", 0.7, (0.2, 0.7, 0.1), 1.0),
            WindowPrediction(0, 1.28, 3.84, "sad", 0.5, (0.25, 0.25, 0.5), 0.875),
            WindowPrediction(1, 0.0, 2.56, "calm", 0.9, (0.9, 0.06, 0.04), 1.0),
        ),
        unseen=(Window(None, 3.84, 6.4, 0.0), Window(1, 2.56, 5.12, 0.25)),
        faces=(FaceBox(0, 0.0, (1.0, 2.0, 30.0, 40.0), 0.99),),
    )


def test_csv_has_the_promised_columns_and_reads_back(prediction: Prediction, tmp_path: Path) -> None:
    path = write_csv(prediction, tmp_path / "predictions.csv")
    with path.open(encoding="utf-8", newline="") as lines:
        header, *rows = list(csv.reader(lines))
    assert header == ["track", "start_s", "end_s", "label", "confidence", *LABELS]
    assert len(rows) == 3
    for row, window in zip(rows, prediction.windows, strict=True):
        assert int(row[0]) == window.track
        assert [float(row[1]), float(row[2])] == [window.start_s, window.end_s]
        assert row[3] == window.label
        assert float(row[4]) == pytest.approx(window.confidence, abs=1e-6)
        assert [float(value) for value in row[5:]] == pytest.approx(window.probabilities, abs=1e-6)


def test_json_says_the_same_and_all_that_is_known(prediction: Prediction, tmp_path: Path) -> None:
    content = json.loads(
        write_json(prediction, tmp_path / "predictions.json").read_text("utf-8"), parse_constant=pytest.fail
    )
    assert content["maedfer_version"] == "0.1.0"
    assert content["model"] == {"name": "tiny", "sha256": "ab" * 32}
    assert content["video"]["path"] == "talk é.mp4"
    assert content["video"]["duration_s"] == 10.0
    assert content["video"]["rotation"] == 90
    assert content["settings"]["detector"] == "FakeDetector"
    assert content["windows"][1]["probabilities"] == {"calm": 0.25, "glad, very": 0.25, "sad": 0.5}
    assert content["unseen"][0] == {"track": None, "start_s": 3.84, "end_s": 6.4, "coverage": 0.0}
    assert content["faces"] == [{"track": 0, "time_s": 0.0, "box": [1.0, 2.0, 30.0, 40.0], "score": 0.99}]
    first = content["tracks"][0]
    assert first["track"] == 0
    assert [(s["start_s"], s["end_s"], s["label"]) for s in first["segments"]] == [
        (0.0, 1.92, "glad, very"),
        (1.92, 3.84, "sad"),
    ]


def test_json_never_holds_nan(prediction: Prediction, tmp_path: Path) -> None:
    broken = dataclasses.replace(prediction, duration_s=float("nan"))
    with pytest.raises(OutputError, match="finite"):
        write_json(broken, tmp_path / "predictions.json")
    assert list(tmp_path.iterdir()) == []


def test_save_makes_the_folder_and_leaves_nothing_else(prediction: Prediction, tmp_path: Path) -> None:
    written = prediction.save(tmp_path / "a" / "b")
    assert sorted((tmp_path / "a" / "b").iterdir()) == sorted(written)
    assert {path.name for path in written} == {"predictions.csv", "predictions.json"}
    before = [path.read_bytes() for path in written]
    assert [path.read_bytes() for path in prediction.save(tmp_path / "a" / "b")] == before


def test_a_folder_that_cannot_be_made_is_an_output_error(prediction: Prediction, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file"):
        prediction.save(tmp_path / "file" / "out")
    with pytest.raises(OutputError):
        require_writable(tmp_path / "file")


def test_a_failed_write_keeps_the_older_result(tmp_path: Path) -> None:
    path = tmp_path / "result.txt"
    write_text(path, "old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        write_whole(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_trying_a_folder_leaves_no_trace(tmp_path: Path) -> None:
    require_writable(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_each_source_has_its_own_folder(tmp_path: Path) -> None:
    frames = tmp_path / "session.1"
    frames.mkdir()
    sources = [Path("x/a.mp4"), Path("x/a.mkv"), Path("A.mp4"), Path("a-2.mp4"), Path("b.tar.mp4"), frames]
    folders = result_folders(Path("out"), sources)
    assert [folder.name for folder in folders] == ["a", "a-2", "A-3", "a-2-2", "b.tar", "session.1"]
    assert {folder.parent for folder in folders} == {Path("out")}


@pytest.mark.parametrize("source", [Path(), Path(".."), Path("/")])
def test_no_source_escapes_the_results_folder(source: Path) -> None:
    (folder,) = result_folders(Path("out"), [source])
    assert folder.parent == Path("out")
    assert folder.name not in ("", ".", "..")
