"""Joins sets that ``maedfer synth`` rendered into one manifest with one table of units: one run learns from all.

    python scripts/join_sets.py OUT SET [SET ...]

Paths in the joined manifest are relative to OUT's folder; the sets' folders must lie below it. Nothing is copied.
"""

import csv
import sys
from pathlib import Path

import numpy as np

from maedfer.output import write_text, write_whole
from maedfer.synth.truth import read_units


def joined(out: Path, sets: list[Path]) -> int:
    """Write ``out`` and ``units.npz`` beside it; the number of clips."""
    rows: list[dict[str, str]] = []
    tracks: list[np.ndarray] = []
    names: tuple[str, ...] = ()
    for folder in sets:
        with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
            own = list(csv.DictReader(file))
        prefix = folder.resolve().relative_to(out.parent.resolve())
        units, found = read_units(folder / "units.npz", len(own))
        if names and found != names:
            sys.exit(f"{folder}: expected the units {names}, got {found}; render all sets with one version")
        names = found
        tracks.append(units)
        # Two sets may have been rendered with one seed: their people are not the same.
        rows += [{**row, "path": f"{prefix}/{row['path']}", "subject": f"{prefix}/{row['subject']}"} for row in own]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [",".join(columns)] + [",".join(row.get(name, "") for name in columns) for row in rows]
    write_whole(out.parent / "units.npz", lambda path: _save(path, np.concatenate(tracks), names))
    write_text(out, "\n".join(lines) + "\n")
    return len(rows)


def _save(path: Path, units: np.ndarray, names: tuple[str, ...]) -> None:
    with path.open("wb") as file:
        np.savez(file, units=units, names=np.array(names))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    target = Path(sys.argv[1])
    print(f"{target}: {joined(target, [Path(name) for name in sys.argv[2:]])} clips")
