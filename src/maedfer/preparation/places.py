"""Where things lie: the set without our own files in it, the crops, and how a manifest's rows name their clips."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from maedfer.data.corpora import Corpus, CorpusKind, DiskListing, Entries, Listing, read_corpus, read_listing
from maedfer.data.corpora.folder import read_table
from maedfer.errors import ConfigError

__all__ = ["Places", "crop_names", "read_at"]


@dataclass(frozen=True)
class Places:
    """The folders of one preparation.

    Attributes:
        root: of the set.
        out: the manifest.
    """

    root: Path
    out: Path

    @property
    def crops(self) -> Path:
        """The folder of the face crops."""
        return self.out.with_name(f"{self.out.stem}-crops")

    @property
    def journal(self) -> Path:
        """What was done already."""
        return self.out.with_name(f"{self.out.stem}.journal.jsonl")

    @property
    def root_needed(self) -> bool:
        """Whether rows that name the set's own files need ``--data.root``."""
        return not self.root.resolve().is_relative_to(self.out.parent.resolve())

    def row_path(self, name: str) -> str:
        """What a row says for the clip ``name`` of the set itself."""
        if self.root_needed:
            return name
        return (self.root.resolve().relative_to(self.out.parent.resolve()) / name).as_posix()


def read_at(kind: CorpusKind, places: Places, table: Path | None) -> Corpus:
    """The set at the root, without crops that an earlier preparation left inside it.

    Raises:
        ManifestError: another layout.
        ConfigError: a table for another kind than ``folder``, or the crops would be written over the set.
    """
    if places.root.resolve().is_relative_to(places.crops.resolve()):
        raise ConfigError(
            f"{places.root}: lies where the crops of {places.out} go, and would be overwritten; give another --out"
        )
    inside = os.path.relpath(places.crops.resolve(), places.root.resolve()).replace(os.sep, "/")
    if inside.startswith("../"):
        return read_corpus(kind, places.root, table)
    listing = _Without(DiskListing(places.root), inside)
    if table is None:
        return read_listing(kind, listing)
    if kind != "folder":
        raise ConfigError(f"a table of one's own goes with kind folder, not {kind}, which has its official lists")
    return read_table(listing, str(table), DiskListing(table.parent).text(table.name))


def crop_names(names: Sequence[str]) -> dict[str, str]:
    """The file of each clip's crop below the folder of crops; two clips of one stem keep their suffixes."""
    plain = {name: PurePosixPath(name).with_suffix(".mp4").as_posix() for name in names}
    wanted = Counter(crop.casefold() for crop in plain.values())
    taken = {crop.casefold() for crop in plain.values() if wanted[crop.casefold()] == 1}
    files = {}
    for name, crop in plain.items():
        if wanted[crop.casefold()] > 1:
            crop = f"{PurePosixPath(name).as_posix()}.mp4"
            while crop.casefold() in taken:
                crop = f"{crop}.mp4"
            taken.add(crop.casefold())
        files[name] = crop
    return files


class _Without:
    """A listing that does not show one folder."""

    def __init__(self, listing: Listing, hidden: str) -> None:
        self._listing = listing
        self._above, _, self._hidden = hidden.rpartition("/")

    @property
    def name(self) -> str:
        return self._listing.name

    def entries(self, folder: str) -> Entries:
        entries = self._listing.entries(folder)
        if folder != self._above:
            return entries
        return Entries(tuple(f for f in entries.folders if f != self._hidden), entries.files, entries.refused)

    def text(self, path: str) -> str:
        return self._listing.text(path)

    def kind(self, path: str) -> Literal["file", "folder"] | None:
        return self._listing.kind(path)
