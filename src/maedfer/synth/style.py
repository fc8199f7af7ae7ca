"""What a person has done to the face: hair, headwear, beard, make-up, glasses, drawn from a seed."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float32

__all__ = [
    "Beard",
    "BeardKind",
    "Glasses",
    "Hair",
    "Headwear",
    "HeadwearKind",
    "Makeup",
    "RimShape",
    "draw_beard",
    "draw_glasses",
    "draw_hair",
    "draw_headwear",
    "draw_makeup",
]

BeardKind: TypeAlias = Literal["none", "stubble", "full", "moustache", "goatee"]
HeadwearKind: TypeAlias = Literal["none", "beanie", "cap", "scarf"]
RimShape: TypeAlias = Literal["round", "square", "wide", "aviator"]

_GLASSES_SHARE = 0.18
_DARK_SHARE = 0.07
_HEADWEAR_SHARE = 0.07


@dataclass(frozen=True)
class Hair:
    """Hair of the head.

    Attributes:
        thickness: of the cap, in eye distances; 0 is bald.
        line: height of the hairline above the eyes, in eye distances.
        length: how far a curtain of hair hangs below the eyes, in eye distances; 0 is none.
        parting: -1..1, where the fringe is longest.
        curl: 0 smooth, 1 a curly silhouette.
        fringe: how far hair hangs over the forehead from the hairline, in eye distances; 0 is none.
        receding: how much higher the hairline is at the temples, in eye distances.
    """

    thickness: float
    line: float
    length: float
    parting: float
    curl: float = 0.0
    fringe: float = 0.0
    receding: float = 0.0


@dataclass(frozen=True)
class Headwear:
    """What covers the hair.

    Attributes:
        kind: ``"none"``, a beanie, a cap with a visor, or a scarf over hair and neck.
        colour: linear-light albedo.
    """

    kind: HeadwearKind
    colour: Float32[np.ndarray, "3"]


@dataclass(frozen=True)
class Beard:
    """Hair of the lower face.

    Attributes:
        kind: where it grows.
        density: 0..1.
    """

    kind: BeardKind
    density: float


@dataclass(frozen=True)
class Makeup:
    """Paint on lids, lashes and cheeks.

    Attributes:
        liner: darkness of lashes and lid edges, 0..1 (the naked ones have some, too).
        shadow: strength of the colour on the upper lids, 0..1.
        shadow_colour: factor on the skin's albedo there.
        blush: strength of the cheeks' red, 0..1.
    """

    liner: float
    shadow: float
    shadow_colour: Float32[np.ndarray, "3"]
    blush: float


@dataclass(frozen=True)
class Glasses:
    """A pair of glasses.

    Attributes:
        shape: of the rims.
        colour: linear-light albedo of the frame.
        rim: thickness of the frame in eye distances.
        width: half the width of one lens in eye distances.
        height: half its height.
        tint: opacity of the lenses, 0 clear, 1 black.
    """

    shape: RimShape
    colour: Float32[np.ndarray, "3"]
    rim: float
    width: float
    height: float
    tint: float


def draw_hair(rng: np.random.Generator, male: float, age: float, tone: float) -> Hair:
    """Bald, cropped, full or long; smooth or curly; some with a fringe, some receding."""
    line = float(rng.uniform(0.88, 1.08) + 0.12 * male * age)
    man = male > 0.5
    if man and rng.random() < 0.08 + 0.2 * age:
        return Hair(0.0, line + 0.5, 0.0, 0.0)
    long = rng.random() < (0.08 if man else 0.72)
    thickness = float(rng.uniform(0.03, 0.14) if man and rng.random() < 0.6 else rng.uniform(0.12, 0.34))
    curl = float(rng.uniform(0.4, 1.0)) if rng.random() < 0.2 + 0.35 * tone else float(rng.uniform(0, 0.3))
    fringed = rng.random() < (0.12 if man else 0.28) * (1 - 0.6 * age)
    receding = float(rng.uniform(0.05, 0.35)) * age if man else 0.0
    return Hair(
        thickness,
        line,
        float(rng.uniform(0.4, 3.0)) if long else 0.0,
        float(rng.uniform(-1, 1)),
        curl,
        float(rng.uniform(0.15, 0.5)) if fringed else 0.0,
        0.0 if fringed else receding,
    )


def draw_headwear(rng: np.random.Generator, male: float) -> Headwear:
    """Mostly nothing."""
    colour = np.exp(rng.normal(-2.0, 0.9)) * np.exp(rng.normal(0, 0.45, 3))
    kind: HeadwearKind = "none"
    if rng.random() < _HEADWEAR_SHARE:
        kinds: tuple[HeadwearKind, ...] = ("beanie", "cap") if male > 0.5 else ("beanie", "scarf", "scarf")
        kind = kinds[int(rng.integers(len(kinds)))]
    return Headwear(kind, np.clip(colour, 0.01, 0.75).astype(np.float32))


def draw_beard(rng: np.random.Generator, male: float) -> Beard:
    """Half of the men are shaven."""
    kinds: tuple[BeardKind, ...] = ("stubble", "stubble", "full", "full", "moustache", "goatee")
    kind = kinds[int(rng.integers(len(kinds)))]
    density = float(rng.uniform(0.45, 1.0))
    return Beard(kind, density) if male > 0.5 and rng.random() < 0.55 else Beard("none", 0.0)


def draw_makeup(rng: np.random.Generator, male: float, age: float) -> Makeup:
    """Lashes of everybody, more on some women."""
    worn = male < 0.5 and rng.random() < 0.5 - 0.2 * age
    colour = np.array([0.62, 0.48, 0.5]) * np.exp(rng.normal(0, 0.2, 3))
    return Makeup(
        liner=float(rng.uniform(0.75, 1.0) if worn else rng.uniform(0.35, 0.8) - 0.15 * male),
        shadow=float(rng.uniform(0.2, 0.9)) if worn and rng.random() < 0.7 else 0.0,
        shadow_colour=np.clip(colour, 0.15, 1.0).astype(np.float32),
        blush=float(rng.uniform(0.3, 1.0)) if worn else float(rng.uniform(0, 0.6)),
    )


def draw_glasses(rng: np.random.Generator, age: float) -> Glasses | None:
    """Nearly a fifth of the people wear some, a few of them dark ones."""
    shapes: tuple[RimShape, ...] = ("round", "square", "wide", "aviator")
    shape = shapes[int(rng.integers(len(shapes)))]
    metal, thin = rng.random() < 0.35, rng.random() < 0.45
    colour = rng.uniform(0.25, 0.5) * np.array([1.0, 0.9, 0.75]) if metal else np.exp(rng.normal(-3.6, 0.9, 3))
    glasses = Glasses(
        shape=shape,
        colour=np.clip(colour, 0.006, 0.6).astype(np.float32),
        rim=float(rng.uniform(0.022, 0.034) if metal or thin else rng.uniform(0.035, 0.07)),
        width=float(rng.uniform(0.33, 0.41)),
        height=float(rng.uniform(0.2, 0.33)),
        tint=float(rng.uniform(0.6, 0.93)) if rng.random() < _DARK_SHARE else float(rng.uniform(0.0, 0.12)),
    )
    return glasses if rng.random() < _GLASSES_SHARE * (0.8 + 0.5 * age) else None
