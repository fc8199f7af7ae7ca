"""Results of a batch: kept, replaced, shared between runs; never another video's, never half."""

import io
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

import pytest

from maedfer.batch import Facts, Outcome, process, write_list
from maedfer.errors import ConfigError, DecodeError
from maedfer.reading import Progress
from maedfer.video.find import FoundVideo


class Copying:
    """Copies the video's bytes into each result."""

    name = "copy"
    outdated = ("a.txt", "b.txt")

    def __init__(self, *files: str, setting: int = 0) -> None:
        self.files, self.request, self.done = files, {"setting": setting}, list[str]()

    def check(self, source: Path | str) -> None:
        if str(source).endswith(".no"):
            raise ConfigError("expected something else")

    def run(self, source: Path | str, name: str, folder: Path, progress: Progress) -> Facts:
        content = Path(source).read_text()
        for file in self.files:
            (folder / file).write_text(content)
        if content == "broken":
            raise DecodeError(f"{name}: broken")
        if content == "bug":
            raise ZeroDivisionError("a bug")
        self.done.append(name)
        return Facts(1.5, 2, 3)


@contextmanager
def silent(video: FoundVideo) -> Iterator[Progress]:
    yield lambda done, total: None


def run(out: Path, work: Any, *sources: Path | str, again: bool = False, stdin: bytes = b"") -> list[Outcome]:
    videos = [FoundVideo(s, PurePath("stdin" if s == "-" else Path(s).stem)) for s in sources]
    return list(process(videos, out, work, again=again, stdin=lambda: io.BytesIO(stdin), watch=silent))


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "talk.mp4"
    path.write_text("talk")
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_is_done_is_kept_until_the_file_or_the_settings_change(tmp_path: Path, talk: Path) -> None:
    out, work = tmp_path / "out", Copying("a.txt")
    states = [run(out, work, talk)[0].state, run(out, work, talk)[0].state]
    os.utime(talk, ns=(1, 1))
    states.append(run(out, work, talk)[0].state)
    states += [run(out, Copying("a.txt", setting=1), talk)[0].state for _ in range(2)]
    states.append(run(out, Copying("a.txt", setting=1), talk, again=True)[0].state)
    assert states == ["done", "kept", "done", "done", "kept", "done"]
    assert run(out, Copying("a.txt", setting=1), talk)[0].facts == Facts(1.5, 2, 3)
    assert names(out) == {"talk"}
    assert names(out / "talk") == {"a.txt", ".maedfer-copy.json"}


def test_another_format_joins_results_of_the_same_settings(tmp_path: Path, talk: Path) -> None:
    out = tmp_path / "out"
    run(out, Copying("a.txt"), talk)
    run(out, Copying("b.txt"), talk)
    assert names(out / "talk") == {"a.txt", "b.txt", ".maedfer-copy.json"}
    assert run(out, Copying("b.txt", "a.txt"), talk)[0].state == "kept"
    (out / "talk" / "notes.txt").write_text("mine")
    run(out, Copying("b.txt", setting=1), talk)
    assert names(out / "talk") == {"b.txt", "notes.txt", ".maedfer-copy.json"}  # a.txt said something else


@pytest.mark.parametrize("content", ["broken", "bug"])
def test_a_failure_leaves_earlier_results_and_nothing_half(tmp_path: Path, talk: Path, content: str) -> None:
    out, other = tmp_path / "out", tmp_path / "other.mp4"
    other.write_text("other")
    run(out, Copying("a.txt"), talk)
    talk.write_text(content)
    failed, done = run(out, Copying("a.txt"), talk, other)
    assert (failed.state, done.state) == ("failed", "done")
    assert (out / "talk" / "a.txt").read_text() == "talk"
    assert names(out) == {"talk", "other"}


