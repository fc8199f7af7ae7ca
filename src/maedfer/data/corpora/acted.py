"""What the acted sets share: videos in a few levels of folders, one take once, and names that ought to be there."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from maedfer.data.corpora.listing import Listing, entries_of, joined
from maedfer.data.corpora.lists import split_name
from maedfer.data.corpora.types import CorpusClip, Missing
from maedfer.video.find import VIDEO_SUFFIXES

__all__ = ["Take", "absent", "kept", "videos_below"]


@dataclass(frozen=True)
class Take:
    """A clip with what makes it the same take as another file.

    Attributes:
        clip: the clip.
        key: subject first, then whatever names the take.
    """

    clip: CorpusClip
    key: tuple[str, ...]


def videos_below(listing: Listing, missing: list[Missing], depth: int, folder: str = "") -> Iterator[str]:
    """Paths of videos in ``folder`` and up to ``depth`` levels below it, in the order of names."""
    entries = entries_of(listing, folder, missing)
    for name in entries.files:
        if split_name(name)[1] in VIDEO_SUFFIXES:
            yield joined(folder, name)
    if depth:
        for name in entries.folders:
            yield from videos_below(listing, missing, depth - 1, joined(folder, name))


def kept(takes: Iterable[Take], missing: list[Missing]) -> tuple[CorpusClip, ...]:
    """One clip a take, in the order of paths; further copies go to ``missing``."""
    first: dict[tuple[str, ...], CorpusClip] = {}
    for take in sorted(takes, key=lambda take: take.clip.path):
        known = first.setdefault(take.key, take.clip)
        if known is not take.clip:
            missing.append(Missing(take.clip.path, f"another copy of {known.path}; left out"))
    return tuple(first.values())


def absent(complete: Iterable[tuple[str, ...]], takes: Iterable[Take], subject: str) -> list[Missing]:
    """What ought to be there and is not: one entry a take, or one for a subject of whom there is nothing.

    Args:
        complete: keys of all takes of the set.
        takes: what was found.
        subject: what stands before the subject's name in messages.
    """
    there = {take.key for take in takes}
    known = {key[0] for key in there}
    gone = [key for key in complete if key not in there]
    whole = Counter(key[0] for key in gone if key[0] not in known)
    found = [Missing(f"{subject}{name}", f"none of the {count} clips is there") for name, count in whole.items()]
    return found + [Missing(f"{subject}{' '.join(key)}", "not on disk") for key in gone if key[0] in known]
