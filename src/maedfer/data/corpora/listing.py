"""What lies in a folder, by name: the disk, or anything that answers like one; and finding a layout in it.

Readers of sets ask a :class:`Listing` only, so that a full list of names can be read without its files.
"""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from maedfer.data.corpora.types import Missing
from maedfer.data.root import Root
from maedfer.errors import ManifestError

__all__ = ["DiskListing", "Entries", "Listing", "child", "entries_of", "joined", "layout_error", "placed", "within"]

_MOST_TEXT = 1 << 26  # bytes of a list file; FERV39k's longest has about one million
_SKIPPED = ("__MACOSX", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Entries:
    """The names in one folder, sorted.

    Attributes:
        folders: names of folders.
        files: names of files.
        refused: (name, reason) of what cannot be taken: links that lead out of the root, names a CSV cannot hold.
    """

    folders: tuple[str, ...]
    files: tuple[str, ...]
    refused: tuple[tuple[str, str], ...] = ()


@runtime_checkable
class Listing(Protocol):
    """A tree of names. Paths are relative to its root, with forward slashes; ``""`` is the root."""

    @property
    def name(self) -> str:
        """What messages call the root."""
        ...

    def entries(self, folder: str) -> Entries:
        """The names in ``folder``, hidden ones left out."""
        ...

    def text(self, path: str) -> str:
        """Content of a list file."""
        ...

    def kind(self, path: str) -> Literal["file", "folder"] | None:
        """What lies at ``path``; ``None``: nothing, or a link that leads out of the root."""
        ...


class DiskListing:
    """A folder on a disk.

    Args:
        root: the folder.

    Raises:
        ManifestError: there is no such folder.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise ManifestError(f"{root}: expected the folder of a data set, found no folder; check the path")
        self._root = root
        self._inside = Root(root)

    @property
    def name(self) -> str:
        """The folder's path."""
        return str(self._root)

    def entries(self, folder: str) -> Entries:
        """Read one folder; only links cost a look at what they point to.

        Raises:
            ManifestError: it cannot be listed.
        """
        folders, files, refused = [], [], []
        try:
            with os.scandir(self._root / folder) as found:
                for entry in found:
                    if entry.name.startswith(".") or entry.name in _SKIPPED:
                        continue
                    reason = _why_not(entry.name)
                    if reason is None and entry.is_symlink() and not self._inside.holds(joined(folder, entry.name)):
                        reason = "a link that leads out of the set's folder; put the files there, or name their folder"
                    if reason is not None:
                        refused.append((entry.name.encode("utf-8", "backslashreplace").decode(), reason))
                    elif entry.is_dir():
                        folders.append(entry.name)
                    elif entry.is_file():
                        files.append(entry.name)
        except OSError as error:
            where = self._root / folder
            raise ManifestError(f"{where}: expected a folder that can be listed, got: {error.strerror}") from error
        return Entries(tuple(sorted(folders)), tuple(sorted(files)), tuple(sorted(refused)))

    def text(self, path: str) -> str:
        """Read a list file as UTF-8, a byte order mark dropped.

        Raises:
            ManifestError: it is too long for a list of clips, no text, or cannot be read.
        """
        place = self._root / path
        try:
            with place.open("rb") as file:
                content = file.read(_MOST_TEXT + 1)
            if len(content) > _MOST_TEXT:
                raise ManifestError(f"{place}: expected a list of clips, got more than {_MOST_TEXT >> 20} MiB")
            return content.decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ManifestError(f"{place}: expected a list of clips as UTF-8 text, got: {error}") from error

    def kind(self, path: str) -> Literal["file", "folder"] | None:
        """One look at the disk."""
        place = self._root / path
        if not self._inside.holds(path):
            return None
        return "folder" if place.is_dir() else "file" if place.is_file() else None


def joined(folder: str, name: str) -> str:
    """The path of ``name`` in ``folder``."""
    return f"{folder}/{name}" if folder else name


def entries_of(listing: Listing, folder: str, missing: list[Missing]) -> Entries:
    """The names in ``folder``; what is refused goes to ``missing``."""
    entries = listing.entries(folder)
    missing += [Missing(joined(folder, name), reason) for name, reason in entries.refused]
    return entries


def child(listing: Listing, folder: str, names: Collection[str]) -> str | None:
    """The folder in ``folder`` that has one of ``names`` (the first that is there), letter case ignored.

    An archive unpacked into a folder of its own name (``frames/frames``) is entered.
    """
    there = {name.lower(): name for name in listing.entries(folder).folders}
    for name in names:
        if name.lower() in there:
            found = joined(folder, there[name.lower()])
            inner = [deeper for deeper in listing.entries(found).folders if deeper.lower() == name.lower()]
            return joined(found, inner[0]) if inner else found
    return None


def within(listing: Listing, folder: str, *steps: Collection[str]) -> str | None:
    """The folder that is reached from ``folder`` by ``steps``, each with the names it may have."""
    for names in steps:
        found = child(listing, folder, names)
        if found is None:
            return None
        folder = found
    return folder


def placed(listing: Listing, *steps: Collection[str]) -> str | None:
    """The folder reached by ``steps`` from the root, or from a folder in it (an archive unpacked one level deeper)."""
    for base in _bases(listing):
        found = within(listing, base, *steps)
        if found is not None:
            return found
    return None


def layout_error(listing: Listing, expected: str, example: str) -> ManifestError:
    """The error that says which layout was expected at the root and what is there instead."""
    entries = listing.entries("")
    shown = [*(f"{name}/" for name in entries.folders), *entries.files]
    there = ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")
    return ManifestError(
        f"{listing.name}: expected {expected}, for example {example}; found {there or 'an empty folder'}. "
        "Give the folder that holds this; docs/datasets.md draws each layout"
    )


def _bases(listing: Listing) -> Iterator[str]:
    yield ""
    yield from listing.entries("").folders


def _why_not(name: str) -> str | None:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "its name is no UTF-8 text; rename it"
    if name != name.strip() or any(ord(letter) < 32 for letter in name):
        return "its name starts or ends with a space, or holds a control character; rename it"
    return None
