"""What no frame changes about a head's vertices: colours, gloss, and how little light finds its way into hollows."""

import cv2
import numpy as np
from jaxtyping import Float32, Float64

from maedfer.synth.accessories import Piece
from maedfer.synth.identity import Identity
from maedfer.synth.rig import Part, Rig

__all__ = ["LIT", "hollows", "piece_colours", "turning", "vertex_colours", "visible_from"]

#: Column of the share of the key light that reaches a vertex.
LIT = 10
_COLLAR = -2.75
_CELL = 0.055
# Light that has been through skin before it leaves a hollow is red.
_DEEP = np.array([0.75, 1.0, 1.05], np.float32)


def vertex_colours(
    rig: Rig, person: Identity, scalp: Float32[np.ndarray, "N"], outward: Float32[np.ndarray, "N 3"]
) -> Float32[np.ndarray, "N 11"]:
    """Everything about the rig's vertices that no frame changes; see :attr:`~maedfer.synth.head.Head.fixed`."""
    n = len(rig.rest)
    place, albedo = rig.rest.copy(), np.tile(person.skin, (n, 1))
    gloss = _skin_gloss(rig, person)
    part = rig.part.astype(np.float32)
    for side in (-1, 1):
        eye = rig.eye(side)
        centre = (rig.rest[eye].min(0) + rig.rest[eye].max(0)) / 2
        radius = float(np.abs(rig.rest[eye] - centre).max())
        place[eye] = (rig.rest[eye] - centre) / np.float32(radius)
        albedo *= _around_eye(rig, person, centre, radius)[:, None]
    lips = rig.lips[:, None]
    albedo = albedo * (1 - lips) + person.lip * lips
    gloss += 0.3 * rig.lips
    for kind, colour, shine in (
        (Part.EYE, person.iris, 1.0),
        (Part.TEETH, np.array([0.66, 0.61, 0.52]) * (1 - 0.3 * person.age), 0.75),
        (Part.TONGUE, (0.34, 0.09, 0.09), 0.5),
        (Part.MOUTH, (0.11, 0.025, 0.025), 0.2),
    ):
        albedo[rig.part == kind], gloss[rig.part == kind] = colour, shine
    depth = np.clip((rig.rest[:, 2] - 0.05) / 0.35, 0.12, 1)
    inner = np.isin(rig.part, (Part.TEETH, Part.TONGUE, Part.MOUTH))
    albedo[inner] *= depth[inner, None]
    # Under the jaw little light arrives; without shadows the neck would shine like the face.
    shade = np.clip((rig.rest[rig.landmarks[3], 1] - 0.02 - rig.rest[:, 1]) / 0.5, 0, 1) * np.clip(
        outward[:, 2] + 1, 0, 1
    )
    dim = (1 - hollows(rig)) * (1 - 0.4 * shade)
    albedo = np.where((rig.part == Part.SKIN)[:, None], albedo * dim[:, None] ** _DEEP, albedo)
    cloth = (rig.part == Part.SKIN) & (rig.rest[:, 1] < _COLLAR + 0.25 * np.abs(rig.rest[:, 0]))
    albedo[cloth], gloss[cloth], part[cloth] = person.cloth, 0.0, Part.CLOTH
    last = np.stack([part, gloss, scalp, turning(rig.rest), np.ones(n, np.float32)], 1)
    return np.concatenate([place, albedo, last], 1, dtype=np.float32, casting="same_kind")


def piece_colours(piece: Piece) -> Float32[np.ndarray, "H 11"]:
    """The same for something added to the head."""
    fixed = np.zeros((len(piece.points), 11), np.float32)
    fixed[:, :3], fixed[:, 3:6] = piece.points, piece.colour
    if piece.part == Part.HAIR:
        # Strands run down: along them the grain changes slowly, around the head fast.
        fixed[:, 0] = np.arctan2(piece.points[:, 0], -piece.points[:, 2] - 0.7)
        if piece.points[:, 2].min() > -0.6:
            fixed[:, 0] = 2.2 * piece.points[:, 0]
    fixed[:, 6], fixed[:, 7], fixed[:, 8] = piece.part, piece.gloss, piece.cover
    fixed[:, 9], fixed[:, LIT] = turning(np.maximum(piece.points, -1.9)), 1
    return fixed


