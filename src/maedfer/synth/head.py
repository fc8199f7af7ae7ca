"""A person of a rig as a mesh ready to be posed: base shape, hair, colours; and posing it with exact normals."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64, Int32, UInt8
from scipy import sparse

from maedfer.synth.accessories import LENS, Piece, curtain, fringe, glasses, join, mask, scarf, visor
from maedfer.synth.correctives import corrective_offsets, corrective_weights, coupled
from maedfer.synth.creases import crease_maps, crease_strengths
from maedfer.synth.identity import Identity
from maedfer.synth.paint import paint_map
from maedfer.synth.rig import Part, Rig
from maedfer.synth.skin import LIT, piece_colours, vertex_colours, visible_from

__all__ = ["Head", "build_head"]

# Hairline: height above which the scalp is hairy, by depth (eye distances; relative to the front line at 1.05).
_LINE_Z = np.array([-3.2, -2.2, -1.5, -1.05, -0.75, -0.45, -0.15, 0.15])
_LINE_Y = np.array([-1.35, -1.3, -1.05, -0.25, 0.0, 0.45, 0.85, 1.05])
_HAT_Y = np.array([-1.0, -0.6, -0.1, 0.2, 0.4, 0.6, 0.7, 0.78])
_SCARF_Y = np.array([-2.2, -2.2, -2.0, -1.6, -0.4, 0.4, 0.72, 0.85])


@dataclass(frozen=True)
class Head:
    """One person, ready to be posed. Vertices are in the person's own frame: eyes' midpoint 0, eye distance 1.

    Attributes:
        base: vertices without expression; those of hair and glasses follow those of the rig.
        triangles: indices into ``base``, those in front first (less is drawn twice), lenses last.
        unit_offsets: displacement of the rig's vertices by each unit, then by each of
            :data:`~maedfer.synth.correctives.CORRECTIVES`, flat.
        fixed: per vertex: place in the rest frame (for an eye: direction from its centre), albedo,
            part, gloss, cover (hair; opacity of a lens), share of the head's rotation, share of the key light.
        paint: see :func:`~maedfer.synth.paint.paint_map`.
        creases: see :func:`~maedfer.synth.creases.crease_maps`.
        cap: albedo of what grows or sits on the scalp.
        person: whose head it is.
        marks: vertices of nose tip, right and left mouth corner, chin.
        eyes: vertices of the two eyeballs.
        face_height: from above the brows to the chin.
        gather: sums the normals of each vertex's triangles.
    """

    base: Float32[np.ndarray, "V 3"]
    triangles: Int32[np.ndarray, "M 3"]
    unit_offsets: Float32[np.ndarray, "U _"]
    fixed: Float32[np.ndarray, "V 11"]
    paint: UInt8[np.ndarray, "256 256 4"]
    creases: UInt8[np.ndarray, "2 256 256 4"]
    cap: Float32[np.ndarray, "3"]
    person: Identity
    marks: np.ndarray
    eyes: tuple[np.ndarray, np.ndarray]
    face_height: float
    gather: sparse.csr_matrix

    def folds(self, weights: Float32[np.ndarray, "T K"]) -> Float32[np.ndarray, "T 8"]:
        """How deep the person's eight kinds of crease are folded under unit weights."""
        return crease_strengths(weights, self.person.age)

    def pose(self, weights: Float32[np.ndarray, "T K"]) -> Float32[np.ndarray, "T V 6"]:
        """Positions and unit normals under unit weights."""
        frames, n = len(weights), self.unit_offsets.shape[1] // 3
        posed = np.empty((frames, len(self.base), 6), np.float32)
        posed[..., :3] = self.base
        moved = np.concatenate([coupled(weights), corrective_weights(weights)], 1)
        posed[:, :n, :3] += (moved @ self.unit_offsets).reshape(frames, n, 3)
        for frame in posed:
            a, b, c = (frame[self.triangles[:, k], :3] for k in range(3))
            u, v = b - a, c - a
            facing = np.empty_like(u)
            facing[:, 0] = u[:, 1] * v[:, 2] - u[:, 2] * v[:, 1]
            facing[:, 1] = u[:, 2] * v[:, 0] - u[:, 0] * v[:, 2]
            facing[:, 2] = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
            normals = self.gather @ facing
            frame[:, 3:] = normals / np.sqrt(np.einsum("ij,ij->i", normals, normals) + 1e-18)[:, None]
        return posed

    def shadowed(self, toward: Float64[np.ndarray, "3"], hardness: float) -> "Head":
        """The same head with the shadows that its resting shape casts on itself.

        Args:
            toward: unit vector to the key light in the person's frame.
            hardness: 0 no shadows, 1 full ones.
        """
        if hardness <= 0:
            return self
        fixed = self.fixed.copy()
        casts = (fixed[:, 6] != LENS) & (fixed[:, 6] != Part.EYE)
        fixed[:, LIT] = 1 - hardness * (1 - visible_from(self.base, casts, toward))
        return replace(self, fixed=fixed)


