"""Named benchmarks: what a set of clips is, fixed for good, so that two people's figures are of the same clips.

A part is a seed, a split and a rig. People belong to one seed, so no two parts share a person; clip ``i`` does not
depend on how many are made, so the first clips of a part are the same whatever is asked for. A change of what the
laboratory draws makes a new name, never another ``synth-v1``.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float16

from maedfer.errors import ConfigError, ManifestError
from maedfer.synth.clips import ClipSpec, draw_spec
from maedfer.synth.corpus import synthesize
from maedfer.synth.sequence import in_sequence
from maedfer.synth.truth import read_units

__all__ = [
    "BENCHMARKS",
    "Benchmark",
    "BenchmarkPart",
    "LoadedPart",
    "find_benchmark",
    "load_part",
    "manifest_rows",
    "synthesize_part",
]


@dataclass(frozen=True)
class BenchmarkPart:
    """One part of a benchmark.

    Attributes:
        name: ``"train"``, ``"val"``, ``"test"`` or ``"shift"``.
        clips: how many belong to it.
        seed: of its people, scenes and motion.
        split: of all its people; only ``"test"`` has the held-out forms.
        rig: name of its rig: ``"anny"``, or that of a rig which the user brings by path.
    """

    name: str
    clips: int
    seed: int
    split: str
    rig: str


@dataclass(frozen=True)
class Benchmark:
    """Parts and picture settings under one name.

    Attributes:
        name: with its version.
        parts: what it consists of.
        size: side of the square pictures in pixels.
        fps: frames per second.
        seconds: length of a clip.
        sequence: whether each clip shows two expressions, see :func:`~maedfer.synth.sequence.in_sequence`.
    """

    name: str
    parts: tuple[BenchmarkPart, ...]
    size: int = 160
    fps: float = 6.25
    seconds: float = 2.56
    sequence: bool = False

    def part(self, name: str) -> BenchmarkPart:
        """The part with this name.

        Raises:
            ConfigError: there is none.
        """
        for part in self.parts:
            if part.name == name:
                return part
        raise ConfigError(f"{self.name} has no part {name!r}; parts: {', '.join(p.name for p in self.parts)}")

    def specs(self, part: BenchmarkPart, clips: int | None = None) -> list[ClipSpec]:
        """What the first ``clips`` clips of a part show; ``None`` for all.

        Raises:
            ConfigError: fewer than one or more than the part has.
        """
        count = part.clips if clips is None else clips
        if not 1 <= count <= part.clips:
            raise ConfigError(f"{self.name}/{part.name} has {part.clips} clips, got {count}; ask for 1..{part.clips}")
        draw = partial(draw_spec, seed=part.seed, size=self.size, fps=self.fps, seconds=self.seconds, test_share=0.0)
        drawn = (draw(index, split=part.split) for index in range(count))
        return [in_sequence(spec) if self.sequence else spec for spec in drawn]


#: All named benchmarks.
BENCHMARKS: tuple[Benchmark, ...] = (
    Benchmark(
        "synth-v1",
        (
            BenchmarkPart("train", 20_006, 2_307_021, "train", "anny"),
            BenchmarkPart("val", 1_400, 2_307_022, "val", "anny"),
            BenchmarkPart("test", 2_800, 2_307_023, "test", "anny"),
            BenchmarkPart("shift", 2_800, 2_307_024, "test", "ict_facekit"),
        ),
    ),
    Benchmark(
        "synth-order-v1",
        (
            BenchmarkPart("train", 6_000, 2_307_031, "train", "anny"),
            BenchmarkPart("val", 600, 2_307_032, "val", "anny"),
            BenchmarkPart("test", 1_200, 2_307_033, "test", "anny"),
            BenchmarkPart("shift", 1_200, 2_307_034, "test", "ict_facekit"),
        ),
        sequence=True,
    ),
)


@dataclass(frozen=True)
class LoadedPart:
    """A part on disk, checked to be what its name says.

    Attributes:
        paths: of the clips.
        labels: expressions; of two in a clip the last.
        timings: ``"onset"``, ``"offset"`` or empty.
        firsts: the first of two expressions; empty in clips of one.
        held_out: whether a clip's form is absent from training and validation.
        units: the truth of each frame.
        unit_names: names of its last axis.
    """

    paths: tuple[Path, ...]
    labels: tuple[str, ...]
    timings: tuple[str, ...]
    firsts: tuple[str, ...]
    held_out: tuple[bool, ...]
    units: Float16[np.ndarray, "N T K"]
    unit_names: tuple[str, ...]


def find_benchmark(name: str) -> Benchmark:
    """The benchmark with this name.

    Raises:
        ConfigError: there is none.
    """
    for known in BENCHMARKS:
        if known.name == name:
            return known
    raise ConfigError(f"no benchmark {name!r}; known: {', '.join(known.name for known in BENCHMARKS)}")


def synthesize_part(
    out: Path,
    name: str,
    part: str,
    *,
    clips: int | None = None,
    rig_path: Path | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Render the first ``clips`` clips of a part (``None``: all) and list them in ``out/manifest.csv``.

    Args:
        out: folder, one a part.
        name: of the benchmark.
        part: of the part.
        clips: how many.
        rig_path: the ``.npz`` of the part's rig, for a part that has another than ``"anny"``.
        workers: processes; ``None`` for one a core.
        progress: called with the number of finished clips and of all clips.

    Raises:
        ConfigError: no such benchmark or part, more clips than there are, or another rig than the part's.
        RenderError: rig, library or driver is missing.
        OutputError: ``out`` cannot be written.
    """
    whole = find_benchmark(name)
    chosen = whole.part(part)
    count = len(whole.specs(chosen, clips))
    return synthesize(
        out,
        count,
        chosen.seed,
        rig=_rig_of(whole, chosen, rig_path),
        size=whole.size,
        fps=whole.fps,
        seconds=whole.seconds,
        test_share=0.0,
        split=chosen.split,
        sequence=whole.sequence,
        workers=workers,
        progress=progress,
    )


