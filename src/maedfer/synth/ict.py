"""The rig in an ``.npz`` of ICT-FaceKit's arrays, which the user brings.

ICT-FaceKit is by the USC Institute for Creative Technologies (MIT licence). Arrays: ``V`` vertices, ``F`` triangles,
``M`` material of each triangle, ``mats`` their names, ``E`` and ``ex`` expression offsets and names, ``I`` identity
offsets, to be weighted by standard normals, ``lm`` 68 landmark vertices. Nothing in the file is trusted unchecked.
"""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float32, UInt8

from maedfer.errors import RenderError
from maedfer.synth.rig import Part, Rig, in_order, rest_frame

__all__ = ["load_ict"]

_MOST_VERTICES = 200_000
_MOST_OFFSETS = 1_000

# Vertex ranges and materials of ICT-FaceKit's light model (its README, section "Topology").
_ICT_FACE_END = 9409
_ICT_HEAD_END = 11248
_ICT_MOUTH_END = 13294
_ICT_END = 24591
_ICT_KINDS = {"GumsTongue": Part.TONGUE, "Teeth": Part.TEETH, "Sclera": Part.EYE, "Iris": Part.EYE}
_ICT_DROPPED = ("M_LacrimalFluid", "M_EyeBlend", "M_EyeOcclusion", "M_EyeLashes")


def load_ict(path: Path) -> Rig:
    """Rig from an ``.npz`` of ICT-FaceKit arrays (``V F M mats E ex I lm``).

    Raises:
        RenderError: the file is missing, damaged, of another layout, or would need to run code to be read.
    """
    arrays = _read_arrays(path)
    vertices = arrays["V"].astype(np.float32)
    n = min(len(vertices), _ICT_END)
    part = _ict_parts(arrays, n)
    materials = [str(m) for m in arrays["mats"]]
    dropped = [materials.index(m) for m in _ICT_DROPPED if m in materials]
    triangles = arrays["F"][~np.isin(arrays["M"], dropped)].astype(np.int32)
    triangles = triangles[(triangles < n).all(1)]
    vertices, offsets, traits = vertices[:n], arrays["E"][:, :n], arrays["I"][:, :n]
    eyes = [(part == Part.EYE) & (np.sign(vertices[:, 0]) == side) for side in (-1, 1)]
    origin, unit = rest_frame(vertices, eyes[0], eyes[1])
    rest = _lengthen((vertices - origin) / np.float32(unit))
    marks = arrays["lm"].astype(np.int64)
    return Rig(
        name=path.stem,
        rest=rest,
        triangles=triangles,
        part=part,
        lips=_lips(rest, part, rest[np.clip(marks[48:60], 0, n - 1)]),
        unit_offsets=in_order(
            {_arkit(str(name)): o.astype(np.float32) for name, o in zip(arrays["ex"], offsets, strict=True)}, rest
        )
        / np.float32(unit),
        traits=tuple(f"mode/{k:03d}" for k in range(len(traits))),
        trait_offsets=traits.astype(np.float32) / np.float32(unit),
        landmarks=marks[[30, 48, 54, 8]],
    )


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of the file, with types and shapes checked against one another."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in ("V", "F", "M", "mats", "E", "ex", "I", "lm")}
    except FileNotFoundError as error:
        raise RenderError(
            f"rig {path}: no such file; give a path to an .npz of ICT-FaceKit arrays, or 'anny'"
        ) from error
    except KeyError as error:
        raise RenderError(f"rig {path}: expected arrays V F M mats E ex I lm, {error}; give another file") from error
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise RenderError(f"rig {path}: not a readable .npz without pickles ({error}); fetch it again") from error
    n, k = len(arrays["V"]), len(arrays["E"])
    expected: dict[str, tuple[str, tuple[int, ...]]] = {
        "V": ("f", (n, 3)),
        "F": ("iu", (len(arrays["F"]), 3)),
        "M": ("iu", (len(arrays["F"]),)),
        "mats": ("U", (len(arrays["mats"]),)),
        "E": ("f", (k, n, 3)),
        "ex": ("U", (k,)),
        "I": ("f", (len(arrays["I"]), n, 3)),
        "lm": ("iu", (68,)),
    }
    for key, (kinds, shape) in expected.items():
        got = arrays[key]
        if got.dtype.kind not in kinds or got.shape != shape:
            raise RenderError(
                f"rig {path}: array {key} should be of kind {kinds} and shape {shape}, "
                f"it is {got.dtype} {got.shape}; fetch the file again"
            )
    if not 0 < n <= _MOST_VERTICES or max(k, len(arrays["I"])) > _MOST_OFFSETS:
        raise RenderError(f"rig {path}: {n} vertices and {k} units are out of bounds; fetch the file again")
    return arrays


def _ict_parts(arrays: dict[str, np.ndarray], n: int) -> UInt8[np.ndarray, "N"]:
    """Part of each vertex by its triangles' material; the inside of the mouth, which has none, by its range."""
    part = np.full(n, Part.SKIN, np.uint8)
    for number, material in enumerate(arrays["mats"]):
        for word, kind in _ICT_KINDS.items():
            if word in str(material):
                corners = arrays["F"][arrays["M"] == number].ravel()
                part[corners[(corners >= 0) & (corners < n)]] = kind
    if n == _ICT_END:
        part[_ICT_HEAD_END:_ICT_MOUTH_END] = Part.MOUTH
    return part


def _lengthen(rest: Float32[np.ndarray, "N 3"]) -> Float32[np.ndarray, "N 3"]:
    """Draw the lower rim of a bust that ends in the picture down and outwards, so that nobody hovers."""
    low = float(rest[:, 1].min())
    if low > -3:
        return rest
    drawn = np.clip((low + 0.4 - rest[:, 1:2]) / 0.4, 0, 1)
    return (rest * (1 + drawn * [0.6, 0.0, 0.2]) - drawn * [0.0, 2.0, 0.0]).astype(np.float32)


def _lips(
    rest: Float32[np.ndarray, "N 3"], part: UInt8[np.ndarray, "N"], outline: Float32[np.ndarray, "12 3"]
) -> Float32[np.ndarray, "N"]:
    """1 inside the outer outline of the lips seen from the front, 0 outside."""
    x, y = rest[:, 0], rest[:, 1]
    inside = np.zeros(len(rest), bool)
    px, py = outline[:, 0], outline[:, 1]
    for k in range(len(outline)):
        x0, y0, x1, y1 = px[k - 1], py[k - 1], px[k], py[k]
        crosses = (y0 > y) != (y1 > y)
        at = x0 + (y - y0) * (x1 - x0) / (y1 - y0 if y1 != y0 else 1.0)
        inside ^= crosses & (x < at)
    inside &= (part == Part.SKIN) & (rest[:, 2] > outline[:, 2].min() - 0.2)
    inside[_ICT_FACE_END:] = False
    return inside.astype(np.float32)


def _arkit(name: str) -> str:
    """ARKit's spelling: ``browDown_L`` is ``browDownLeft`` (of the subject)."""
    if name.endswith("_L"):
        return name[:-2] + "Left"
    return name[:-2] + "Right" if name.endswith("_R") else name