def turning(rest: Float32[np.ndarray, "N 3"]) -> Float32[np.ndarray, "N"]:
    """Share of the head's rotation: all of it down to the jaw, none at the shoulders."""
    share = np.clip((rest[:, 1] + 3.0) / 1.1, 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def hollows(rig: Rig) -> Float32[np.ndarray, "N"]:
    """How far each vertex of the face lies in a hollow, 0..0.6: eye sockets, beside and under the nose, under the lip.

    A depth map of the face at rest against its own blurred versions: mesh and topology do not matter.
    """
    x, y, z = rig.rest.T
    ahead = (z > -0.9) & (np.abs(x) < 1.4) & (y > -2.4) & (y < 1.6)
    depth, lowest = _depth_map(rig.rest[ahead, :2], rig.rest[ahead, 2])
    at = ((rig.rest[:, :2] - lowest) / _CELL).astype(np.float32)
    total = np.zeros(len(z), np.float32)
    for sigma, strength in ((1.6, 1.5), (4.0, 0.9)):
        smooth = cv2.GaussianBlur(depth, (0, 0), sigma)
        around = cv2.remap(smooth, at[:, :1], at[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0]
        total += strength * np.clip(around - z - 0.01, 0, 0.35)
    return np.asarray(np.where(ahead, np.clip(total, 0, 0.6), 0), np.float32)


def visible_from(
    points: Float32[np.ndarray, "V 3"], casts: np.ndarray, toward: Float64[np.ndarray, "3"]
) -> Float32[np.ndarray, "V"]:
    """Share of a far light that reaches each vertex past the others, 0..1 (soft, for a head at rest).

    Args:
        points: vertices.
        casts: which of them cast shadows.
        toward: unit vector to the light.
    """
    side = np.cross([0.0, 1.0, 0.0] if abs(toward[1]) < 0.9 else [1.0, 0.0, 0.0], toward)
    side /= np.linalg.norm(side)
    flat = (points @ np.stack([side, np.cross(toward, side)], 1)).astype(np.float32)
    depth = (points @ toward).astype(np.float32)
    nearest, lowest = _depth_map(flat[casts], depth[casts])
    at = ((flat - lowest) / _CELL).astype(np.float32)
    lit = np.zeros(len(points), np.float32)
    for dx, dy in ((0, 0), (1.2, 0.4), (-0.4, 1.2), (-1.2, -0.4), (0.4, -1.2)):
        shifted = at + np.array([dx, dy], np.float32)
        front = cv2.remap(nearest, shifted[:, :1], shifted[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        lit += 1 - np.clip((front[:, 0] - depth - 0.12) / 0.12, 0, 1)
    return np.asarray(lit / 5, np.float32)


def _depth_map(
    flat: Float32[np.ndarray, "P 2"], depth: Float32[np.ndarray, "P"]
) -> tuple[Float32[np.ndarray, "H W"], Float32[np.ndarray, "2"]]:
    """The nearest of the points in each cell, gaps filled from their neighbours, and where the map begins."""
    lowest = flat.min(0)
    cell = np.round((flat - lowest) / _CELL).astype(np.int64)
    columns, rows = (cell.max(0) + 1).tolist()
    far = float(depth.min())
    nearest = np.full((rows, columns), far, np.float32)
    np.maximum.at(nearest, (cell[:, 1], cell[:, 0]), depth)
    closed = cv2.morphologyEx(nearest, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    filled: Float32[np.ndarray, "H W"] = np.where(nearest > far, nearest, closed)
    return filled, lowest


def _skin_gloss(rig: Rig, person: Identity) -> Float32[np.ndarray, "N"]:
    """Shine of the skin: most on forehead, nose and chin."""
    x, y, _ = rig.rest.T
    middle = np.exp(-((x / 0.4) ** 2)) * (0.6 + 0.4 * (y > 0.3))
    cheek = np.exp(-(((np.abs(x) - 0.62) / 0.25) ** 2) - ((y + 0.4) / 0.25) ** 2)
    return np.asarray(0.12 + person.oily * (0.16 + 0.28 * np.maximum(middle, 0.7 * cheek)), np.float32)


def _around_eye(
    rig: Rig, person: Identity, centre: Float32[np.ndarray, "3"], radius: float
) -> Float32[np.ndarray, "N"]:
    """Lashes and the lids' edges darken the skin next to the eyeball."""
    lid = np.linalg.norm(rig.rest - centre, axis=1) / radius
    near = np.exp(-(((lid - 1.0) / 0.14) ** 2)) * (rig.part == Part.SKIN) * (rig.rest[:, 2] > centre[2])
    upper = rig.rest[:, 1] > centre[1] - 0.06
    return np.asarray(
        1 - near * np.where(upper, 0.55 + 0.4 * person.makeup.liner, 0.55 * person.makeup.liner), np.float32
    )
