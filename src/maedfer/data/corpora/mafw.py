"""MAFW, single expressions: five official folds as text lists, folders of frames."""

import re
from typing import Literal

from maedfer.data.corpora.folds import FoldLists, placed_clips
from maedfer.data.corpora.listing import Listing, child, layout_error, placed
from maedfer.data.corpora.lists import class_of, clips_in, lines_of, list_file
from maedfer.data.corpora.types import Corpus, Missing
from maedfer.errors import ConfigError, ManifestError

__all__ = ["read_mafw"]

_FOLDS = range(1, 6)
_FPS = 25.0  # not stated by the set; as for DFEW
# A name without folders: nothing else is looked up on the disk.
_LINE = re.compile(r"([\w-]{1,100})(?:\.\w{1,5})?\s+(\w{1,40})")
_EXPECTED = "MAFW: lists of five folds and folders of frames"
_EXAMPLE = "split/single/no_caption/set_1/train.txt and data/frames/00001/*.png"


def read_mafw(listing: Listing) -> Corpus:
    """MAFW as distributed; the lists may still be in ``Train & Test Set`` instead of ``split``.

    Without ``data/frames`` the videos of ``data/clips`` are taken, to be cropped. Clips with several expressions are
    in no list and not reported.

    Raises:
        ManifestError: another layout.
    """
    missing: list[Missing] = []
    split = placed(listing, ("split", "Train & Test Set"), ("single",), ("no_caption",))
    frames = placed(listing, ("data",), ("frames",))
    folder = frames or placed(listing, ("data",), ("clips",))
    if split is None or folder is None:
        raise layout_error(listing, _EXPECTED, _EXAMPLE)
    lists = {}
    for fold in _FOLDS:
        part = child(listing, split, (f"set_{fold}",))
        if part is None:
            raise layout_error(listing, f"{_EXPECTED}, also {split}/set_{fold}", _EXAMPLE)
        train, test = (list_file(listing, part, f"{name}.txt") for name in ("train", "test"))
        lists[fold] = FoldLists(_labels(listing, train, missing), _labels(listing, test, missing))
    there = clips_in(listing, folder, missing)
    clips = placed_clips(lists, there, folder, _FPS, missing)
    crop: Literal["face", "none"] = "none" if frames is None else "face"
    return Corpus("MAFW", "MAFW", crop, _FPS if frames else None, clips, tuple(missing))


def _labels(listing: Listing, path: str, missing: list[Missing]) -> dict[str, str]:
    """Label by clip name without suffix, in lower case."""
    found: dict[str, str] = {}
    for line in lines_of(listing, path):
        parsed = _LINE.fullmatch(line.text)
        if parsed is None:
            missing.append(Missing(line.where, f"expected 'NNNNN.mp4 emotion', got {line.text[:80]!r}"))
            continue
        try:
            label = class_of("MAFW", parsed[2])
        except ConfigError as error:
            missing.append(Missing(line.where, str(error)))
            continue
        clip = parsed[1].lower()
        if found.setdefault(clip, label) != label:
            missing.append(Missing(line.where, f"{clip} is {found[clip]} in an earlier line; this line is ignored"))
    if not found:
        raise ManifestError(f"{listing.name}: {path}: expected lines 'NNNNN.mp4 emotion', found none; unpack it again")
    return found
