"""From trees with the names of the public sets to manifests, and what is noticed on the way."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from maedfer.data.manifest import Manifest, read_manifest
from maedfer.errors import ConfigError, ManifestError, OutputError
from maedfer.preparation import Finding, PreparationOptions, PreparationReport, PreparedCorpus, prepare_corpus
from maedfer.video import CenterFace, write_video
from maedfer.video.decode import probe, read_frames
from raw_sets import TREES, dfew, frames, pictures, ravdess, video

# Names and folds only: no faces are looked for.
PLAIN = PreparationOptions(crop="none", sample=0, workers=0)


def findings(report: PreparationReport, what: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.what == what]


def read(prepared: PreparedCorpus, root: Path) -> Manifest:
    return read_manifest(prepared.manifest, root if prepared.root_needed else None)


@pytest.mark.parametrize("kind", sorted(TREES))
def test_each_layout_gives_its_published_folds_and_labels(kind: str, tmp_path: Path) -> None:
    root = tmp_path / "set"
    expected = TREES[kind](root)
    prepared = prepare_corpus(kind, root, tmp_path / "set.csv", options=PLAIN)
    manifest = read(prepared, root)
    assert not prepared.root_needed
    found = {e.clip_id.removeprefix("set/"): (e.label, e.fold, e.split) for e in manifest.entries}
    assert found == expected
    assert manifest.labels is not None
    assert set(manifest.targets(manifest.labels.labels)) <= set(range(len(manifest.labels.labels)))
    for entry in manifest.entries:
        assert entry.frames == sum(1 for _ in read_frames(entry.path))
        assert entry.fps == pytest.approx(probe(entry.path).frame_rate, abs=1e-3)
        assert len(entry.sha256) == 64


def test_a_manifest_elsewhere_needs_the_root(tmp_path: Path) -> None:
    expected = ravdess(tmp_path / "set")
    prepared = prepare_corpus("ravdess", tmp_path / "set", tmp_path / "lists" / "ravdess.csv", options=PLAIN)
    assert prepared.root_needed
    assert {entry.clip_id for entry in read(prepared, tmp_path / "set").entries} == set(expected)
    with pytest.raises(ManifestError, match="as root"):
        read_manifest(prepared.manifest)


def test_what_is_broken_missing_or_twice_is_listed_and_the_rest_is_written(tmp_path: Path) -> None:
    root = tmp_path / "set"
    paths = list(ravdess(root))
    (root / paths[1]).write_bytes((root / paths[0]).read_bytes())
    (root / paths[2]).write_bytes((root / paths[2]).read_bytes()[:700])
    video(root / paths[3], 3, 15.0)
    prepared = prepare_corpus("ravdess", root, tmp_path / "set.csv", options=PLAIN)
    report = prepared.report
    assert [e.clip_id.removeprefix("set/") for e in read(prepared, root).entries] == [paths[0], paths[1], paths[3]]
    unreadable = [entry for entry in report.left_out if entry.why == "unreadable"]
    assert [entry.path for entry in unreadable] == [paths[2]]
    assert "broken file" in unreadable[0].reason
    assert str(tmp_path) not in unreadable[0].reason
    assert any(entry.why == "missing" and entry.path == "Actor_02" for entry in report.left_out)
    assert f"{paths[0]} = {paths[1]}" in findings(report, "duplicates")[0].clips
    assert "in train and in test" in findings(report, "duplicates")[0].text
    assert [clip.split(":")[0] for clip in findings(report, "frame rate")[0].clips] == [paths[3]]
    assert {count.fold: count.published for count in report.counts if count.part == "test"} == dict.fromkeys(
        range(1, 7), 240
    )
    assert not report.complete
    assert report.verdict.startswith("INCOMPLETE")
    pages = json.loads((tmp_path / "set.report.json").read_text())
    assert pages["verdict"] == report.verdict
    assert paths[2] in (tmp_path / "set.report.md").read_text()


def test_a_clean_folder_of_ones_own_is_ready(tmp_path: Path) -> None:
    root = tmp_path / "own"
    for seed in range(4):
        video(root / f"{'train' if seed % 2 else 'test'}/{'happy' if seed < 2 else 'sad'}/{seed}.mp4", seed)
    report = prepare_corpus("folder", root, tmp_path / "own.csv", options=PLAIN).report
    assert report.complete
    assert report.verdict.startswith("READY: 4 clips")
    assert report.classes == {"happy": {"test": 1, "train": 1}, "sad": {"test": 1, "train": 1}}


def test_spellings_and_people_in_both_parts_of_a_table_are_found(tmp_path: Path) -> None:
    root = tmp_path / "own"
    rows = ["path,label,subject,split"]
    for seed, (label, person, split) in enumerate(
        [("anger", "a", "train"), ("anger", "b", "train"), ("angry", "a", "test"), ("calm", "c", "test")]
    ):
        video(root / f"{seed}.mp4", seed)
        rows.append(f"{seed}.mp4,{label},{person},{split}")
    (tmp_path / "own-table.csv").write_text("\n".join(rows))
    options = PreparationOptions(crop="none", sample=0, workers=0, table=tmp_path / "own-table.csv")
    prepared = prepare_corpus("folder", root, tmp_path / "own.csv", options=options)
    assert [entry.label for entry in read(prepared, root).entries] == ["anger", "anger", "anger", "calm"]
    assert "'angry'" in findings(prepared.report, "labels")[0].text
    assert findings(prepared.report, "subjects")[0].clips == ("a",)
    assert prepared.report.verdict.startswith("LOOK FIRST")


def test_frames_that_lack_or_are_too_few_are_noticed(tmp_path: Path) -> None:
    root = tmp_path / "set"
    dfew(root)
    (root / "Clip/jpg_256/00002/00007.jpg").unlink()
    shutil.rmtree(root / "Clip/jpg_256/00003")
    frames(root / "Clip/jpg_256/00003", pictures(3, 1))
    report = prepare_corpus("dfew", root, tmp_path / "set.csv", options=PLAIN).report
    texts = {finding.text: finding.clips for finding in findings(report, "frames")}
    assert texts["1 clips have a single frame"] == ("Clip/jpg_256/00003",)
    assert texts["1 folders lack frames inside, by their numbers"] == ("Clip/jpg_256/00002: 1",)
    for fold in range(1, 6):
        shutil.rmtree(root / f"Clip/jpg_256/{fold:05d}")
        frames(root / f"Clip/jpg_256/{fold:05d}", pictures(fold, 4))
    report = prepare_corpus("dfew", root, tmp_path / "set.csv", options=PLAIN).report
    assert "another rate" in findings(report, "frames")[0].text


def test_whole_pictures_that_are_called_crops_are_noticed(tmp_path: Path, talking: list[np.ndarray]) -> None:
    root = tmp_path / "set"
    dfew(root, {fold: talking[fold * 20 : fold * 20 + 16] for fold in range(1, 6)})
    prepared = prepare_corpus("dfew", root, tmp_path / "set.csv", options=PreparationOptions(workers=0, sample=5))
    (finding,) = findings(prepared.report, "crop state")
    assert finding.weight == "warning"
    assert "should be tight face crops, they are whole pictures" in finding.text
    assert {entry.crop for entry in read(prepared, root).entries} == {"none"}


def test_faces_are_cut_for_the_whole_length_and_only_once(tmp_path: Path, talking: list[np.ndarray]) -> None:
    root, out = tmp_path / "set", tmp_path / "set" / "lists.csv"  # the crops lie inside the set: not to be read again
    first, second, *others = ravdess(root)
    for path in others:
        (root / path).unlink()
    write_video(root / first, talking[:30], 30000 / 1001)
    prepared = prepare_corpus("ravdess", root, out, options=PreparationOptions(workers=0))
    (entry,) = read(prepared, root).entries
    assert not prepared.root_needed
    assert (entry.clip_id, entry.frames, entry.crop) == (f"lists-crops/{first}", 30, "face")
    assert entry.fps == pytest.approx(29.97, abs=0.01)
    assert [left.path for left in prepared.report.left_out if left.why == "no face"] == [second]
    assert {look.of: look.state for look in prepared.report.looks}["crops"] == "tight crop"
    detector = CenterFace()
    for frame in list(read_frames(entry.path))[::6]:
        assert frame.image.shape == (160, 160, 3)
        eyes = detector.detect(frame.image)[0].landmarks[:2] / 160
        assert eyes == pytest.approx(np.array([[0.33, 0.40], [0.67, 0.40]]), abs=0.06)
    written = entry.path.stat().st_mtime_ns
    again = prepare_corpus("ravdess", root, out, options=PreparationOptions(workers=0))
    assert entry.path.stat().st_mtime_ns == written
    assert again.report == prepared.report
    kept = prepare_corpus("ravdess", root, out, options=PreparationOptions(workers=0, keep_faceless=True))
    assert [e.crop for e in read(kept, root).entries] == ["face", "none"]


def test_a_changed_clip_is_read_again(tmp_path: Path) -> None:
    root = tmp_path / "set"
    first, *_ = ravdess(root)
    before = read(prepare_corpus("ravdess", root, tmp_path / "set.csv", options=PLAIN), root).entries
    video(root / first, 77, 30000 / 1001, count=11)
    after = read(prepare_corpus("ravdess", root, tmp_path / "set.csv", options=PLAIN), root).entries
    assert (before[0].frames, after[0].frames) == (20, 11)
    assert before[0].sha256 != after[0].sha256
    assert before[1:] == after[1:]


KILLED = """
import sys
from pathlib import Path
from maedfer.preparation import PreparationOptions, prepare_corpus

