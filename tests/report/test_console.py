"""What a person reads at the terminal."""

import dataclasses
from pathlib import Path

import pytest
from rich.console import Console

from maedfer.errors import ManifestError
from maedfer.report import (
    FaceBox,
    ModelIdentity,
    Prediction,
    Settings,
    TruthSpan,
    WindowPrediction,
    print_prediction,
    read_truth,
)
from maedfer.video.types import VideoInfo, Window


def box(track: int, left: float) -> FaceBox:
    return FaceBox(track, 0.0, (left, 0.0, left + 10.0, 10.0), 0.9)


@pytest.fixture
def prediction() -> Prediction:
    return Prediction(
        video=VideoInfo("[bold]talk.mp4", 64, 48, None, 25.0, "h264", 0),
        duration_s=4.0,
        labels=("calm", "glad"),
        model=ModelIdentity("tiny", None, "0"),
        settings=Settings(1.0, 2.0, 0.5, "cpu", "FakeDetector"),
        windows=(
            WindowPrediction(0, 0.0, 2.0, "calm", 0.75, (0.75, 0.25), 1.0),
            WindowPrediction(0, 1.0, 3.0, "glad", 0.66, (0.34, 0.66), 1.0),
            WindowPrediction(1, 0.0, 2.0, "glad", 0.9, (0.1, 0.9), 1.0),
        ),
        unseen=(),
        faces=(box(0, 40.0), box(1, 5.0)),
    )


def printed(prediction: Prediction, *truth: TruthSpan) -> str:
    console = Console(width=100, force_terminal=False)
    with console.capture() as capture:
        print_prediction(prediction, console, truth)
    return capture.get()


def test_one_table_per_face_with_spans_and_confidence(prediction: Prediction) -> None:
    text = printed(prediction)
    assert "[bold]talk.mp4: 4.0 s, 2 faces" in text
    assert text.count("expression") == 2
    rows = [line.split("│")[1:-1] for line in text.splitlines() if line.startswith("│")]
    cells = [[cell.strip() for cell in row] for row in rows]
    assert ["0.00 – 1.50", "calm", "75 %"] in cells
    assert ["1.50 – 3.00", "glad", "66 %"] in cells
    assert ["0.00 – 2.00", "glad", "90 %"] in cells
    assert "truth" not in text


def test_truth_stands_beside_the_face_at_its_place(prediction: Prediction) -> None:
    """Truth counts faces from the left; track 1 is the left face here."""
    text = printed(
        prediction,
        TruthSpan(0, 0.0, 2.0, "fear"),
        TruthSpan(1, 0.0, 1.2, "calm"),
        TruthSpan(1, 1.2, 3.0, "anger"),
    )
    right, left = text.split("face 1")
    assert "fear" in left
    assert "fear" not in right
    assert "0.00 – 1.20 calm" in right
    assert "1.20 – 1.50 anger" in right  # cut to the span's time
    assert "1.50 – 3.00 anger" in right


def test_a_true_face_that_was_not_found_is_said(prediction: Prediction) -> None:
    spans = [TruthSpan(face, 0.0, 2.0, f"label{face}") for face in range(3)]
    assert "Face 2 of the truth was not found: 0.00 – 2.00 label2" in printed(prediction, *spans)


def test_no_face_is_a_sentence(prediction: Prediction) -> None:
    text = printed(dataclasses.replace(prediction, windows=(), faces=()))
    assert "No face was found" in text
    assert "│" not in text


def test_a_face_seen_too_rarely_is_another_sentence(prediction: Prediction) -> None:
    text = printed(dataclasses.replace(prediction, windows=()))
    assert "No face was seen long enough" in text
    assert "50 %" in text


def test_each_face_has_a_line_of_summary(prediction: Prediction) -> None:
    seen = dataclasses.replace(prediction, unseen=(Window(0, 3.0, 4.0, 0.2), Window(None, 3.5, 4.0, 0.0)))
    text = printed(seen.reread(min_confidence=0.7))
    assert "3.0 s: calm 50 %, unsure 50 % (2 windows judged, 1 of them unsure; 1 unseen)" in text
    assert "2.0 s: glad 100 % (1 window judged, 0 of them unsure; 0 unseen)" in text


def test_unsure_is_dimmed(prediction: Prediction) -> None:
    console = Console(width=100, force_terminal=True, color_system="standard")
    with console.capture() as capture:
        print_prediction(prediction.reread(min_confidence=0.7), console)
    (unsure,) = (line for line in capture.get().splitlines() if "1.50 – 3.00" in line)
    (calm,) = (line for line in capture.get().splitlines() if "0.00 – 1.50" in line)
    assert "\x1b[2m" in unsure
    assert "\x1b[2m" not in calm


def test_a_long_video_is_cut_with_a_note(prediction: Prediction) -> None:
    rows = [WindowPrediction(0, 2.0 * i, 2.0 * i + 2, "calm", 0.9, (0.9, 0.1), 1.0) for i in range(120)]
    rows[1::2] = [dataclasses.replace(w, label="glad", probabilities=(0.1, 0.9)) for w in rows[1::2]]
    text = printed(dataclasses.replace(prediction, windows=tuple(rows)))
    assert sum(line.startswith("│") for line in text.splitlines()) == 40
    assert "… and 80 more spans of face 0; predictions.json has them all." in text
    assert "240.0 s: calm 50 %, glad 50 %" in text


def test_many_faces_are_cut_with_a_note(prediction: Prediction) -> None:
    rows = tuple(WindowPrediction(i, 0.0, 2.0, "calm", 0.9, (0.9, 0.1), 1.0) for i in range(33))
    text = printed(dataclasses.replace(prediction, windows=rows))
    assert "33 faces" in text
    assert text.count("expression") == 20
    assert "… and 13 more faces" in text


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://camera.local/yard?x=1", "yard?x=1: "),
        ("folder/talk\udcff.mp4", "talk\\udcff.mp4: "),
        ("camera", "camera: "),
        ("", ": 4.0 s"),
    ],
)
def test_any_source_has_a_printable_name(prediction: Prediction, source: str, shown: str) -> None:
    text = printed(dataclasses.replace(prediction, video=dataclasses.replace(prediction.video, source=source)))
    assert text.startswith(shown)
    text.encode("utf-8")


def test_truth_reads_its_table_and_refuses_another(tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    path.write_text("face,start_s,end_s,label\n0,0,1.5,happy\n1,1.5,3,sad\n")
    assert read_truth(path) == (TruthSpan(0, 0.0, 1.5, "happy"), TruthSpan(1, 1.5, 3.0, "sad"))
    for text in ("face,start_s,label\n0,0,happy\n", "face,start_s,end_s,label\n0,zero,1,happy\n"):
        path.write_text(text)
        with pytest.raises(ManifestError, match="face,start_s,end_s,label"):
            read_truth(path)
    with pytest.raises(ManifestError):
        read_truth(tmp_path / "nothing.csv")


def test_unsure_is_rounded_down(prediction: Prediction) -> None:
    for value, shown in ((0.547, "54 %"), (0.557, "56 %")):  # the second is an answer
        window = WindowPrediction(0, 0.0, 2.0, "calm", value, (value, 1 - value), 1.0)
        text = printed(dataclasses.replace(prediction, windows=(window,)).reread(min_confidence=0.55))
        assert shown in text
