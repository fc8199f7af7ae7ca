"""What the face of a clip does: the weights of its units in time, from the spec alone, without drawing a picture."""

import numpy as np
from jaxtyping import Float32, Float64

from maedfer.synth.clips import ClipSpec, Former, generator
from maedfer.synth.dynamics import Bout, Wander, smooth
from maedfer.synth.expressions import apex_weights, unit_columns
from maedfer.synth.life import Life
from maedfer.synth.prototypes import Prototype
from maedfer.synth.rig import UNITS

__all__ = ["features_at_rest", "performance", "unit_track"]

# What a resting face may wear for life, whatever it shows: some look a little stern, some a little amused.
_RESTING = ("browDown", "browInnerUp", "browOuterUp", "eyeSquint", "mouthFrown", "mouthPress", "mouthSmile")
_RESTING_MOST = 0.12
# What tells faces apart that all look at nothing; lips and lids less, for they would part or close.
_FEATURES = {
    **dict.fromkeys(("browDown", "browInnerUp", "browOuterUp", "cheekPuff", "cheekSquint", "eyeSquint"), 1.0),
    **dict.fromkeys(("jawForward", "mouthDimple", "mouthFrown", "mouthPress", "mouthPucker", "mouthSmile"), 1.0),
    **dict.fromkeys(("eyeWide", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "noseSneer"), 0.8),
    **dict.fromkeys(("eyeBlink", "mouthLowerDown", "mouthShrugUpper", "mouthStretch", "mouthUpperUp"), 0.4),
}
_FEATURES_MOST = 2.0  # deviations
_ASIDE = 0.2  # share of a feature in which both sides differ
_REGIONS = (("brow",), ("eye",), ("cheek", "nose", "mouth", "jaw"))
# Parts of the face do not start together; symmetric around 0, so that time has no direction in it.
_APART_S = 0.09


def performance(spec: ClipSpec, times: Float64[np.ndarray, "T"]) -> tuple[Float32[np.ndarray, "T K"], Life]:
    """Unit weights (0..1.6) at the given seconds, and the face's own life. Nothing but ``spec`` decides."""
    shown = _shown(spec, spec, times, ("apex", "course"))
    if spec.former is not None:
        shown = np.maximum(shown, _shown(spec, spec.former, times, ("1apex", "1course")))
    shown = np.maximum(shown, _resting(spec))
    life = Life(generator(spec.seed, "life", spec.index), spec.frames / spec.fps, spec.talk)
    return life.weights(times, shown), life


def unit_track(spec: ClipSpec) -> Float32[np.ndarray, "T K"]:
    """The truth of a clip: weights of :data:`~maedfer.synth.rig.UNITS` at each of its frames, 0..1.6."""
    return performance(spec, (np.arange(spec.frames) + 0.5) / spec.fps)[0]


def features_at_rest(spec: ClipSpec) -> Float32[np.ndarray, "K"]:
    """What is added to the unit weights of every frame of this person, of both signs: a shape, not a movement.

    It is no part of :func:`unit_track`: whoever learns that from pictures learns to see past it.
    """
    rng = generator(spec.seed, "face", spec.subject)
    shape = np.zeros(len(UNITS), np.float32)
    for name, share in _FEATURES.items():
        columns = unit_columns(name)
        both = np.clip(rng.normal(), -_FEATURES_MOST, _FEATURES_MOST)
        aside = np.clip(rng.normal(size=len(columns)), -_FEATURES_MOST, _FEATURES_MOST) * _ASIDE
        shape[columns] = spec.features * share * (both + aside)
    return shape


def _shown(
    spec: ClipSpec, expression: ClipSpec | Former, times: Float64[np.ndarray, "T"], purposes: tuple[str, str]
) -> Float64[np.ndarray, "T K"]:
    """Unit weights of one expression of a clip, by the random numbers of these two purposes: apex and course."""
    apex, course = (generator(spec.seed, purpose, spec.index) for purpose in purposes)
    intensity = 1.0 if expression.label == "neutral" else expression.intensity
    weights = apex_weights(expression.label, expression.variant, intensity, apex)
    shown: Float64[np.ndarray, "T K"] = (
        _course(expression.form, expression.bout, spec.frames / spec.fps, times, course) * weights
    )
    return shown


def _course(
    form: Prototype, bout: Bout, seconds: float, times: Float64[np.ndarray, "T"], rng: np.random.Generator
) -> Float64[np.ndarray, "T K"]:
    """Strength of an expression in a clip of so many seconds, at each time in each unit, around 0..1."""
    lags = rng.uniform(-_APART_S, _APART_S, len(_REGIONS)) * min(1.0, seconds / 2.56)
    waver = 1 + bout.waver * np.clip(Wander(rng, 1, 0.3, 1.1)(times)[:, 0] / 1.5, -1, 1)
    beat = np.ones(len(times))
    if form.rhythm == "chew":
        beat = 0.5 + 0.5 * np.sin(2 * np.pi * (float(rng.uniform(0.9, 1.8)) * times + float(rng.random())))
    elif form.rhythm == "flash":
        middles = rng.uniform(0, seconds, max(1, round(seconds * float(rng.uniform(0.4, 1.0)))))
        width = float(rng.uniform(0.2, 0.35))
        beat = smooth(1.4 * (1 - np.abs(times[:, None] - middles).min(1) / width))
    course = np.empty((len(times), len(UNITS)))
    for lag, names in zip(lags, _REGIONS, strict=True):
        steady = form.rhythm in ("worn", "flash")
        curve = np.ones(len(times)) if steady else bout.curve(times - float(lag))
        course[:, [unit.startswith(names) for unit in UNITS]] = (curve * waver * beat)[:, None]
    return course


def _resting(spec: ClipSpec) -> Float64[np.ndarray, "K"]:
    """What this person's face wears at rest: the same in all clips, below what would be an expression."""
    rng = generator(spec.seed, "rest", spec.subject)
    worn = np.zeros(len(UNITS))
    for name in rng.choice(_RESTING, 2, replace=False):
        worn[unit_columns(str(name))] = rng.uniform(0, _RESTING_MOST)
    return worn