if __name__ == "__main__":
    options = PreparationOptions(crop="none", sample=0, workers=int(sys.argv[3]))
    prepare_corpus("ravdess", Path(sys.argv[1]), Path(sys.argv[2]), options=options)
"""


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_run_that_was_killed_goes_on_and_ends_alike(workers: str, tmp_path: Path) -> None:
    root = tmp_path / "set"
    ravdess(root)
    source = (root / "Actor_01/02-01-01-01-01-01-01.mp4").read_bytes()
    for number in range(84):
        code = f"02-01-{number % 7 + 2:02d}-{number % 2 + 1:02d}-{number % 2 + 1:02d}-01-{number // 14 + 1:02d}"
        place = root / f"Actor_{number // 14 + 1:02d}/{code}.mp4"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(source)
    (tmp_path / "run.py").write_text(KILLED)
    out, journal = tmp_path / "killed.csv", tmp_path / "killed.journal.jsonl"
    command = [sys.executable, str(tmp_path / "run.py"), str(root), str(out), workers]
    run = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    deadline = time.monotonic() + 60
    while (not journal.exists() or journal.stat().st_size < 500) and time.monotonic() < deadline:
        time.sleep(0.002)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not out.exists()
    done = journal.read_text().count("\n")
    assert done
    prepare_corpus("ravdess", root, out, options=PLAIN)
    lines = [json.loads(line) for line in journal.read_text().splitlines() if line.endswith("}")]
    assert len({line["name"] for line in lines}) == len(lines), "a finished clip was done again"
    prepare_corpus("ravdess", root, tmp_path / "whole.csv", options=PLAIN)
    assert out.read_text() == (tmp_path / "whole.csv").read_text()


def test_two_runs_on_one_manifest_are_kept_apart(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    ravdess(tmp_path / "set")
    with (tmp_path / "set.journal.jsonl").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match="another run"):
            prepare_corpus("ravdess", tmp_path / "set", tmp_path / "set.csv", options=PLAIN)


def test_bad_input_is_refused_with_a_remedy(tmp_path: Path) -> None:
    ravdess(tmp_path / "set")
    with pytest.raises(ConfigError, match="CSV file"):
        prepare_corpus("ravdess", tmp_path / "set", tmp_path / "out", options=PLAIN)
    with pytest.raises(ManifestError, match="expected"):
        prepare_corpus("mafw", tmp_path / "set", tmp_path / "out.csv", options=PLAIN)
    with pytest.raises(ConfigError, match="even size"):
        PreparationOptions(size=161)
    for clip in (tmp_path / "set").rglob("*.mp4"):
        clip.write_bytes(b"no video")
    with pytest.raises(ManifestError, match="none of its 4 clips can be read"):
        prepare_corpus("ravdess", tmp_path / "set", tmp_path / "out.csv", options=PLAIN)
