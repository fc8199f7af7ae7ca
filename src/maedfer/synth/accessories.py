"""Things on a head that no rig brings: a curtain of hair, a fringe, a visor, a scarf, glasses, a medical mask.

Each is a sheet or tube laid over the person's own shape; it turns with the head and no expression moves it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int32

from maedfer.synth.rig import Part, Rig
from maedfer.synth.style import Glasses, Hair

__all__ = ["LENS", "Piece", "curtain", "fringe", "glasses", "join", "mask", "scarf", "visor"]

#: Part number of a lens, beyond those of a rig: drawn see-through.
LENS = 7
_RIM_POINTS = 24


@dataclass(frozen=True)
class Piece:
    """Some triangles to be added to a head.

    Attributes:
        points: vertices in the person's frame.
        faces: triangles.
        part: of all its vertices.
        colour: linear-light albedo.
        gloss: 0 matt, 1 mirror-like.
        cover: hair of hair, opacity of a lens, 0..1.
    """

    points: Float32[np.ndarray, "H 3"]
    faces: Int32[np.ndarray, "G 3"]
    part: int
    colour: Float32[np.ndarray, "3"]
    gloss: float
    cover: float


def join(pieces: list[Piece], first: int) -> tuple[Float32[np.ndarray, "H 3"], Int32[np.ndarray, "G 3"]]:
    """All vertices and triangles, numbered from ``first``."""
    starts = np.cumsum([first, *(len(p.points) for p in pieces)])
    faces = [p.faces + np.int32(start) for p, start in zip(pieces, starts, strict=False)]
    none = np.zeros((0, 3))
    return (
        np.concatenate([none, *(p.points for p in pieces)]).astype(np.float32),
        np.concatenate([none, *faces]).astype(np.int32),
    )


def curtain(shape: Float32[np.ndarray, "N 3"], rig: Rig, hair: Hair, colour: Float32[np.ndarray, "3"]) -> Piece:
    """Hair that hangs around the back and sides of the head: a bell, open at the face."""
    rows, columns = 18, 41
    half, back, front, top = _skull(shape, rig)
    depth = (front - back) / 2
    height = np.linspace(top - 0.12, -hair.length, rows)
    swell = np.sqrt(np.clip(1 - (np.maximum(height - 0.3, 0) / (top - 0.27)) ** 2, 0.01, 1))
    swell *= 1 + (0.05 + 0.12 * hair.curl) * np.clip(-height, 0, 2)
    open_at = np.radians(np.interp(height, [-3, -0.5, 0.6, top], [108, 118, 128, 160]))
    angle = np.linspace(-1, 1, columns)[None] * open_at[:, None]
    ripple = 1 + 0.02 * np.sin(9 * angle + 3 * height[:, None])
    ripple = ripple + 0.05 * hair.curl * np.sin(17 * angle + 9 * height[:, None]) * np.sin(7 * height[:, None] - angle)
    x = np.sin(angle) * (half * swell)[:, None] * ripple
    z = (front + back) / 2 - np.cos(angle) * (depth * swell)[:, None] * ripple
    y = height[:, None] + 0.1 * np.sin(11 * angle + 2) * np.clip(-height[:, None], 0, 0.5)
    return Piece(_flat(x, y, z), _grid(rows, columns), Part.HAIR, colour, 0.3, 1.0)


def fringe(shape: Float32[np.ndarray, "N 3"], rig: Rig, hair: Hair, colour: Float32[np.ndarray, "3"]) -> Piece:
    """Hair over the forehead, longest towards the parting, with an uneven edge."""
    rows, columns = 7, 37
    angle = np.radians(np.linspace(-72, 72, columns))
    side = np.sin(angle)
    jag = 0.05 * np.sin(23 * angle) + 0.04 * np.sin(41 * angle + 1)
    low = hair.line - hair.fringe * (0.85 - 0.25 * (side - hair.parting) ** 2) - jag - 0.35 * side**2
    t = np.linspace(0, 1, rows)[:, None]
    y = (hair.line + 0.22) * (1 - t) + np.maximum(low, 0.42)[None] * t
    radius = _drape(shape, rig, np.broadcast_to(angle, y.shape), y)
    radius = radius + hair.thickness * 0.8 * (1 - 0.75 * t) + 0.05 + 0.02 * np.sin(19 * angle)
    centre = _axis(shape, rig)
    faces = _grid(rows, columns)
    return Piece(_flat(np.sin(angle) * radius, y, centre + np.cos(angle) * radius), faces, Part.HAIR, colour, 0.3, 1.0)


def scarf(shape: Float32[np.ndarray, "N 3"], rig: Rig, colour: Float32[np.ndarray, "3"]) -> Piece:
    """Cloth around cheeks, chin and neck; the cap of hair above it wears the same colour."""
    rows, columns = 14, 49
    half, back, front, _ = _skull(shape, rig)
    chin = float(shape[rig.landmarks[3], 1])
    angle = np.radians(np.linspace(-180, 180, columns))[None]
    ahead = np.cos(angle)
    # The upper edge: around the face at the sides, under the chin in front.
    upper = np.interp(np.degrees(np.abs(angle)), [0, 28, 50, 68, 180], [chin - 0.14, chin + 0.1, -0.6, 0.7, 1.0])
    t = np.linspace(0, 1, rows)[:, None]
    y = upper * (1 - t) + (chin - 1.9) * t
    wide = 1.02 + 0.05 * np.sin(5 * y + 3 * angle) * t + 0.14 * t
    x = np.sin(angle) * (half + 0.04) * wide
    depth = np.where(ahead > 0, front - 0.22 - _axis(shape, rig), _axis(shape, rig) - back + 0.08)
    z = _axis(shape, rig) + ahead * depth * wide - 0.12 * np.clip(chin - y, 0, 1) * (ahead > 0)
    return Piece(_flat(x, y, z), _grid(rows, columns), Part.CLOTH, colour, 0.05, 0.0)


def visor(shape: Float32[np.ndarray, "N 3"], rig: Rig, line: float, colour: Float32[np.ndarray, "3"]) -> Piece:
    """The peak of a cap."""
    rows, columns = 5, 21
    half, _, front, _ = _skull(shape, rig)
    angle = np.radians(np.linspace(-62, 62, columns))[None]
    out = np.linspace(0, 1, rows)[:, None]
    centre = _axis(shape, rig)
    x = np.sin(angle) * half * (1.0 + 0.05 * out)
    z = centre + np.cos(angle) * (front + 0.06 - centre + 0.75 * out)
    y = line - 0.02 - 0.12 * out - 0.28 * np.sin(angle) ** 2
    return Piece(_flat(x, y, z), _grid(rows, columns), Part.CLOTH, colour, 0.1, 0.0)


def mask(shape: Float32[np.ndarray, "N 3"], rig: Rig, colour: Float32[np.ndarray, "3"]) -> Piece:
    """A medical mask from the bridge of the nose to below the chin."""
    rows, columns = 13, 25
    nose, chin = shape[rig.landmarks[0]], shape[rig.landmarks[3]]
    angle = np.radians(np.linspace(-78, 78, columns))[None]
    t = np.linspace(0, 1, rows)[:, None]
    upper = float(nose[1]) * 0.5 - 0.35 * np.sin(angle) ** 2
    y = upper * (1 - t) + (float(chin[1]) - 0.12 + 0.45 * np.sin(angle) ** 2) * t
    radius = _drape(shape, rig, np.broadcast_to(angle, y.shape), y)
    centre = _axis(shape, rig)
    bulge = float(nose[2]) + 0.04 - centre - 0.25 * np.abs(2 * t - 0.7)
    radius = np.maximum(radius + 0.04, bulge * np.cos(angle) ** 0.5 * (t > 0.1)) + 0.015 * np.sin(22 * t)
    return Piece(
        _flat(np.sin(angle) * radius, y, centre + np.cos(angle) * radius),
        _grid(rows, columns),
        Part.CLOTH,
        colour,
        0.05,
        0.0,
    )


def glasses(shape: Float32[np.ndarray, "N 3"], rig: Rig, worn: Glasses) -> list[Piece]:
    """Frame and lenses (the lenses last, to be drawn over everything)."""
    skin = shape[rig.part == Part.SKIN]
    nose = skin[(np.abs(skin[:, 0]) < 0.12) & (np.abs(skin[:, 1]) < 0.12)]
    front = max(float(shape[rig.part == Part.EYE, 2].max()) + 0.13, float(nose[:, 2].max(initial=0.3)) + 0.02)
    temple = skin[(np.abs(skin[:, 1] - 0.1) < 0.15) & (skin[:, 2] > -1.0) & (skin[:, 2] < -0.3)]
    side = float(np.abs(temple[:, 0]).max(initial=1.15)) + 0.04
    turn = np.linspace(0, 2 * np.pi, _RIM_POINTS, endpoint=False)
    power = {"round": 1.0, "square": 0.45, "wide": 0.6, "aviator": 0.8}[worn.shape]
    x = worn.width * np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** power
    y = worn.height * np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** power
    if worn.shape == "round":
        y = x[np.roll(np.arange(_RIM_POINTS), -_RIM_POINTS // 4)] * -0.92
    if worn.shape == "aviator":
        x, y = x * (1 + 0.25 * np.clip(y / worn.height, -1, 1)), y * 1.15
    tubes, lenses = [], []
    for sign in (-1.0, 1.0):
        # A lens is a little nearer to its temple than to the nose and bends back with the face.
        rim = np.stack([sign * (0.51 + x), y - 0.06, front - 0.16 * (0.51 + x - 0.2) ** 2], 1)
        tubes.append(_tube(np.concatenate([rim, rim[:2]]), worn.rim))
        middle = rim.mean(0, keepdims=True) + np.array([0, 0, 0.035])
        fan = [[0, 1 + k, 1 + (k + 1) % _RIM_POINTS] for k in range(_RIM_POINTS)]
        facing = np.array(fan)[:, :: int(sign)].astype(np.int32)
        lenses.append((np.concatenate([middle, rim]).astype(np.float32), facing))
        hinge = rim[np.abs(rim[:, 0]).argmax()]
        ends = 0.6 * hinge[0] + 0.4 * sign * side
        arm = [
            [hinge[0], 0.02, hinge[2]],
            [ends, 0.04, hinge[2] - 0.12],
            [sign * side, 0.06, -0.6],
            [sign * side, 0.06, -1.1],
        ]
        tubes.append(_tube(np.array(arm), worn.rim * 1.1))
    inner = 0.51 - worn.width
    bridge = [[-inner, 0.0, front], [0, 0.05, front + 0.03], [inner, 0.0, front]]
    tubes.append(_tube(np.array(bridge), worn.rim))
    frame = join([Piece(p, f, Part.CLOTH, worn.colour, 0.6, 0.0) for p, f in tubes], 0)
    dark = np.full(3, 0.01, np.float32)
    return [
        Piece(*frame, Part.CLOTH, worn.colour, 0.6, 0.0),
        *(Piece(points, faces, LENS, dark, 0.92, worn.tint) for points, faces in lenses),
    ]


def _tube(spine: Float64[np.ndarray, "P 3"], thickness: float) -> tuple[np.ndarray, np.ndarray]:
    """A four-sided tube along ``spine``, thicker in height than in depth."""
    ring = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]]) * thickness / 2
    along = np.gradient(spine, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    depth = np.where(np.abs(along[:, 2:]) > 0.7, [[1.0, 0, 0]], [[0, 0, 1.0]])
    across = np.cross(depth, along)
    points = spine[:, None] + ring[None, :, :1] * across[:, None] * 1.3 + ring[None, :, 1:] * depth[:, None]
    points = np.concatenate([points, points[:, :1]], 1)
    return points.reshape(-1, 3).astype(np.float32), _grid(len(spine), 5)


def _skull(shape: Float32[np.ndarray, "N 3"], rig: Rig) -> tuple[float, float, float, float]:
    """Half width, back, front and top of the head above the eyes."""
    skull = shape[(rig.part == Part.SKIN) & (rig.rest[:, 1] > 0.4)]
    return (
        float(np.abs(skull[:, 0]).max()) + 0.02,
        float(skull[:, 2].min()),
        float(skull[:, 2].max()),
        float(skull[:, 1].max()),
    )


def _axis(shape: Float32[np.ndarray, "N 3"], rig: Rig) -> float:
    """Depth of the upright axis of the head."""
    _, back, front, _ = _skull(shape, rig)
    return (front + back) / 2 + 0.25


def _drape(
    shape: Float32[np.ndarray, "N 3"], rig: Rig, angle: Float64[np.ndarray, "R C"], y: Float64[np.ndarray, "R C"]
) -> Float64[np.ndarray, "R C"]:
    """How far the skin is from the head's axis at each direction and height: the farthest nearby."""
    centre = _axis(shape, rig)
    skin = shape[(rig.part == Part.SKIN) & (shape[:, 1] > y.min() - 0.3) & (shape[:, 2] > centre - 0.2)]
    skin_angle, skin_radius = np.arctan2(skin[:, 0], skin[:, 2] - centre), np.hypot(skin[:, 0], skin[:, 2] - centre)
    away = (angle[..., None] - skin_angle) ** 2 / 0.13**2 + (y[..., None] - skin[:, 1]) ** 2 / 0.16**2
    radius = np.where(away < 1, skin_radius, 0).max(-1)
    found = radius > 0
    radius[~found] = radius[found].mean() if found.any() else 1.0
    return np.asarray(radius, np.float64)


def _flat(
    x: Float64[np.ndarray, "..."], y: Float64[np.ndarray, "..."], z: Float64[np.ndarray, "..."]
) -> Float32[np.ndarray, "H 3"]:
    """Points of a grid, row after row."""
    return np.stack(np.broadcast_arrays(x, y, z), -1).reshape(-1, 3).astype(np.float32)


def _grid(rows: int, columns: int) -> Int32[np.ndarray, "G 3"]:
    """Two triangles for each cell of a grid of points."""
    first = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    quads = np.stack([first, first + 1, first + columns + 1, first + columns], 1)
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