def manifest_rows(folder: Path, remedy: str) -> list[dict[str, str]]:
    """The rows of a set's manifest with all of the laboratory's columns.

    Raises:
        ManifestError: there is no manifest that can be read; the error ends with ``remedy``.
    """
    try:
        with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{folder}: expected a manifest.csv, got: {error}; {remedy}") from error


def load_part(folder: Path, name: str, part: str) -> LoadedPart:
    """Read a part that :func:`synthesize_part` made, whole or its first clips.

    Raises:
        ConfigError: no such benchmark or part.
        ManifestError: the folder holds something else, or clips or the truth are missing.
    """
    whole = find_benchmark(name)
    chosen = whole.part(part)
    remedy = f"make it with: maedfer synth --benchmark {name} --part {part} --out {folder}"
    rows = manifest_rows(folder, remedy)
    if not 1 <= len(rows) <= chosen.clips:
        raise ManifestError(f"{folder}: expected 1..{chosen.clips} clips of {name}/{part}, got {len(rows)}; {remedy}")
    specs = whole.specs(chosen, len(rows))
    for row, spec in zip(rows, specs, strict=True):
        expected = f"clips/{spec.index:06d}-{chosen.rig}-{spec.digest}.mp4"
        if row.get("path") != expected or row.get("label") != spec.label:
            raise ManifestError(
                f"{folder}: expected {expected} ({spec.label}) of {name}/{part}, got {row.get('path')} "
                f"({row.get('label')}); {remedy}"
            )
        if not (folder / expected).is_file():
            raise ManifestError(f"{folder}: the file {expected} is missing; {remedy}")
    units, names = read_units(folder / "units.npz", len(rows))
    return LoadedPart(
        paths=tuple(folder / row["path"] for row in rows),
        labels=tuple(spec.label for spec in specs),
        timings=tuple(spec.timing for spec in specs),
        firsts=tuple("" if spec.former is None else spec.former.label for spec in specs),
        held_out=tuple(spec.held_out for spec in specs),
        units=units,
        unit_names=names,
    )


def _rig_of(whole: Benchmark, part: BenchmarkPart, path: Path | None) -> str:
    """The rig as :func:`~maedfer.synth.corpus.load_rig` takes it."""
    if part.rig == "anny":
        if path is not None:
            raise ConfigError(f"{whole.name}/{part.name} is made with the rig anny, got {path}; leave the path out")
        return part.rig
    if path is None or path.stem != part.rig:
        raise ConfigError(f"{whole.name}/{part.name} needs the rig {part.rig}, got {path}; give {part.rig}.npz")
    return str(path)
