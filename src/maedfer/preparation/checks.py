"""What breaks reproductions, looked for in the facts of a set's clips; checks give findings and change nothing."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from maedfer.data.corpora import Corpus, CorpusClip
from maedfer.emotions import canonical
from maedfer.preparation.facts import ClipFacts
from maedfer.preparation.report import Finding, LeftOut

__all__ = [
    "Examined",
    "check_duplicates",
    "check_labels",
    "check_left_out",
    "check_lengths",
    "check_rates",
    "check_subjects",
    "rate_of",
    "spellings",
]

# Of the expected frame rate: 29.97 for 30 is no difference.
_RATE_TOLERANCE = 0.01
# Half of the clips of a set last between these seconds; frames extracted at another rate than thought fall outside.
_LEAST_S, _MOST_S = 0.5, 30.0
_TRAINED = ("train", "val")


@dataclass(frozen=True)
class Examined:
    """A clip that can be read, with its facts."""

    clip: CorpusClip
    facts: ClipFacts


def check_left_out(left_out: Sequence[LeftOut]) -> Iterator[Finding]:
    """Clips that are missing, unreadable or without a face."""
    texts = {
        "missing": "are missing, or not as the set's names and lists say",
        "unreadable": "cannot be read and are left out",
        "no face": "show no face and are left out (--keep-faceless keeps them)",
    }
    for why, text in texts.items():
        found = [entry for entry in left_out if entry.why == why]
        if found:
            named = tuple(f"{entry.path}: {entry.reason}" if entry.reason else entry.path for entry in found)
            yield Finding(why, "warning" if why == "no face" else "error", f"{_clips(len(found))} {text}", named)


def check_labels(corpus: Corpus) -> Iterator[Finding]:
    """Classes of one's own that are the same expression in two spellings; one spelling is written."""
    for spelling, other in spellings(corpus).items():
        count = sum(clip.label == spelling for clip in corpus.clips)
        yield Finding("labels", "warning", f"{count} clips labelled {spelling!r} are written as {other!r}")


def spellings(corpus: Corpus) -> dict[str, str]:
    """The most frequent spelling for each rarer one; empty for sets with a label set, whose reader has mapped them."""
    if corpus.label_set is not None:
        return {}
    counts = Counter(clip.label for clip in corpus.clips if clip.label)
    groups: dict[str, list[str]] = defaultdict(list)
    for label, _ in counts.most_common():
        groups[canonical(label)].append(label)
    return {label: first for first, *rest in groups.values() for label in rest}


def check_duplicates(clips: Sequence[Examined]) -> Iterator[Finding]:
    """The same content twice: across train and test, under other labels or subjects, or inside a part."""
    groups: dict[str, list[CorpusClip]] = defaultdict(list)
    for examined in clips:
        groups[examined.facts.sha256].append(examined.clip)
    twice = [group for group in groups.values() if len(group) > 1]
    leaks = [group for group in twice if _leaks(group)]
    if leaks:
        yield Finding("duplicates", "warning", f"{len(leaks)} contents are in train and in test", _named(leaks))
    for what, values in (("labels", _labels), ("subjects", _subjects)):
        unlike = [group for group in twice if len(values(group)) > 1]
        if unlike:
            yield Finding("duplicates", "warning", f"{len(unlike)} contents have two {what}", _named(unlike))
    inside = [group for group in twice if not _leaks(group)]
    if inside:
        yield Finding("duplicates", "note", f"{len(inside)} contents are twice in one part", _named(inside))


def check_subjects(clips: Sequence[CorpusClip]) -> Iterator[Finding]:
    """People who are in train and in test, or in the test parts of two folds."""
    splits: dict[str, set[str]] = defaultdict(set)
    folds: dict[str, set[int]] = defaultdict(set)
    for clip in clips:
        if clip.subject:
            splits[clip.subject].add("train" if clip.split in _TRAINED else clip.split)
            folds[clip.subject] |= {clip.fold} if clip.fold is not None else set()
    shared = sorted(name for name in splits if {"train", "test"} <= splits[name] or len(folds[name]) > 1)
    if shared:
        text = f"{len(shared)} people are in train and in test; scores on faces that were seen are too good"
        yield Finding("subjects", "warning", text, tuple(shared))


def check_rates(corpus: Corpus, clips: Sequence[Examined]) -> Iterator[Finding]:
    """Videos of another frame rate than the set's, or of several rates."""
    rates = [(examined.clip.path, examined.facts.fps) for examined in clips if examined.facts.fps]
    wanted = corpus.fps
    if wanted is None:
        common = Counter(round(fps, 1) for _, fps in rates if fps).most_common(4)
        if len(common) > 1:
            shown = ", ".join(f"{fps:g} ({count} clips)" for fps, count in common)
            yield Finding("frame rate", "note", f"the clips differ in frames per second: {shown}")
        return
    wrong = [(path, fps) for path, fps in rates if fps and abs(fps / wanted - 1) > _RATE_TOLERANCE]
    if wrong:
        text = f"{len(wrong)} of {len(rates)} clips do not have the set's {wanted:.5g} frames a second"
        yield Finding("frame rate", "warning", text, tuple(f"{path}: {fps:.5g}" for path, fps in wrong if fps))


def check_lengths(corpus: Corpus, clips: Sequence[Examined]) -> Iterator[Finding]:
    """Stills, folders of frames with gaps, and clips so short or long that the frames must be of another rate."""
    stills = tuple(examined.clip.path for examined in clips if examined.facts.frames == 1)
    if stills:
        yield Finding("frames", "warning", f"{len(stills)} clips have a single frame", stills)
    gaps = tuple(f"{e.clip.path}: {e.facts.skipped}" for e in clips if e.facts.skipped)
    if gaps:
        yield Finding("frames", "warning", f"{len(gaps)} folders lack frames inside, by their numbers", gaps)
    lengths = [examined.facts.frames / rate for examined in clips if (rate := rate_of(corpus, examined))]
    middle = float(np.median(lengths)) if lengths else _LEAST_S
    if not _LEAST_S <= middle <= _MOST_S:
        text = (
            f"half of the clips are {'shorter' if middle < _LEAST_S else 'longer'} than {middle:.2g} s at the rate "
            "that is known for them; were their frames extracted at another rate?"
        )
        yield Finding("frames", "warning", text)


def rate_of(corpus: Corpus, examined: Examined) -> float | None:
    """Frames per second: what the file says, else what is known of the set's folders of frames."""
    return examined.facts.fps or examined.clip.fps or corpus.fps


def _clips(count: int) -> str:
    return "1 clip or entry" if count == 1 else f"{count} clips or entries"


def _leaks(group: Iterable[CorpusClip]) -> bool:
    splits = {"train" if clip.split in _TRAINED else clip.split for clip in group}
    folds = {clip.fold for clip in group}
    return {"train", "test"} <= splits or len(folds) > 1


def _labels(group: Iterable[CorpusClip]) -> set[str]:
    return {clip.label for clip in group}


def _subjects(group: Iterable[CorpusClip]) -> set[str]:
    return {clip.subject for clip in group}


def _named(groups: Iterable[Sequence[CorpusClip]]) -> tuple[str, ...]:
    return tuple(" = ".join(clip.path for clip in group) for group in groups)
