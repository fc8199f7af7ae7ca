"""A person of a rig as a mesh ready to be posed: base shape, hair, colours; and posing it with exact normals."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, UInt8
from scipy import sparse

from maedfer.synth.identity import Hair, Identity
from maedfer.synth.paint import crease_map, crease_strengths, paint_map
from maedfer.synth.rig import UNITS, Part, Rig

__all__ = ["Head", "build_head"]

# Hairline: height above which the scalp is hairy, by depth (eye distances; relative to the front line at 1.05).
_LINE_Z = np.array([-3.2, -2.2, -1.5, -1.05, -0.75, -0.45, -0.15, 0.15])
_LINE_Y = np.array([-1.35, -1.3, -1.05, -0.25, 0.0, 0.45, 0.85, 1.05])
_COLLAR = -2.75


@dataclass(frozen=True)
class Head:
    """One person, ready to be posed. Vertices are in the person's own frame: eyes' midpoint 0, eye distance 1.

    Attributes:
        base: vertices without expression; those of the hair follow those of the rig.
        triangles: indices into ``base``.
        unit_offsets: displacement of the rig's vertices by each unit, flat.
        fixed: per vertex: place in the rest frame (for an eye: direction from its centre), albedo,
            part, gloss, hair, share of the head's rotation.
        paint: see :func:`~maedfer.synth.paint.paint_map`.
        creases: see :func:`~maedfer.synth.paint.crease_map`.
        person: whose head it is.
        marks: vertices of nose tip, right and left mouth corner, chin.
        eyes: vertices of the two eyeballs.
        face_height: from above the brows to the chin.
        gather: sums the normals of each vertex's triangles.
    """

    base: Float32[np.ndarray, "V 3"]
    triangles: Int32[np.ndarray, "M 3"]
    unit_offsets: Float32[np.ndarray, "K _"]
    fixed: Float32[np.ndarray, "V 10"]
    paint: UInt8[np.ndarray, "256 256 4"]
    creases: UInt8[np.ndarray, "256 256 4"]
    person: Identity
    marks: np.ndarray
    eyes: tuple[np.ndarray, np.ndarray]
    face_height: float
    gather: sparse.csr_matrix

    def folds(self, weights: Float32[np.ndarray, "T K"]) -> Float32[np.ndarray, "T 4"]:
        """How deep the person's four creases are folded under unit weights."""
        return crease_strengths(weights, self.person.age)

    def pose(self, weights: Float32[np.ndarray, "T K"]) -> Float32[np.ndarray, "T V 6"]:
        """Positions and unit normals under unit weights."""
        frames, n = len(weights), self.unit_offsets.shape[1] // 3
        posed = np.empty((frames, len(self.base), 6), np.float32)
        posed[..., :3] = self.base
        posed[:, :n, :3] += (weights @ self.unit_offsets).reshape(frames, n, 3)
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


def build_head(rig: Rig, person: Identity) -> Head:
    """Give a person of ``rig`` a body: identity, hair and colours applied once, before any frame."""
    shape = rig.rest + np.tensordot(person.traits, rig.trait_offsets, 1)
    eyes = (np.flatnonzero(rig.eye(-1)), np.flatnonzero(rig.eye(1)))
    centres = [(shape[e].min(0) + shape[e].max(0)) / 2 for e in eyes]
    scale = np.float32(1 / np.linalg.norm(centres[1] - centres[0]))
    shape = ((shape - (centres[0] + centres[1]) / 2) * scale).astype(np.float32)
    scalp = _scalp(rig, person.hair)
    outward = _normals(rig.rest, rig.triangles)
    grown = shape + outward * (scalp * np.float32(person.hair.thickness) * _tousle(rig.rest))[:, None]
    curtain, curtain_faces = _curtain(grown, rig, person.hair)
    fixed = np.concatenate([_colours(rig, person, scalp, outward), _curtain_colours(curtain, person)])
    triangles = np.concatenate([rig.triangles, curtain_faces + np.int32(len(shape))])
    rows, ones = triangles.ravel(), np.ones(triangles.size, np.float32)
    gather = sparse.csr_matrix((ones, (rows, np.repeat(np.arange(len(triangles)), 3))), (len(fixed), len(triangles)))
    return Head(
        base=np.concatenate([grown, curtain]).astype(np.float32),
        triangles=triangles,
        unit_offsets=(rig.unit_offsets * scale).reshape(len(UNITS), -1),
        fixed=fixed,
        paint=paint_map(rig, person),
        creases=crease_map(rig),
        person=person,
        marks=rig.landmarks,
        eyes=eyes,
        face_height=float(0.55 - shape[rig.landmarks[3], 1]),
        gather=gather,
    )


