"""What a person asks for, spread out into single videos: files, folders, globs, addresses, standard input.

Every video gets a place, the folder of its results relative to a common one. The same arguments on the same files give
the same places, so that a run that was interrupted finds again what it has done.
"""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import count
from os.path import abspath
from pathlib import Path, PurePath

from maedfer.errors import ConfigError, DecodeError
from maedfer.video.source import STDIN, is_url, name_of, safe_name

__all__ = ["IMAGE_SUFFIXES", "LIST_NAME", "VIDEO_SUFFIXES", "FoundVideo", "find_videos", "frames_in"]

#: The list of a batch, beside the places; no place has this name.
LIST_NAME = "videos.csv"
#: What counts as a frame in a folder of frames.
IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"})
#: What counts as a video in a folder; a file that is named itself may end as it likes.
VIDEO_SUFFIXES = frozenset(
    {
        ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gif", ".m1v", ".m2ts", ".m2v", ".m4v", ".mjpeg",
        ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogm", ".ogv", ".ts", ".vob", ".webm", ".wmv",
    }
)  # fmt: skip

# The video among our own results: the next run over the same folder must not take it for a new one.
_RESULT = "annotated.mp4"
_WILD = re.compile(r"[*?[]")


@dataclass(frozen=True)
class FoundVideo:
    """One video to read.

    Attributes:
        source: a file, a folder of frames, an address, or ``-`` for standard input.
        place: the folder of its results, relative; never leaves the folder it is joined to, and no two videos of one
            call share theirs, not even where letter case does not count.
    """

    source: Path | str
    place: PurePath


@dataclass(frozen=True)
class _Candidate:
    """``base`` is the place without the file's extension, ``full`` with it."""

    source: Path | str
    base: tuple[str, ...]
    full: tuple[str, ...]


def find_videos(arguments: Sequence[str | Path], *, out: Path | None = None) -> list[FoundVideo]:
    """The videos that ``arguments`` mean, in their order; those of a folder in natural order of their paths.

    - A file is taken, whatever its extension; its place is its name without extension.
    - A folder gives every video below it (:data:`VIDEO_SUFFIXES`); place: the path relative to it, without extension.
      Where there is none below, each folder that holds images is a video, a folder of frames. Hidden files and folders
      and the program's own ``annotated.mp4`` are passed over, links are followed, each real folder once.
    - A glob (``"talks/**/*.mp4"``) gives the files it matches, of which the videos when there are any, and what is in
      matched folders; places are relative to the part before the first wildcard.
    - An address (see :func:`maedfer.video.source.is_url`) and ``-`` for standard input stay as they are.

    What is asked for twice comes once. Places that would be equal: files of one folder keep their extension, others
    get ``-2``, ``-3`` appended.

    Nothing is opened here. What is missing, empty or cannot be listed is in the answer too, so that it does not stop
    the others: opening it raises the error that says what is wrong.

    Args:
        arguments: what to read.
        out: folders and globs pass over what lies in here (the results of an earlier run).

    Raises:
        ConfigError: there is no argument, or an empty one.
    """
    if not arguments:
        raise ConfigError("expected at least one video, folder, glob, address, or - for standard input; got none")
    if "" in arguments:
        raise ConfigError("expected the name of a video in each argument, got an empty one; is a variable unset?")
    found: dict[str, _Candidate] = {}
    for argument in arguments:
        for candidate in _candidates(argument, out):
            same = candidate.source if isinstance(candidate.source, str) else abspath(candidate.source)
            found.setdefault(same, candidate)
    return _placed(list(found.values()))


def frames_in(folder: Path) -> list[Path]:
    """The images of a folder of frames in natural order of their names: ``frame_10`` follows ``frame_9``.

    Raises:
        DecodeError: there is none, or the folder cannot be listed.
    """
    try:
        images = [path for path in folder.iterdir() if _is_image(path.name) and path.is_file()]
    except OSError as error:
        raise DecodeError(f"{folder}: expected a folder that can be listed, got: {error.strerror}") from error
    if not images:
        raise DecodeError(
            f"{folder}: expected a folder with videos ({', '.join(sorted(VIDEO_SUFFIXES))}) or one of frames, found no "
            f"video and no image in it; give a video file, or frames named like 0001.png "
            f"({', '.join(sorted(IMAGE_SUFFIXES))})"
        )
    return sorted(images, key=lambda path: _natural(path.name))


def _candidates(argument: str | Path, out: Path | None) -> list[_Candidate]:
    if str(argument) == STDIN or is_url(argument):
        name = (name_of(str(argument)),)
        return [_Candidate(str(argument), name, name)]
    path = Path(argument)
    if path.is_dir():
        found = _in_folder(path, path, out)
    elif not path.exists() and _WILD.search(str(path)):
        found = _in_glob(path, out)
    else:
        found = []
    return found or [_Candidate(path, (name_of(path),), (safe_name(Path(abspath(path)).name),))]


