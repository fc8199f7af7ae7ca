"""Clips of one's own: a folder a class, or a CSV."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import replace

from maedfer.data.corpora.listing import Listing, entries_of, joined, layout_error
from maedfer.data.corpora.lists import safe_path, split_name
from maedfer.data.corpora.types import Corpus, CorpusClip, Missing
from maedfer.emotions import LABEL_SETS, LabelSet, canonical
from maedfer.errors import ManifestError
from maedfer.video.find import IMAGE_SUFFIXES, VIDEO_SUFFIXES

__all__ = ["fitting_labels", "read_folder", "read_table"]

_SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_MOST_FOLDS = 1000


def read_folder(listing: Listing) -> Corpus:
    """``CLASS/clip`` or ``CLASS/folder of frames``, in ``train``, ``val`` and ``test`` or in none of them.

    Raises:
        ManifestError: there is no clip in a folder of a class.
    """
    missing: list[Missing] = []
    top = entries_of(listing, "", missing)
    parts = [name for name in top.folders if name.lower() in _SPLITS]
    clips: list[CorpusClip] = []
    if parts and len(parts) == len(top.folders):
        for part in parts:
            for name in entries_of(listing, part, missing).folders:
                clips += _of_class(listing, joined(part, name), name, _SPLITS[part.lower()], missing)
    else:
        for name in top.folders:
            clips += _of_class(listing, name, name, "", missing)
    if not clips:
        raise layout_error(listing, "a folder a class with videos or folders of frames in it", "train/happy/0001.mp4")
    return _corpus(listing, clips, missing)


def read_table(listing: Listing, name: str, text: str) -> Corpus:
    """A CSV of one's own: columns path and label and, if wanted, subject, split, fold; paths relative to the root.

    Args:
        listing: the root.
        name: what messages call the table.
        text: its content.

    Raises:
        ManifestError: a column is missing, a path leads out of the root or is there twice, a split or fold is none.
    """
    missing: list[Missing] = []
    clips: list[CorpusClip] = []
    seen: set[str] = set()
    for number, row in _rows(name, text):
        where = f"{name}, line {number}"
        path = safe_path(row["path"])
        if path is None:
            raise ManifestError(
                f"{where}: expected a path below {listing.name}, got {row['path']!r}; write it relative"
            )
        if path in seen:
            raise ManifestError(f"{where}: {path} is there a second time; keep one line a clip")
        seen.add(path)
        split = row["split"].lower()
        if split and split not in _SPLITS:
            raise ManifestError(f"{where}: expected split train, val, test or nothing, got {row['split']!r}")
        clip = CorpusClip(path, row["label"], row["subject"], _SPLITS.get(split, ""), _fold(where, row["fold"]), None)
        if listing.kind(path) is None:
            missing.append(Missing(path, f"in {where}, not on disk below {listing.name}"))
        else:
            clips.append(clip)
    if not clips:
        raise ManifestError(
            f"{name}: none of its {len(seen)} clips is below {listing.name}; give the folder at which its paths start"
        )
    return _corpus(listing, clips, missing)


def fitting_labels(labels: Iterable[str]) -> LabelSet | None:
    """The label set that has just these classes, in whatever spelling; ``None``: they are the data's own.

    A part of a known set's classes does not fit it: a model for two classes is not one for seven.
    """
    wanted = {canonical(label) for label in labels}
    return next((known for known in LABEL_SETS.values() if {canonical(own) for own in known.labels} == wanted), None)


def _of_class(listing: Listing, folder: str, label: str, split: str, missing: list[Missing]) -> Iterator[CorpusClip]:
    entries = entries_of(listing, folder, missing)
    for name in entries.files:
        if split_name(name)[1] in VIDEO_SUFFIXES:
            yield CorpusClip(joined(folder, name), label, "", split, None, None)
        else:
            missing.append(
                Missing(joined(folder, name), "no video by its suffix; frames belong in a folder of their own")
            )
    for name in entries.folders:
        inside = joined(folder, name)
        if any(split_name(file)[1] in IMAGE_SUFFIXES for file in entries_of(listing, inside, missing).files):
            yield CorpusClip(inside, label, "", split, None, None)
        else:
            missing.append(Missing(inside, "no frames in it; clips lie directly in the folder of their class"))


def _corpus(listing: Listing, clips: list[CorpusClip], missing: list[Missing]) -> Corpus:
    known = fitting_labels(clip.label for clip in clips)
    if known is not None:
        clips = [replace(clip, label=known.labels[known.index(clip.label)]) for clip in clips]
    name = listing.name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    ordered = tuple(sorted(clips, key=lambda clip: clip.path))
    return Corpus(name, known.name if known else None, "none", None, ordered, tuple(missing))


def _rows(name: str, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    columns = [column.strip().lower() for column in reader.fieldnames or ()]
    if not {"path", "label"} <= set(columns):
        raise ManifestError(
            f"{name}: expected the columns path and label (also subject, split, fold), got "
            f"{', '.join(columns) or 'an empty file'}"
        )
    reader.fieldnames = columns
    try:
        for row in reader:
            values = {key: (row.get(key) or "").strip() for key in ("path", "label", "subject", "split", "fold")}
            yield reader.line_num, values
    except csv.Error as error:
        raise ManifestError(f"{name}, line {reader.line_num}: expected CSV, got: {error}") from error


def _fold(where: str, text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _MOST_FOLDS):
        raise ManifestError(f"{where}: expected a fold from 1 to {_MOST_FOLDS} or nothing, got {text[:40]!r}")
    return int(text)
