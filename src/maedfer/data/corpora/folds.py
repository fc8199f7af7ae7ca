"""Official cross-validation lists: each clip is in the test part of one fold and in the training part of all others."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from maedfer.data.corpora.lists import stem_of
from maedfer.data.corpora.types import CorpusClip, Missing

__all__ = ["FoldLists", "Listed", "folds_of", "placed_clips"]


@dataclass
class FoldLists:
    """What the lists of one fold say: label by clip name.

    Attributes:
        train: of the training list.
        test: of the test list.
    """

    train: dict[str, str] = field(default_factory=dict)
    test: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Listed:
    """A clip that the lists place.

    Attributes:
        name: as in the lists.
        label: class name.
        fold: the fold in whose test list it is, from 1.
    """

    name: str
    label: str
    fold: int


def folds_of(lists: Mapping[int, FoldLists], missing: list[Missing]) -> list[Listed]:
    """Every listed clip with its fold, in the order of names.

    Deviations from a partition go to ``missing`` with what is done about them. A clip without exactly one test fold,
    or with two labels, is left out; one that its own fold also trains on is kept for its test part alone.

    Args:
        lists: by fold, from 1.
        missing: receives the deviations.
    """
    tests: dict[str, list[int]] = {}
    trains: dict[str, set[int]] = {}
    labels: dict[str, set[str]] = {}
    for fold, parts in lists.items():
        for name, label in parts.test.items():
            tests.setdefault(name, []).append(fold)
            labels.setdefault(name, set()).add(label)
        for name, label in parts.train.items():
            trains.setdefault(name, set()).add(fold)
            labels.setdefault(name, set()).add(label)
    found = []
    for name in sorted(labels):
        reason, kept = _deviation(sorted(tests.get(name, [])), trains.get(name, set()), labels[name], set(lists))
        if reason:
            missing.append(Missing(name, reason))
        if kept:
            found.append(Listed(name, next(iter(labels[name])), tests[name][0]))
    return found


def placed_clips(
    lists: Mapping[int, FoldLists], there: Mapping[str, str], folder: str, fps: float, missing: list[Missing]
) -> tuple[CorpusClip, ...]:
    """The listed clips that are on the disk, in the order of names.

    Args:
        lists: by fold, from 1.
        there: path by name as in the lists.
        folder: where they were looked for, for messages.
        fps: frames per second of clips that are folders of frames; videos tell their own.
        missing: receives what is not there, and the deviations of the lists.
    """
    clips = []
    for listed in folds_of(lists, missing):
        path = there.get(listed.name)
        if path is None:
            missing.append(Missing(listed.name, f"listed for fold {listed.fold}, not on disk below {folder}"))
        else:
            rate = None if stem_of(path) != path else fps
            clips.append(CorpusClip(path, listed.label, "", "", listed.fold, rate))
    return tuple(clips)


def _deviation(test: list[int], train: set[int], labels: set[str], folds: set[int]) -> tuple[str, bool]:
    if len(labels) > 1:
        return f"listed with the labels {', '.join(sorted(labels))}; left out", False
    if not test:
        return "in no fold's test list; left out", False
    if len(test) > 1:
        return f"in the test lists of folds {', '.join(map(str, test))}; left out", False
    if test[0] in train:
        return f"in both lists of fold {test[0]}; used in its test part only", True
    absent = folds - train - set(test)
    if absent:
        return f"not in the training lists of folds {', '.join(map(str, sorted(absent)))}; trained on there too", True
    return "", True
