"""Answers while the pictures come: those of the video where nothing was lost, few and soon where the model is slow."""

import csv
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from jaxtyping import UInt8
from torch import Tensor

from discs import DiscFinder
from maedfer.cli.live import live
from maedfer.cli.options import FaceOptions
from maedfer.config import ClassifierConfig, LGIFormerConfig
from maedfer.errors import ConfigError, DecodeError, MaedferError, OutputError
from maedfer.live import live_frames, watch
from maedfer.models import ExpressionClassifier
from maedfer.predict import Predictor
from maedfer.video.clips import ClipSpec
from maedfer.video.encode import write_video
from maedfer.video.live import LiveFrames
from maedfer.video.types import Frame

LABELS = ("red", "green", "blue")
TINY = LGIFormerConfig(image_size=32, embed_dim=16, depth=1, num_heads=2, region_size=(2, 1, 2))
FPS = 12.5

Picture = UInt8[np.ndarray, "H W 3"]


class ColourModel(ExpressionClassifier):
    """Answers with the colour of the clip's middle, after ``seconds``; from the clip ``broken_from`` on with NaN."""

    seconds, calls, broken_from = 0.0, 0, 1000

    def forward(self, clip: Tensor) -> Tensor:
        time.sleep(self.seconds)
        self.calls += 1
        side = clip.shape[-1] // 4
        answer = clip[..., side:-side, side:-side].float().mean(dim=(2, 3, 4)) / 20
        return answer * torch.nan if self.calls >= self.broken_from else answer


@pytest.fixture
def model() -> ColourModel:
    return ColourModel(ClassifierConfig(encoder=TINY, labels=LABELS))


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 s of two faces: the left one red, the right one green, gone from 3 s on."""

    def scene() -> Iterator[Picture]:
        for index in range(round(8 * FPS)):
            image = np.full((96, 192, 3), 90, np.uint8)
            cv2.circle(image, (50, 48), 24, (230, 20, 20), -1)
            if index < 3 * FPS:
                cv2.circle(image, (140, 48), 24, (20, 200, 20), -1)
            yield image

    path = tmp_path_factory.mktemp("video") / "talk.mp4"
    write_video(path, scene(), FPS, crf=12)
    return path


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("maedfer")]


@pytest.fixture(autouse=True)
def short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of 1.28 s instead of 2.56 s: these tests run in real time."""
    monkeypatch.setattr("maedfer.judge.ClipSpec", lambda num_frames, size: ClipSpec(num_frames, 1.28, size))


def predictor_of(model: ExpressionClassifier, hop_s: float) -> Predictor:
    return Predictor(model, device="cpu", detector=DiscFinder(), hop_s=hop_s)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture
def settings(model: ColourModel, monkeypatch: pytest.MonkeyPatch) -> ColourModel:
    """The command with this file's model and detector in place of the real ones; gives the model."""
    monkeypatch.setattr("maedfer.predict.CenterFace", lambda **settings: DiscFinder())
    monkeypatch.setattr("maedfer.judge.from_pretrained", lambda name, device: model)
    monkeypatch.setattr("maedfer.judge.fingerprint", lambda path: "0" * 64)
    return model


