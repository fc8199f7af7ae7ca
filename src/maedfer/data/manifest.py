"""The table of clips: one CSV row a clip, one schema for every data set.

Columns: ``path`` (relative to the manifest's folder), ``label``, ``label_set``, ``subject``, ``split`` (train, val,
test), ``fold``, ``frames``, ``fps``. Only ``path`` is required; pre-training needs nothing else. Further columns are
ignored.
"""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maedfer.emotions import LabelSet, label_set
from maedfer.errors import ManifestError

__all__ = ["ClipEntry", "Manifest", "carve_validation", "read_manifest"]

_SPLITS = ("train", "val", "test", "")


@dataclass(frozen=True)
class ClipEntry:
    """One labelled (or unlabelled) clip.

    Attributes:
        row: position in the manifest, from 0.
        clip_id: the path as written in the manifest.
        path: the file, or a folder of frames.
        label: class name, empty when unlabelled.
        subject: the person, empty when unknown.
        split: ``"train"``, ``"val"``, ``"test"`` or empty.
    """

    row: int
    clip_id: str
    path: Path
    label: str
    subject: str
    split: str


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


def read_manifest(path: Path) -> Manifest:
    """Read and check a manifest.

    Raises:
        ManifestError: no such file, no ``path`` column, an unknown split, label sets mixed, or clips that are missing
            (the first three are named) or lie outside the manifest's folder.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(
            f"{path}: expected a CSV manifest of clips, got {error}; write one with maedfer synth"
        ) from error
    if "path" not in columns:
        raise ManifestError(f"{path}: expected a column 'path', got {', '.join(columns) or 'an empty file'}")
    if not rows:
        raise ManifestError(f"{path}: expected at least one clip, got a header alone")
    entries = tuple(_entry(path, number, row) for number, row in enumerate(rows))
    missing = [entry.clip_id for entry in entries if not entry.path.exists()]
    if missing:
        raise ManifestError(
            f"{path}: {len(missing)} of {len(entries)} clips are missing, first {', '.join(missing[:3])}"
        )
    names = {(row.get("label_set") or "").strip() for row in rows} - {""}
    if len(names) > 1:
        raise ManifestError(f"{path}: expected one label set, got {', '.join(sorted(names))}")
    return Manifest(path, label_set(names.pop()) if names else None, entries)


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


def _entry(manifest: Path, index: int, row: dict[str, str]) -> ClipEntry:
    number = index + 2  # the header is line 1
    value = {key: (row.get(key) or "").strip() for key in ("path", "label", "subject", "split")}
    if not value["path"]:
        raise ManifestError(f"{manifest}, line {number}: expected a path, got an empty one")
    root = manifest.parent.resolve()
    place = root / value["path"]
    if not place.resolve().is_relative_to(root):
        raise ManifestError(f"{manifest}, line {number}: {value['path']} lies outside the manifest's folder")
    if value["split"] not in _SPLITS:
        raise ManifestError(f"{manifest}, line {number}: expected split train, val or test, got {value['split']!r}")
    return ClipEntry(index, value["path"], place, value["label"], value["subject"], value["split"])