def build_head(rig: Rig, person: Identity, *, masked: bool = False) -> Head:
    """Give a person of ``rig`` a body: identity, hair and colours applied once, before any frame.

    Args:
        rig: of the shape.
        person: who it is.
        masked: wears a medical mask, which hides the mouth.
    """
    shape = rig.rest + np.tensordot(person.traits, rig.trait_offsets, 1)
    eyes = (np.flatnonzero(rig.eye(-1)), np.flatnonzero(rig.eye(1)))
    centres = [(shape[e].min(0) + shape[e].max(0)) / 2 for e in eyes]
    scale = np.float32(1 / np.linalg.norm(centres[1] - centres[0]))
    shape = ((shape - (centres[0] + centres[1]) / 2) * scale).astype(np.float32)
    scalp = _scalp(rig, person)
    outward = _normals(rig.rest, rig.triangles)
    grown = shape + outward * (np.clip(2 * scalp - 0.9, 0, 1) * _thickness(rig.rest, person))[:, None]
    pieces = _pieces(shape, grown, rig, person, masked=masked)
    points, faces = join(pieces, len(shape))
    # What is nearest to the camera is drawn first: the software renderer then skips what lies behind it.
    order = np.argsort(-rig.rest[rig.triangles, 2].mean(1), kind="stable")
    triangles = np.concatenate([rig.triangles[order], faces])
    fixed = np.concatenate([vertex_colours(rig, person, scalp, outward), *map(piece_colours, pieces)])
    rows, ones = triangles.ravel(), np.ones(triangles.size, np.float32)
    gather = sparse.csr_matrix((ones, (rows, np.repeat(np.arange(len(triangles)), 3))), (len(fixed), len(triangles)))
    return Head(
        base=np.concatenate([grown, points]).astype(np.float32),
        triangles=triangles,
        unit_offsets=_offsets(rig, scale),
        fixed=fixed,
        paint=paint_map(rig, person),
        creases=crease_maps(rig),
        cap=person.hair_colour if person.headwear.kind == "none" else person.headwear.colour,
        person=person,
        marks=rig.landmarks,
        eyes=eyes,
        face_height=float(0.55 - shape[rig.landmarks[3], 1]),
        gather=gather,
    )


def _offsets(rig: Rig, scale: np.float32) -> Float32[np.ndarray, "U _"]:
    """Of the units and the correctives, flat."""
    every = np.concatenate([rig.unit_offsets, corrective_offsets(rig)])
    return np.asarray(every.reshape(len(every), -1) * scale, np.float32)


def _pieces(
    shape: Float32[np.ndarray, "N 3"], grown: Float32[np.ndarray, "N 3"], rig: Rig, person: Identity, *, masked: bool
) -> list[Piece]:
    """All that is added to the rig's own vertices, lenses last."""
    hair, wear, colour = person.hair, person.headwear, person.hair_colour
    pieces = []
    if hair.length > 0 and hair.thickness > 0 and wear.kind != "scarf":
        pieces.append(curtain(grown, rig, hair, colour))
    if hair.fringe > 0 and hair.thickness > 0 and wear.kind == "none":
        pieces.append(fringe(shape, rig, hair, colour))
    if wear.kind == "scarf":
        pieces.append(scarf(shape, rig, wear.colour))
    if wear.kind == "cap":
        pieces.append(visor(grown, rig, 0.84, wear.colour))
    if masked:
        pieces.append(mask(shape, rig, np.array([0.5, 0.62, 0.68], np.float32)))
    return pieces + (glasses(shape, rig, person.glasses) if person.glasses is not None else [])


def _scalp(rig: Rig, person: Identity) -> Float32[np.ndarray, "N"]:
    """How hairy (or covered by a hat) each vertex is, 0..1: above the hairline, and not the ears."""
    x, y, z = rig.rest.T
    hair, kind = person.hair, person.headwear.kind
    if kind == "none" and hair.thickness == 0:
        return np.zeros(len(x), np.float32)
    line = np.interp(z, _LINE_Z, {"none": _LINE_Y, "scarf": _SCARF_Y}.get(kind, _HAT_Y))
    if kind == "none":
        temple = np.clip(np.abs(x) / 0.8, 0, 1) ** 2 - np.exp(-((x / 0.25) ** 2)) * 0.5
        line = line + (hair.line - 1.05 + hair.receding * temple) * (z > -0.75)
    hairy = 1 / (1 + np.exp(-np.clip((y - line) / 0.18, -50, 50)))
    ear = (np.abs(x) > 1.17) & (y < 0.4) & (z > -1.7) & (kind != "scarf")
    can_grow = (rig.part == Part.SKIN) & ~ear & (y > -1.8)
    return np.asarray(hairy * can_grow, np.float32)


def _thickness(rest: Float32[np.ndarray, "N 3"], person: Identity) -> Float32[np.ndarray, "N"]:
    """Of the cap of hair or cloth: thicker on top; curls make it uneven and thicker."""
    hair = person.hair
    if person.headwear.kind != "none":
        return np.full(len(rest), {"beanie": 0.13, "cap": 0.11, "scarf": 0.09}[person.headwear.kind], np.float32)
    waves = np.sin(rest @ np.array([3.1, 1.7, 2.3])) * np.sin(rest @ np.array([-1.9, 2.7, 3.3]))
    curls = np.sin(rest @ np.array([11.0, 5.0, 7.0])) * np.sin(rest @ np.array([-6.0, 9.0, 10.0]))
    uneven = 1 + 0.25 * waves + hair.curl * (0.35 + 0.35 * curls)
    return np.asarray(hair.thickness * np.clip(0.75 + 0.25 * rest[:, 1], 0.5, 1.3) * uneven, np.float32)


def _normals(vertices: Float32[np.ndarray, "N 3"], triangles: Int32[np.ndarray, "M 3"]) -> Float32[np.ndarray, "N 3"]:
    """Unit normals at rest."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    facing = np.cross(b - a, c - a)
    total = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(total, triangles[:, k], facing)
    return np.asarray(total / (np.linalg.norm(total, axis=1, keepdims=True) + 1e-9), np.float32)