def test_the_table_is_that_of_the_video(
    settings: ColourModel, talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "out"
    assert live(str(talk), out=out, hop=0.64, seconds=3.0, options=FaceOptions(device="cpu")) == 0
    assert [path.name for path in out.iterdir()] == ["predictions.csv"]
    Predictor("default", device="cpu", hop_s=0.64).predict(talk).save(tmp_path / "whole", ("csv",))
    rows, whole = table(out / "predictions.csv"), table(tmp_path / "whole" / "predictions.csv")
    expected = {(row["track"], row["start_s"]): row for row in whole}
    judged = [row for row in rows if row["label"]]
    # The last window ends where the source was cut off: the video has none there.
    same = [row for row in judged if (row["track"], row["start_s"]) in expected]
    assert len(same) >= 5
    assert len(judged) - len(same) <= 2
    for row in same:
        other = expected[row["track"], row["start_s"]]
        assert list(row) == list(other)
        assert (row["label"], row["answer"], row["coverage"]) == (other["label"], other["answer"], other["coverage"])
        for name in LABELS:
            assert float(row[name]) == pytest.approx(float(other[name]), abs=1e-5)
    said = capsys.readouterr().out
    assert "0.00-1.28 s face 0: red (red " in said
    assert f"wrote {out / 'predictions.csv'}" in said


def test_latency_is_bounded_and_drops_are_counted_when_the_model_is_slow(model: ColourModel, talk: Path) -> None:
    hop_s, model.seconds = 0.32, 0.64
    predictor = predictor_of(model, hop_s)
    frames = live_frames(predictor, talk, seconds=3.6)
    answers = list(watch(predictor, frames))
    running = [answer for answer in answers if answer.end_s < 3.2]
    assert len(running) >= 3
    # What waits for half a hop is dropped; then the model's own run, and some slack for a busy machine.
    assert max(answer.latency_s for answer in running) < hop_s / 2 + model.seconds + 0.3
    assert answers[-1].dropped_windows > 0
    assert answers[-1].dropped_frames == 0
    starts = [answer.start_s for answer in answers]
    assert starts == sorted(starts)
    drops = [answer.dropped_windows for answer in answers]
    assert drops == sorted(drops)
    # Where the faces were is known all the same, each sighting once.
    sightings = [(box.track, box.time_s) for answer in answers for box in answer.boxes]
    assert len(sightings) == len(set(sightings))
    assert max(np.diff([time_s for track, time_s in sightings if track == 0])) < 0.33


def test_a_quick_model_answers_at_once(model: ColourModel, talk: Path) -> None:
    predictor = predictor_of(model, 0.32)
    answers = list(watch(predictor, live_frames(predictor, talk, seconds=2.2)))
    assert [answer.start_s for answer in answers[:3]] == pytest.approx([0, 0.32, 0.64])
    assert np.median([answer.latency_s for answer in answers]) < 0.2
    assert all(answer.latency_s > 0 for answer in answers)
    assert answers[-1].dropped_windows == 0
    boxes = [box for answer in answers for box in answer.boxes]
    assert {box.track for box in boxes} == {0, 1}
    assert len(boxes) == len({(box.track, box.time_s) for box in boxes})


class Lossy(LiveFrames):
    """Loses every fourth instant."""

    def __iter__(self) -> Iterator[Frame]:
        for frame in super().__iter__():
            if round(frame.time_s * self.rate) % 4 != 3:
                yield frame


def test_a_dropped_instant_is_no_sighting(model: ColourModel, talk: Path) -> None:
    predictor = predictor_of(model, 1.28)
    answers = watch(predictor, Lossy(talk, rate=12.5, waiting_s=1.0))
    first = next(answers)
    assert [(window.track, window.label) for window in first.windows] == [(0, "red"), (1, "green")]
    assert [window.coverage for window in first.windows] == pytest.approx([0.75, 0.75], abs=0.07)
    # Left before the end, no thread goes on: see no_thread_is_left.
    answers.close()


def test_interrupted_it_keeps_what_was_seen(settings: ColourModel, talk: Path, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    alarm = threading.Timer(2.2, os.kill, (os.getpid(), signal.SIGINT))
    alarm.start()
    try:
        assert live(str(talk), out=tmp_path, hop=0.64, view="none", options=FaceOptions(device="cpu")) == 0
    finally:
        alarm.cancel()
    rows = table(tmp_path / "predictions.csv")
    assert rows
    assert max(float(row["end_s"]) for row in rows) < 6
    assert signal.getsignal(signal.SIGINT) is before


def test_a_crash_loses_no_row_and_nothing_half_written_has_the_final_name(
    settings: ColourModel, talk: Path, tmp_path: Path
) -> None:
    settings.broken_from = 2
    with pytest.raises(MaedferError, match="finite"):
        live(str(talk), out=tmp_path, hop=0.32, view="none", options=FaceOptions(device="cpu"))
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.partial.csv"]
    assert [row["track"] for row in table(tmp_path / "predictions.partial.csv")] == ["0", "1"]
    with pytest.raises(OutputError, match="another --out"):
        live(str(talk), out=tmp_path, options=FaceOptions(device="cpu"))


def test_a_missing_source_leaves_nothing(settings: ColourModel, tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="camera 97"):
        live("97", out=tmp_path / "out", options=FaceOptions(device="cpu"))
    assert list(tmp_path.iterdir()) == []


def test_frames_of_another_rate_are_refused(model: ColourModel, talk: Path) -> None:
    with pytest.raises(ConfigError, match="live_frames"):
        watch(predictor_of(model, 0.64), LiveFrames(talk, rate=25.0, waiting_s=1.0))
