"""A person by seed: shape, age, sex, skin, eyes, hair. The same seed is the same person in every clip."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from maedfer.synth.rig import Rig
from maedfer.synth.style import (
    Beard,
    Glasses,
    Hair,
    Headwear,
    Makeup,
    draw_beard,
    draw_glasses,
    draw_hair,
    draw_headwear,
    draw_makeup,
)

__all__ = ["Identity", "draw_identity"]

# Linear-light albedo between which skin is mixed (geometric mean), fair to dark.
_FAIR, _DARK = np.array([0.74, 0.50, 0.40]), np.array([0.08, 0.039, 0.024])
_IRISES = np.array(
    [
        [0.05, 0.025, 0.012],
        [0.10, 0.05, 0.02],
        [0.17, 0.11, 0.04],
        [0.10, 0.13, 0.07],
        [0.10, 0.17, 0.27],
        [0.15, 0.19, 0.22],
    ]
)
_HAIRS = np.array(
    [[0.012, 0.009, 0.008], [0.035, 0.02, 0.012], [0.09, 0.045, 0.02], [0.28, 0.17, 0.07], [0.18, 0.06, 0.02]]
)
_GREY = np.array([0.38, 0.37, 0.36])


@dataclass(frozen=True)
class Identity:
    """One person.

    Attributes:
        traits: weight of each of the rig's identity offsets.
        tone: of the skin, 0 fair, 1 dark; all tones are equally frequent.
        skin: linear-light albedo.
        lip: linear-light albedo.
        brow: linear-light albedo.
        hair_colour: linear-light albedo.
        iris: linear-light albedo.
        cloth: linear-light albedo.
        hair: shape of the hair.
        headwear: what covers it.
        makeup: paint on the face.
        glasses: if there are any.
        brow_width: thickness of the brows in eye distances.
        brow_height: above the eyes in eye distances.
        brow_arch: 0 straight, 1 arched.
        brow_density: 0 sparse, 1 dense.
        beard: its kind.
        oily: 0 matt skin, 1 shiny skin.
        pores: how uneven the skin is, 0..1.
        age: 0 young, 1 old.
        male: 0..1.
        paint_seed: seed of freckles, brow hairs and stubble.
    """

    traits: Float32[np.ndarray, "I"]
    tone: float
    skin: Float32[np.ndarray, "3"]
    lip: Float32[np.ndarray, "3"]
    brow: Float32[np.ndarray, "3"]
    hair_colour: Float32[np.ndarray, "3"]
    iris: Float32[np.ndarray, "3"]
    cloth: Float32[np.ndarray, "3"]
    hair: Hair
    headwear: Headwear
    makeup: Makeup
    glasses: Glasses | None
    brow_width: float
    brow_height: float
    brow_arch: float
    brow_density: float
    beard: Beard
    oily: float
    pores: float
    age: float
    male: float
    paint_seed: int


def draw_identity(rig: Rig, rng: np.random.Generator) -> Identity:
    """A person for ``rig``; skin tones are evenly covered, features of the face are drawn independently of them."""
    tone = float(rng.random())
    male = float(np.clip(rng.choice([0.0, 1.0]) + rng.normal(0, 0.12), 0, 1))
    age = float(np.clip(rng.beta(0.8, 1.6), 0, 1))
    skin = np.exp((1 - tone) * np.log(_FAIR) + tone * np.log(_DARK)) * np.exp(rng.normal(0, [0.05, 0.05, 0.09]))
    redness = rng.uniform(0.0, 1.0)
    lip = skin * np.array([0.95, 0.62, 0.66]) * np.exp(rng.normal(0, 0.06, 3))
    if male < 0.5 and rng.random() < 0.45:
        stick = np.array([0.42, 0.05, 0.07]) * np.exp(rng.normal(0, [0.35, 0.6, 0.5]))
        lip = lip * (1 - 0.75 * redness) + stick * 0.75 * redness
    dark = rng.random() < 0.35 + 0.65 * tone
    hair_colour = _HAIRS[0 if dark else rng.integers(1, len(_HAIRS))] * np.exp(
        rng.normal(0, 0.22) + rng.normal(0, 0.05, 3)
    )
    grey = float(np.clip((age - 0.45) * 2.2 * rng.uniform(0.3, 1.2), 0, 0.9))
    hair_colour = hair_colour * (1 - grey) + _GREY * grey
    iris = _IRISES[rng.integers(0, 2) if rng.random() < 0.3 + 0.7 * tone else rng.integers(2, len(_IRISES))]
    cloth = np.exp(rng.normal(-1.8, 0.8)) * np.exp(rng.normal(0, 0.5, 3))
    return Identity(
        traits=_traits(rig, rng, tone, male, age),
        tone=tone,
        skin=skin.astype(np.float32),
        lip=lip.astype(np.float32),
        brow=np.minimum(hair_colour * rng.uniform(0.25, 0.6), skin * 0.3).astype(np.float32),
        hair_colour=hair_colour.astype(np.float32),
        iris=iris.astype(np.float32),
        cloth=np.clip(cloth, 0.01, 0.8).astype(np.float32),
        hair=draw_hair(rng, male, age, tone),
        headwear=draw_headwear(rng, male),
        makeup=draw_makeup(rng, male, age),
        glasses=draw_glasses(rng, age),
        brow_width=float(rng.uniform(0.07, 0.125) + 0.025 * male),
        brow_height=float(rng.uniform(0.28, 0.35) - 0.02 * male),
        brow_arch=float(rng.uniform(0.1, 0.9)),
        brow_density=float(np.clip(rng.normal(0.7, 0.25), 0.1, 1.0)),
        beard=draw_beard(rng, male),
        oily=float(rng.beta(1.4, 1.8)),
        pores=float(np.clip(rng.beta(1.2, 1.8) + 0.2 * age, 0, 1)),
        age=age,
        male=male,
        paint_seed=int(rng.integers(2**31)),
    )


def _traits(rig: Rig, rng: np.random.Generator, tone: float, male: float, age: float) -> Float32[np.ndarray, "I"]:
    """Weights of the rig's identity offsets by their kind."""
    african = float(np.clip(rng.normal(tone, 0.3), 0, 1))
    asian = (1 - african) * float(np.clip(rng.beta(0.5, 0.5), 0, 1))
    races = {"african": african, "asian": asian, "caucasian": 1 - african - asian}
    heavy = float(np.clip(rng.normal(0, 0.4), -0.8, 0.9))
    weights = {"averageweight": 1 - abs(heavy), "minweight": max(-heavy, 0.0), "maxweight": max(heavy, 0.0)}
    shares = {**races, **weights}
    traits = np.zeros(len(rig.traits), np.float32)
    for k, name in enumerate(rig.traits):
        kind, _, rest = name.partition("/")
        if kind == "mode":
            traits[k] = rng.normal(0, 0.85)
        elif kind == "macro":
            share, sex, years = rest.split("-")
            traits[k] = shares[share] * (male if sex == "male" else 1 - male) * (age if years == "old" else 1 - age)
        elif rest.startswith("asym"):
            traits[k] = rng.uniform(0, 0.35) if rng.random() < 0.12 else 0.0
        else:
            # A fifth of the details at a time: all together would leave nobody's face in peace.
            traits[k] = rng.uniform(0, 0.45) if rng.random() < 0.2 else 0.0
    _mirror(rig, traits)
    return traits


def _mirror(rig: Rig, traits: Float32[np.ndarray, "I"]) -> None:
    """Give a detail of one side (``l-...``) to the other side too."""
    position = {name: k for k, name in enumerate(rig.traits)}
    for name, k in position.items():
        group, _, detail = name.rpartition("/")
        if detail.startswith("l-"):
            other = position.get(f"{group}/r-{detail[2:]}")
            if other is not None:
                traits[other] = traits[k]