def _scalp(rig: Rig, hair: Hair) -> Float32[np.ndarray, "N"]:
    """How hairy each vertex is, 0..1: above the hairline, and not the ears."""
    x, y, z = rig.rest.T
    if hair.thickness == 0:
        return np.zeros(len(x), np.float32)
    line = np.interp(z, _LINE_Z, _LINE_Y) + (hair.line - 1.05) * (z > -0.75)
    hairy = 1 / (1 + np.exp(-np.clip((y - line) / 0.06, -50, 50)))
    ear = (np.abs(x) > 1.17) & (y < 0.4) & (z > -1.7)
    can_grow = (rig.part == Part.SKIN) & ~ear & (y > -1.8)
    return np.asarray(hairy * can_grow, np.float32)


def _tousle(rest: Float32[np.ndarray, "N 3"]) -> Float32[np.ndarray, "N"]:
    """Unevenness of the hair's thickness, thicker on top."""
    waves = np.sin(rest @ np.array([3.1, 1.7, 2.3])) * np.sin(rest @ np.array([-1.9, 2.7, 3.3]))
    return np.asarray(np.clip(0.75 + 0.25 * rest[:, 1], 0.5, 1.3) * (1 + 0.25 * waves), np.float32)


def _normals(vertices: Float32[np.ndarray, "N 3"], triangles: Int32[np.ndarray, "M 3"]) -> Float32[np.ndarray, "N 3"]:
    """Unit normals at rest."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    facing = np.cross(b - a, c - a)
    total = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(total, triangles[:, k], facing)
    return np.asarray(total / (np.linalg.norm(total, axis=1, keepdims=True) + 1e-9), np.float32)


def _curtain(
    shape: Float32[np.ndarray, "N 3"], rig: Rig, hair: Hair
) -> tuple[Float32[np.ndarray, "H 3"], Int32[np.ndarray, "G 3"]]:
    """Hair that hangs around the back and sides of the head: a bell, open at the face."""
    if hair.length == 0 or hair.thickness == 0:
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)
    skull = shape[(rig.part == Part.SKIN) & (rig.rest[:, 1] > 0.4)]
    half = float(np.abs(skull[:, 0]).max()) + 0.02
    back, front, top = float(skull[:, 2].min()), float(skull[:, 2].max()), float(skull[:, 1].max())
    depth = (front - back) / 2
    rows, columns = 18, 31
    height = np.linspace(top - 0.12, -hair.length, rows)
    swell = np.sqrt(np.clip(1 - (np.maximum(height - 0.3, 0) / (top - 0.27)) ** 2, 0.01, 1))
    swell *= 1 + 0.05 * np.clip(-height, 0, 2)
    open_at = np.radians(np.interp(height, [-3, -0.5, 0.6, top], [108, 118, 128, 160]))
    angle = np.linspace(-1, 1, columns)[None] * open_at[:, None]
    ripple = 1 + 0.02 * np.sin(9 * angle + 3 * height[:, None])
    x = np.sin(angle) * (half * swell)[:, None] * ripple
    z = (front + back) / 2 - np.cos(angle) * (depth * swell)[:, None] * ripple
    points = np.stack([x, np.broadcast_to(height[:, None], x.shape), z], -1).reshape(-1, 3)
    first = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    quads = np.stack([first, first + 1, first + columns + 1, first + columns], 1)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return points.astype(np.float32), faces.astype(np.int32)


def _colours(
    rig: Rig, person: Identity, scalp: Float32[np.ndarray, "N"], outward: Float32[np.ndarray, "N 3"]
) -> Float32[np.ndarray, "N 10"]:
    """Everything about the rig's vertices that no frame changes; see :attr:`Head.fixed`."""
    n = len(rig.rest)
    place, albedo, gloss = rig.rest.copy(), np.tile(person.skin, (n, 1)), np.full(n, 0.25, np.float32)
    part = rig.part.astype(np.float32)
    for side in (-1, 1):
        eye = rig.eye(side)
        centre = (rig.rest[eye].min(0) + rig.rest[eye].max(0)) / 2
        radius = float(np.abs(rig.rest[eye] - centre).max())
        place[eye] = (rig.rest[eye] - centre) / np.float32(radius)
        lid = np.linalg.norm(rig.rest - centre, axis=1) / radius
        dark = np.exp(-(((lid - 1.0) / 0.14) ** 2)) * (rig.part == Part.SKIN) * (rig.rest[:, 2] > centre[2])
        dark = dark * np.where(rig.rest[:, 1] > centre[1] - 0.06, 0.85, 0.4)
        albedo *= (1 - dark[:, None]).astype(np.float32)
    lips = rig.lips[:, None]
    albedo = albedo * (1 - lips) + person.lip * lips
    gloss += 0.35 * rig.lips
    for kind, colour, shine in (
        (Part.EYE, person.iris, 1.0),
        (Part.TEETH, (0.62, 0.57, 0.48), 0.7),
        (Part.TONGUE, (0.30, 0.07, 0.07), 0.4),
        (Part.MOUTH, (0.09, 0.02, 0.02), 0.1),
    ):
        albedo[rig.part == kind], gloss[rig.part == kind] = colour, shine
    depth = np.clip((rig.rest[:, 2] - 0.05) / 0.35, 0.12, 1)
    inner = np.isin(rig.part, (Part.TEETH, Part.TONGUE, Part.MOUTH))
    albedo[inner] *= depth[inner, None]
    cloth = (rig.part == Part.SKIN) & (rig.rest[:, 1] < _COLLAR + 0.25 * np.abs(rig.rest[:, 0]))
    albedo[cloth], gloss[cloth], part[cloth] = person.cloth, 0.0, Part.CLOTH
    # Under the jaw little light arrives; without shadows the neck would shine like the face.
    shade = np.clip((rig.rest[rig.landmarks[3], 1] - 0.02 - rig.rest[:, 1]) / 0.5, 0, 1) * np.clip(
        outward[:, 2] + 1, 0, 1
    )
    albedo = np.where((part == Part.SKIN)[:, None], albedo * (1 - 0.45 * shade[:, None]), albedo)
    return np.concatenate(
        [place, albedo, np.stack([part, gloss, scalp, _turning(rig.rest)], 1)], 1, dtype=np.float32, casting="same_kind"
    )


def _curtain_colours(curtain: Float32[np.ndarray, "H 3"], person: Identity) -> Float32[np.ndarray, "H 10"]:
    """The same for the curtain of hair."""
    fixed = np.zeros((len(curtain), 10), np.float32)
    fixed[:, :3], fixed[:, 3:6] = curtain, person.hair_colour
    fixed[:, 6], fixed[:, 7], fixed[:, 8], fixed[:, 9] = Part.HAIR, 0.3, 1, _turning(np.maximum(curtain, -1.9))
    return fixed


def _turning(rest: Float32[np.ndarray, "N 3"]) -> Float32[np.ndarray, "N"]:
    """Share of the head's rotation: all of it down to the jaw, none at the shoulders."""
    share = np.clip((rest[:, 1] + 3.0) / 1.1, 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)
