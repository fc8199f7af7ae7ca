"""``maedfer prepare``: a public set, or a folder of one's own, into one manifest."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tyro.conf import Positional, arg

from maedfer.cli.console import plain, progress_bar
from maedfer.preparation.options import PreparationOptions

if TYPE_CHECKING:
    from maedfer.preparation.report import PreparationReport

__all__ = ["prepare"]

_NAMED = 3
_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}


def prepare(
    kind: Positional[Literal["dfew", "ferv39k", "mafw", "crema-d", "ravdess", "enterface05", "voxceleb2", "folder"]],
    root: Positional[Path],
    out: Path,
    options: Annotated[PreparationOptions, arg(name="")] = PreparationOptions(),  # noqa: B008 - frozen
) -> int:
    """Turn a data set as distributed into a manifest, checked for what breaks reproductions.

    Writes the manifest, FILE.report.md and FILE.report.json beside it, and face crops into FILE-crops/ where the set
    comes without them. Run again it does only what is left. The exit code is 1 when clips are missing or unreadable.

    Args:
        kind: the layout; folder: a folder a class, or a CSV of your own given with --table.
        root: folder of the set.
        out: the manifest to write, a CSV file.
        options: crops, checks and processes.
    """
    from maedfer.preparation.prepare import prepare_corpus

    with progress_bar(kind) as bar:
        prepared = prepare_corpus(kind, root, out, options=options, progress=bar)
    report = prepared.report
    _tell(report, Console(soft_wrap=True))
    if prepared.root_needed:
        print(f"Its paths start at the set's folder: give --data.root {plain(str(root))} when training")
    print(f"wrote {plain(str(prepared.manifest))} and, with all details, {plain(prepared.manifest.stem)}.report.md")
    print(plain(report.verdict))
    return 0 if report.complete else 1


def _tell(report: "PreparationReport", console: Console) -> None:
    if report.counts:
        table = Table("fold", "part", "clips", "published")
        for count in report.counts:
            published = "" if count.published is None else str(count.published)
            style = "yellow" if count.published not in (None, count.clips) else ""
            table.add_row(str(count.fold or ""), count.part, str(count.clips), published, style=style)
        console.print(table)
    for look in report.looks:
        faces = f"{look.faces} of {look.clips} clips with a face, {100 * look.share:.0f} % of the picture"
        console.print(f"{'crops' if look.of == 'crops' else 'the set'}: {look.state} ({faces})")
    for finding in report.findings:
        style = _STYLES[finding.weight]
        console.print(f"[{style}]{finding.weight}[/]: {finding.what}: {escape(plain(finding.text))}")
        for clip in finding.clips[:_NAMED]:
            console.print(f"    {escape(plain(clip))}", style="dim")
        if len(finding.clips) > _NAMED:
            console.print(f"    and {len(finding.clips) - _NAMED} more", style="dim")
