"""The public sets, read from the names on a disk as their owners distribute them; docs/datasets.md has the layouts.

Nothing is decoded here: a reader looks at names and list files only. Checks that need pixels (readable, face crop,
frame rate, duplicates) come after it, in ``maedfer prepare``.
"""

from pathlib import Path
from typing import assert_never

from maedfer.data.corpora.crema_d import read_crema_d
from maedfer.data.corpora.dfew import read_dfew
from maedfer.data.corpora.enterface import read_enterface05
from maedfer.data.corpora.ferv39k import read_ferv39k
from maedfer.data.corpora.folder import read_folder, read_table
from maedfer.data.corpora.listing import DiskListing, Entries, Listing
from maedfer.data.corpora.mafw import read_mafw
from maedfer.data.corpora.ravdess import read_ravdess
from maedfer.data.corpora.types import Corpus, CorpusClip, CorpusKind, Missing
from maedfer.data.corpora.voxceleb2 import iter_voxceleb2, read_voxceleb2
from maedfer.errors import ConfigError

__all__ = [
    "Corpus",
    "CorpusClip",
    "CorpusKind",
    "DiskListing",
    "Entries",
    "Listing",
    "Missing",
    "iter_voxceleb2",
    "read_corpus",
    "read_listing",
]


def read_corpus(kind: CorpusKind, root: Path, table: Path | None = None) -> Corpus:
    """Read the set of layout ``kind`` that lies at ``root``.

    Args:
        kind: the layout.
        root: the folder of the set as distributed; one further level of folders is looked through.
        table: for ``folder``: a CSV of one's own with columns path, label and, optionally, subject, split, fold.

    Raises:
        ConfigError: a table for another kind than ``folder``.
        ManifestError: the layout is not the expected one, or a list cannot be read.
    """
    listing = DiskListing(root)
    if table is None:
        return read_listing(kind, listing)
    if kind != "folder":
        raise ConfigError(f"a table of one's own goes with kind folder, not {kind}, which has its official lists")
    return read_table(listing, str(table), DiskListing(table.parent).text(table.name))


def read_listing(kind: CorpusKind, listing: Listing) -> Corpus:
    """As :func:`read_corpus`, for anything that lists names.

    Raises:
        ManifestError: the layout is not the expected one, or a list cannot be read.
    """
    match kind:
        case "dfew":
            return read_dfew(listing)
        case "ferv39k":
            return read_ferv39k(listing)
        case "mafw":
            return read_mafw(listing)
        case "crema-d":
            return read_crema_d(listing)
        case "ravdess":
            return read_ravdess(listing)
        case "enterface05":
            return read_enterface05(listing)
        case "voxceleb2":
            return read_voxceleb2(listing)
        case "folder":
            return read_folder(listing)
        case _:
            assert_never(kind)