def test_another_videos_results_are_not_replaced_unasked(tmp_path: Path, talk: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "tuesday" / "talk.mp4"
    other.parent.mkdir()
    other.write_text("tuesday's")
    run(out, Copying("a.txt"), talk)
    (outcome,) = run(out, Copying("a.txt"), other)
    assert outcome.folder == out / "talk-2"
    assert [(out / name / "a.txt").read_text() for name in ("talk", "talk-2")] == ["talk", "tuesday's"]
    # Whatever the order and whatever comes beside them, each is found again where it lies.
    third = tmp_path / "wednesday" / "talk.mp4"
    third.parent.mkdir()
    third.write_text("wednesday's")
    outcomes = run(out, Copying("a.txt"), third, other, talk)
    assert [(o.state, o.folder.name) for o in outcomes] == [("done", "talk-3"), ("kept", "talk-2"), ("kept", "talk")]
    assert run(out, Copying("a.txt"), other, again=True)[0].folder == out / "talk-2"


def test_what_can_be_known_before_costs_no_work(tmp_path: Path, talk: Path) -> None:
    out, work = tmp_path / "out", Copying("a.txt")
    out.mkdir()
    (out / "talk").write_text("no folder")
    refused = tmp_path / "x.no"
    refused.write_text("x")
    outcomes = run(out, work, talk, refused)
    assert [type(outcome.error) for outcome in outcomes] == [type(None), ConfigError]
    assert outcomes[0].folder == out / "talk-2"
    assert len(work.done) == 1
    assert (out / "talk").read_text() == "no folder"


def test_what_a_killed_run_left_is_cleared(tmp_path: Path, talk: Path) -> None:
    left = tmp_path / "out" / ".talk.unfinished"
    (left / "deep").mkdir(parents=True)
    (left / "a.txt").write_text("half")
    assert run(tmp_path / "out", Copying("a.txt"), talk)[0].state == "done"
    assert names(tmp_path / "out") == {"talk"}
    assert names(tmp_path / "out" / "talk") == {"a.txt", ".maedfer-copy.json"}


def test_two_runs_share_the_work(tmp_path: Path) -> None:
    """The second run leaves the video on which the first one is, and finds its results at the end."""
    sources = [tmp_path / f"{name}.mp4" for name in "abc"]
    for source in sources:
        source.write_text(source.stem)
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Copying):
        def run(self, source: Path | str, name: str, folder: Path, progress: Progress) -> Facts:
            begun.set()
            assert go_on.wait(20)
            return super().run(source, name, folder, progress)

    first, outcomes = Slow("a.txt"), list[Outcome]()
    thread = threading.Thread(target=lambda: outcomes.extend(run(tmp_path / "out", first, *sources)))
    thread.start()
    assert begun.wait(20)
    second = Copying("a.txt")
    videos = [FoundVideo(source, PurePath(source.stem)) for source in sources]
    running = process(videos, tmp_path / "out", second, again=False, stdin=io.BytesIO, watch=silent)
    assert [next(running).video.place.name for _ in range(2)] == ["b", "c"]
    go_on.set()
    assert next(running).state == "kept"
    thread.join()
    assert [outcome.state for outcome in outcomes] == ["done", "kept", "kept"]
    assert [Path(name).name for name in first.done + second.done] == ["a.mp4", "b.mp4", "c.mp4"]
    assert {"a", "b", "c"} == names(tmp_path / "out")


def test_standard_input_is_never_kept(tmp_path: Path) -> None:
    states = [run(tmp_path / "out", Copying("a.txt"), "-", stdin=b"piped")[0].state for _ in range(2)]
    assert states == ["done", "done"]
    assert (tmp_path / "out" / "stdin" / "a.txt").read_text() == "piped"


def test_the_list_is_safe_to_open(tmp_path: Path) -> None:
    odd = [tmp_path / "=1+1.mp4", Path(os.fsdecode(bytes(tmp_path) + b"/a\xff.mp4"))]
    for path in odd:
        path.write_text("x")
    outcomes = run(tmp_path / "out", Copying("a.txt"), *odd)
    text = write_list(tmp_path / "out", outcomes).read_text()
    assert [line.split(",")[2] for line in text.splitlines()[1:]] == ["done", "done"]
    assert ",'=1+1," in text
    assert json.loads((tmp_path / "out" / "=1+1" / ".maedfer-copy.json").read_text())["facts"]["faces"] == 2
