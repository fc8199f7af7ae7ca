"""A folder of videos, some broken: the rest is done, the broken are named, a killed run goes on where it stopped."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import pytest

from maedfer.cli import main
from maedfer.errors import DetectorError
from maedfer.video.decode import read_frames
from maedfer.video.detect import CenterFace
from maedfer.video.encode import write_video

GOOD = 17
NAMES = ("predictions.csv", "predictions.json", "report.html")
SAMPLE = Path(str(files("maedfer").joinpath("assets", "sample", "sample.mp4")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """17 short pieces of the sample, in folders, and three files that are no whole videos."""
    try:
        CenterFace()
    except DetectorError as error:
        pytest.skip(f"there is no detector here: {error}")
    root = tmp_path_factory.mktemp("talks") / "talks"
    frames = [cv2.resize(f.image, (320, 180), interpolation=cv2.INTER_AREA) for f in read_frames(SAMPLE, rate=12.5)]
    for index in range(GOOD):
        place = root / f"day {index % 3}" / f"talk {index}.mp4"
        place.parent.mkdir(parents=True, exist_ok=True)
        write_video(place, frames[5 * index : 5 * index + 20 + 3 * (index % 4)], 12.5)
    whole = (root / "day 0" / "talk 0.mp4").read_bytes()
    (root / "day 1" / "cut.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    (root / "day 1" / "empty.mp4").write_bytes(b"")
    _write_sound(root / "day 2" / "sound.mp4")
    return root


@pytest.fixture(scope="module")
def uninterrupted(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("uninterrupted") / "out"
    assert main(["predict", str(folder), "--out", str(out), "--device", "cpu"]) == 1
    return out


def test_seventeen_results_and_three_named_errors(folder: Path, uninterrupted: Path) -> None:
    done = sorted(path.parent.relative_to(uninterrupted) for path in uninterrupted.rglob("predictions.json"))
    assert done == sorted(path.relative_to(folder).with_suffix("") for path in folder.rglob("talk*.mp4"))
    for place in done:
        assert all((uninterrupted / place / name).is_file() for name in NAMES)
    with (uninterrupted / "videos.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    failed = {Path(row["source"]).name: row["error"] for row in rows if row["state"] == "failed"}
    assert set(failed) == {"cut.mp4", "empty.mp4", "sound.mp4"}
    assert "empty file" in failed["empty.mp4"]
    assert "audio" in failed["sound.mp4"]
    assert len(rows) == GOOD + 3


def test_the_failed_are_listed_at_the_end(
    folder: Path, uninterrupted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(folder), "--out", str(uninterrupted), "--device", "cpu"]) == 1
    said = capsys.readouterr()
    assert said.out.count("done by an earlier run") == GOOD
    last = said.err.split("3 failed:")[1]
    assert all(name in last for name in ("cut.mp4", "empty.mp4", "sound.mp4"))


def test_other_settings_are_not_taken_for_done(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = folder / "day 0" / "talk 0.mp4"
    arguments = ["predict", str(video), "--out", str(tmp_path), "--device", "cpu"]
    assert main([*arguments, "--formats", "csv", "mp4"]) == 0
    assert main([*arguments, "--formats", "csv", "mp4"]) == 0
    assert "done by an earlier run" in capsys.readouterr().out
    assert main([*arguments, "--formats", "csv", "--hop", "0.64"]) == 0
    assert "done by an earlier run" not in capsys.readouterr().out
    assert not (tmp_path / "talk 0" / "annotated.mp4").exists()  # it showed the answers of other settings


def test_killed_at_any_moment_and_run_again_equals_not_stopped(
    folder: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "maedfer", "predict", str(folder), "--out", str(out), "--device", "cpu"]
    rng = random.Random(4)
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment())
        before = len(list(out.rglob("predictions.json")))
        deadline = time.monotonic() + 60
        while len(list(out.rglob("predictions.json"))) < before + 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert 2 <= len(list(out.rglob("predictions.json"))) < GOOD
    assert main(command[3:]) == 1
    assert _content(out) == _content(uninterrupted)


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _environment() -> dict[str, str]:
    """The same number of threads as here: sums in another order differ in the last digit."""
    import torch

    return {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}


def _write_sound(path: Path) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
