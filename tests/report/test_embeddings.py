"""Embeddings as files: what was saved is what is read, and nothing else is read."""

import dataclasses
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import TypeCheckError
from pyarrow import parquet

from maedfer.errors import ConfigError, DecodeError, OutputError
from maedfer.report import ModelIdentity
from maedfer.report.embeddings import Embeddings, load_embeddings
from maedfer.video.types import VideoInfo

ARRAYS = ("tracks", "starts_s", "ends_s", "coverage", "vectors")


def made(
    rows: int = 5, width: int = 8, *, video: VideoInfo | None = None, sha256: str | None = "ab" * 32
) -> Embeddings:
    generator = np.random.default_rng(0)
    return Embeddings(
        video=VideoInfo("talk é.mp4", 64, 48, 9.5, 29.97, "h264", 90) if video is None else video,
        model=ModelIdentity("tiny", sha256, "0.1.0"),
        tracks=np.arange(rows, dtype=np.int64) // 2,
        starts_s=np.arange(rows) * 1.28,
        ends_s=np.arange(rows) * 1.28 + 2.56,
        coverage=generator.random(rows),
        vectors=generator.standard_normal((rows, width)).astype(np.float32),
    )


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_npz_reads_back_bit_for_bit(rows: int, tmp_path: Path) -> None:
    before = made(rows)
    path = before.save(tmp_path / "new" / "talk.npz")
    after = load_embeddings(path)
    assert (after.video, after.model) == (before.video, before.model)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name), strict=True)
    assert list(path.parent.iterdir()) == [path]


def test_facts_that_are_not_known_stay_unknown(tmp_path: Path) -> None:
    live = made(video=VideoInfo("talk\udcff", 64, 48, None, None, "images", 0), sha256=None)
    after = load_embeddings(live.save(tmp_path / "live.npz"))
    assert after.video == live.video
    assert after.model.sha256 is None


def test_npz_is_plain_for_numpy_alone(tmp_path: Path) -> None:
    path = made().save(tmp_path / "talk.npz")
    with np.load(path, allow_pickle=False) as arrays:
        assert set(arrays) >= {*ARRAYS, "model", "sha256", "source"}
        assert arrays["vectors"].shape == (5, 8)
        assert (arrays["source"].shape, str(arrays["source"])) == ((), "talk é.mp4")
        assert str(arrays["sha256"]) == "ab" * 32


@pytest.mark.parametrize("rows", [0, 5])
def test_parquet_has_one_row_a_window_and_the_facts(rows: int, tmp_path: Path) -> None:
    before = made(rows)
    table = parquet.read_table(before.save(tmp_path / "talk.parquet"))
    assert table.column_names == ["track", "start_s", "end_s", "coverage", "embedding"]
    assert table.schema.field("embedding").type.list_size == 8
    assert table["track"].to_pylist() == before.tracks.tolist()
    assert table["start_s"].to_pylist() == before.starts_s.tolist()
    vectors = np.array(table["embedding"].to_pylist(), dtype=np.float32).reshape(-1, 8)
    np.testing.assert_array_equal(vectors, before.vectors)
    facts = json.loads(table.schema.metadata[b"maedfer"])
    assert facts == {"video": dataclasses.asdict(before.video), "model": dataclasses.asdict(before.model)}


def test_vectors_in_another_memory_order_are_saved_right(tmp_path: Path) -> None:
    before = made()
    turned = dataclasses.replace(before, vectors=np.asfortranarray(before.vectors))
    np.testing.assert_array_equal(load_embeddings(turned.save(tmp_path / "a.npz")).vectors, before.vectors)
    table = parquet.read_table(turned.save(tmp_path / "a.parquet"))
    np.testing.assert_array_equal(np.array(table["embedding"].to_pylist(), dtype=np.float32), before.vectors)


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.npz or \.parquet"):
        made().save(tmp_path / "talk.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("a.npz", "a.parquet"):
        with pytest.raises(OutputError):
            made().save(tmp_path / "file" / name)


def test_arrays_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises((ConfigError, TypeCheckError)):  # the second where shapes are checked at each call, as here
        dataclasses.replace(made(5), starts_s=np.zeros(4))
    with pytest.raises(ConfigError, match="expected vectors"):
        made(5, width=0)


def rewrite(path: Path, **changed: bytes | None) -> None:
    """The same archive with the bytes of some arrays replaced or left out."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name, data in changed.items():
        members.pop(f"{name}.npy")
        if data is not None:
            members[f"{name}.npy"] = data
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def npy(array: np.ndarray, *, pickled: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()


def huge() -> bytes:
    """A header that claims 4 TB, with nothing behind it."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 1000)})
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("vectors", None),
        ("vectors", huge()),
        ("vectors", npy(np.zeros((5, 8)))),
        ("vectors", npy(np.zeros((4, 8), dtype=np.float32))),
        ("vectors", npy(np.array([{}], dtype=object), pickled=True)),
        ("vectors", b"nonsense"),
        ("tracks", npy(np.zeros(5))),
        ("starts_s", npy(np.zeros((5, 1)))),
        ("source", npy(np.array(1.0))),
        ("model", npy(np.array(["a", "b"]))),
        ("width", npy(np.array("wide"))),
        ("width", npy(np.array(float("nan")))),
    ],
)
def test_a_damaged_or_hostile_file_is_refused(name: str, data: bytes | None, tmp_path: Path) -> None:
    path = made().save(tmp_path / "talk.npz")
    rewrite(path, **{name: data})
    with pytest.raises(DecodeError, match="expected embeddings of maedfer"):
        load_embeddings(path)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = made().save(tmp_path / "talk.npz")
    whole = path.read_bytes()
    for data in (b"", b"no archive", whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(DecodeError, match="expected embeddings of maedfer"):
            load_embeddings(path)
    with pytest.raises(DecodeError, match=r"nothing\.npz"):
        load_embeddings(tmp_path / "nothing.npz")


def test_a_compressed_archive_is_refused_as_it_could_be_a_bomb(tmp_path: Path) -> None:
    path = made().save(tmp_path / "talk.npz")
    with np.load(path) as arrays:
        np.savez_compressed(path.with_name("small.npz"), allow_pickle=False, **{name: arrays[name] for name in arrays})
    with pytest.raises(DecodeError, match="compressed"):
        load_embeddings(path.with_name("small.npz"))
