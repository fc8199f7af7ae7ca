"""How many clips there are by fold, part and class, beside the numbers that were published."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import get_args

from maedfer.data.corpora import CorpusClip
from maedfer.data.published import Part, expected_sizes
from maedfer.preparation.report import Count, Finding

__all__ = ["check_counts", "class_table", "part_counts"]


def part_counts(name: str, clips: Sequence[CorpusClip]) -> tuple[Count, ...]:
    """Clips of each part of each fold, or of the one split, beside the published numbers of the set ``name``."""
    published = expected_sizes(name)
    found: Counter[tuple[int | None, Part]] = Counter()
    folded: Counter[int] = Counter(clip.fold for clip in clips if clip.fold is not None)
    for fold, count in folded.items():
        found[fold, "test"] = count
        found[fold, "train"] = folded.total() - count
    for part in get_args(Part):
        found[None, part] = sum(clip.fold is None and clip.split == part for clip in clips)
    keys = {key for key, count in found.items() if count} | set(published)
    ordered = sorted(keys, key=lambda key: (key[0] is None, key[0] or 0, key[1] == "test"))
    return tuple(Count(fold, part, found[fold, part], published.get((fold, part))) for fold, part in ordered)


def check_counts(counts: Sequence[Count]) -> Iterator[Finding]:
    """Parts that have not the published size."""
    wrong = [count for count in counts if count.published is not None and count.clips != count.published]
    if wrong:
        named = tuple(
            f"{f'fold {c.fold} ' if c.fold is not None else ''}{c.part}: {c.clips}, published {c.published}"
            for c in wrong
        )
        yield Finding("counts", "warning", f"{len(wrong)} of {len(counts)} parts have not the published size", named)


def class_table(clips: Sequence[CorpusClip]) -> dict[str, dict[str, int]]:
    """Clips of each class by fold (``"fold 1"``) or split (``"test"``; ``"no split"``); empty without labels."""
    table: dict[str, Counter[str]] = {}
    for clip in clips:
        if clip.label:
            column = f"fold {clip.fold}" if clip.fold is not None else clip.split or "no split"
            table.setdefault(clip.label, Counter())[column] += 1
    return {label: dict(sorted(counts.items())) for label, counts in sorted(table.items())}
