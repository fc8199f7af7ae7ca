"""Labelled expression video from a 3-D face rig: training data without a licence form, and pictures of known truth.

Reading order: :mod:`~maedfer.synth.rig` (a head as arrays), :mod:`~maedfer.synth.identity` (a person),
:mod:`~maedfer.synth.expressions` (action units), :mod:`~maedfer.synth.dynamics` (in time),
:mod:`~maedfer.synth.clips` (a clip), :mod:`~maedfer.synth.corpus` (a set on disk).
Needs ``pip install "maedfer[synth]"`` and an EGL driver (``apt-get install libegl1 libgl1``); no GPU.
"""

from maedfer.synth.clips import ClipSpec, draw_spec, render_clip
from maedfer.synth.corpus import load_rig, synthesize
from maedfer.synth.encounters import Encounter, EncounterKind, render_encounter
from maedfer.synth.render import Renderer
from maedfer.synth.sample import Scene, TruthRow, render_scene, write_sample

__all__ = [
    "ClipSpec",
    "Encounter",
    "EncounterKind",
    "Renderer",
    "Scene",
    "TruthRow",
    "draw_spec",
    "load_rig",
    "render_clip",
    "render_encounter",
    "render_scene",
    "synthesize",
    "write_sample",
]
