"""Action units as ARKit expression units, and the face of one person at the apex of an expression.

Which action units make which expression is in :mod:`maedfer.synth.prototypes`. Here are what a unit moves, and how one
face differs from the next: single units, strength, left against right, and a little of a second expression.
"""

import numpy as np
from jaxtyping import Float32

from maedfer.errors import ConfigError
from maedfer.synth.prototypes import prototype
from maedfer.synth.rig import UNITS

__all__ = ["ACTION_UNITS", "apex_weights", "au_weights", "speech_weights", "unit_columns"]

#: FACS action unit -> ARKit units (without side) and their weights. A tongue (AU 19) is not among ARKit's units here.
ACTION_UNITS: dict[int, dict[str, float]] = {
    1: {"browInnerUp": 1.0},
    2: {"browOuterUp": 1.0},
    4: {"browDown": 1.0},
    5: {"eyeWide": 1.0},
    6: {"cheekSquint": 1.0, "eyeSquint": 0.35},
    7: {"eyeSquint": 1.0},
    9: {"noseSneer": 1.0},
    10: {"mouthUpperUp": 1.0},
    12: {"mouthSmile": 1.0},
    14: {"mouthDimple": 1.0},
    15: {"mouthFrown": 1.0},
    16: {"mouthLowerDown": 1.0},
    17: {"mouthShrugLower": 1.0, "mouthShrugUpper": 0.35},
    18: {"mouthPucker": 1.0},
    20: {"mouthStretch": 1.0},
    22: {"mouthFunnel": 1.0},
    23: {"mouthPress": 0.6, "mouthRollUpper": 0.45, "mouthRollLower": 0.45},
    24: {"mouthPress": 1.0, "mouthRollUpper": 0.4, "mouthRollLower": 0.4},
    25: {"mouthLowerDown": 0.45, "mouthUpperUp": 0.35, "jawOpen": 0.06},
    26: {"jawOpen": 0.35},
    27: {"jawOpen": 0.75},
    29: {"jawForward": 1.0},
    30: {"jawLeft": 1.0},
    32: {"mouthRollLower": 1.0, "mouthShrugLower": 0.25},
    43: {"eyeBlink": 1.0},
    64: {"eyeLookDown": 1.0},
}

_STRONGEST = 1.5
# Compound expressions of D (table 1): what may be seen a little in what.
_BLENDS = {
    "happy": ("surprise", "disgust"),
    "sad": ("fear", "angry", "surprise", "disgust"),
    "angry": ("sad", "fear", "surprise", "disgust"),
    "surprise": ("happy", "fear", "angry", "disgust"),
    "disgust": ("happy", "sad", "angry", "surprise"),
    "fear": ("sad", "angry", "surprise", "disgust"),
}
_BLEND_SHARE, _ONE_SIDED_SHARE = 0.12, 0.1


def unit_columns(name: str) -> list[int]:
    """Columns of :data:`~maedfer.synth.rig.UNITS` of a unit named without its side: two, or one where it has none."""
    return [column for column, unit in enumerate(UNITS) if unit in (name, name + "Left", name + "Right")]


def au_weights(units: dict[int, float]) -> Float32[np.ndarray, "K"]:
    """Weights of :data:`~maedfer.synth.rig.UNITS` for a set of action units, the same on both sides, 0..1.5.

    Raises:
        ConfigError: an action unit is not among :data:`ACTION_UNITS`.
    """
    weights = np.zeros(len(UNITS), np.float32)
    for number, strength in units.items():
        if number not in ACTION_UNITS:
            raise ConfigError(f"action unit {number} is not modelled; known: {sorted(ACTION_UNITS)}")
        for name, share in ACTION_UNITS[number].items():
            weights[unit_columns(name)] += np.float32(strength * share)
    return np.minimum(weights, np.float32(_STRONGEST))


def apex_weights(label: str, variant: int, intensity: float, rng: np.random.Generator) -> Float32[np.ndarray, "K"]:
    """Weights at the apex of one person's expression.

    Single action units vary by 25 %. One face in eight has a little (15 to 30 %) of a second expression in it, of
    those that Du, Tao and Martinez found together. Sides differ by 10 % (standard deviation), and in one face of ten
    the lower half is much weaker on one side.

    Args:
        label: one of :data:`~maedfer.emotions.BASIC_EXPRESSIONS`.
        variant: number of the form in :data:`~maedfer.synth.prototypes.PROTOTYPES`.
        intensity: 1 is the full form; 0 is no expression.
        rng: draws all that varies.

    Raises:
        ConfigError: no such expression or form.
    """
    weights = _varied(label, variant, rng)
    if label in _BLENDS and rng.random() < _BLEND_SHARE:
        second = str(rng.choice(_BLENDS[label]))
        weights = np.maximum(weights, _varied(second, 0, rng) * np.float32(rng.uniform(0.15, 0.3)))
    return np.asarray(np.clip(weights * intensity * _sides(rng), 0, _STRONGEST), np.float32)


def _varied(label: str, variant: int, rng: np.random.Generator) -> Float32[np.ndarray, "K"]:
    """One person's version of a form: its units, those that come with it this time, and a jaw to either side."""
    form = prototype(label, variant)
    units = {number: strength * float(rng.uniform(0.75, 1.25)) for number, strength in form.units.items()}
    for number, (probability, strength) in form.often.items():
        if rng.random() < probability:
            units[number] = strength * float(rng.uniform(0.6, 1.15))
    weights = au_weights(units)
    if rng.random() < 0.5:
        left, right = UNITS.index("jawLeft"), UNITS.index("jawRight")
        weights[[left, right]] = weights[[right, left]]
    return weights


def _sides(rng: np.random.Generator) -> Float32[np.ndarray, "K"]:
    """Factor of each unit: brows and eyes lean by themselves, the lower face by itself and now and then strongly."""
    upper, lower = (float(np.clip(lean, -0.25, 0.25)) for lean in rng.normal(0, [0.08, 0.1]))
    if rng.random() < _ONE_SIDED_SHARE:
        lower = float(rng.choice([-1.0, 1.0])) * float(rng.uniform(0.3, 0.6))
    factors = np.ones(len(UNITS), np.float32)
    for column, unit in enumerate(UNITS):
        lean = upper if unit.startswith(("brow", "eye")) else lower
        sign = 1.0 if unit.endswith("Left") else -1.0 if unit.endswith("Right") else 0.0
        # The stronger side stays as it is: a lean of 0.5 halves one side and does not exaggerate the other.
        factors[column] = 1 - max(0.0, -sign * lean) + 0.25 * max(0.0, sign * lean)
    return factors


def speech_weights() -> Float32[np.ndarray, "4 K"]:
    """Four mouth shapes that speech moves between: open, spread, rounded, closed."""
    shapes: tuple[dict[str, float], ...] = (
        {"jawOpen": 0.45, "mouthLowerDown": 0.25},
        {"mouthStretch": 0.35, "jawOpen": 0.12, "mouthLowerDown": 0.3, "mouthUpperUp": 0.15},
        {"mouthFunnel": 0.45, "mouthPucker": 0.35, "jawOpen": 0.15},
        {"mouthPress": 0.35, "mouthRollLower": 0.25, "mouthRollUpper": 0.2},
    )
    weights = np.zeros((len(shapes), len(UNITS)), np.float32)
    for row, shape in zip(weights, shapes, strict=True):
        for name, weight in shape.items():
            row[unit_columns(name)] = weight
    return weights
