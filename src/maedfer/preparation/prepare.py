"""A public set, or a folder of one's own, into one manifest: read, tried, checked, cropped, written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from maedfer.data.corpora import CorpusClip, CorpusKind
from maedfer.data.manifest import write_manifest
from maedfer.errors import ConfigError, ManifestError
from maedfer.output import require_writable
from maedfer.preparation.checks import (
    Examined,
    check_duplicates,
    check_labels,
    check_left_out,
    check_lengths,
    check_rates,
    check_subjects,
    rate_of,
    spellings,
)
from maedfer.preparation.counts import check_counts, class_table, part_counts
from maedfer.preparation.jobs import Cropped
from maedfer.preparation.journal import open_journal
from maedfer.preparation.options import PreparationOptions
from maedfer.preparation.places import Places, crop_names, read_at
from maedfer.preparation.pool import Progress
from maedfer.preparation.report import Finding, LeftOut, Look, PreparationReport, write_report
from maedfer.preparation.workshop import Workshop
from maedfer.video.detect import CenterFace

__all__ = ["PreparedCorpus", "prepare_corpus"]

# Below this share of instants with a face, a crop may show something else for much of its time.
_LOW_COVERAGE = 0.5
_WEIGHTS = ("error", "warning", "note")
_CROP_OF_STATE = {"tight crop": "face", "whole picture": "none", "mixed": ""}


@dataclass(frozen=True)
class PreparedCorpus:
    """What came of it.

    Attributes:
        manifest: the CSV file.
        root_needed: its paths start at the set's root, so that reading it needs ``--data.root``.
        report: everything found.
    """

    manifest: Path
    root_needed: bool
    report: PreparationReport


def prepare_corpus(
    kind: CorpusKind,
    root: Path,
    out: Path,
    *,
    options: PreparationOptions = PreparationOptions(),  # noqa: B008 - frozen
    progress: Progress | None = None,
) -> PreparedCorpus:
    """Turn a set as distributed into a manifest, with a report beside it; goes on where an earlier call was stopped.

    With ``workers`` other than 0 processes are started afresh ("spawn"), so a script must call this under
    ``if __name__ == "__main__":``.

    Args:
        kind: the layout of the set.
        root: its folder.
        out: the manifest to write, ``*.csv``. Beside it lie ``*.report.md``, ``*.report.json``, ``*.journal.jsonl``
            and, when faces are cut, the folder ``*-crops``.
        options: crops, depth, sample and processes.
        progress: called with (done, in all, what is being done).

    Raises:
        ManifestError: another layout, or not one clip can be read.
        DetectorError: faces are to be cut and there is no detector.
        OutputError: a result cannot be written, or another run is at work on it.
        ConfigError: the settings contradict each other.
    """
    if out.suffix.lower() != ".csv":
        raise ConfigError(f"expected the name of a CSV file for the manifest, got {out}; for example dfew.csv")
    places = Places(root, out)
    corpus = read_at(kind, places, options.table)
    require_writable(out.parent)
    with open_journal(places.journal) as journal:
        missing = [LeftOut(entry.path, "missing", entry.reason) for entry in corpus.missing]
        shop = Workshop(corpus, places, options, journal, progress, missing)
        report = _prepared(shop)
    return PreparedCorpus(out, places.root_needed and not shop.cutting, report)


def _prepared(shop: Workshop) -> PreparationReport:
    places, listed = shop.places, [clip.path for clip in shop.corpus.clips]
    if shop.cutting:
        CenterFace()  # better refused now than after an hour's reading
    clips = shop.examine()
    looks = [shop.look("source", [places.root / examined.clip.path for examined in clips])]
    crops: dict[str, Cropped] = {}
    files = {name: places.crops / crop for name, crop in crop_names(listed).items()}
    if shop.cutting:
        crops = shop.cut(clips, files)
        clips = [examined for examined in clips if examined.clip.path in crops]
        if not clips:
            raise ManifestError(f"{places.root}: no clip shows a face, nothing is left; --crop none cuts none")
        looks.append(shop.look("crops", [files[examined.clip.path] for examined in clips]))
    seen = tuple(look for look in looks if look is not None)
    write_manifest(places.out, list(_rows(shop, clips, seen, crops, files)))
    report = _report(shop, clips, seen, crops)
    write_report(report, places.out)
    return report


def _rows(
    shop: Workshop,
    clips: Sequence[Examined],
    looks: Sequence[Look],
    crops: dict[str, Cropped],
    files: dict[str, Path],
) -> Iterator[dict[str, str]]:
    corpus, places = shop.corpus, shop.places
    changed = spellings(corpus)
    # What the pictures are, not what they ought to be: training crops where this says "none".
    state = looks[0].state if looks else "unknown"
    as_found = _CROP_OF_STATE.get(state, corpus.crop)
    for examined in clips:
        clip, facts = examined.clip, examined.facts
        row = {
            "label": changed.get(clip.label, clip.label),
            "label_set": corpus.label_set or "",
            "subject": clip.subject,
            "split": clip.split,
            "fold": "" if clip.fold is None else str(clip.fold),
        }
        cut = crops.get(clip.path)
        if cut is None:
            rate = rate_of(corpus, examined)
            row |= {"path": places.row_path(clip.path), "frames": str(facts.frames), "crop": as_found}
            row |= {"fps": f"{rate:.7g}" if rate else "", "sha256": facts.sha256}
        else:
            row |= {"path": files[clip.path].relative_to(places.out.parent).as_posix(), "frames": str(cut.frames)}
            row |= {"fps": f"{cut.fps:.7g}", "sha256": cut.sha256, "crop": "face" if cut.coverage else "none"}
        yield row


def _report(
    shop: Workshop, clips: Sequence[Examined], looks: tuple[Look, ...], crops: dict[str, Cropped]
) -> PreparationReport:
    corpus = shop.corpus
    changed = spellings(corpus)
    written = [_renamed(examined.clip, changed) for examined in clips]
    counts = part_counts(corpus.name, written)
    findings = [
        *shop.findings,
        *check_left_out(shop.left_out),
        *check_counts(counts),
        *_check_faces(shop, looks, crops),
        *check_rates(corpus, clips),
        *check_lengths(corpus, clips),
        *check_duplicates(clips),
        *check_subjects(written),
        *check_labels(corpus),
    ]
    coverage = [crop.coverage for crop in crops.values()]
    return PreparationReport(
        corpus=corpus.name,
        manifest=shop.places.out.name,
        listed=len(corpus.clips),
        written=len(clips),
        counts=counts,
        classes=class_table(written),
        looks=looks,
        coverage=float(np.median(coverage)) if coverage else None,
        findings=tuple(sorted(findings, key=lambda finding: _WEIGHTS.index(finding.weight))),
        left_out=tuple(shop.left_out),
    )


def _renamed(clip: CorpusClip, changed: dict[str, str]) -> CorpusClip:
    return replace(clip, label=changed.get(clip.label, clip.label))


def _check_faces(shop: Workshop, looks: Sequence[Look], crops: dict[str, Cropped]) -> Iterator[Finding]:
    """Pictures that are not what they should be, and crops in which the face is seldom seen."""
    for look in looks:
        tight = look.of == "crops" or shop.corpus.crop == "face"
        whose = "the crops" if look.of == "crops" else "the set's pictures"
        seen = f"a face takes {100 * look.share:.0f} % of the picture, faces in {look.faces} of {look.clips} clips"
        if look.state == "unknown":
            yield Finding("faces", "warning", f"{whose}: hardly a face was found ({seen})")
        elif tight and look.state != "tight crop":
            remedy = "" if shop.cutting else "; take the set's cropped pictures, or cut faces with --crop face"
            text = f"{whose} should be tight face crops, they are {_WORDS[look.state]} ({seen}){remedy}"
            yield Finding("crop state", "note" if shop.cutting and look.of == "source" else "warning", text)
        elif not tight and look.state == "tight crop" and shop.cutting:
            yield Finding(
                "crop state",
                "note",
                f"{whose} are tight face crops already ({seen}); --crop none leaves them as they are",
            )
        elif not tight and look.state != "tight crop" and not shop.cutting:
            yield Finding("crop state", "note", f"{whose} are {_WORDS[look.state]} ({seen}); --crop face cuts faces")
    rare = tuple(f"{name}: {c.coverage:.0%}" for name, c in crops.items() if 0 < c.coverage < _LOW_COVERAGE)
    if rare:
        yield Finding(
            "faces", "note", f"in {len(rare)} clips the face was seen at less than half of the instants", rare
        )
    bare = tuple(name for name, crop in crops.items() if not crop.coverage)
    if bare:
        yield Finding("faces", "note", f"{len(bare)} clips without a face are kept as centred squares", bare)


_WORDS = {"tight crop": "tight crops", "whole picture": "whole pictures", "mixed": "crops and whole pictures mixed"}
