"""What can be asked for as a video, and its name: files and folders, URLs, standard input, frames in memory."""

import math
import re
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from os.path import abspath
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

import numpy as np
from jaxtyping import Shaped

from maedfer.errors import ConfigError, DecodeError
from maedfer.video.types import Frame

__all__ = ["STDIN", "URL_SCHEMES", "frames_of", "is_url", "name_of", "safe_name", "shown", "spooled"]

#: How standard input is asked for.
STDIN = "-"
#: The beginnings of addresses that are opened over the network. Whether one works (``srt`` for example) is a question
#: of how the installed ffmpeg was built.
URL_SCHEMES = frozenset(
    {
        "ftp", "http", "https", "mmsh", "mmst", "rtmp", "rtmpe", "rtmps", "rtmpt", "rtmpts", "rtp", "rtsp", "rtsps",
        "srt", "tcp", "tls", "udp",
    }
)  # fmt: skip

_CHUNK_BYTES = 2**20
_LONGEST_NAME = 100
# File systems count bytes: 255 of them, less what a temporary name adds.
_LONGEST_NAME_BYTES = 200
# Separators and what Windows forbids; control characters and halves of characters go by their class.
_HOST = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:\d*)?")
_UNSAFE = re.compile(r'[/\\:*?"<>|]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def is_url(source: Path | str) -> bool:
    """Whether ``source`` is an address and no path: a string that begins like ``https://``.

    Opening one whose scheme is not among :data:`URL_SCHEMES` raises :class:`~maedfer.errors.DecodeError`.
    """
    return isinstance(source, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", source) is not None


def shown(source: Path | str) -> str:
    """``source`` as it may be written into messages and reports: an address loses its user, password and query.

    Addresses of streams carry passwords and tokens there; ``?…`` says that there was a query.
    """
    if not is_url(source):
        return str(source)
    scheme, host, path, query = _parts(str(source))
    return f"{scheme}://{host}{path}{'?…' if query else ''}"


def _parts(url: str) -> tuple[str, str, str, str]:
    """Scheme, host with port, path with its first slash, and the rest, which stays secret."""
    scheme, rest = url.split("://", 1)
    rest, query = _cut(rest, r"[?#]")
    host, path = _cut(rest, "/")
    if "@" in host or not _HOST.fullmatch(host):
        # A password may hold the slash that seems to end the host: what lies before the last "@" is kept to oneself.
        host, path = _cut(rest.rpartition("@")[2], "/")
        host = host if _HOST.fullmatch(host) else "…"
    path, more = _cut(path, r"[;\s]")
    return scheme, host, path, more + query


def _cut(text: str, before: str) -> tuple[str, str]:
    found = re.search(before, text)
    return (text, "") if found is None else (text[: found.start()], text[found.start() :])


def name_of(source: Path | str) -> str:
    """A name for the results of ``source``, safe as the name of a folder; see :func:`safe_name`.

    The file's name without its extension, the folder's name, the last part of an address's path (or else its host),
    ``stdin`` for standard input.
    """
    if source == STDIN:
        return "stdin"
    if is_url(source):
        _, host, path, _ = _parts(str(source))
        parts = [part for part in unquote(path).split("/") if part.strip(" .")]
        return safe_name(Path(parts[-1]).stem if parts else host)
    # abspath, not resolve: a link keeps the name by which it was asked for; "." and ".." get a name at all.
    absolute = Path(abspath(source))
    return safe_name(absolute.name if absolute.is_dir() else absolute.stem)


def safe_name(text: str) -> str:
    """``text`` as the name of one file or folder on any system: letters of all scripts stay, separators become ``_``.

    Returns:
        1..100 characters and at most 200 bytes, in Unicode's composed form; ``video`` when nothing is left.
    """
    composed = unicodedata.normalize("NFC", _UNSAFE.sub("_", text))
    name = "".join("_" if unicodedata.category(letter) in ("Cc", "Cs") else letter for letter in composed)
    name = name.strip(" .")[:_LONGEST_NAME]
    name = name.encode()[:_LONGEST_NAME_BYTES].decode(errors="ignore").strip(" .")
    if _DEVICES.fullmatch(name):
        name = f"_{name}"
    return name or "video"


@contextmanager
def spooled(stream: BinaryIO | BytesIO, *, limit_bytes: int = 64 * 2**30) -> Iterator[Path]:
    """Standard input as a file: most containers cannot be read from a pipe, because their index lies at the end.

    Args:
        stream: bytes of one video, read to their end.
        limit_bytes: the most that is kept on the disk.

    Yields:
        A file that only this user can read, in the system's folder for temporary files (``TMPDIR``); it is removed when
        the context ends.

    Raises:
        DecodeError: nothing came, more than ``limit_bytes`` came, or the disk has no room for it.
    """
    if stream.isatty():
        raise DecodeError("stdin: expected the bytes of a video, got a terminal; use: maedfer predict - < talk.mp4")
    with tempfile.TemporaryDirectory(prefix="maedfer-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "stdin"
        try:
            _copy(stream, path, limit_bytes)
        except OSError as error:
            raise DecodeError(
                f"stdin: cannot be kept in {folder} ({error.strerror or error}); free the disk, or name another "
                "folder in TMPDIR"
            ) from error
        yield path


def _copy(stream: BinaryIO | BytesIO, path: Path, limit_bytes: int) -> None:
    size = 0
    with path.open("xb") as file:
        while chunk := stream.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > limit_bytes:
                raise DecodeError(
                    f"stdin: expected at most {limit_bytes} bytes, got more; save the video to a file and give its path"
                )
            file.write(chunk)
    if not size:
        raise DecodeError("stdin: expected the bytes of a video, got none; did the command before the pipe fail?")


def frames_of(array: Shaped[np.ndarray, "..."], fps: float) -> Iterator[Frame]:
    """Frames in memory as a video.

    Args:
        array: uint8 of shape (T, H, W, 3): RGB, 0..255.
        fps: frames per second; the first one's time is 0.

    Raises:
        ConfigError: the array is of another shape or type, or ``fps`` is not a positive number; at once.
    """
    if array.dtype != np.uint8:
        raise ConfigError(
            f"array: expected bytes (uint8, 0..255), got {array.dtype}; floats in 0..1 become bytes with "
            "(255 * array).round().astype('uint8')"
        )
    if array.ndim != 4 or array.shape[3] != 3 or 0 in array.shape:
        raise ConfigError(f"array: expected frames of shape (T, H, W, 3), RGB, got {array.shape}; {_mend(array.shape)}")
    if not (math.isfinite(fps) and 0 < fps <= 1000):
        raise ConfigError(f"fps: expected frames per second above 0 and up to 1000, got {fps}; 25 is common")
    return (Frame(index / fps, np.ascontiguousarray(image)) for index, image in enumerate(array))


def _mend(shape: tuple[int, ...]) -> str:
    if len(shape) == 4 and 0 not in shape:
        if shape[1] == 3:
            return "channels come last: array.transpose(0, 2, 3, 1)"
        if shape[3] == 4:
            return "leave the fourth channel out: array[..., :3]"
        if shape[3] == 1:
            return "repeat the grey channel: array.repeat(3, axis=3)"
    if len(shape) == 3 and shape[2] == 3:
        return "one picture is array[None]"
    if len(shape) == 3:
        return "give grey pictures three channels: array[..., None].repeat(3, axis=3)"
    return "stack the frames along the first axis"
