"""The seven expressions as facial action units, and action units as ARKit expression units.

Which action units make which expression: P. Ekman and W. V. Friesen, *Facial Action Coding System* (1978) and its table
of emotion predictions (EMFACS); S. Du, Y. Tao and A. M. Martinez, "Compound facial expressions of emotion", PNAS 111
(2014), table 1. Each expression has several prototypes, because one face is angry with pressed lips and the next with
an open, square mouth; strength, single units and left against right vary from clip to clip.
"""

import numpy as np
from jaxtyping import Float32

from maedfer.emotions import BASIC_EXPRESSIONS
from maedfer.errors import ConfigError
from maedfer.synth.rig import UNITS

__all__ = ["ACTION_UNITS", "PROTOTYPES", "apex_weights", "au_weights", "speech_weights"]

#: FACS action unit -> ARKit units (without side) and their weights.
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
    20: {"mouthStretch": 1.0},
    22: {"mouthFunnel": 1.0},
    23: {"mouthPress": 0.6, "mouthRollUpper": 0.35, "mouthRollLower": 0.35},
    24: {"mouthPress": 1.0, "mouthRollUpper": 0.25, "mouthRollLower": 0.25},
    25: {"mouthLowerDown": 0.45, "mouthUpperUp": 0.35, "jawOpen": 0.06},
    26: {"jawOpen": 0.35},
    27: {"jawOpen": 0.75},
    43: {"eyeBlink": 1.0},
    64: {"eyeLookDown": 1.0},
}

#: Expression -> prototypes; each is action unit -> strength at full intensity.
PROTOTYPES: dict[str, tuple[dict[int, float], ...]] = {
    "happy": (
        {6: 1.0, 12: 1.1},
        {6: 1.0, 12: 1.15, 25: 1.0},
        {6: 1.1, 12: 1.15, 25: 1.0, 26: 0.6},
    ),
    "sad": (
        {1: 1.2, 4: 0.4, 15: 1.2, 17: 0.6},
        {1: 1.2, 4: 0.5, 7: 0.3, 15: 1.2, 17: 0.9, 64: 0.5},
        {1: 1.2, 4: 0.3, 15: 1.3, 17: 0.4, 25: 0.3, 43: 0.25, 64: 0.3},
    ),
    "neutral": ({}, {14: 0.12}, {24: 0.12}),
    "angry": (
        {4: 1.4, 5: 0.8, 7: 0.5, 15: 0.5, 17: 0.3, 23: 0.8, 24: 0.8},
        {4: 1.4, 5: 0.8, 7: 0.5, 10: 0.5, 16: 0.9, 22: 0.4, 25: 0.9, 26: 0.8},
        {4: 1.45, 5: 0.5, 7: 0.6, 9: 0.2, 15: 0.4, 17: 0.4, 23: 1.0, 24: 0.5},
    ),
    "surprise": (
        {1: 1.2, 2: 1.2, 5: 1.0, 26: 1.3},
        {1: 1.2, 2: 1.2, 5: 1.2, 27: 1.0},
        {1: 1.2, 2: 1.2, 5: 0.8, 22: 0.5, 25: 0.6, 26: 1.0},
    ),
    "disgust": (
        {4: 0.5, 7: 0.5, 9: 1.2, 10: 1.0, 17: 0.8},
        {4: 0.5, 6: 0.5, 7: 0.4, 9: 1.2, 10: 1.2, 16: 0.4, 25: 0.8},
        {4: 0.4, 6: 0.4, 7: 0.3, 9: 1.2, 10: 0.9, 15: 0.8, 17: 0.8},
    ),
    "fear": (
        {1: 1.2, 2: 0.6, 4: 0.6, 5: 1.2, 20: 1.2, 25: 1.0},
        {1: 1.2, 2: 0.6, 4: 0.6, 5: 1.2, 20: 1.2, 25: 0.8, 26: 0.8},
        {1: 1.2, 2: 0.8, 4: 0.5, 5: 1.2, 16: 0.5, 20: 0.9, 26: 0.7},
    ),
}

_STRONGEST = 1.5


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
            for column, unit in enumerate(UNITS):
                if unit in (name, name + "Left", name + "Right"):
                    weights[column] += strength * share
    return np.minimum(weights, np.float32(_STRONGEST))


def apex_weights(label: str, variant: int, intensity: float, rng: np.random.Generator) -> Float32[np.ndarray, "K"]:
    """Weights at the apex of one person's expression.

    Args:
        label: one of :data:`~maedfer.emotions.BASIC_EXPRESSIONS`.
        variant: number of the prototype.
        intensity: 1 is the prototype; 0 is no expression.
        rng: varies single action units (±20 %) and the sides (±12 %).

    Raises:
        ConfigError: no such expression or prototype.
    """
    if label not in BASIC_EXPRESSIONS:
        raise ConfigError(f"expression {label!r} is not modelled; known: {', '.join(BASIC_EXPRESSIONS)}")
    if not 0 <= variant < len(PROTOTYPES[label]):
        raise ConfigError(f"expression {label!r} has prototypes 0..{len(PROTOTYPES[label]) - 1}, not {variant}")
    varied = {au: w * float(rng.uniform(0.8, 1.2)) for au, w in PROTOTYPES[label][variant].items()}
    weights = au_weights(varied) * np.float32(intensity)
    lean = float(np.clip(rng.normal(0, 0.06), -0.12, 0.12))
    sides = np.array([1 + lean if u.endswith("Left") else 1 - lean if u.endswith("Right") else 1 for u in UNITS])
    return np.asarray(np.clip(weights * sides, 0, _STRONGEST), np.float32)


def speech_weights() -> Float32[np.ndarray, "3 K"]:
    """Three mouth shapes that speech moves between: open, spread, rounded."""
    shapes: tuple[dict[str, float], ...] = (
        {"jawOpen": 0.45, "mouthLowerDown": 0.25},
        {"mouthStretch": 0.35, "jawOpen": 0.12, "mouthLowerDown": 0.3},
        {"mouthFunnel": 0.45, "mouthPucker": 0.35, "jawOpen": 0.15},
    )
    weights = np.zeros((len(shapes), len(UNITS)), np.float32)
    for row, shape in zip(weights, shapes, strict=True):
        for column, unit in enumerate(UNITS):
            row[column] = shape.get(unit.removesuffix("Left").removesuffix("Right"), 0.0)
    return weights
