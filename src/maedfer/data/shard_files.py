"""Where shards lie, and the clips inside one: a folder, a web server or an object store; never a command.

An address that would run a program (``pipe:``, as some readers of shards allow) is refused: a setting is no place for
code. Of a shard on disk only the headers are gone through, and the sixteen pictures of a clip are read when they are
wanted; from elsewhere a shard is streamed.
"""

import hashlib
import io
import os
import re
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from maedfer.data.jpeg_clip import PackedClip, read_facts
from maedfer.errors import ConfigError, DecodeError, ManifestError

__all__ = ["CLIP_SUFFIX", "FACTS_SUFFIX", "ShardPlace"]

#: Members of a clip in a shard: its facts, then its pictures.
FACTS_SUFFIX, CLIP_SUFFIX = ".json", ".mjpg"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # a single letter is a disk of Windows
# Object stores, through fsspec and the package of each.
_STORES = frozenset({"abfs", "abfss", "az", "gcs", "gs", "hf", "oss", "s3"})
_TIMEOUT_S = 60.0
_MOST_FACTS = 1 << 20
_PIECE = 1 << 20
_BROKEN_FILE = (OSError, tarfile.TarError, EOFError, urllib.error.URLError)


@runtime_checkable
class _Bytes(Protocol):
    """What an open file, an answer of a server and an object of a store have in common."""

    def read(self, size: int = -1, /) -> bytes: ...

    def close(self) -> None: ...


class ShardPlace:
    """A folder, ``file:`` or ``http(s):`` address, or an object store (``s3://``, ``gs://``, ... with fsspec).

    Raises:
        ConfigError: another kind of address, or the package for it is missing.
    """

    def __init__(self, place: str) -> None:
        self.place = place.rstrip("/") or "/"
        scheme = _SCHEME.match(place)
        kind = scheme[0][:-1].lower() if scheme else "file"
        self.folder: Path | None = None
        if not scheme:
            self.folder = Path(place)
        elif kind == "file":
            address = urllib.parse.urlsplit(place)
            if address.netloc not in ("", "localhost"):
                raise ConfigError(f"{place}: expected file: and a path on this machine, got the host {address.netloc}")
            self.folder = Path(urllib.request.url2pathname(address.path))
        elif kind in _STORES:
            if find_spec("fsspec") is None:
                raise ConfigError(f"{place}: {kind} is read through fsspec; pip install fsspec and its package for it")
        elif kind not in ("http", "https"):
            stores = ", ".join(sorted(_STORES))
            raise ConfigError(f"{place}: expected a folder, or file:, http:, https:, {stores}, got {kind}:")
        self._stored = kind in _STORES

    def content(self, name: str, most: int) -> bytes:
        """A small file; raises ManifestError when it cannot be read or is larger than ``most`` bytes."""
        try:
            with closing(self._open(name)) as file:
                data = bytes(file.read(most + 1))
        except _BROKEN_FILE as error:
            raise ManifestError(
                f"{self.place}/{name}: cannot be read ({error}); shards are made by maedfer pack"
            ) from error
        if len(data) > most:
            raise ManifestError(f"{self.place}/{name}: expected at most {most} bytes, got more")
        return data

    def digest(self, name: str, size: int) -> str:
        """SHA-256 of a file of exactly ``size`` bytes, read to its end.

        Raises:
            ManifestError: it cannot be read, or is shorter or longer.
        """
        found = hashlib.sha256()
        try:
            with closing(_Counted(self._open(name), size)) as stream:
                while data := stream.read(_PIECE):
                    found.update(data)
                stream.finish()
        except _BROKEN_FILE as error:
            raise ManifestError(f"{self.place}/{name}: expected {size} bytes, got: {error}; copy it again") from error
        return found.hexdigest()

    def clips(
        self, name: str, size: int, count: int, skipped: Collection[int] = ()
    ) -> Iterator[tuple[int, PackedClip]]:
        """The clips of one shard with their position in it.

        Args:
            name: of the shard.
            size: bytes that it should have.
            count: clips that it should have.
            skipped: positions that are passed over without being looked at.

        Raises:
            ManifestError: the shard is missing, shorter or longer than it should be, or is no shard; it is named.
        """
        found = 0
        try:
            walk = self._local(name, size, skipped) if self.folder is not None else self._streamed(name, size, skipped)
            for position, clip in walk:
                found = max(found, position + 1)
                if clip is not None:
                    yield position, clip
        except (*_BROKEN_FILE, DecodeError, ValueError) as error:
            raise ManifestError(
                f"{self.place}/{name}: expected a shard of {count} clips and {size} bytes, after {found} clips got: "
                f"{error}; copy it again"
            ) from error
        if found != count:
            raise ManifestError(f"{self.place}/{name}: expected {count} clips, got {found}; copy it again")

    def _open(self, name: str) -> _Bytes:
        if self.folder is not None:
            return (self.folder / name).open("rb")
        address = f"{self.place}/{urllib.parse.quote(name)}"
        if self._stored:
            stream: _Bytes = import_module("fsspec").open(address, "rb").open()
            return stream
        answer: _Bytes = urllib.request.urlopen(address, timeout=_TIMEOUT_S)
        return answer

    def _local(self, name: str, size: int, skipped: Collection[int]) -> Iterator[tuple[int, PackedClip | None]]:
        assert self.folder is not None
        path = self.folder / name
        if path.stat().st_size != size:
            raise ValueError(f"{path.stat().st_size} bytes")
        position, facts = -1, b""
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                if member.name.endswith(FACTS_SUFFIX):
                    position += 1
                    facts = b"" if position in skipped else _small(tar, member)
                elif member.name.endswith(CLIP_SUFFIX):
                    clip = None
                    if position not in skipped:
                        clip = _clip(facts, member.name, member.size, _reader(path, member.offset_data))
                    yield position, clip

    def _streamed(self, name: str, size: int, skipped: Collection[int]) -> Iterator[tuple[int, PackedClip | None]]:
        try:
            from webdataset.tariterators import tar_file_iterator
        except ImportError as error:
            raise ConfigError("shards need webdataset; run: pip install 'maedfer[train]'") from error
        position, facts = -1, b""

        def select(member: str) -> bool:
            nonlocal position
            position += member.endswith(FACTS_SUFFIX)
            return position not in skipped

        with closing(_Counted(self._open(name), size)) as stream:
            for member in tar_file_iterator(stream, select_files=select):
                data, member_name = member["data"], member["fname"]
                if member_name.endswith(FACTS_SUFFIX):
                    facts = data[:_MOST_FACTS]
                elif member_name.endswith(CLIP_SUFFIX):
                    yield position, _clip(facts, member_name, len(data), _slice(data))
            stream.finish()
        yield position, None


