"""VoxCeleb2, its development part: a million unlabelled videos of talking faces, for pre-training."""

import re
from collections.abc import Iterator

from maedfer.data.corpora.listing import Listing, child, entries_of, joined, layout_error, placed
from maedfer.data.corpora.lists import split_name
from maedfer.data.corpora.types import Corpus, CorpusClip, Missing
from maedfer.video.find import VIDEO_SUFFIXES

__all__ = ["iter_voxceleb2", "read_voxceleb2"]

_FPS = 25.0
_SPEAKER = re.compile(r"id\d{5}")


def read_voxceleb2(listing: Listing) -> Corpus:
    """VoxCeleb2 as distributed: ``dev/mp4/idNNNNN/VIDEO/NNNNN.mp4``; the test part is left out.

    All 1,092,009 clips take some 190 MB here (174 bytes each); :func:`iter_voxceleb2` holds one folder at a time.

    Raises:
        ManifestError: another layout.
    """
    missing: list[Missing] = []
    clips = tuple(iter_voxceleb2(listing, missing))
    return Corpus("VoxCeleb2", None, "face", _FPS, clips, tuple(missing))


def iter_voxceleb2(listing: Listing, missing: list[Missing]) -> Iterator[CorpusClip]:
    """The clips, one after the other in the order of paths; what is no clip goes to ``missing``.

    Raises:
        ManifestError: another layout; at the first clip.
    """
    base = _base(listing)
    for speaker in entries_of(listing, base, missing).folders:
        folder = joined(base, speaker)
        if not _SPEAKER.fullmatch(speaker):
            missing.append(Missing(folder, "expected a folder of a speaker like id00012"))
            continue
        for video in entries_of(listing, folder, missing).folders:
            inside = joined(folder, video)
            for name in entries_of(listing, inside, missing).files:
                if split_name(name)[1] in VIDEO_SUFFIXES:
                    yield CorpusClip(joined(inside, name), "", speaker, "train", None, None)


def _base(listing: Listing) -> str:
    # Never into "test/mp4", which the paper does not pre-train on.
    candidates = (placed(listing, ("dev",), ("mp4",)), "", child(listing, "", ("mp4",)), placed(listing, ("dev",)))
    for base in candidates:
        if base is not None and any(_SPEAKER.fullmatch(name) for name in listing.entries(base).folders):
            return base
    raise layout_error(listing, "VoxCeleb2: folders of speakers", "dev/mp4/id00012/21Uxsk56VDQ/00001.mp4")
