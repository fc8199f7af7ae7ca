"""DFEW: five official folds as CSV lists, face crops as folders of frames."""

import re
from typing import Literal

from maedfer.data.corpora.folds import FoldLists, placed_clips
from maedfer.data.corpora.listing import Listing, child, entries_of, joined, layout_error, placed
from maedfer.data.corpora.lists import clips_in, lines_of, list_file, stem_of
from maedfer.data.corpora.types import Corpus, Missing
from maedfer.emotions import BASIC_EXPRESSIONS
from maedfer.errors import ManifestError

__all__ = ["read_dfew"]

_FOLDS = range(1, 6)
# The set does not state the rate of its frames. 25 makes 2.56 s the 64 frames of which the published code takes 16.
_FPS = 25.0
_EXPECTED = "DFEW: lists of five folds and face crops"
_EXAMPLE = "EmoLabel_DataSplit/train(single-labeled)/set_1.csv and Clip/jpg_256/00001/*.jpg"
_NAME = re.compile(r"\d{1,5}")
_LISTED = re.compile(r"(\d{1,5})(?:\.\w{1,5})?")
_NUMBERS = {str(number): label for number, label in enumerate(BASIC_EXPRESSIONS, start=1)}


def read_dfew(listing: Listing) -> Corpus:
    """DFEW as distributed: ``EmoLabel_DataSplit``, and ``Clip/jpg_256`` or ``Clip/clip_224x224`` (frames or videos).

    Only the uncropped ``Clip/original`` being there, its videos are taken, to be cropped. The clips that were squeezed
    to 16 frames (``clip_224x224_16f``) have lost their time and are refused. Clips without a single label are in no
    list and not reported.

    Raises:
        ManifestError: another layout.
    """
    missing: list[Missing] = []
    split = placed(listing, ("EmoLabel_DataSplit",))
    clip = placed(listing, ("Clip", "Clips"))
    if split is None or clip is None:
        raise layout_error(listing, _EXPECTED, _EXAMPLE)
    parts = {kind: child(listing, split, (f"{kind}(single-labeled)", f"{kind}(single_labeled)", kind))
             for kind in ("train", "test")}  # fmt: skip
    if parts["train"] is None or parts["test"] is None:
        raise layout_error(listing, _EXPECTED, _EXAMPLE)
    lists = {
        fold: FoldLists(
            _labels(listing, list_file(listing, parts["train"], f"set_{fold}.csv"), missing),
            _labels(listing, list_file(listing, parts["test"], f"set_{fold}.csv"), missing),
        )
        for fold in _FOLDS
    }
    there, crop = _clips(listing, clip, missing)
    clips = placed_clips(lists, there, clip, _FPS, missing)
    return Corpus("DFEW", "DFEW", crop, _FPS if crop == "face" else None, clips, tuple(missing))


def _labels(listing: Listing, path: str, missing: list[Missing]) -> dict[str, str]:
    """Label by five-digit clip name."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines_of(listing, path)):
        name, _, label = (part.strip().strip('"') for part in line.text.partition(","))
        if number == 0 and name.lower() == "video_name":
            continue
        parsed = _LISTED.fullmatch(name)
        if parsed is None or label not in _NUMBERS:
            missing.append(Missing(line.where, f"expected a clip number and a label 1 to 7, got {line.text[:80]!r}"))
            continue
        clip, expression = f"{int(parsed[1]):05d}", _NUMBERS[label]
        if found.setdefault(clip, expression) != expression:
            missing.append(Missing(line.where, f"{clip} is {found[clip]} in an earlier line; this line is ignored"))
    if not found:
        raise ManifestError(f"{listing.name}: {path}: expected lines 'video_name,label', found none; unpack it again")
    return found


def _clips(listing: Listing, folder: str, missing: list[Missing]) -> tuple[dict[str, str], Literal["face", "none"]]:
    """Path by five-digit name, and whether these are face crops."""
    names = [name for name in entries_of(listing, folder, missing).folders if "16f" not in name.lower()]
    crops = [name for name in names if name.lower() == "jpg_256"]
    crops = crops or [name for name in names if name.lower().startswith("clip_224x224")]
    originals = [name for name in names if name.lower() == "original"]
    for chosen, crop in ((crops, "face"), (originals, "none")):
        found: dict[str, str] = {}
        for name in chosen:
            found |= _numbered(listing, joined(folder, name), missing)
        if found:
            return found, "face" if crop == "face" else "none"
    raise layout_error(
        listing, f"{_EXPECTED}. Clips of 16 frames only (clip_224x224_16f) cannot be used: their time is lost", _EXAMPLE
    )


def _numbered(listing: Listing, folder: str, missing: list[Missing]) -> dict[str, str]:
    """Clips in the folder, and in parts of it (``data_part_1``) that an archive made."""
    found: dict[str, str] = {}
    for name, path in clips_in(listing, folder, missing).items():
        if _NAME.fullmatch(name):
            found[f"{int(name):05d}"] = path
        elif stem_of(path) == path:
            for inner, deeper in clips_in(listing, path, missing).items():
                if _NAME.fullmatch(inner):
                    found.setdefault(f"{int(inner):05d}", deeper)
    return found
