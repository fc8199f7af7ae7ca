"""Clips and labels of the study of the paper's claims: tables in a work folder, the crops of all clips beside them.

The folders of ``maedfer synth`` are only read. Every table of a run lists its clips as often as they are visited, so
that all runs make the same number of steps, whatever their share of the labels.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from claims_variants import LABELS, Kind
from maedfer.data.crops import CroppedClips, crop_manifest
from maedfer.data.manifest import Manifest, read_manifest, write_manifest
from maedfer.errors import ManifestError
from maedfer.synth.benchmark import manifest_rows
from maedfer.video.clips import ClipSpec

Rows = list[dict[str, str]]


@dataclass(frozen=True)
class Clips:
    """The clips of one part.

    Attributes:
        split: ``"train"`` or ``"test"``.
        folder: of ``maedfer synth``; paths start there.
        rows: of its manifest, those of the split.
        work: where tables and crops are kept.
    """

    split: str
    folder: Path
    rows: Rows
    work: Path

    def facts(self) -> dict[str, object]:
        """Which clips these are: how many, and a hash of their names and labels."""
        text = "\n".join(f"{row['path']} {row['label']} {row['timing']}" for row in self.rows)
        return {"clips": len(self.rows), "sha256": hashlib.sha256(text.encode()).hexdigest()[:16]}

    def labelled(self, kind: Kind) -> Rows:
        """The clips that have a label of this kind, with it as their label.

        Raises:
            ManifestError: there are none, or a class has none.
        """
        column = "label" if kind.endswith("expression") else "timing"
        rows = [row | {"label": row[column], "label_set": ""} for row in self.rows if row[column]]
        if missing := set(LABELS[kind]) - {row["label"] for row in rows}:
            raise ManifestError(
                f"{self.folder}: expected clips of each {kind}, there is none of {', '.join(sorted(missing))}; "
                "render more clips"
            )
        return rows

    def crops(self, size: int, part: Manifest | None = None) -> CroppedClips:
        """The face crops of all clips, or of a table of some: they are made once, all together."""
        spec = ClipSpec(num_frames=16, size=size)
        whole = crop_manifest(self.table("all", self.rows), spec, workers=os.cpu_count() or 1)
        return whole if part is None else crop_manifest(part, spec)

    def table(self, name: str, rows: Rows) -> Manifest:
        """``rows`` written to the work folder, and read back."""
        path = self.work / f"{self.split}-{name}.csv"
        write_manifest(path, rows)
        return read_manifest(path, self.folder)


def read_clips(folder: Path, split: str, work: Path) -> Clips:
    """The clips of one split of a folder of ``maedfer synth``.

    Raises:
        ManifestError: there is no manifest of the laboratory, or it has no clips of this split.
    """
    remedy = f"make it with: maedfer synth --benchmark synth-v1 --part {split} --out {folder}"
    rows = [row for row in manifest_rows(folder, remedy) if row.get("split") == split]
    if not rows or not {"path", "label", "timing"} <= rows[0].keys():
        raise ManifestError(f"{folder}: expected clips of split {split} with a column timing; {remedy}")
    return Clips(split, folder.resolve(), rows, work)


def label_share(rows: Rows, share: float, seed: int) -> Rows:
    """So much of the clips of each class, at least one of each; a smaller share is a part of a larger one."""
    order = np.random.default_rng(seed).permutation(len(rows)).tolist()
    wanted = {label: max(1, round(share * n)) for label, n in _counts([row["label"] for row in rows]).items()}
    chosen = []
    for position in order:
        label = rows[position]["label"]
        if wanted[label]:
            wanted[label] -= 1
            chosen.append(rows[position])
    return chosen


def visits(rows: Rows, number: int) -> Rows:
    """``number`` rows: all of them again and again, in their order."""
    return [rows[index % len(rows)] for index in range(number)]


def _counts(labels: Sequence[str]) -> dict[str, int]:
    return {label: labels.count(label) for label in sorted(set(labels))}
