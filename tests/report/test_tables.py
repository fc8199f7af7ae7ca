"""The files of a prediction: exact columns, agreement with each other, safe folders, whole or not at all."""

import csv
import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maedfer.errors import OutputError
from maedfer.output import require_writable, write_text, write_whole
from maedfer.report import (
    FaceBox,
    ModelIdentity,
    Portrait,
    Prediction,
    Settings,
    WindowPrediction,
    write_csv,
    write_json,
)
from maedfer.report.rows import columns
from maedfer.video.types import VideoInfo, Window

LABELS = ("calm", "glad, very", "sad")


@pytest.fixture
def prediction() -> Prediction:
    return Prediction(
        video=VideoInfo("talk é.mp4", 64, 48, 9.5, 25.0, "h264", 90),
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


def table_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.reader(lines))


def test_csv_has_the_promised_columns_and_reads_back(prediction: Prediction, tmp_path: Path) -> None:
    header, *table = table_of(write_csv(prediction, tmp_path / "predictions.csv"))
    assert header == [
        *("track", "start_s", "end_s", "label", "confidence"),
        *LABELS,
        *("coverage", "answer", "answer_confidence"),
    ]
    judged = [row for row in table if row[-2] != "unseen"]
    assert len(judged) == 3
    for row, window in zip(judged, prediction.windows, strict=True):
        assert int(row[0]) == window.track
        assert [float(row[1]), float(row[2])] == [window.start_s, window.end_s]
        assert row[3] == row[9] == window.label
        assert [float(row[4]), float(row[10])] == pytest.approx([window.confidence] * 2, abs=1e-6)
        assert [float(value) for value in row[5:8]] == pytest.approx(window.probabilities, abs=1e-6)
        assert float(row[8]) == pytest.approx(window.coverage, abs=1e-4)


def test_csv_marks_what_could_not_be_judged_in_its_place(prediction: Prediction, tmp_path: Path) -> None:
    _, *table = table_of(write_csv(prediction, tmp_path / "predictions.csv"))
    assert [(row[0], row[1], row[-2]) for row in table] == [
        ("0", "0.000", "glad, very"),
        ("0", "1.280", "sad"),
        ("1", "0.000", "calm"),
        ("1", "2.560", "unseen"),
        ("", "3.840", "unseen"),
    ]
    assert table[3] == ["1", "2.560", "5.120", *[""] * 5, "0.2500", "unseen", ""]
    assert table[4] == ["", "3.840", "6.400", *[""] * 5, "0.0000", "unseen", ""]


def test_csv_keeps_the_raw_label_beside_the_answer(prediction: Prediction, tmp_path: Path) -> None:
    """Threshold and smoothing change the last columns alone."""
    raw = table_of(write_csv(prediction, tmp_path / "raw.csv"))
    told = table_of(write_csv(prediction.reread(smoothing_s=9.0, min_confidence=0.6), tmp_path / "told.csv"))
    assert [row[:9] for row in told] == [row[:9] for row in raw]
    assert [row[9] for row in told[1:4]] == ["unsure", "unsure", "calm"]
    assert 0.4 < float(told[1][10]) < 0.6


def test_no_two_columns_share_a_name() -> None:
    labels = ("label", "p_label", "Coverage", "glad", "", "p_", "track")
    names = columns(labels)
    assert len({name.casefold() for name in names}) == len(names) == 8 + len(labels)
    assert names[5:-3] == ("p_p_label", "p_label", "p_Coverage", "glad", "p_p_", "p_", "p_track")


@given(
    labels=st.lists(
        st.one_of(st.text(max_size=6), st.sampled_from(["label", "p_label", "P_LABEL", "answer", "p_answer", "Track"])),
        min_size=1,
        max_size=6,
        unique=True,
    )
)
def test_columns_are_distinct_and_plain_names_stay(labels: list[str]) -> None:
    names = columns(labels)
    assert len(set(names)) == len(names)
    ours = {"track", "start_s", "end_s", "label", "confidence", "coverage", "answer", "answer_confidence"}
    for label, name in zip(labels, names[5:-3], strict=True):
        assert name == label or (name.startswith("p_") and (label.casefold() in ours or not label.strip()))


def relabelled(prediction: Prediction, *labels: str) -> Prediction:
    renamed = dict(zip(prediction.labels, labels, strict=True))
    windows = tuple(dataclasses.replace(window, label=renamed[window.label]) for window in prediction.windows)
    return dataclasses.replace(prediction, labels=labels, windows=windows)


def test_csv_holds_names_with_any_sign_and_never_a_formula(prediction: Prediction, tmp_path: Path) -> None:
    awkward = relabelled(prediction, 'a"b\rc', "line\nend, é", "=1+2")
    path = write_csv(awkward, tmp_path / "predictions.csv")
    header, *table = table_of(path)
    assert header[5:8] == ['a"b\rc', "line\nend, é", "'=1+2"]
    assert [row[3] for row in table] == ["line\nend, é", "'=1+2", 'a"b\rc', "", ""]
    numbers = relabelled(prediction, "-1", "0", "+1")
    assert table_of(write_csv(numbers, path))[0][5:8] == ["-1", "0", "+1"]
    assert b"\r\n" not in path.read_bytes()


