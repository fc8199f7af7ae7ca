"""Labelled expression video from a 3-D face rig: training data without a licence form, and pictures of known truth.

Reading order: :mod:`~maedfer.synth.rig` (a head as arrays), :mod:`~maedfer.synth.identity` (a person),
:mod:`~maedfer.synth.prototypes` (forms of expressions), :mod:`~maedfer.synth.dynamics` (in time),
:mod:`~maedfer.synth.clips` (a clip), :mod:`~maedfer.synth.sequence` (a clip of two expressions),
:mod:`~maedfer.synth.performance` (its unit tracks),
:mod:`~maedfer.synth.filming` (its pixels), :mod:`~maedfer.synth.corpus` (a set on disk),
:mod:`~maedfer.synth.benchmark` (sets with a name). docs/laboratory.md says what is in them.
Needs ``pip install "maedfer[synth]"`` and an EGL driver (``apt-get install libegl1 libgl1``); no GPU.
"""

from maedfer.synth.benchmark import (
    BENCHMARKS,
    Benchmark,
    BenchmarkPart,
    LoadedPart,
    find_benchmark,
    load_part,
    synthesize_part,
)
from maedfer.synth.clips import ClipSpec, draw_spec
from maedfer.synth.corpus import load_rig, synthesize
from maedfer.synth.encounters import Encounter, EncounterKind, render_encounter
from maedfer.synth.filming import render_clip
from maedfer.synth.performance import unit_track
from maedfer.synth.render import Renderer
from maedfer.synth.sample import Scene, TruthRow, render_scene, write_sample
from maedfer.synth.truth import read_units, write_units

__all__ = [
    "BENCHMARKS",
    "Benchmark",
    "BenchmarkPart",
    "ClipSpec",
    "Encounter",
    "EncounterKind",
    "LoadedPart",
    "Renderer",
    "Scene",
    "TruthRow",
    "draw_spec",
    "find_benchmark",
    "load_part",
    "load_rig",
    "read_units",
    "render_clip",
    "render_encounter",
    "render_scene",
    "synthesize",
    "synthesize_part",
    "unit_track",
    "write_sample",
    "write_units",
]
