"""The list files of the sets: lines with their place, names that are never trusted as paths, clips on the disk."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from maedfer.data.corpora.listing import Listing, entries_of, joined
from maedfer.data.corpora.types import Missing
from maedfer.emotions import label_set
from maedfer.errors import ManifestError
from maedfer.video.find import VIDEO_SUFFIXES

__all__ = ["Line", "class_of", "clips_in", "lines_of", "list_file", "safe_path", "split_name", "stem_of"]

_LONGEST = 4096  # letters of a line


class Line(NamedTuple):
    """One line of a list file.

    Attributes:
        where: the file and the line number, from 1, as messages name it.
        text: its content without surrounding white space, never empty.
    """

    where: str
    text: str


@lru_cache(maxsize=1024)
def class_of(name: str, text: str) -> str:
    """The class that ``text`` means in the label set ``name``, in the set's own spelling.

    Raises:
        ConfigError: the set has no such class.
    """
    known = label_set(name)
    return known.labels[known.index(text.strip().lower())]


def list_file(listing: Listing, folder: str, name: str) -> str:
    """The path of the list file ``name`` in ``folder``, letter case ignored.

    Raises:
        ManifestError: it is not there.
    """
    for found in listing.entries(folder).files:
        if found.lower() == name.lower():
            return joined(folder, found)
    raise ManifestError(f"{listing.name}: expected the list {joined(folder, name)}, found none; unpack the split files")


def lines_of(listing: Listing, path: str) -> Iterator[Line]:
    """The lines of a list file that are not empty.

    Raises:
        ManifestError: a line is longer than any name could be.
    """
    for number, text in enumerate(listing.text(path).splitlines(), start=1):
        if len(text) > _LONGEST:
            raise ManifestError(f"{path}, line {number}: expected one clip a line, got {len(text)} letters")
        if text.strip():
            yield Line(f"{path}:{number}", text.strip())


def safe_path(text: str) -> str | None:
    """``text`` as a path below a root, with forward slashes; ``None`` when it is absolute, goes up or is no path."""
    plain = text.strip().replace("\\", "/")
    parts = PurePosixPath(plain).parts
    if not parts or plain[0] == "/" or ".." in parts or ":" in parts[0] or not plain.isprintable():
        return None
    return "/".join(parts)


def split_name(name: str) -> tuple[str, str]:
    """(name without its suffix, suffix in lower case with its dot or empty)."""
    stem, dot, suffix = name.rpartition(".")
    return (stem, f".{suffix.lower()}") if dot and stem else (name, "")


def stem_of(name: str) -> str:
    """The name without a video's suffix; other dots stay."""
    stem, suffix = split_name(name)
    return stem if suffix in VIDEO_SUFFIXES else name


def clips_in(listing: Listing, folder: str, missing: list[Missing]) -> dict[str, str]:
    """Paths of the clips in ``folder`` (folders of frames, and videos) by name without suffix, in lower case.

    A folder of frames is preferred to a video of the same name.
    """
    entries = entries_of(listing, folder, missing)
    videos = {stem_of(name).lower(): joined(folder, name) for name in reversed(entries.files) if _is_video(name)}
    return videos | {name.lower(): joined(folder, name) for name in entries.folders}


def _is_video(name: str) -> bool:
    return split_name(name)[1] in VIDEO_SUFFIXES
