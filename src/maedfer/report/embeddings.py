"""What the classifier saw in each window as a vector, for clustering, retrieval or a classifier of one's own.

::

    embeddings = Predictor().embed("interview.mp4")
    embeddings.save(Path("interview.npz"))
"""

import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int

from maedfer.errors import ConfigError, DecodeError
from maedfer.output import write_whole
from maedfer.report.windows import ModelIdentity
from maedfer.video.types import VideoInfo

__all__ = ["Embeddings", "load_embeddings"]

_ROWS = ("tracks", "starts_s", "ends_s", "coverage")
_WORDS = ("source", "codec", "model", "sha256", "maedfer_version")
_NUMBERS = ("width", "height", "duration_s", "frame_rate", "rotation")


@dataclass(frozen=True, eq=False)
class Embeddings:
    """One vector for each judged window of each face of a video, by (track, start).

    A vector is the output of the classifier's last LayerNorm, just before the head: the mean of the encoder's tokens
    that the model's pooling names, normalised by that layer (the pooled representation of section 3.4 of the paper).
    Its width D is the encoder's. The head is one linear layer on it: the logits are ``vectors @ W.T + b``. The vectors
    are not scaled to length 1; divide by their norms for a cosine similarity. Vectors of other weights (another
    ``model.sha256``) are not comparable.

    Attributes:
        video: the source's facts.
        model: which weights spoke.
        tracks: identity of the face in this video, counted from 0.
        starts_s: seconds, each window's start.
        ends_s: seconds.
        coverage: share of the window's sampled instants at which the face was seen, 0..1.
        vectors: one row a window.

    Raises:
        ConfigError: the arrays have not one row a window.
    """

    video: VideoInfo
    model: ModelIdentity
    tracks: Int[np.ndarray, "N"]
    starts_s: Float[np.ndarray, "N"]
    ends_s: Float[np.ndarray, "N"]
    coverage: Float[np.ndarray, "N"]
    vectors: Float32[np.ndarray, "N D"]

    def __post_init__(self) -> None:
        rows = [getattr(self, name).shape for name in _ROWS]
        if self.vectors.ndim != 2 or not self.vectors.shape[1] or rows != [self.vectors.shape[:1]] * len(rows):
            raise ConfigError(
                f"embeddings: expected vectors (N, D), D at least 1, and {', '.join(_ROWS)} (N), "
                f"got {self.vectors.shape} and {rows}"
            )

    def save(self, path: str | Path) -> Path:
        """Write to ``path``, whole or not at all; its suffix says how.

        ``.npz``: the arrays of this class under their names; ``source``, ``codec``, ``model``, ``sha256`` and
        ``maedfer_version`` as text and ``width``, ``height``, ``duration_s``, ``frame_rate``, ``rotation`` as numbers,
        without dimensions; ``""`` or NaN where a fact is not known. No pickle is in it. ``.parquet``: one row a window,
        columns track, start_s, end_s, coverage and ``embedding``, a list of fixed size; the facts are JSON under the
        key ``maedfer`` of the file's metadata.

        Raises:
            ConfigError: another suffix, or pyarrow is not installed.
            OutputError: the folder cannot be made or written.
        """
        path = Path(path)
        match path.suffix.lower():
            case ".npz":
                arrays = self._arrays()
                write_whole(path, lambda temporary: _write_npz(temporary, arrays))
            case ".parquet":
                self._write_parquet(path)
            case other:
                raise ConfigError(f"{path}: expected a name that ends in .npz or .parquet, got {other!r}")
        return path

    def _arrays(self) -> dict[str, np.ndarray]:
        video, model = self.video, self.model
        words = (video.source, video.codec, model.name, model.sha256 or "", model.maedfer_version)
        numbers = (video.width, video.height, video.duration_s, video.frame_rate, video.rotation)
        return {
            **{name: getattr(self, name) for name in (*_ROWS, "vectors")},
            **{name: np.array(word, dtype=np.str_) for name, word in zip(_WORDS, words, strict=True)},
            **{
                name: np.array(math.nan if value is None else value)
                for name, value in zip(_NUMBERS, numbers, strict=True)
            },
        }

    def _write_parquet(self, path: Path) -> None:
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError as error:
            raise ConfigError(f"{path}: Parquet needs pyarrow: pip install 'maedfer[report]'") from error
        flat = pyarrow.array(np.ascontiguousarray(self.vectors).reshape(-1))
        vectors = pyarrow.FixedSizeListArray.from_arrays(flat, self.vectors.shape[1])
        plain = zip(("track", "start_s", "end_s", "coverage"), _ROWS, strict=True)
        table = pyarrow.table({**{name: getattr(self, own) for name, own in plain}, "embedding": vectors})
        facts = json.dumps({"video": asdict(self.video), "model": asdict(self.model)}).encode()
        write_whole(
            path, lambda temporary: parquet.write_table(table.replace_schema_metadata({"maedfer": facts}), temporary)
        )


def _write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with path.open("xb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_embeddings(path: Path) -> Embeddings:
    """Read what :meth:`Embeddings.save` wrote as ``.npz``.

    Pickles are refused, and an array is read only when the file is as large as the array says it is.

    Raises:
        DecodeError: there is no such file, or it is something else.
    """
    remedy = "write it with Embeddings.save or `maedfer embed`"
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {name: _read_array(archive, name) for name in (*_ROWS, "vectors", *_WORDS, *_NUMBERS)}
        return _embeddings(arrays)
    except (OSError, EOFError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise DecodeError(f"{path}: expected embeddings of maedfer as .npz, got: {error}; {remedy}") from error


def _read_array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    member = archive.getinfo(f"{name}.npy")
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed")
    with archive.open(member) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{name} is of another version of the format")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype.hasobject or math.prod(shape) * dtype.itemsize != member.file_size - file.tell():
            raise ValueError(f"{name} of shape {shape} does not fit the {member.file_size} bytes that are there")
    with archive.open(member) as file:
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def _embeddings(arrays: Mapping[str, np.ndarray]) -> Embeddings:
    for name in (*_WORDS, *_NUMBERS):
        if arrays[name].shape != () or (name in _WORDS) != (arrays[name].dtype.kind == "U"):
            raise ValueError(f"{name} is {arrays[name].dtype} of shape {arrays[name].shape}")
    for name, kind in (*((name, "f") for name in _ROWS[1:]), ("tracks", "i"), ("vectors", "f4")):
        if kind not in (arrays[name].dtype.kind, arrays[name].dtype.str[1:]):
            raise ValueError(f"{name} is {arrays[name].dtype}")
    source, codec, model, sha256, version = (str(arrays[name]) for name in _WORDS)
    width, height, duration_s, frame_rate, rotation = (float(arrays[name]) for name in _NUMBERS)
    video = VideoInfo(source, int(width), int(height), _known(duration_s), _known(frame_rate), codec, int(rotation))
    return Embeddings(
        video,
        ModelIdentity(model, sha256 or None, version),
        **{name: arrays[name] for name in (*_ROWS, "vectors")},
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