def test_json_says_the_same_and_all_that_is_known(prediction: Prediction, tmp_path: Path) -> None:
    content = json.loads(
        write_json(prediction, tmp_path / "predictions.json").read_text("utf-8"), parse_constant=pytest.fail
    )
    assert content["maedfer_version"] == "0.1.0"
    assert content["model"] == {"name": "tiny", "sha256": "ab" * 32}
    assert content["video"]["source"] == "talk é.mp4"
    assert (content["video"]["duration_s"], content["video"]["container_duration_s"]) == (10.0, 9.5)
    assert content["video"]["rotation"] == 90
    assert content["settings"] == dataclasses.asdict(prediction.settings)
    assert {"min_face_px", "min_score", "smoothing_s", "min_confidence"} <= set(content["settings"])
    assert content["windows"][1]["probabilities"] == {"calm": 0.25, "glad, very": 0.25, "sad": 0.5}
    assert content["windows"][1]["answer"] == "sad"
    assert "smoothed" not in content["windows"][1]
    assert content["unseen"][0] == {"track": None, "start_s": 3.84, "end_s": 6.4, "coverage": 0.0}
    assert content["faces"] == [{"track": 0, "time_s": 0.0, "box": [1.0, 2.0, 30.0, 40.0], "score": 0.99}]
    first = content["tracks"][0]
    assert first["track"] == 0
    assert [(s["start_s"], s["end_s"], s["label"]) for s in first["segments"]] == [
        (0.0, 1.92, "glad, very"),
        (1.92, 3.84, "sad"),
    ]
    assert first["summary"] == {
        "first_s": 0.0,
        "last_s": 3.84,
        "judged_s": 3.84,
        "shares": {"glad, very": 0.5, "sad": 0.5},
        "transitions": [{"before": "glad, very", "after": "sad", "count": 1}],
        "across_unsure": [],
        "strongest": [
            {"label": "glad, very", "time_s": 1.28, "probability": 0.7},
            {"label": "sad", "time_s": 2.56, "probability": 0.5},
        ],
    }


def test_json_of_a_smoothed_reading_holds_both(prediction: Prediction, tmp_path: Path) -> None:
    smooth = prediction.reread(smoothing_s=2.0, min_confidence=0.6)
    content = json.loads(write_json(smooth, tmp_path / "predictions.json").read_text("utf-8"))
    window = content["windows"][0]
    assert window["probabilities"] == {"calm": 0.2, "glad, very": 0.7, "sad": 0.1}
    assert (window["label"], window["answer"]) == ("glad, very", "unsure")
    assert sum(window["smoothed"].values()) == pytest.approx(1, abs=1e-5)
    assert window["answer_confidence"] == max(window["smoothed"].values()) < 0.6
    assert content["tracks"][0]["summary"]["shares"] == {"unsure": 1.0}


def test_json_without_any_face_is_whole(prediction: Prediction, tmp_path: Path) -> None:
    empty = dataclasses.replace(prediction, windows=(), unseen=(), faces=())
    content = json.loads(write_json(empty, tmp_path / "predictions.json").read_text("utf-8"))
    assert content["tracks"] == content["windows"] == content["unseen"] == content["faces"] == []


def test_no_portrait_is_in_the_tables(prediction: Prediction, tmp_path: Path) -> None:
    pictured = dataclasses.replace(prediction, portraits=(Portrait(0, 1.28, b"JPEGJPEG"),))
    for write, name in ((write_csv, "a.csv"), (write_json, "a.json")):
        plain = write(prediction, tmp_path / name).read_bytes()
        assert write(pictured, tmp_path / name).read_bytes() == plain


def test_a_file_name_that_is_no_text_is_kept(prediction: Prediction, tmp_path: Path) -> None:
    odd = dataclasses.replace(prediction, video=dataclasses.replace(prediction.video, source="talk\udcff.mp4"))
    content = json.loads(write_json(odd, tmp_path / "predictions.json").read_text("utf-8"))
    assert content["video"]["source"] == "talk\udcff.mp4"


def test_json_never_holds_nan(prediction: Prediction, tmp_path: Path) -> None:
    broken = dataclasses.replace(prediction, duration_s=float("nan"))
    with pytest.raises(OutputError, match="finite"):
        write_json(broken, tmp_path / "predictions.json")
    assert list(tmp_path.iterdir()) == []


def test_save_makes_the_folder_and_leaves_nothing_else(prediction: Prediction, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    written = prediction.save(folder, ("json", "csv"))
    assert written == (folder / "predictions.json", folder / "predictions.csv")
    assert sorted(folder.iterdir()) == sorted(written)
    before = [path.read_bytes() for path in written]
    assert [path.read_bytes() for path in prediction.save(folder, ("json", "csv"))] == before


def test_a_folder_that_cannot_be_made_is_an_output_error(prediction: Prediction, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file"):
        prediction.save(tmp_path / "file" / "out", ("csv",))
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
