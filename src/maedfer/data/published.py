"""Published sizes and results, as facts to compare with: arXiv 2307.02227, its released logs and split files.

The sizes of all folds are counts of lines in the released split files; for DFEW the set's own read-me has the same.
"""

from dataclasses import dataclass
from typing import Literal

from maedfer.errors import ConfigError

__all__ = [
    "OUTCOMES",
    "RESULTS",
    "Outcome",
    "Part",
    "PublishedOutcome",
    "PublishedResult",
    "expected_sizes",
    "published_result",
]

#: A part of a fold or of a set.
Part = Literal["train", "test"]


@dataclass(frozen=True)
class Outcome:
    """Two scores in percent.

    Attributes:
        uar: mean of the recalls of the classes.
        war: share of clips that are right.
    """

    uar: float
    war: float


@dataclass(frozen=True)
class PublishedResult:
    """What the paper reports for a set.

    Attributes:
        name: the set.
        paper: the method's scores, over all folds where there are some.
        folds: by fold, fold 1 first; empty where they are not published.
        videomae: scores of VideoMAE pre-trained on the same videos, from the paper; ``None`` where it gives none.
    """

    name: str
    paper: Outcome
    folds: tuple[Outcome, ...] = ()
    videomae: Outcome | None = None


@dataclass(frozen=True)
class PublishedOutcome:
    """The outcome of one test in the released logs.

    Attributes:
        name: the set, which is also its label set.
        fold: from 1.
        confusion: number of clips by (true class, answered class), in the order of the label set.
        scores: UAR and WAR as printed.
        macro_f1: as printed, 0 to 1.
        weighted_f1: as printed, 0 to 1.
    """

    name: str
    fold: int
    confusion: tuple[tuple[int, ...], ...]
    scores: Outcome
    macro_f1: float
    weighted_f1: float


#: Results of the paper, its tables of comparisons; UAR and WAR in percent.
RESULTS = (
    PublishedResult(
        "DFEW",
        Outcome(63.41, 74.43),
        (
            Outcome(62.59, 74.88),
            Outcome(61.96, 72.49),
            Outcome(64.00, 74.91),
            Outcome(63.07, 74.05),
            Outcome(65.42, 75.81),
        ),
        Outcome(63.60, 74.60),
    ),
    PublishedResult("FERV39k", Outcome(43.12, 52.07), videomae=Outcome(43.33, 52.39)),
    PublishedResult("MAFW", Outcome(41.62, 54.31), videomae=Outcome(40.87, 53.51)),
    PublishedResult("CREMA-D", Outcome(77.33, 77.38)),
    PublishedResult("RAVDESS", Outcome(75.91, 75.56)),
    PublishedResult("eNTERFACE05", Outcome(61.67, 61.64)),
)

#: Outcomes of single tests with their confusion matrices, from the released logs.
OUTCOMES = (
    PublishedOutcome(
        "DFEW",
        1,
        (
            (454, 7, 10, 14, 2, 1, 1),
            (5, 292, 49, 15, 11, 1, 6),
            (19, 30, 403, 38, 33, 5, 6),
            (9, 9, 49, 336, 22, 3, 7),
            (4, 11, 58, 9, 194, 0, 18),
            (0, 0, 16, 4, 3, 3, 3),
            (1, 20, 23, 17, 48, 1, 71),
        ),
        Outcome(62.59, 74.88),
        0.6357,
        0.7441,
    ),
    PublishedOutcome(
        "MAFW",
        3,
        (
            (190, 21, 5, 1, 7, 13, 11, 3, 24, 1, 2),
            (17, 39, 0, 4, 4, 15, 8, 7, 25, 1, 8),
            (2, 1, 64, 1, 0, 20, 31, 0, 5, 0, 1),
            (5, 4, 0, 213, 16, 2, 0, 5, 1, 0, 2),
            (19, 6, 1, 8, 127, 13, 13, 8, 20, 10, 3),
            (15, 6, 7, 2, 3, 229, 3, 2, 24, 1, 2),
            (17, 5, 15, 5, 3, 16, 136, 1, 14, 0, 2),
            (2, 9, 1, 20, 9, 0, 1, 1, 0, 3, 1),
            (19, 17, 7, 1, 8, 34, 14, 2, 75, 4, 2),
            (0, 7, 0, 13, 5, 3, 0, 2, 9, 3, 10),
            (2, 2, 1, 1, 2, 5, 1, 3, 7, 3, 9),
        ),
        Outcome(46.08, 59.25),
        0.4598,
        0.5845,
    ),
)

# Clips by fold in its test part, fold 1 first; a fold trains on all the others.
_TESTED = {
    "DFEW": (2341, 2341, 2340, 2339, 2336),
    "MAFW": (1839, 1837, 1833, 1832, 1831),
    "CREMA-D": (1463, 1470, 1476, 1476, 1557),
    "RAVDESS": (240, 240, 240, 240, 240, 240),
    "eNTERFACE05": (270, 270, 267, 270, 210),
}
_SPLIT: dict[str, dict[Part, int]] = {
    "FERV39k": {"train": 31088, "test": 7847},
    "VoxCeleb2": {"train": 1092009},
}


def expected_sizes(name: str) -> dict[tuple[int | None, Part], int]:
    """Number of clips by (fold, part) of a full set; fold ``None`` where the set has one split.

    Only sizes that are published are here: a set of one's own gives an empty dictionary.

    Args:
        name: as in :attr:`maedfer.data.corpora.Corpus.name`; letter case is ignored.
    """
    wanted = name.lower()
    sizes: dict[tuple[int | None, Part], int] = {}
    for known, tested in _TESTED.items():
        if known.lower() == wanted:
            for fold, count in enumerate(tested, start=1):
                sizes[fold, "train"] = sum(tested) - count
                sizes[fold, "test"] = count
    for known, parts in _SPLIT.items():
        if known.lower() == wanted:
            sizes |= {(None, part): count for part, count in parts.items()}
    return sizes


def published_result(name: str) -> PublishedResult:
    """The paper's result for a set.

    Args:
        name: the set; letter case is ignored.

    Raises:
        ConfigError: the paper reports none.
    """
    for result in RESULTS:
        if result.name.lower() == name.lower():
            return result
    raise ConfigError(f"no published result for {name!r}; there are some for {', '.join(r.name for r in RESULTS)}")
