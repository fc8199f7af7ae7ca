"""eNTERFACE'05: folders say subject, emotion and sentence; five folds by subject."""

import re

from maedfer.data.corpora.acted import Take, absent, kept, videos_below
from maedfer.data.corpora.listing import Listing, entries_of, joined, layout_error
from maedfer.data.corpora.lists import class_of, split_name
from maedfer.data.corpora.types import Corpus, CorpusClip, Missing
from maedfer.emotions import label_set
from maedfer.errors import ConfigError

__all__ = ["TEST_SUBJECTS", "read_enterface05", "sentences"]

#: The subjects of each fold's test part, fold 1 first.
TEST_SUBJECTS = (
    (1, 2, 3, 4, 5, 7, 8, 9, 10),
    tuple(range(11, 20)),
    tuple(range(20, 29)),
    tuple(range(29, 38)),
    tuple(range(38, 45)),
)

_FPS = 25.0
_SENTENCES = range(1, 6)
_UNDIVIDED = 6
_SUBJECT = re.compile(r"subject[ _-]?(\d{1,2})", re.IGNORECASE)
_SENTENCE = re.compile(r"sentence[ _-]?([1-5])", re.IGNORECASE)
_LAST_NUMBER = re.compile(r"[ _-]?([1-5])\D*")


def read_enterface05(listing: Listing) -> Corpus:
    """eNTERFACE'05 as distributed: ``enterface database/subject N/EMOTION/sentence M/sN_em_M.avi``.

    The folders tell subject and emotion, whatever a file is called: some names lack the subject or are misspelt. Where
    there is no folder of a sentence, its number is the last of the name. Subject 6 has one undivided video an emotion;
    every complete copy has it, the published folds leave it out, and so does this reader, without a word.

    Raises:
        ManifestError: another layout.
    """
    missing: list[Missing] = []
    takes: list[Take] = []
    for subject, place in _subjects(listing, missing):
        fold = next((number for number, subjects in enumerate(TEST_SUBJECTS, 1) if subject in subjects), None)
        if subject == _UNDIVIDED:
            continue
        if fold is None:
            missing.append(Missing(place, "no such subject in the set, which has 1 to 44; left out"))
            continue
        for name in entries_of(listing, place, missing).folders:
            folder = joined(place, name)
            try:
                label = class_of("eNTERFACE05", name)
            except ConfigError as error:
                missing.append(Missing(folder, str(error)))
                continue
            takes += _takes(listing, folder, CorpusClip(folder, label, str(subject), "", fold, None), missing)
    if not takes:
        raise layout_error(listing, "eNTERFACE05: folders of subjects, emotions and sentences",
                           "enterface database/subject 1/anger/sentence 1/s1_an_1.avi")  # fmt: skip
    clips = kept(takes, missing)
    missing += absent(_complete(), takes, "subject ")
    return Corpus("eNTERFACE05", "eNTERFACE05", "none", _FPS, clips, tuple(missing))


def sentences(subject: int, label: str) -> tuple[int, ...]:
    """Numbers of the sentences that exist: all five, but for three of subject 23.

    Args:
        subject: as the folders count.
        label: of the label set eNTERFACE05.
    """
    return (4, 5) if (subject, label) == (23, "happiness") else tuple(_SENTENCES)


def _subjects(listing: Listing, missing: list[Missing]) -> list[tuple[int, str]]:
    """(number, folder) of each subject, up to two levels down."""
    waiting = [("", 2)]
    found = []
    while waiting:
        folder, depth = waiting.pop()
        for name in entries_of(listing, folder, missing).folders:
            parsed = _SUBJECT.fullmatch(name)
            if parsed is not None:
                found.append((int(parsed[1]), joined(folder, name)))
            elif depth:
                waiting.append((joined(folder, name), depth - 1))
    return sorted(found)


def _takes(listing: Listing, folder: str, like: CorpusClip, missing: list[Missing]) -> list[Take]:
    found = []
    for path in videos_below(listing, missing, depth=1, folder=folder):
        inside, _, name = path.rpartition("/")
        parsed = _SENTENCE.fullmatch(inside.rpartition("/")[2]) if inside != folder else None
        if parsed is None:
            parsed = _last_number(split_name(name)[0])
        if parsed is None:
            missing.append(Missing(path, "neither its folder nor its name says which sentence, 1 to 5; left out"))
            continue
        clip = CorpusClip(path, like.label, like.subject, "", like.fold, None)
        found.append(Take(clip, (like.subject, like.label, parsed[1])))
    return found


def _last_number(stem: str) -> re.Match[str] | None:
    return _LAST_NUMBER.fullmatch(stem[max(stem.rfind("_"), stem.rfind(" "), stem.rfind("-"), 0) :])


def _complete() -> list[tuple[str, ...]]:
    return [
        (str(subject), label, str(sentence))
        for subjects in TEST_SUBJECTS
        for subject in subjects
        for label in label_set("eNTERFACE05").labels
        for sentence in sentences(subject, label)
    ]
