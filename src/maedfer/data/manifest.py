"""The table of clips: one CSV row a clip, one schema for every data set.

Columns, in the order of :data:`COLUMNS`: ``path`` (relative to the manifest's folder, or to a root that the reader
gives), ``label``, ``label_set``, ``subject``, ``split`` (train, val, test or empty), ``fold`` (the fold in whose test
part the clip is, from 1; empty where the set has no folds), ``frames``, ``fps``, ``crop`` (``face``: a tight face crop
already; ``none``: a whole picture; empty: not known) and ``sha256`` (of the file, or of a folder's frames). Only
``path`` is required; pre-training needs nothing else. Further columns are kept out of the way.
"""

import csv
import hashlib
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maedfer.data.root import Root
from maedfer.emotions import LabelSet, label_set
from maedfer.errors import ConfigError, ManifestError
from maedfer.output import write_text

__all__ = ["COLUMNS", "ClipEntry", "Manifest", "carve_validation", "read_manifest", "write_manifest"]

#: Columns of a manifest, in order.
COLUMNS = ("path", "label", "label_set", "subject", "split", "fold", "frames", "fps", "crop", "sha256")

_SPLITS = ("train", "val", "test", "")
_CROPS = ("face", "none", "")
_MOST_FOLDS = 1000


@dataclass(frozen=True, slots=True)
class ClipEntry:
    """One labelled (or unlabelled) clip.

    Attributes:
        row: position in the manifest, from 0.
        clip_id: the path as written in the manifest.
        path: the file, or a folder of frames.
        label: class name, empty when unlabelled.
        subject: the person, empty when unknown.
        split: ``"train"``, ``"val"``, ``"test"`` or empty.
        fold: the fold in whose test part the clip is, from 1; ``None`` where there are no folds.
        frames: number of frames as the manifest says, ``None`` when it does not; a claim, not a fact.
        fps: frames per second as the manifest says; the rate at which a folder of frames is played.
        crop: ``"face"`` (a tight face crop already), ``"none"`` or empty (not known).
        sha256: of the content, in hexadecimal; empty when not known.
    """

    row: int
    clip_id: str
    path: Path
    label: str
    subject: str
    split: str
    fold: int | None = None
    frames: int | None = None
    fps: float | None = None
    crop: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Manifest:
    """Clips of one data set.

    Attributes:
        path: the CSV file.
        labels: the set's classes; ``None`` when the file names no label set.
        entries: rows in file order.
    """

    path: Path
    labels: LabelSet | None
    entries: tuple[ClipEntry, ...]

    def part(self, *splits: str) -> "Manifest":
        """Only the rows of these splits.

        Raises:
            ManifestError: there are none.
        """
        chosen = tuple(entry for entry in self.entries if entry.split in splits)
        if not chosen:
            there = sorted({entry.split or "(empty)" for entry in self.entries})
            raise ManifestError(
                f"{self.path}: no clip with split {' or '.join(splits)}; the file has {', '.join(there)}"
            )
        return Manifest(self.path, self.labels, chosen)

    def folds(self) -> tuple[int, ...]:
        """The folds that occur, ascending."""
        return tuple(sorted({entry.fold for entry in self.entries if entry.fold is not None}))

    def fold_parts(self, fold: int) -> tuple["Manifest", "Manifest"]:
        """(training part, test part) of one fold: the test part is the clips of that fold, the other all the rest.

        Raises:
            ManifestError: the manifest has no such fold.
        """
        if fold not in self.folds():
            there = ", ".join(map(str, self.folds())) or "none"
            raise ManifestError(f"{self.path}: expected fold {fold}, the file has {there}; choose one of those")
        test = tuple(entry for entry in self.entries if entry.fold == fold)
        rest = tuple(entry for entry in self.entries if entry.fold is not None and entry.fold != fold)
        if not rest:
            raise ManifestError(f"{self.path}: fold {fold} is the only one; nothing is left to train on")
        return Manifest(self.path, self.labels, rest), Manifest(self.path, self.labels, test)

    def targets(self, labels: tuple[str, ...]) -> list[int]:
        """Class index of every row in the order of a model's ``labels``.

        Raises:
            ManifestError: a row has no label, or one that the model does not know.
        """
        classes = LabelSet("the model", labels)
        found = []
        for entry in self.entries:
            if not entry.label:
                raise ManifestError(f"{self.path}: {entry.clip_id} has no label; fine-tuning and evaluation need one")
            try:
                found.append(classes.index(entry.label))
            except ValueError as error:
                raise ManifestError(f"{self.path}: {entry.clip_id}: {error}") from error
        return found

    def digest(self) -> str:
        """A hash of which clips these are (ids, sizes and times of the files), for caches."""
        total = hashlib.sha256()
        for entry in self.entries:
            stat = entry.path.stat()
            total.update(f"{entry.clip_id}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
        return total.hexdigest()[:16]


def read_manifest(path: Path, root: Path | None = None) -> Manifest:
    """Read and check a manifest.

    Args:
        path: the CSV file.
        root: folder at which its paths start; ``None``: the manifest's own.

    Raises:
        ManifestError: no such file, no ``path`` column, an unknown split or label set, label sets mixed, or clips that
            are missing (the first three are named) or lie outside the root.
    """
    place, found, names = Root(root or path.parent), list[ClipEntry](), set[str]()
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            if "path" not in columns:
                raise ManifestError(f"{path}: expected a column 'path', got {', '.join(columns) or 'an empty file'}")
            for number, row in enumerate(reader):  # a million of them: none is kept
                found.append(_entry(path, place, number, row))
                names.add((row.get("label_set") or "").strip())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(
            f"{path}: expected a CSV manifest of clips, got {error}; write one with maedfer prepare"
        ) from error
    if not found:
        raise ManifestError(f"{path}: expected at least one clip, got a header alone")
    entries = tuple(found)
    missing = [entry.clip_id for entry in entries if not entry.path.exists()]
    if missing:
        raise ManifestError(
            f"{path}: {len(missing)} of {len(entries)} clips are missing below {root or path.parent}, first "
            f"{', '.join(missing[:3])}; give the folder at which its paths start as root"
        )
    names -= {""}
    if len(names) > 1:
        raise ManifestError(f"{path}: expected one label set, got {', '.join(sorted(names))}")
    try:
        return Manifest(path, label_set(names.pop()) if names else None, entries)
    except ConfigError as error:
        raise ManifestError(f"{path}: {error}; leave label_set empty for labels of your own") from error


def write_manifest(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Write rows of text by column name, under a temporary name first; missing columns are empty.

    Raises:
        OutputError: it cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: row.get(name, "") for name in COLUMNS} for row in rows)
    write_text(path, text.getvalue())


