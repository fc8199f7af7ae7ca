"""Weights that others have published, with their scores as published, their labels and the terms they come under.

They are not ours to pass on, and their host hands large files only to a browser: so a person fetches them, once, and
this module says from where, to where, and notices later if the file changes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maedfer.errors import WeightsError
from maedfer.hub.cache import cache_folder, require_same

__all__ = ["KNOWN_WEIGHTS", "KnownWeights", "file_of"]

_PAGE = "https://github.com/sunlicai/MAE-DFER"
_DRIVE = "https://drive.google.com/file/d"
_CODE = (
    "the authors' repository carries an MIT licence (copyright 2023 Licai Sun); it names no separate terms for weights"
)
_VOXCELEB2 = "pre-trained on VoxCeleb2, faces of public persons from YouTube: see the terms of its owners"
_DFEW = "fine-tuned on DFEW, which its owners give out only to those who ask: see https://dfew-dataset.github.io/"


@dataclass(frozen=True)
class KnownWeights:
    """One published checkpoint.

    Attributes:
        name: what :func:`maedfer.load_model` calls it.
        stage: ``"pretrained"`` (no classifier) or ``"finetuned"``.
        page: where its authors describe it.
        link: where they keep the file, as their page gave it; it was not fetched by us.
        label_set: of a classifier.
        uar: its published unweighted average recall, percent.
        war: its published accuracy, percent.
        sha256: as published; none of the authors' files has one.
        terms: licence of the code and what is known of the data's.
    """

    name: str
    stage: Literal["pretrained", "finetuned"]
    page: str
    link: str
    label_set: str | None
    uar: float | None
    war: float | None
    sha256: str | None
    terms: str

    @property
    def place(self) -> Path:
        """Where the file is looked for."""
        return cache_folder() / "weights" / f"{self.name}.pth"


def _dfew(fold: int, file: str, uar: float, war: float) -> KnownWeights:
    name, terms = f"mae-dfer-dfew-fold{fold}", f"{_CODE}; {_VOXCELEB2}; {_DFEW}"
    return KnownWeights(name, "finetuned", _PAGE, f"{_DRIVE}/{file}/view", "DFEW", uar, war, None, terms)


_PRETRAINED = f"{_DRIVE}/1nzvMITUHic9fKwjQ7XLcnaXYViWTawRv/view"

#: The checkpoints that the authors of MAE-DFER released, by name. Scores: their page, and the paper's protocol.
KNOWN_WEIGHTS = {
    entry.name: entry
    for entry in (
        KnownWeights(
            "mae-dfer-voxceleb2", "pretrained", _PAGE, _PRETRAINED, None, None, None, None, f"{_CODE}; {_VOXCELEB2}"
        ),
        _dfew(1, "1wRxwEZlrc3z3DqQ84xm_olmqRsj2obH3", 62.59, 74.88),
        _dfew(2, "1lY4L2PMVWuF93K6_VqEl7QrPoSK0SvaQ", 61.96, 72.49),
        _dfew(3, "1FPKxBoGO3VXvLhcHY8iOPb9lQPi0_C1z", 64.00, 74.91),
        _dfew(4, "1yFDc1n8SaTEQWrVX8k65loQm45rfwQeO", 63.07, 74.05),
        _dfew(5, "1wmXO4M2kjpAOnvof8CmpJE6wUrxMUOgw", 65.42, 75.81),
    )
}


def file_of(weights: KnownWeights) -> Path:
    """The file of known weights where a person put it; its hash is noted at the first use.

    Raises:
        WeightsError: it is not there (the message says how to get it), or changed since its first use.
    """
    place = weights.place
    if not place.is_file():
        raise WeightsError(
            f"{weights.name}: expected the authors' checkpoint at {place}, found no file. Its host hands it to "
            f"browsers only: open {weights.link} (linked from {weights.page}), download the .pth and move it there, or "
            f"give its path instead of the name. Terms: {weights.terms}"
        )
    require_same(weights.name, place, None)
    return place
