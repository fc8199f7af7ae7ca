"""The public sets by their names: folds, labels and counts of full lists, and what is wrong in a tree.

Full lists are trees of names only. Which names they hold follows from how each set names its clips; where single names
are known to be missing but not which, as many are left out (in each fold) as the released split files lack.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from maedfer.data.corpora import Corpus, CorpusKind, Entries, read_corpus, read_listing
from maedfer.data.corpora.crema_d import SENTENCES, TEST_SPEAKERS
from maedfer.data.corpora.enterface import TEST_SUBJECTS, sentences
from maedfer.data.corpora.ravdess import speech_names
from maedfer.data.manifest import read_manifest, write_manifest
from maedfer.data.published import expected_sizes
from maedfer.emotions import BASIC_EXPRESSIONS, label_set
from maedfer.errors import ConfigError, ManifestError

SCENES = [f"Scene{number:02d}" for number in range(22)]


class Names:
    """A tree of names without files: paths ending in ``/`` are empty folders, ``texts`` the list files."""

    def __init__(self, paths: Iterable[str], texts: Mapping[str, str] | None = None) -> None:
        self.texts = dict(texts or {})
        self.folders: dict[str, set[str]] = {"": set()}
        self.files: dict[str, set[str]] = {"": set()}
        for path in [*paths, *self.texts]:
            parts = path.rstrip("/").split("/")
            last = len(parts) if path.endswith("/") else len(parts) - 1
            folder = ""
            for part in parts[:last]:
                self.folders[folder].add(part)
                folder = f"{folder}/{part}" if folder else part
                self.folders.setdefault(folder, set())
                self.files.setdefault(folder, set())
            if last < len(parts):
                self.files[folder].add(parts[-1])

    @property
    def name(self) -> str:
        return "sets/MINE"

    def entries(self, folder: str) -> Entries:
        return Entries(tuple(sorted(self.folders[folder])), tuple(sorted(self.files[folder])))

    def text(self, path: str) -> str:
        return self.texts[path]

    def kind(self, path: str) -> Literal["file", "folder"] | None:
        folder, _, name = path.rpartition("/")
        return "folder" if path in self.folders else "file" if name in self.files.get(folder, ()) else None


def sizes(corpus: Corpus) -> dict[tuple[int | None, str], int]:
    """Counts by (fold, part), as the published ones are given."""
    folds = Counter(clip.fold for clip in corpus.clips if clip.fold is not None)
    found: dict[tuple[int | None, str], int] = {}
    for fold, count in folds.items():
        found |= {(fold, "test"): count, (fold, "train"): len(corpus.clips) - count}
    splits = Counter(clip.split for clip in corpus.clips if clip.split)
    return found | {(None, split): count for split, count in splits.items()}


def ravdess_names() -> list[str]:
    return [f"Actor_{actor:02d}/{name}.mp4" for actor in range(1, 25) for name in speech_names(actor)]


def crema_names() -> list[str]:
    names = []
    for first, last in TEST_SPEAKERS:
        fold = []
        for actor in range(first, last + 1):
            for sentence in SENTENCES:
                for emotion in ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"):
                    levels = ("LO", "MD", "HI") if sentence == "IEO" and emotion != "NEU" else ("XX",)
                    fold += [f"VideoFlash/{actor}_{sentence}_{emotion}_{level}.flv" for level in levels]
        assert len(fold) == 82 * (last - first + 1)
        names.append(fold)
    never_published = (13, 6, 0, 0, 1)  # 91 x 82 less 7442, by fold in the released split files
    return [name for fold, gone in zip(names, never_published, strict=True) for name in fold[gone:]]


def enterface_names() -> list[str]:
    return [
        f"enterface database/subject {subject}/{label}/sentence {number}/s{subject}_{label[:2]}_{number}.avi"
        for subjects in TEST_SUBJECTS
        for subject in subjects
        for label in label_set("eNTERFACE05").labels
        for number in sentences(subject, label)
    ]


def fold_numbers(name: str) -> dict[int, list[int]]:
    """Clip numbers by fold: as many in each as published, and gaps where clips have no single label."""
    counts = [count for (_, part), count in expected_sizes(name).items() if part == "test"]
    numbers = iter(range(1, 20000, 1))
    return {fold: [next(numbers) for _ in range(count)] for fold, count in enumerate(counts, start=1)}


def dfew(folds: Mapping[int, list[int]], padded: bool = False, frames: str = "Clip/jpg_256") -> Names:
    def lines(numbers: Iterable[int]) -> str:
        rows = (f"{number:05d},{number % 7 + 1}" if padded else f"{number},{number % 7 + 1}" for number in numbers)
        return "\n".join(["video_name,label", *rows])

    texts = {}
    for fold, tested in folds.items():
        rest = [number for other, numbers in folds.items() if other != fold for number in numbers]
        texts[f"EmoLabel_DataSplit/train(single-labeled)/set_{fold}.csv"] = lines(rest)
        texts[f"EmoLabel_DataSplit/test(single-labeled)/set_{fold}.csv"] = lines(tested)
    paths = [f"{frames}/{number:05d}/" for numbers in folds.values() for number in numbers]
    return Names([*paths, f"{frames}/16372/"], texts)


def mafw(folds: Mapping[int, list[int]], split: str = "split") -> Names:
    labels = label_set("MAFW").labels
    texts = {}
    for fold, tested in folds.items():
        rest = [number for other, numbers in folds.items() if other != fold for number in numbers]
        for part, numbers in (("train", rest), ("test", tested)):
            rows = [f"{number:05d}.mp4 {labels[number % 11]}" for number in numbers]
            texts[f"{split}/single/no_caption/set_{fold}/{part}.txt"] = "\n".join(rows) + "\n"
    return Names([f"data/frames/{number:05d}/" for numbers in folds.values() for number in numbers], texts)


def ferv39k(train: int, test: int) -> Names:
    names = []
    for number in range(train + test):
        scene, rest = number % 22, number // 22
        names.append((f"{SCENES[scene]}/{BASIC_EXPRESSIONS[rest % 7].title()}/{rest // 7:04d}", rest % 7))
    lines = [f"{name} {BASIC_EXPRESSIONS[label].title()}" for name, label in names]
    texts = {
        "4_setups/All_scenes/train_All.csv": "\n".join(lines[:train]),
        "4_setups/All_scenes/test_All.csv": "\n".join(lines[train:]),
    }
    return Names([f"2_ClipsforFaceCrop/{name}/" for name, _ in names], texts)


def full(kind: CorpusKind) -> Names:
    match kind:
        case "dfew":
            return dfew(fold_numbers("DFEW"))
        case "ferv39k":
            return ferv39k(31088, 7847)
        case "mafw":
            return mafw(fold_numbers("MAFW"))
        case "crema-d":
            return Names(crema_names())
        case "ravdess":
            return Names(ravdess_names())
        case _:
            return Names(enterface_names())


@pytest.mark.parametrize(
    ("kind", "name", "total", "subjects", "crop"),
    [
        ("dfew", "DFEW", 11697, 0, "face"),
        ("ferv39k", "FERV39k", 38935, 0, "face"),
        ("mafw", "MAFW", 9172, 0, "face"),
        ("crema-d", "CREMA-D", 7442, 91, "none"),
        ("ravdess", "RAVDESS", 1440, 24, "none"),
        ("enterface05", "eNTERFACE05", 1287, 43, "none"),
    ],
)
def test_full_lists_have_the_published_counts(
    kind: CorpusKind, name: str, total: int, subjects: int, crop: str
) -> None:
    corpus = read_listing(kind, full(kind))
    assert (corpus.name, corpus.label_set, corpus.crop) == (name, name, crop)
    assert corpus.missing == ()
    assert len(corpus.clips) == len({clip.path for clip in corpus.clips}) == total
    assert sizes(corpus) == expected_sizes(name)
    assert {clip.label for clip in corpus.clips} == set(label_set(name).labels)
    assert len({clip.subject for clip in corpus.clips} - {""}) == subjects
    folds: dict[str, set[int | None]] = {}
    for clip in corpus.clips:
        if clip.subject:
            folds.setdefault(clip.subject, set()).add(clip.fold)
    assert all(len(those) == 1 for those in folds.values())  # no person is trained on and tested in a fold


def test_labels_are_those_of_the_names() -> None:
    def label(kind: CorpusKind, listing: Names, path: str) -> tuple[str, int | None]:
        found = {clip.path: clip for clip in read_listing(kind, listing).clips}[path]
        return found.label, found.fold

    assert label("ravdess", full("ravdess"), "Actor_12/02-01-06-01-02-01-12.mp4") == ("fearful", 3)
    assert label("crema-d", full("crema-d"), "VideoFlash/1091_IEO_SAD_HI.flv") == ("sad", 5)
    path = "enterface database/subject 11/fear/sentence 2/s11_fe_2.avi"
    assert label("enterface05", full("enterface05"), path) == ("fear", 2)
    assert label("dfew", dfew({fold: [fold] for fold in range(1, 6)}), "Clip/jpg_256/00005") == ("disgust", 5)


# RAVDESS -------------------------------------------------------------------------------------------------------------


def test_ravdess_leaves_sound_and_songs_aside_and_names_the_rest() -> None:
    names = [f"Video_Speech_Actor_01/Actor_01/{name}.mp4" for name in speech_names(1)]
    other = [name.replace("/02-01-", f"/{kind}-") for name in names for kind in ("01-01", "02-02", "03-01")]
    odd = [
        "Video_Speech_Actor_01/Actor_01/02-01-09-01-01-01-01.mp4",  # no ninth emotion
        "Video_Speech_Actor_01/Actor_01/02-01-01-02-01-01-01.mp4",  # neutral is never strong
        "Video_Speech_Actor_01/Actor_01/02-01-03-01-01-01-02.mp4",  # another actor's
        "Actor_01/02-01-01-01-01-01-01.mp4",  # a copy
        "Actor_01/holiday.mp4",
        "README.txt",
    ]
    corpus = read_listing("ravdess", Names([*names[1:], *other, *odd]))
    assert len(corpus.clips) == 60
    reasons = {entry.path: entry.reason for entry in corpus.missing}
    assert "no clip of the set" in reasons[odd[0]]
    assert "no clip of the set" in reasons[odd[1]]
    assert "folder of actor 1" in reasons[odd[2]]
    assert "expected a name like" in reasons[odd[4]]
    assert reasons["Actor_24"] == "none of the 60 clips is there"
    assert len(corpus.missing) == 4 + 23


def test_a_second_copy_is_left_out() -> None:
    corpus = read_listing("ravdess", Names([*ravdess_names(), "old/Actor_01/02-01-01-01-01-01-01.mp4"]))
    assert len(corpus.clips) == 1440
    assert [(entry.path, entry.reason) for entry in corpus.missing] == [
        (
            "old/Actor_01/02-01-01-01-01-01-01.mp4",
            "another copy of Actor_01/02-01-01-01-01-01-01.mp4; left out",
        )
    ]


def test_ravdess_with_sound_only_says_which_archive_is_wanted() -> None:
    with pytest.raises(ManifestError, match=r"Video_Speech_Actor_NN\.zip"):
        read_listing("ravdess", Names([name.replace("/02-", "/01-") for name in ravdess_names()]))


# CREMA-D, eNTERFACE05 ------------------------------------------------------------------------------------------------


def test_crema_d_takes_other_containers_and_names_strangers() -> None:
    names = ["CREMA-D-master/VideoFlash/1001_IEO_ANG_LO.MP4", "CREMA-D-master/VideoFlash/1040_ith_sad_x.mp4"]
    odd = ["VideoFlash/1092_DFA_ANG_XX.flv", "VideoFlash/1001_DFA_JOY_XX.flv", "VideoFlash/1001_DFA.flv"]
    corpus = read_listing("crema-d", Names([*names, *odd, "AudioWAV/1001_IEO_ANG_LO.wav"]))
    assert [(clip.path, clip.label, clip.subject, clip.fold) for clip in corpus.clips] == [
        (names[0], "anger", "1001", 1),
        (names[1], "sad", "1040", 3),
    ]
    assert sorted(entry.path for entry in corpus.missing) == sorted(odd)


def test_enterface05_folders_tell_what_names_do_not() -> None:
    names = [
        "enterface database/subject 3/disgust/sentence 1/s_3_di_1.avi",  # another spelling of the subject
        "enterface database/Subject 3/Happiness/sentence 2/s3_sa_2.avi",  # named for another emotion
        "enterface database/subject 16/fear/s16_fe_4.avi",  # no folder of a sentence
        "enterface database/subject_17/surprise/sentence_5/su5.avi",  # spaces replaced
    ]
    odd = ["enterface database/subject 6/anger/s6_anger.avi", "enterface database/subject 16/fear/s16_fear.avi"]
    corpus = read_listing("enterface05", Names([*names, *odd]))
    found = {clip.path: (clip.label, clip.subject, clip.fold) for clip in corpus.clips}
    assert found == {
        names[0]: ("disgust", "3", 1),
        names[1]: ("happiness", "3", 1),
        names[2]: ("fear", "16", 2),
        names[3]: ("surprise", "17", 2),
    }
    reasons = {entry.path: entry.reason for entry in corpus.missing}
    assert not any("subject 6" in path for path in reasons)  # in every complete copy, and in no published fold
    assert "which sentence" in reasons[odd[1]]
    assert reasons["subject 3 disgust 2"] == "not on disk"
    assert reasons["subject 23"] == "none of the 27 clips is there"


# DFEW, MAFW, FERV39k -------------------------------------------------------------------------------------------------

FEW = {fold: [10 * fold + number for number in range(3)] for fold in range(1, 6)}


@pytest.mark.parametrize("frames", ["Clip/jpg_256", "Clip/clip_224x224", "clip/clip_224x224/clip_224x224_part_1"])
@pytest.mark.parametrize("padded", [False, True])
def test_dfew_numbers_are_names_of_five_digits(padded: bool, frames: str) -> None:
    corpus = read_listing("dfew", dfew(FEW, padded, frames))
    assert corpus.missing == ()
    assert corpus.clips[0].path == f"{frames}/00010"
    assert (corpus.crop, corpus.fps, corpus.clips[0].fps) == ("face", 25.0, 25.0)


def test_dfew_whole_pictures_are_no_face_crops_and_16_frames_are_refused() -> None:
    listing = dfew(FEW, frames="Clip/clip_224x224_16f")
    with pytest.raises(ManifestError, match="16 frames only"):
        read_listing("dfew", listing)
    videos = [f"Clip/original/data_part_1/{number:05d}.mp4" for numbers in FEW.values() for number in numbers]
    corpus = read_listing("dfew", Names([*videos, "Clip/clip_224x224_16f/00010/"], listing.texts))
    assert (corpus.crop, corpus.fps, corpus.clips[0].fps) == ("none", None, None)
    assert [clip.path for clip in corpus.clips] == videos


def test_deviations_from_a_partition_are_named() -> None:
    listing = dfew(FEW)
    train, test = ("EmoLabel_DataSplit/{}(single-labeled)/set_{}.csv".format(part, "{}") for part in ("train", "test"))
    listing.texts[test.format(2)] += "\n10,4"  # 10 is tested in fold 1 already
    listing.texts[train.format(1)] += "\n11,5"  # 11 is tested in fold 1
    listing.texts[train.format(2)] = listing.texts[train.format(2)].replace("12,6\n", "")
    listing.texts[train.format(3)] = listing.texts[train.format(3)].replace("20,7", "20,1")
    listing.texts[train.format(4)] += "\n99,1\n../../etc/passwd,1\n21,8\n21,2"
    listing.folders["Clip/jpg_256"].discard("00022")
    corpus = read_listing("dfew", listing)
    reasons = {entry.path: entry.reason for entry in corpus.missing}
    assert "test lists of folds 1, 2" in reasons["00010"]
    assert "both lists of fold 1" in reasons["00011"]
    assert "not in the training lists of folds 2" in reasons["00012"]
    assert reasons["00020"] == "listed with the labels fear, happy; left out"
    assert "no fold's test list" in reasons["00099"]
    assert "not on disk" in reasons["00022"]
    where = train.format(4)
    lines = sorted(path for path in reasons if path.startswith(where))
    assert lines == [f"{where}:{number}" for number in (15, 16, 17)]
    assert {clip.path[-2:] for clip in corpus.clips} == {
        str(number) for numbers in FEW.values() for number in numbers if number not in (10, 20, 22)
    }


def test_a_fold_without_its_list_is_named() -> None:
    listing = dfew(FEW)
    listing.files["EmoLabel_DataSplit/test(single-labeled)"].discard("set_4.csv")
    with pytest.raises(ManifestError, match=r"set_4\.csv"):
        read_listing("dfew", listing)


def test_mafw_lists_may_be_where_the_archive_has_them() -> None:
    listing = mafw(FEW, "Train & Test Set")
    where = "Train & Test Set/single/no_caption/set_1/train.txt"
    listing.texts[where] += "/etc/passwd anger\n00010.mp4 boredom\n"
    corpus = read_listing("mafw", listing)
    assert len(corpus.clips) == 15
    assert [entry.path for entry in corpus.missing] == [f"{where}:13", f"{where}:14"]
    videos = [f"data/clips/{number:05d}.mp4" for numbers in FEW.values() for number in numbers]
    corpus = read_listing("mafw", Names(videos, mafw(FEW).texts))
    assert (corpus.crop, len(corpus.clips)) == ("none", 15)


def test_ferv39k_compares_lists_and_disk() -> None:
    listing = ferv39k(40, 10)
    train = "4_setups/All_scenes/train_All.csv"
    first, last = (listing.texts[train].splitlines()[index] for index in (0, -1))
    tested = listing.texts["4_setups/All_scenes/test_All.csv"].splitlines()[0]
    listing.texts[train] += f"\n{tested}\n../Happy/0001 Happy\nScene00/Happy/0001 Bored"
    scene, emotion, number = first.split()[0].split("/")
    listing.folders[f"2_ClipsforFaceCrop/{scene}/{emotion}"].discard(number)
    listing.folders[f"2_ClipsforFaceCrop/{scene}/{emotion}"].add("9999")
    corpus = read_listing("ferv39k", listing)
    assert Counter(clip.split for clip in corpus.clips) == {"train": 39, "test": 10}
    reasons = {entry.path: entry.reason for entry in corpus.missing}
    assert "test only" in reasons[tested.split()[0].lower()]
    assert "not on disk" in reasons[first.split()[0].lower()]
    assert reasons[f"2_ClipsforFaceCrop/{scene}/{emotion}/9999"] == "on disk, in no list"
    assert f"{train}:42" in reasons
    assert "bored" in reasons[f"{train}:43"]
    assert last


# VoxCeleb2, folder ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["dev/mp4/", "mp4/", "", "vox2/dev/mp4/"])
def test_voxceleb2_is_unlabelled_with_its_speakers(base: str) -> None:
    names = [
        f"{base}id0001{speaker}/video{video}/0000{clip}.mp4" for speaker in "23" for video in "ab" for clip in "12"
    ]
    corpus = read_listing("voxceleb2", Names([*names, f"{base}id00012/videoa/00001.txt", "test/mp4/id00017/v/1.mp4"]))
    assert [clip.path for clip in corpus.clips] == names
    assert (corpus.name, corpus.label_set, corpus.fps, corpus.crop) == ("VoxCeleb2", None, 25.0, "face")
    assert {(clip.label, clip.subject, clip.split) for clip in corpus.clips} == {
        ("", "id00012", "train"),
        ("", "id00013", "train"),
    }


def test_folders_of_classes_with_and_without_splits() -> None:
    names = ["train/Happiness/a.mp4", "val/joyful/b.AVI", "test/joyful/c/0001.png", "test/joyful/d/e/f.mp4"]
    corpus = read_listing("folder", Names([*names, "train/joyful/notes.txt"]))
    assert [(clip.path, clip.label, clip.split) for clip in corpus.clips] == [
        ("test/joyful/c", "joyful", "test"),
        ("train/Happiness/a.mp4", "Happiness", "train"),
        ("val/joyful/b.AVI", "joyful", "val"),
    ]
    assert corpus.label_set is None
    assert {entry.path for entry in corpus.missing} == {"test/joyful/d", "train/joyful/notes.txt"}


def test_classes_of_a_known_set_get_its_spelling() -> None:
    names = ("Happiness", "SADNESS", "neutral", "anger", "Surprise", "disgusted", "fear")
    corpus = read_listing("folder", Names([f"{name}/a.mp4" for name in names]))
    assert (corpus.name, corpus.label_set) == ("MINE", "DFEW")
    assert {clip.label for clip in corpus.clips} == set(BASIC_EXPRESSIONS)
    assert {clip.split for clip in corpus.clips} == {""}


def table(folder: Path, text: str) -> Corpus:
    path = folder / "mine.csv"
    path.write_text(text)
    (folder / "clips").mkdir(exist_ok=True)
    (folder / "clips" / "a.mp4").touch()
    return read_corpus("folder", folder / "clips", path)


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    corpus = table(tmp_path, "\ufeffPath,label,subject,split,fold\na.mp4,calm,s1,Validation,2\nb.mp4,calm,s1,,\n")
    assert [(c.path, c.label, c.subject, c.split, c.fold) for c in corpus.clips] == [("a.mp4", "calm", "s1", "val", 2)]
    assert [entry.path for entry in corpus.missing] == ["b.mp4"]
    assert (corpus.name, corpus.label_set) == ("clips", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "columns path and label"),
        ("path,emotion\na.mp4,happy\n", "columns path and label"),
        ("path,label\n../mine.csv,happy\n", r"mine\.csv, line 2: expected a path below"),
        ("path,label\n/etc/passwd,happy\n", "line 2: expected a path below"),
        ("path,label\nC:\\a.mp4,happy\n", "line 2: expected a path below"),
        ("path,label\n,happy\n", "line 2: expected a path below"),
        ("path,label\na.mp4,happy\n./a.mp4,sad\n", "line 3: a.mp4 is there a second time"),
        ("path,label,split\na.mp4,happy,dev\n", "line 2: expected split"),
        ("path,label,fold\na.mp4,happy,0\n", "line 2: expected a fold"),
        ("path,label,fold\na.mp4,happy,1.5\n", "line 2: expected a fold"),
        ("path,label\nb.mp4,happy\n", "none of its 1 clips"),
    ],
)
def test_a_wrong_table_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        table(tmp_path, text)


def test_a_table_belongs_to_a_folder_only(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="official lists"):
        read_corpus("dfew", tmp_path, tmp_path / "mine.csv")


# The disk ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "example"),
    [
        ("dfew", "Clip/jpg_256/00001"),
        ("ferv39k", "4_setups/All_scenes/train_All.csv"),
        ("mafw", "split/single/no_caption/set_1"),
        ("crema-d", "VideoFlash/1001_DFA_ANG_XX.flv"),
        ("ravdess", "Actor_01/02-01-01-01-01-01-01.mp4"),
        ("enterface05", "enterface database/subject 1"),
        ("voxceleb2", "dev/mp4/id00012"),
        ("folder", "train/happy/0001.mp4"),
    ],
)
def test_another_layout_says_what_was_expected_and_found(tmp_path: Path, kind: CorpusKind, example: str) -> None:
    (tmp_path / "holiday").mkdir()
    (tmp_path / "beach.jpg").touch()
    with pytest.raises(ManifestError, match=r"found holiday/, beach\.jpg") as caught:
        read_corpus(kind, tmp_path)
    assert example in str(caught.value)
    with pytest.raises(ManifestError, match="found no folder"):
        read_corpus(kind, tmp_path / "nowhere")


def test_links_that_lead_out_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "set"
    (root / "happy").mkdir(parents=True)
    (root / "sad").mkdir()
    (tmp_path / "secret.mp4").touch()
    (root / "happy" / "a.mp4").touch()
    (root / "happy" / "out.mp4").symlink_to(tmp_path / "secret.mp4")
    (root / "happy" / "loop.mp4").symlink_to("loop.mp4")
    (root / "sad" / "in.mp4").symlink_to(root / "happy" / "a.mp4")
    (root / "up").symlink_to(tmp_path)
    corpus = read_corpus("folder", root)
    assert [clip.path for clip in corpus.clips] == ["happy/a.mp4", "sad/in.mp4"]
    assert {entry.path for entry in corpus.missing} >= {"happy/out.mp4", "up"}
    assert all("link" in entry.reason for entry in corpus.missing)
    (tmp_path / "mine.csv").write_text("path,label\nhappy/out.mp4,happy\nhappy/a.mp4,happy\n")
    assert len(read_corpus("folder", root, tmp_path / "mine.csv").clips) == 1
    linked = tmp_path / "by another name"
    linked.symlink_to(root)
    assert read_corpus("folder", linked).clips == corpus.clips


def test_hidden_and_unspeakable_names(tmp_path: Path) -> None:
    folder = tmp_path / "happy"
    folder.mkdir()
    (folder / "a.mp4").touch()
    (folder / "._a.mp4").touch()
    (folder / " b.mp4").touch()
    os.close(os.open(os.fsencode(folder) + b"/c\xff.mp4", os.O_CREAT | os.O_WRONLY))
    corpus = read_corpus("folder", tmp_path)
    assert [clip.path for clip in corpus.clips] == ["happy/a.mp4"]
    assert len(corpus.missing) == 2
    assert all("rename it" in entry.reason for entry in corpus.missing)


def test_a_list_that_is_no_text_is_named(tmp_path: Path) -> None:
    for name in ("train", "test"):
        folder = tmp_path / f"EmoLabel_DataSplit/{name}(single_labeled)"
        folder.mkdir(parents=True)
        (folder / "set_1.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "Clip" / "jpg_256").mkdir(parents=True)
    with pytest.raises(ManifestError, match="UTF-8"):
        read_corpus("dfew", tmp_path)


def test_a_set_on_disk_becomes_a_manifest_with_its_folds(tmp_path: Path) -> None:
    for actor in (1, 5, 24):
        folder = tmp_path / f"Video_Speech_Actor_{actor:02d}/Actor_{actor:02d}"
        folder.mkdir(parents=True)
        for name in speech_names(actor):
            (folder / f"{name}.mp4").touch()
    corpus = read_corpus("ravdess", tmp_path)
    rows = [
        {
            "path": clip.path,
            "label": clip.label,
            "label_set": corpus.label_set or "",
            "subject": clip.subject,
            "fold": str(clip.fold),
            "crop": corpus.crop,
        }
        for clip in corpus.clips
    ]
    write_manifest(tmp_path / "manifest.csv", rows)
    manifest = read_manifest(tmp_path / "manifest.csv")
    assert manifest.folds() == (1, 2, 6)
    train, test = manifest.fold_parts(6)
    assert {entry.subject for entry in test.entries} == {"24"}
    assert {entry.subject for entry in train.entries} == {"01", "05"}
    counts = np.bincount(test.targets(label_set("RAVDESS").labels))
    assert counts.tolist() == [4, 8, 8, 8, 8, 8, 8, 8]