def carve_validation(train: Manifest, share: float, seed: int) -> tuple[Manifest, Manifest]:
    """Split a training part into (train, validation), by subject where subjects are known (else by clip).

    Args:
        train: the training rows.
        share: part of the subjects (or clips) that goes to validation, 0 < share < 1.
        seed: of the draw.

    Raises:
        ManifestError: too few subjects to split.
    """
    keys = [entry.subject or entry.clip_id for entry in train.entries]
    distinct = sorted(set(keys))
    count = max(1, round(share * len(distinct)))
    if count >= len(distinct):
        raise ManifestError(f"{train.path}: {len(distinct)} subject(s) cannot be split into training and validation")
    held = set(np.random.default_rng(seed).permutation(np.array(distinct, dtype=object))[:count])
    pairs = list(zip(keys, train.entries, strict=True))
    inside = tuple(entry for key, entry in pairs if key in held)
    outside = tuple(entry for key, entry in pairs if key not in held)
    return Manifest(train.path, train.labels, outside), Manifest(train.path, train.labels, inside)


def _entry(manifest: Path, root: Root, index: int, row: Mapping[str, str | None]) -> ClipEntry:
    where = f"{manifest}, line {index + 2}"  # the header is line 1
    value = {key: (row.get(key) or "").strip() for key in COLUMNS}
    if not value["path"]:
        raise ManifestError(f"{where}: expected a path, got an empty one")
    if not root.holds(value["path"]):
        raise ManifestError(f"{where}: {value['path']} lies outside {root.path}; give another folder as root")
    for key, allowed in (("split", _SPLITS), ("crop", _CROPS)):
        if value[key] not in allowed:
            raise ManifestError(f"{where}: expected {key} {', '.join(filter(None, allowed))}, got {value[key]!r}")
    fold, frames = (_number(where, key, value[key]) for key in ("fold", "frames"))
    return ClipEntry(
        row=index,
        clip_id=value["path"],
        path=root.path / value["path"],
        label=value["label"],
        subject=value["subject"],
        split=value["split"],
        fold=None if fold is None else _whole(where, "fold", fold, _MOST_FOLDS),
        frames=None if frames is None else _whole(where, "frames", frames, 1 << 31),
        fps=_number(where, "fps", value["fps"]),
        crop=value["crop"],
        sha256=value["sha256"],
    )


def _number(where: str, key: str, text: str) -> float | None:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise ManifestError(f"{where}: expected a positive number as {key}, got {text!r}; empty means not known")
    return number


def _whole(where: str, key: str, number: float, most: int) -> int:
    if number != int(number) or number > most:
        raise ManifestError(f"{where}: expected a whole number from 1 to {most} as {key}, got {number:g}")
    return int(number)
