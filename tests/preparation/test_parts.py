"""Facts of a clip, the measure of tightness, and a clip that crashes its process."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from maedfer.data.corpora import CorpusClip
from maedfer.errors import ConfigError, DecodeError
from maedfer.preparation import prepare_corpus
from maedfer.preparation.checks import Examined, check_duplicates
from maedfer.preparation.facts import ClipFacts, content_mark, read_facts
from maedfer.preparation.journal import open_journal
from maedfer.preparation.places import crop_names
from maedfer.preparation.tightness import Tightness, measure_clip, state_of
from maedfer.video import CenterFace, write_video
from maedfer.video.face_video import write_face_video
from maedfer.video.find import frames_in
from raw_sets import frames, pictures, video


@pytest.mark.parametrize("deep", [False, True])
def test_frames_and_rate_are_what_decoding_gives(deep: bool, tmp_path: Path) -> None:
    video(tmp_path / "a.mp4", 1, 30000 / 1001, count=37)
    facts = read_facts(tmp_path / "a.mp4", deep=deep)
    assert (facts.frames, facts.width, facts.height) == (37, 32, 32)
    assert facts.fps == pytest.approx(30000 / 1001, rel=1e-3)


def test_a_file_that_breaks_off_is_no_clip(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    video(tmp_path / "a.mp4", 1, count=60)
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        str(tmp_path / "a.mp4"),
        "-c",
        "copy",
        "-movflags",
        "faststart",
        str(whole),
    ]
    try:
        subprocess.run(command, check=True)
    except OSError:
        pytest.skip("no ffmpeg here to put the index first")
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    assert read_facts(whole).frames == 60
    with pytest.raises(DecodeError, match=r"of 60 frames are there|last"):
        read_facts(cut)


def test_damage_in_the_middle_is_found_by_a_deep_look(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    frames(folder, pictures(1, 9))
    frames_in(folder)[4].write_bytes(b"no picture")
    assert read_facts(folder).frames == 9
    with pytest.raises(DecodeError):
        read_facts(folder, deep=True)


def test_a_copy_under_other_names_has_the_same_hash(tmp_path: Path) -> None:
    frames(tmp_path / "a", pictures(1, 12))
    (tmp_path / "b").mkdir()
    for number, image in enumerate(frames_in(tmp_path / "a")):
        (tmp_path / "b" / f"frame_{number}.jpg").write_bytes(image.read_bytes())
    a, b = read_facts(tmp_path / "a"), read_facts(tmp_path / "b")
    assert a == b
    frames_in(tmp_path / "b")[3].unlink()
    c = read_facts(tmp_path / "b")
    assert c.sha256 != a.sha256
    assert c.skipped == 1


def test_a_mark_changes_with_a_frame(tmp_path: Path) -> None:
    frames(tmp_path / "a", pictures(1, 3))
    before = content_mark(tmp_path / "a")
    assert content_mark(tmp_path / "a") == before
    frames_in(tmp_path / "a")[1].write_bytes(b"other")
    assert content_mark(tmp_path / "a") != before


def test_a_torn_line_of_the_journal_costs_one_job(tmp_path: Path) -> None:
    path = tmp_path / "a.journal.jsonl"
    with open_journal(path) as journal:
        journal.add("facts", "a", "m", {"x": 1})
        journal.add("facts", "b", "m", {"x": 2})
    path.write_bytes(path.read_bytes()[:-9])
    with open_journal(path) as journal:
        assert journal.find("facts", "a", "m") == {"x": 1}
        assert journal.find("facts", "a", "other mark") is None
        assert journal.find("facts", "b", "m") is None
        journal.add("facts", "c", "m", {"x": 3})
    with open_journal(path) as journal:
        assert journal.find("facts", "c", "m") == {"x": 3}


@pytest.mark.parametrize(
    ("where", "text"),
    [((("train", None), ("test", None)), "in train and in test"), ((("", 1), ("", 2)), "in train and in test"),
     ((("train", None), ("val", None)), "twice in one part"), ((("", 2), ("", 2)), "twice in one part")],
)  # fmt: skip
def test_duplicates_are_told_by_what_they_spoil(where: tuple[tuple[str, int | None], ...], text: str) -> None:
    facts = ClipFacts(9, 25.0, 32, 32, "same")
    clips = [
        Examined(CorpusClip(str(i), "happy", "p", split, fold, None), facts) for i, (split, fold) in enumerate(where)
    ]
    (finding,) = check_duplicates(clips)
    assert text in finding.text
    assert finding.clips == ("0 = 1",)


def test_crops_of_clips_with_one_stem_do_not_meet() -> None:
    names = ["a/x.avi", "a/x.mp4", "a/x.avi.mkv", "a/y.flv", "b/x.mp4", "c/frames.1", "c/frames.2"]
    crops = crop_names(names)
    assert len(set(crops.values())) == len(names)
    assert crops["a/y.flv"] == "a/y.mp4"
    assert all(crop.endswith(".mp4") for crop in crops.values())


def test_crops_are_not_written_over_the_set(tmp_path: Path) -> None:
    root = tmp_path / "mine-crops"
    video(root / "happy" / "a.mp4", 1)
    before = (root / "happy" / "a.mp4").read_bytes()
    for place in (root, root / "happy"):
        with pytest.raises(ConfigError, match="would be overwritten; give another --out"):
            prepare_corpus("folder", place, tmp_path / "mine.csv")
    assert (root / "happy" / "a.mp4").read_bytes() == before


def test_crops_and_whole_pictures_are_told_apart(tmp_path: Path, talking: list[np.ndarray]) -> None:
    detector = CenterFace()
    write_video(tmp_path / "whole.mp4", talking[:25], 25.0)
    assert write_face_video(tmp_path / "whole.mp4", tmp_path / "crop.mp4", detector) is not None
    whole, crop = (measure_clip(tmp_path / name, detector) for name in ("whole.mp4", "crop.mp4"))
    assert 0 < whole.share < 0.2 < 0.4 < crop.share < 1
    assert abs(crop.off_x) < 0.05
    assert state_of([whole] * 9 + [crop]) == "whole picture"
    assert state_of([crop] * 9 + [whole]) == "tight crop"
    assert state_of([crop, whole]) == "mixed"
    assert state_of([crop] + [Tightness(3, 0, 0.0, 0.0, 0.0)] * 3) == "unknown"


CRASHES = """
import os, signal, sys
from dataclasses import dataclass
from pathlib import Path
from maedfer.preparation.jobs import FactsJob, Failure
from maedfer.preparation.journal import open_journal
from maedfer.preparation.pool import perform

@dataclass(frozen=True)
class Crashing(FactsJob):
    def run(self):
        if self.name == "b.mp4":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run()

if __name__ == "__main__":
    root = Path(sys.argv[1])
    with open_journal(root / "journal") as journal:
        jobs = [Crashing(f"{n}.mp4", root / f"{n}.mp4", False) for n in "abcd"]
        found = perform(jobs, journal, workers=2)
    for name in sorted(found):
        print(name, found[name].reason if isinstance(found[name], Failure) else found[name].frames)
"""


def test_a_clip_that_crashes_its_process_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    for seed, name in enumerate("abcd"):
        video(tmp_path / f"{name}.mp4", seed, count=5)
    (tmp_path / "run.py").write_text(CRASHES)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "run.py"), str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert found.pop("b.mp4") == "the process that reads it crashes on it"
    assert found == {f"{name}.mp4": "5" for name in "acd"}
