"""What arguments mean: every video once, in an order and with places that do not depend on the disk."""

import os
from pathlib import Path, PurePath

import pytest

from maedfer.errors import ConfigError, DecodeError
from maedfer.video import find
from maedfer.video.decode import probe
from maedfer.video.find import FoundVideo, find_videos


def grow(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def places(*arguments: str | Path, out: Path | None = None) -> list[str]:
    return [found.place.as_posix() for found in find_videos(arguments, out=out)]


def names(root: Path, *arguments: str | Path) -> list[str]:
    return [Path(found.source).relative_to(root).as_posix() for found in find_videos(arguments)]


def test_files_are_taken_whatever_their_extension(tmp_path: Path):
    grow(tmp_path, "talk.mp4", "b.dat", "noext", ".hidden.mp4")
    arguments = [tmp_path / "talk.mp4", str(tmp_path / "b.dat"), tmp_path / "noext", tmp_path / ".hidden.mp4"]
    assert places(*arguments) == ["talk", "b", "noext", "hidden"]
    assert [found.source for found in find_videos(arguments)] == [Path(argument) for argument in arguments]


def test_a_folder_gives_the_videos_below_it_in_natural_order(tmp_path: Path):
    grow(
        tmp_path, "take10.mp4", "take9.MP4", "b/x.mkv", "a/deep/y.webm", "a/z.gif", "a/notes.txt", "a/cover.jpg",
        ".trash/old.mp4", "a/.part.mp4", "empty/readme", "frames/1.png", "done/annotated.mp4",
    )  # fmt: skip
    expected = ["take9", "take10", "a/z", "a/deep/y", "b/x"]
    assert places(tmp_path) == expected
    assert places(f"{tmp_path}/") == expected
    assert names(tmp_path, tmp_path)[0] == "take9.MP4"


def test_a_folder_of_images_is_one_video(tmp_path: Path):
    grow(tmp_path, "take.1/1.png", "take.1/2.png")
    assert find_videos([tmp_path / "take.1"]) == [FoundVideo(tmp_path / "take.1", PurePath("take.1"))]
    grow(tmp_path, "more/take.2/1.jpg", "notes/a.txt")
    assert places(tmp_path) == ["more/take.2", "take.1"]
    assert names(tmp_path, tmp_path) == ["more/take.2", "take.1"]
    grow(tmp_path, "talk.mp4")
    assert places(tmp_path) == ["talk"]


def test_the_order_of_the_disk_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    grow(tmp_path, *(f"{folder}/{name}" for folder in "cab" for name in ("2.mp4", "10.mp4", "1.mkv", "1.mp4")))
    expected = find_videos([tmp_path])
    real = os.scandir

    class Backwards:
        def __init__(self, path: Path) -> None:
            with real(path) as entries:
                self.entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

        def __enter__(self) -> list[os.DirEntry[str]]:
            return self.entries

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(find.os, "scandir", Backwards)
    assert find_videos([tmp_path]) == expected
    assert places(tmp_path)[:4] == ["a/1.mkv", "a/1.mp4", "a/2", "a/10"]


def test_links_are_followed_and_loops_are_not(tmp_path: Path):
    grow(tmp_path / "data", "a/talk.mp4", "b/other.mp4")
    grow(tmp_path / "elsewhere", "far.mp4")
    (tmp_path / "data/a/up").symlink_to(tmp_path / "data")
    (tmp_path / "data/b/side").symlink_to(tmp_path / "data/a")
    (tmp_path / "data/c").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data/self").symlink_to(tmp_path / "data/self")
    (tmp_path / "data/gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    assert places(tmp_path / "data") == ["gone", "a/talk", "b/other", "c/far"]
    assert places(tmp_path / "data/**/*.mp4") == ["gone", "a/talk", "b/other", "c/far"]


def test_globs(tmp_path: Path):
    grow(
        tmp_path,
        "p1/cam1.mp4",
        "p1/cam2.mp4",
        "p2/deep/cam1.mp4",
        "p10/cam1.mp4",
        "p1/notes.txt",
        ".x/cam1.mp4",
        "a.dat",
    )
    assert places(tmp_path / "*/cam1.mp4") == ["p1/cam1", "p10/cam1"]
    assert places(str(tmp_path / "**" / "cam1.mp4")) == ["p1/cam1", "p2/deep/cam1", "p10/cam1"]
    assert places(tmp_path / "p[12]/*") == ["p1/cam1", "p1/cam2", "p2/deep/cam1"]
    assert places(tmp_path / "p?") == ["p1/cam1", "p1/cam2", "p2/deep/cam1"]
    assert places(tmp_path / "**") == ["p1/cam1", "p1/cam2", "p2/deep/cam1", "p10/cam1"]
    assert places(tmp_path / "*.dat") == ["a"]
    assert places(tmp_path / "*") == ["p1/cam1", "p1/cam2", "p2/deep/cam1", "p10/cam1"]


def test_globs_relative_to_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    grow(tmp_path, "a/talk.mp4", "top.mp4")
    monkeypatch.chdir(tmp_path)
    assert places("*.mp4") == ["top"]
    assert places("./**/*.mp4") == ["top", "a/talk"]
    assert places("a/../*.mp4") == ["top"]
    assert places(".") == ["top", "a/talk"]
    monkeypatch.chdir(tmp_path / "a")
    assert places("..") == ["top", "a/talk"]
    assert places("../*.mp4", "talk.mp4") == ["top", "talk"]


def test_a_name_with_wildcards_in_it_is_a_name(tmp_path: Path):
    grow(tmp_path, "talk [1].mp4", "talk 1.mp4")
    assert names(tmp_path, tmp_path / "talk [1].mp4") == ["talk [1].mp4"]


def test_addresses_and_standard_input_stay_as_they_are():
    url = "https://user:hunter2@example.org/talk.mp4?token=1"
    assert find_videos([url, "-", "foo://bar", "-"]) == [
        FoundVideo(url, PurePath("talk")),
        FoundVideo("-", PurePath("stdin")),
        FoundVideo("foo://bar", PurePath("bar")),
    ]


def test_what_is_asked_for_twice_comes_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    grow(tmp_path, "talk.mp4", "b.mp4")
    monkeypatch.chdir(tmp_path)
    assert places(tmp_path / "talk.mp4", tmp_path, "*.mp4", "talk.mp4", ".") == ["talk", "b"]


def test_places_of_one_folder_keep_the_extension_where_the_name_is_not_enough(tmp_path: Path):
    grow(tmp_path, "talk.mp4", "talk.mkv", "other.mp4", "sub/talk.mp4")
    expected = ["other", "talk.mkv", "talk.mp4", "sub/talk"]
    assert places(tmp_path) == expected
    assert places(tmp_path / "talk.mp4", tmp_path / "talk.mkv") == ["talk.mp4", "talk.mkv"]


def test_equal_names_from_different_places_are_numbered(tmp_path: Path):
    grow(tmp_path, "a/talk.mp4", "b/talk.mp4", "c/Talk.mp4", "d/talk-2.mp4", "e/TALK.mp4", "e/talk.mp4")
    four = [tmp_path / "a/talk.mp4", tmp_path / "b/talk.mp4", tmp_path / "c/Talk.mp4", tmp_path / "d/talk-2.mp4"]
    assert places(*four) == ["talk", "talk-3", "Talk-4", "talk-2"]
    assert places(tmp_path / "a", tmp_path / "b") == ["talk", "talk-2"]
    assert places(tmp_path / "e") == ["TALK.mp4", "talk.mp4-2"]
    assert places("https://a.org/talk.mp4", "https://b.org/talk.mp4") == ["talk", "talk-2"]


def test_composed_and_decomposed_letters_share_no_place(tmp_path: Path):
    grow(tmp_path, "a/é.mp4", "b/e\u0301.mp4")
    assert places(tmp_path / "a", tmp_path / "b") == ["é", "é-2"]


def test_places_never_leave_the_folder_of_results(tmp_path: Path):
    grow(tmp_path, "a b/..x...mp4", "a:b/c\\d.mp4", "...mp4", "con/aux.mp4")
    for found in find_videos([tmp_path, "../../x", "/x", "https://host/%2e%2e%2f%2e%2e", tmp_path / "a b/..", "./-"]):
        assert not found.place.is_absolute()
        assert found.place.parts
        assert not {"..", ".", ""} & set(found.place.parts)
        assert not any(set(part) & set('/\\:*?"<>|') for part in found.place.parts)
    assert len(set(places(tmp_path))) == len(places(tmp_path)) == 2


def test_results_of_an_earlier_run_are_no_videos(tmp_path: Path):
    grow(tmp_path, "talk.mp4", "results/talk/annotated.mp4", "results/talk/face.mp4")
    assert places(tmp_path, out=tmp_path / "results") == ["talk"]
    assert places(tmp_path / "**/*.mp4", out=tmp_path / "results") == ["talk"]
    grow(tmp_path, "talk/annotated.mp4")
    assert places(tmp_path, out=tmp_path) == ["talk", "results/talk/face"]
    assert places(tmp_path / "talk/annotated.mp4") == ["annotated"]


def test_what_is_missing_does_not_stop_the_others_and_says_so_when_opened(tmp_path: Path):
    grow(tmp_path, "talk.mp4", "empty/notes.txt")
    arguments = [tmp_path / "gone.mp4", tmp_path / "empty", tmp_path / "*.avi", tmp_path / "talk.mp4"]
    found = find_videos(arguments)
    assert [video.source for video in found] == arguments
    for video, word in zip(found, ["nothing", r"\.mp4", "nothing"], strict=False):
        with pytest.raises(DecodeError, match=word):
            probe(video.source)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="only a user without all rights is kept out")
def test_a_locked_folder_is_not_passed_over(tmp_path: Path):
    grow(tmp_path, "talk.mp4", "locked/other.mp4")
    (tmp_path / "locked").chmod(0)
    try:
        found = find_videos([tmp_path])
        assert [video.place.as_posix() for video in found] == ["talk", "locked"]
        with pytest.raises(DecodeError, match="listed"):
            probe(found[1].source)
    finally:
        (tmp_path / "locked").chmod(0o700)


def test_nothing_asked_is_a_mistake():
    for arguments in ([], [""], ["talk.mp4", ""]):
        with pytest.raises(ConfigError, match=r"at least one|empty"):
            find_videos(arguments)
