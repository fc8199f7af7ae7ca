"""Clips of two expressions, one after the other, labelled with the last: a label that only their order tells."""

from dataclasses import replace
from itertools import permutations

from maedfer.emotions import BASIC_EXPRESSIONS
from maedfer.synth.clips import ClipSpec, Former, draw_intensity, draw_variant, generator
from maedfer.synth.dynamics import Pace, draw_change

__all__ = ["PAIRS", "in_sequence"]

#: First and last expression of every thirty clips, in an order that is drawn; neutral is none of them.
PAIRS: tuple[tuple[str, str], ...] = tuple(permutations((e for e in BASIC_EXPRESSIONS if e != "neutral"), 2))


def in_sequence(spec: ClipSpec) -> ClipSpec:
    """The clip of the same person, who shows one expression, then another; its label is the last one.

    Both are drawn from one distribution (forms, intensities, ramps): a clip played backwards is an equally likely clip
    of the other order. ``timing`` is empty; what else the clip is stays as in ``spec``.
    """
    block, place = divmod(spec.index, len(PAIRS))
    first, last = PAIRS[int(generator(spec.seed, "pair", block).permutation(len(PAIRS))[place])]
    rng = generator(spec.seed, "sequ", spec.index)
    pace: Pace = "posed" if rng.random() < 0.5 else "spontaneous"
    variants = [draw_variant(rng, label, spec.split) for label in (first, last)]
    strengths = [draw_intensity(rng) for _ in variants]
    fading, rising = draw_change(rng, spec.frames / spec.fps, pace)
    return replace(
        spec,
        label=last,
        variant=variants[1],
        intensity=strengths[1],
        bout=rising,
        timing="",
        pace=pace,
        former=Former(first, variants[0], strengths[0], fading),
    )
