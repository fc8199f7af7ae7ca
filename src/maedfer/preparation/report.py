"""What was found while a set was prepared: counts against the published ones, findings, and the clips left out."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from maedfer.output import write_text

__all__ = ["Count", "Finding", "LeftOut", "Look", "PreparationReport", "write_report"]

_Weight = Literal["error", "warning", "note"]
_NAMED = 20


@dataclass(frozen=True)
class LeftOut:
    """A clip that is not in the manifest.

    Attributes:
        path: relative to the set's root.
        why: ``missing`` (not there, or not as the set's lists say), ``unreadable`` or ``no face``.
        reason: in words.
    """

    path: str
    why: Literal["missing", "unreadable", "no face"]
    reason: str


@dataclass(frozen=True)
class Finding:
    """Something that may break a reproduction.

    Attributes:
        what: in a few fixed words, such as ``duplicates``.
        weight: ``error``: clips are missing or unreadable; ``warning``: results will differ; ``note``: good to know.
        text: in words.
        clips: paths concerned; groups of duplicates joined by " = ".
    """

    what: str
    weight: _Weight
    text: str
    clips: tuple[str, ...] = ()


@dataclass(frozen=True)
class Count:
    """Clips of one part of one fold (``fold`` ``None``: of the set's one split), and how many were published."""

    fold: int | None
    part: Literal["train", "test"]
    clips: int
    published: int | None


@dataclass(frozen=True)
class Look:
    """What the detector saw on a sample.

    Attributes:
        of: ``source`` (the set as it lies there) or ``crops`` (those cut now).
        state: ``tight crop``, ``whole picture``, ``mixed`` or ``unknown``.
        clips: looked at.
        faces: of these, with a face.
        share: median share of the picture's area that the face takes.
        off_centre: median distance of the face from the middle, in sides of the picture.
    """

    of: Literal["source", "crops"]
    state: str
    clips: int
    faces: int
    share: float
    off_centre: float


@dataclass(frozen=True)
class PreparationReport:
    """Everything found.

    Attributes:
        corpus: name of the set.
        manifest: file name of the manifest.
        listed: clips that the set lists.
        written: rows of the manifest.
        counts: by fold and part.
        classes: clips by label, then by fold or split.
        looks: tightness, of the source and of the crops.
        coverage: median share of instants at which the face was seen in the crops; ``None`` without crops.
        findings: the worst first.
        left_out: clips that are not in the manifest.
    """

    corpus: str
    manifest: str
    listed: int
    written: int
    counts: tuple[Count, ...]
    classes: dict[str, dict[str, int]]
    looks: tuple[Look, ...]
    coverage: float | None
    findings: tuple[Finding, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def complete(self) -> bool:
        """No clip is missing or unreadable."""
        return not any(finding.weight == "error" for finding in self.findings)

    @property
    def verdict(self) -> str:
        """One line."""
        errors, warnings = (sum(f.weight == weight for f in self.findings) for weight in ("error", "warning"))
        clips = f"{self.written} clips of {self.corpus} in {self.manifest}"
        if errors:
            count = sum(entry.why != "no face" for entry in self.left_out)
            more = f", {warnings} more finding{'s' * (warnings > 1)}" if warnings else ""
            return f"INCOMPLETE: {clips}; {count} missing or unreadable{more}"
        if warnings:
            return f"LOOK FIRST: {clips}; {warnings} finding{'s' * (warnings > 1)} that can change results"
        return f"READY: {clips}; nothing found that breaks a reproduction"

    def to_json(self) -> str:
        """All of it, with the verdict."""
        return json.dumps({"verdict": self.verdict, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"

    def to_markdown(self) -> str:
        """For reading; long lists of clips are cut after some."""
        parts = [f"# {self.corpus}", f"**{self.verdict}**"]
        parts += [
            "\n".join(
                [f"- **{f.weight}**, {f.what}: {_inline(f.text)}", *(f"  - `{_code(c)}`" for c in f.clips[:_NAMED])]
            )
            + (f"\n  - and {len(f.clips) - _NAMED} more (all in the JSON beside)" if len(f.clips) > _NAMED else "")
            for f in self.findings
        ]
        rows = [
            (str(c.fold or ""), c.part, str(c.clips), "" if c.published is None else str(c.published))
            for c in self.counts
        ]
        parts += ["## Clips by fold and part", _table(("fold", "part", "clips", "published"), rows)] if rows else []
        parts += ["## Clips by class", self._class_table()] if self.classes else []
        looks = [
            (w.of, w.state, f"{w.faces} of {w.clips}", f"{w.share:.2f}", f"{w.off_centre:.2f}") for w in self.looks
        ]
        head = ("pictures", "they are", "with a face", "face's share of the picture", "off the middle")
        parts += ["## Faces, on a sample", _table(head, looks)] if looks else []
        if self.coverage is not None:
            parts.append(f"In the crops the face was seen at {100 * self.coverage:.0f} % of the instants (median).")
        return "\n\n".join(parts) + "\n"

    def _class_table(self) -> str:
        columns = sorted({column for counts in self.classes.values() for column in counts}, key=_by_number)
        rows = [
            (_inline(label), *(str(counts.get(c, 0)) for c in columns), str(sum(counts.values())))
            for label, counts in self.classes.items()
        ]
        return _table(("class", *columns, "all"), rows)


def write_report(report: PreparationReport, manifest: Path) -> tuple[Path, Path]:
    """Write ``MANIFEST.report.md`` and ``MANIFEST.report.json`` beside the manifest.

    Raises:
        OutputError: they cannot be written.
    """
    pages = manifest.with_suffix(".report.md"), manifest.with_suffix(".report.json")
    write_text(pages[0], report.to_markdown())
    write_text(pages[1], report.to_json())
    return pages


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _inline(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _code(text: str) -> str:
    return " ".join(text.split()).replace("`", "'")


def _by_number(column: str) -> tuple[int, str]:
    last = column.rsplit(" ", 1)[-1]
    return (int(last) if last.isdecimal() else 0, column)
