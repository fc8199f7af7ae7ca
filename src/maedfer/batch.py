"""Many videos, one after the other, into one folder: what is done stays done, what fails is named, the rest goes on.

A later run keeps results that were made from the same file with the same weights and settings, so that an interrupted
run goes on where it stopped.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, runtime_checkable

from maedfer.output import write_text
from maedfer.reading import Progress
from maedfer.report import csv_line
from maedfer.result_folder import ResultFolder
from maedfer.video.find import LIST_NAME, FoundVideo
from maedfer.video.source import STDIN, is_url, shown, spooled

__all__ = ["Engine", "Facts", "Outcome", "Work", "attempt", "folder_of", "process", "write_list"]


@dataclass(frozen=True)
class Facts:
    """What the list of a batch says about a video.

    Attributes:
        duration_s: seconds.
        faces: how many were judged.
        windows: how many were judged.
    """

    duration_s: float
    faces: int
    windows: int


@runtime_checkable
class Work(Protocol):
    """What is done with each video."""

    @property
    def name(self) -> str:
        """A word for the stamp's name."""
        ...

    @property
    def request(self) -> dict[str, Any]:
        """Everything that decides what the results say beside the video, as JSON values."""
        ...

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the results."""
        ...

    @property
    def outdated(self) -> tuple[str, ...]:
        """Names of the results that the same work can have beside these."""
        ...

    def check(self, source: Path | str) -> None:
        """Raise what can be known of ``source`` before it is read."""
        ...

    def run(self, source: Path | str, name: str, folder: Path, progress: Progress) -> Facts:
        """Read ``source``, called ``name`` in what is written, and write :attr:`files` into ``folder``."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What became of one video.

    Attributes:
        video: which.
        folder: of its results.
        state: ``"done"`` now, ``"kept"`` from an earlier run, or ``"failed"``.
        facts: ``None`` when it failed.
        error: why it failed.
    """

    video: FoundVideo
    folder: Path
    state: Literal["done", "kept", "failed"]
    facts: Facts | None
    error: Exception | None


@runtime_checkable
class Engine(Protocol):
    """Another way than :func:`process` through many videos, with the same results."""

    def process(self, videos: Sequence[FoundVideo], out: Path, work: Work) -> Iterator[Outcome]:
        """Do ``work`` on each video; one outcome a video, in the order in which they end."""
        ...


def process(
    videos: Sequence[FoundVideo],
    out: Path,
    work: Work,
    *,
    again: bool,
    stdin: Callable[[], BinaryIO],
    watch: Callable[[FoundVideo], AbstractContextManager[Progress]],
) -> Iterator[Outcome]:
    """Do ``work`` on each video.

    An error of one video, foreseen or not, is its outcome and stops nothing. A video at which another run is working
    comes last; by then its results are usually there. So several runs with one ``out`` share the work.

    Args:
        videos: what, and where under ``out`` the results belong.
        out: folder of all results.
        work: what is done with each.
        again: also where an earlier run's results still fit.
        stdin: opens what is read for the source ``-``.
        watch: gives the progress of one video.

    Yields:
        One outcome a video.
    """
    waiting = []
    taken = set[Path]()
    for video in videos:
        folder = folder_of(video, out, work, taken)
        taken.add(folder.path)
        outcome = attempt(video, folder, work, again, stdin, watch, wait=False)
        if outcome is None:
            waiting.append((video, folder))
        else:
            yield outcome
    for video, folder in waiting:
        outcome = attempt(video, folder, work, again, stdin, watch, wait=True)
        if outcome is not None:
            yield outcome


def write_list(out: Path, outcomes: Sequence[Outcome]) -> Path:
    """Write ``videos.csv``: one row a video with its folder, state, length, number of faces and windows, and error.

    Raises:
        OutputError: the folder cannot be written.
    """
    lines = [csv_line(("source", "results", "state", "duration_s", "faces", "windows", "error"))]
    for outcome in outcomes:
        video, facts = outcome.video, outcome.facts
        found = ("", "", "") if facts is None else (f"{facts.duration_s:.3f}", str(facts.faces), str(facts.windows))
        state = "failed" if outcome.state == "failed" else "done"
        error = "" if outcome.error is None else " ".join(str(outcome.error).split())
        place = outcome.folder.relative_to(out).as_posix()
        lines.append(csv_line((shown(video.source), place, state, *found, error)))
    path = out / LIST_NAME
    write_text(path, "".join(lines))
    return path


def folder_of(video: FoundVideo, out: Path, work: Work, taken: set[Path]) -> ResultFolder:
    """Where this video's results lie by an earlier run, whatever else was asked for then; else the first free place.

    Args:
        video: which.
        out: folder of all results.
        work: what is done with it.
        taken: places of the videos before it.
    """
    wanted, name, digest = out / video.place, _whole_name(video.source), _digest(video.source, work)
    stem = re.sub(r"(-\d+)+$", "", wanted.name)
    near = [path for path in _listed(wanted.parent) if re.fullmatch(rf"{re.escape(stem)}(-\d+)*", path.name)]
    for path in near:
        folder = ResultFolder(path, work.name, name, digest)
        if folder.owner == name:
            return folder
    places = chain([wanted], (wanted.with_name(f"{wanted.name}-{number}") for number in count(2)))
    folders = (ResultFolder(path, work.name, name, digest) for path in places if path not in taken)
    return next(folder for folder in folders if folder.free)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def attempt(
    video: FoundVideo,
    folder: ResultFolder,
    work: Work,
    again: bool,
    stdin: Callable[[], BinaryIO],
    watch: Callable[[FoundVideo], AbstractContextManager[Progress]],
    *,
    wait: bool,
) -> Outcome | None:
    """What became of one video; any error of it is its outcome.

    Args:
        video: which.
        folder: of its results.
        work: what is done with it.
        again: also where an earlier run's results still fit.
        stdin: opens what is read for the source ``-``.
        watch: gives the progress.
        wait: until another run has done with it; otherwise ``None`` is the answer while one is at it.
    """
    try:
        with folder.aside(wait=wait) as aside:
            if aside is None:
                return None
            folder.require_own()
            kept = None if again else folder.facts(work.files)
            if kept is not None:
                return Outcome(video, folder.path, "kept", Facts(**kept), None)
            work.check(video.source)
            with watch(video) as progress, _readable(video.source, stdin) as source:
                facts = work.run(source, shown(video.source), aside, progress)
            folder.publish(work.files, work.outdated, asdict(facts))
    except Exception as error:  # one strange file must not cost the others their turn; the caller shows it
        return Outcome(video, folder.path, "failed", None, error)
    return Outcome(video, folder.path, "done", facts, None)


def _whole_name(source: Path | str) -> str:
    """The source as one text whatever folder the command is given in."""
    return shown(source) if is_url(source) or str(source) == STDIN else str(Path(source).resolve())


def _digest(source: Path | str, work: Work) -> str | None:
    """Of what was asked and of the file's state; ``None`` where nobody can tell whether it is still the same."""
    if is_url(source) or str(source) == STDIN:
        return None
    path = Path(source)
    try:
        files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
        states = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    except OSError:
        return None
    text = json.dumps([work.name, work.request, states], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _readable(source: Path | str, stdin: Callable[[], BinaryIO]) -> AbstractContextManager[Path | str]:
    return spooled(stdin()) if str(source) == STDIN else nullcontext(source)
