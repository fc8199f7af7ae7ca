"""Label sets: which expressions a data set names, in which order, under which spellings.

The order is the index order of the published label files, so that logits of the official checkpoints keep their
meaning. Merges between sets (for cross-set evaluation) go through :func:`canonical`.
"""

from dataclasses import dataclass

from maedfer.errors import ConfigError

__all__ = ["BASIC_EXPRESSIONS", "LABEL_SETS", "LabelSet", "canonical", "label_set"]


@dataclass(frozen=True)
class LabelSet:
    """A data set's classes in index order.

    Attributes:
        name: the data set's name.
        labels: class names; the position is the class index.
    """

    name: str
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.labels)) != len(self.labels) or not self.labels:
            raise ConfigError(f"label set {self.name!r}: expected distinct names, got {self.labels}")

    def index(self, label: str) -> int:
        """Class index of ``label``; another set's spelling of the same expression is accepted.

        Raises:
            ConfigError: the set has no such expression.
        """
        if label in self.labels:
            return self.labels.index(label)
        wanted = canonical(label)
        for position, own in enumerate(self.labels):
            if canonical(own) == wanted:
                return position
        raise ConfigError(f"label set {self.name!r} has no expression {label!r}; it has {', '.join(self.labels)}")


#: The seven basic expressions in the order of DFEW and FERV39k.
BASIC_EXPRESSIONS = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")

_SPELLINGS = {
    "happiness": "happy",
    "sadness": "sad",
    "anger": "angry",
    "surprised": "surprise",
    "fearful": "fear",
    "disgusted": "disgust",
    "calmness": "calm",
    "contemptuous": "contempt",
    "anxious": "anxiety",
    "helpless": "helplessness",
    "disappointed": "disappointment",
}

LABEL_SETS = {
    entry.name: entry
    for entry in (
        LabelSet("DFEW", BASIC_EXPRESSIONS),
        LabelSet("FERV39k", BASIC_EXPRESSIONS),
        LabelSet(
            "MAFW",
            (
                "anger",
                "disgust",
                "fear",
                "happiness",
                "neutral",
                "sadness",
                "surprise",
                "contempt",
                "anxiety",
                "helplessness",
                "disappointment",
            ),
        ),
        LabelSet("CREMA-D", ("anger", "disgust", "fear", "happy", "neutral", "sad")),
        LabelSet("RAVDESS", ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")),
        LabelSet("eNTERFACE05", ("anger", "disgust", "fear", "happiness", "sadness", "surprise")),
    )
}


def canonical(label: str) -> str:
    """The one spelling used to compare labels of different sets (``"anger"`` and ``"angry"`` are the same)."""
    lowered = label.strip().lower()
    return _SPELLINGS.get(lowered, lowered)


def label_set(name: str) -> LabelSet:
    """The label set called ``name`` (letter case is ignored).

    Raises:
        ConfigError: no such set.
    """
    for known, entry in LABEL_SETS.items():
        if known.lower() == name.strip().lower():
            return entry
    raise ConfigError(f"unknown label set {name!r}; known: {', '.join(LABEL_SETS)}")
