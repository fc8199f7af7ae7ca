"""A set of clips on disk: whatever the number of workers, resumable, honest about what is missing."""

import csv
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from maedfer.data.manifest import read_manifest
from maedfer.emotions import BASIC_EXPRESSIONS
from maedfer.errors import ConfigError, ManifestError, OutputError, RenderError
from maedfer.synth import read_units, render_scene, synthesize, write_sample

COLUMNS = [
    *("path", "label", "label_set", "subject", "split", "fold", "frames", "fps"),
    *("rig", "variant", "intensity", "seed", "onset_s", "apex_s", "offset_s"),
    *("mix", "held_out", "timing", "pace", "talk", "tone", "age", "male"),
]


def make(out: Path, rig: Path, clips: int = 7, workers: int = 1, calls: list[tuple[int, int]] | None = None) -> Path:
    return synthesize(
        out,
        clips,
        seed=11,
        rig=str(rig),
        size=64,
        fps=4.0,
        seconds=1.0,
        workers=workers,
        progress=None if calls is None else lambda done, total: calls.append((done, total)),
    )


def table(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def frames(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_workers_change_nothing_and_a_second_call_goes_on(egl: None, ict_file: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    one = make(tmp_path / "one", ict_file, calls=calls)
    two = make(tmp_path / "two", ict_file, workers=2)
    assert calls == [(k, 7) for k in range(1, 8)]
    assert one.read_text() == two.read_text()
    rows = table(one)
    assert list(rows[0]) == COLUMNS
    assert sorted(row["label"] for row in rows) == sorted(BASIC_EXPRESSIONS)
    for row in rows:
        clip = frames(one.parent / row["path"])
        assert clip.shape == (int(row["frames"]), 64, 64, 3) == (4, 64, 64, 3)
        # The pictures are equal bit for bit (test_clips); x264 is not always, so the files are only nearly so.
        assert np.abs(clip.astype(np.float32) - frames(two.parent / row["path"])).mean() < 3
        assert row["label_set"] == "DFEW"
        assert row["rig"] == "tiny"
        assert float(row["onset_s"]) < float(row["apex_s"]) <= float(row["offset_s"])
        assert all(0 <= float(row[name]) <= 1 for name in ("tone", "age", "male"))
        assert row["mix"].startswith(row["label"] + "/")
    assert {path.name for path in (tmp_path / "one" / "clips").iterdir()} == {Path(r["path"]).name for r in rows}
    again = one.parent / rows[3]["path"]
    kept = (one.parent / rows[0]["path"]).stat().st_mtime_ns
    again.unlink()
    calls.clear()
    make(tmp_path / "one", ict_file, calls=calls)
    assert calls == [(7, 7)], "only what is missing is rendered"
    assert again.is_file()
    assert (one.parent / rows[0]["path"]).stat().st_mtime_ns == kept


def test_the_timed_clips_are_listed_again_with_their_timing_as_label(egl: None, ict_file: Path, tmp_path: Path) -> None:
    whole = make(tmp_path, ict_file, clips=8)
    listed, rows = read_manifest(whole.with_name("timing.csv")), table(whole)
    assert listed.labels is None
    wanted = {row["path"]: row["timing"] for row in rows if row["timing"]}
    assert 0 < len(wanted) < len(rows)
    assert {entry.clip_id: entry.label for entry in listed.entries} == wanted
    assert [entry.subject for entry in listed.entries] == [row["subject"] for row in rows if row["timing"]]
    assert set(listed.targets(("onset", "offset"))) <= {0, 1}
    with pytest.raises(ManifestError, match="other rows"):
        read_units(tmp_path / "units.npz", len(listed.entries))


def test_two_expressions_are_labelled_with_the_last(egl: None, ict_file: Path, tmp_path: Path) -> None:
    settings = {"rig": str(ict_file), "size": 64, "fps": 4.0, "seconds": 1.0, "workers": 1}
    rows = table(synthesize(tmp_path, 4, seed=11, sequence=True, **settings))
    assert list(rows[0]) == [*COLUMNS, "first", "first_mix"]
    for row in rows:
        assert row["first"] != row["label"]
        assert "neutral" not in (row["first"], row["label"])
        assert row["first_mix"].startswith(row["first"] + "/")
        assert frames(tmp_path / row["path"]).shape == (4, 64, 64, 3)
    assert not (tmp_path / "timing.csv").exists(), "none of them is an onset or an offset"
    assert len(read_units(tmp_path / "units.npz", 4)[0]) == 4


def test_wrong_settings_are_refused(ict_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least one clip"):
        make(tmp_path, ict_file, clips=0)
    with pytest.raises(ConfigError, match="one worker"):
        make(tmp_path, ict_file, workers=0)
    with pytest.raises(RenderError, match="no such file"):
        make(tmp_path, tmp_path / "none.npz")
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError):
        make(tmp_path / "file", ict_file)
    with pytest.raises(ConfigError, match=r"1\.\.6 faces"):
        render_scene(0, rig=str(ict_file), faces=7)


def test_a_scene_tells_what_it_shows(egl: None, ict_file: Path) -> None:
    scene = render_scene(3, rig=str(ict_file), width=160, height=90, fps=4.0, seconds=8.0)
    pictures = list(scene.frames)
    assert len(pictures) == 32
    assert all(picture.shape == (90, 160, 3) and picture.dtype == np.uint8 for picture in pictures)
    for face in (0, 1):
        rows = [row for row in scene.truth if row.face == face]
        assert rows[0].start_s == 0
        assert rows[-1].end_s == 8
        assert all(a.end_s == b.start_s for a, b in pairwise(rows))
        assert {row.label for row in rows[::2]} == {"neutral"}
        assert len({row.label for row in rows[1::2]}) >= 2
    shown = [[row.label for row in scene.truth if row.face == face] for face in (0, 1)]
    assert shown[0] != shown[1]
    assert scene.boxes.shape == (2, 32, 4)
    assert (scene.boxes[0, :, 2] < scene.boxes[1, :, 0]).all(), "faces stand from left to right, side by side"
    assert scene.boxes[..., :2].min() > 0
    assert scene.boxes[..., 2].max() < 160
    assert scene.boxes[..., 3].max() < 90
    first = next(render_scene(3, rig=str(ict_file), width=160, height=90, fps=4.0, seconds=8.0).frames)
    np.testing.assert_array_equal(first, pictures[0])


@pytest.mark.slow
def test_the_sample_is_small_and_whole(egl: None, tmp_path: Path) -> None:
    pytest.importorskip("anny", reason="anny is not installed: pip install maedfer[synth]")
    video, truth = write_sample(tmp_path, 0)
    assert video.stat().st_size < 1_500_000
    assert frames(video).shape == (300, 360, 640, 3)
    assert {row["face"] for row in table(truth)} == {"0", "1"}
    assert list(table(truth)[0]) == ["face", "start_s", "end_s", "label"]