def _in_folder(folder: Path, root: Path, out: Path | None) -> list[_Candidate]:
    """The videos below ``folder``, with places relative to ``root``."""
    listed = list(_walk(folder, out))
    videos = [path / name for path, names in listed for name in names if _is_video(name)]
    if not videos:
        videos = [path for path, names in listed if any(_is_image(name) for name in names)]
    # A folder that cannot be looked into is no empty one: opening it will say so.
    locked = [path for path, _ in listed if not os.access(path, os.R_OK | os.X_OK)]
    return [_below(path, root) for path in [*videos, *locked]]


def _in_glob(pattern: Path, out: Path | None) -> list[_Candidate]:
    parts = pattern.parts
    fixed = next(index for index, part in enumerate(parts) if _WILD.search(part))
    root, wild = Path(*parts[:fixed]), parts[fixed:]
    depth = None if "**" in wild else len(wild) - 1
    files, folders = list[Path](), list[Path]()
    for folder, names in _walk(root, out, depth):
        below = folder.relative_to(root).parts
        # "**" has matched the files in it already.
        if depth is not None and below and _matches(below, wild):
            folders.append(folder)
        files += [folder / name for name in names if _matches((*below, name), wild)]
    inside = [candidate for folder in folders for candidate in _in_folder(folder, root, out)]
    videos = [path for path in files if _is_video(path.name)]
    return [_below(path, root) for path in videos or ([] if inside else files)] + inside


def _walk(root: Path, out: Path | None, depth: int | None = None) -> Iterator[tuple[Path, list[str]]]:
    """Each real folder below ``root``, itself included, once, with the names of its visible files; natural order.

    Folders ``depth`` levels down are given without their contents being followed further.
    """
    results = None if out is None else os.path.realpath(out)
    seen = {os.path.realpath(root)}
    waiting = [(root, 0)]
    while waiting:
        folder, level = waiting.pop()
        files, folders = _listed(folder)
        yield folder, files
        if depth is not None and level > depth:
            continue
        deeper = []
        for name in folders:
            real = os.path.realpath(folder / name)
            if real not in seen and real != results:
                seen.add(real)
                deeper.append((folder / name, level + 1))
        waiting += reversed(deeper)


def _listed(folder: Path) -> tuple[list[str], list[str]]:
    files, folders = list[str](), list[str]()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and entry.name != _RESULT:
                    (folders if _is_folder(entry) else files).append(entry.name)
    except OSError:
        return [], []
    return sorted(files, key=_natural), sorted(folders, key=_natural)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return _matches(parts, pattern[1:]) or (bool(parts) and _matches(parts[1:], pattern))
    return bool(parts) and fnmatch(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _below(path: Path, root: Path) -> _Candidate:
    if path == root:
        name = (name_of(path),)
        return _Candidate(path, name, name)
    inside = path.relative_to(root)
    above = tuple(safe_name(part) for part in inside.parts[:-1])
    stem = inside.name if path.is_dir() else inside.stem
    return _Candidate(path, (*above, safe_name(stem)), (*above, safe_name(inside.name)))


def _placed(candidates: list[_Candidate]) -> list[FoundVideo]:
    """Give each candidate a place of its own; those whose name nobody else wants are served first."""

    def siblings(candidate: _Candidate) -> tuple[str, str]:
        parent = "" if isinstance(candidate.source, str) else os.path.dirname(abspath(candidate.source))
        return parent, _key(candidate.base)

    together = Counter(siblings(candidate) for candidate in candidates)
    wanted = [candidate.full if together[siblings(candidate)] > 1 else candidate.base for candidate in candidates]
    rivals = Counter(_key(place) for place in wanted)
    taken, places = set(rivals), list[PurePath]()
    first = {LIST_NAME}
    for place in wanted:
        unique = place
        if _key(place) in first:
            numbered = ((*place[:-1], f"{place[-1]}-{copy}") for copy in count(2))
            unique = next(other for other in numbered if _key(other) not in taken)
        first.add(_key(place))
        taken.add(_key(unique))
        places.append(PurePath(*unique))
    return [FoundVideo(candidate.source, place) for candidate, place in zip(candidates, places, strict=True)]


def _key(place: tuple[str, ...]) -> str:
    """Equal for places that some file system takes for one."""
    return unicodedata.normalize("NFC", "/".join(place).casefold())


def _natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sort key under which ``frame_10`` follows ``frame_9``; the name itself decides between 1 and 01."""
    parts = re.split(r"(\d+)", name.casefold(), flags=re.ASCII)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], name


def _is_image(name: str) -> bool:
    return PurePath(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith(".")


def _is_video(name: str) -> bool:
    return PurePath(name).suffix.lower() in VIDEO_SUFFIXES