class _Counted(io.RawIOBase):
    """A stream of an exact number of bytes: neither a broken connection nor a file of another size passes."""

    def __init__(self, stream: _Bytes, size: int) -> None:
        self._stream, self._left = stream, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(min(len(buffer), self._left))
        if not data and self._left:
            raise EOFError(f"the end, {self._left} bytes early")
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def finish(self) -> None:
        """Read to the end, which must come now."""
        while self._left:
            self.readinto(memoryview(bytearray(1 << 16)))
        if self._stream.read(1):
            raise EOFError("more bytes than that")

    def close(self) -> None:
        self._stream.close()
        super().close()


def _small(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return b"" if file is None or member.size > _MOST_FACTS else file.read()


def _clip(facts: bytes, name: str, size: int, read: Callable[[int, int], bytes]) -> PackedClip:
    known = read_facts(facts, name)
    if sum(known.sizes) != size:
        raise DecodeError(f"{name}: expected {sum(known.sizes)} bytes of pictures, got {size}")
    return PackedClip(known, read)


def _slice(data: bytes) -> Callable[[int, int], bytes]:
    return lambda start, end: data[start:end]


def _reader(path: Path, offset: int) -> Callable[[int, int], bytes]:
    def read(start: int, end: int) -> bytes:
        try:
            with path.open("rb", buffering=0) as file:
                file.seek(offset + start, os.SEEK_SET)
                return file.read(end - start)
        except OSError as error:
            raise DecodeError(f"{path}: cannot be read any more ({error.strerror})") from error

    return read
