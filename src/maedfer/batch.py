"""Many videos, one after the other, into one folder: what is done stays done, what fails is named, the rest goes on.

The results of a video appear in its folder together, when all of them are written: they are made in a hidden folder
beside it, then moved. A stamp among them says from which file, with which weights and settings they were made; a later
run keeps results whose stamp still fits, so that an interrupted run goes on where it stopped.
"""

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, runtime_checkable

from maedfer.errors import OutputError
from maedfer.output import write_text
from maedfer.reading import Progress
from maedfer.video.find import FoundVideo
from maedfer.video.source import is_url, shown, spooled

__all__ = ["Facts", "Outcome", "Work", "process", "write_list"]


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
        """Everything that decides the results beside the video, as JSON values."""
        ...

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the results."""
        ...

    @property
    def outdated(self) -> tuple[str, ...]:
        """Names of results of other requests, that must not stay beside these."""
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

    An error of one video, foreseen or not, is its outcome and stops nothing.

    Args:
        videos: what, and where under ``out`` the results belong.
        out: folder of all results.
        work: what is done with each.
        again: also where an earlier run's results still fit.
        stdin: opens what is read for the source ``-``.
        watch: gives the progress of one video.

    Yields:
        One outcome a video, in order.
    """
    for video in videos:
        folder = out / video.place
        stamp = folder / f".maedfer-{work.name}.json"
        digest = _digest(video.source, work)
        facts = None if again or digest is None else _kept(stamp, digest, work)
        if facts is not None:
            yield Outcome(video, folder, "kept", facts, None)
            continue
        try:
            with watch(video) as progress, _readable(video.source, stdin) as source:
                facts = _results(source, video, folder, stamp, digest, work, progress)
        except Exception as error:  # one strange file must not cost the others their turn; the caller shows it
            yield Outcome(video, folder, "failed", None, error)
        else:
            yield Outcome(video, folder, "done", facts, None)


def write_list(out: Path, outcomes: Sequence[Outcome]) -> Path:
    """Write ``videos.csv``: one row a video with its folder, state, length, number of faces and windows, and error.

    Raises:
        OutputError: the folder cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("source", "results", "state", "duration_s", "faces", "windows", "error"))
    for outcome in outcomes:
        facts = (
            ("", "", "")
            if outcome.facts is None
            else (f"{outcome.facts.duration_s:.3f}", outcome.facts.faces, outcome.facts.windows)
        )
        state = "failed" if outcome.state == "failed" else "done"
        error = "" if outcome.error is None else " ".join(str(outcome.error).split())
        writer.writerow((shown(outcome.video.source), outcome.video.place.as_posix(), state, *facts, error))
    path = out / "videos.csv"
    write_text(path, text.getvalue())
    return path


def _results(
    source: Path | str, video: FoundVideo, folder: Path, stamp: Path, digest: str | None, work: Work, progress: Progress
) -> Facts:
    """Make the results aside, then move them to their place together."""
    aside = folder.with_name(f".{folder.name}.unfinished")
    try:
        shutil.rmtree(aside, ignore_errors=True)  # of a run that was killed
        aside.mkdir(parents=True)
        facts = work.run(source, shown(video.source), aside, progress)
        write_text(aside / stamp.name, json.dumps({"request": digest, **asdict(facts)}) + "\n")
        _move(aside, folder, stamp, work)
    except OSError as error:
        raise OutputError(
            f"cannot write {folder}: expected a folder that can be written, got: {error.strerror or error}; "
            "choose another folder or free its disk"
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return facts


def _move(aside: Path, folder: Path, stamp: Path, work: Work) -> None:
    if not folder.exists():
        aside.rename(folder)
        return
    stamp.unlink(missing_ok=True)  # from here to the last move the folder is nobody's results
    for name in work.outdated:
        (folder / name).unlink(missing_ok=True)
    for name in (*work.files, stamp.name):
        (aside / name).replace(folder / name)


def _kept(stamp: Path, digest: str, work: Work) -> Facts | None:
    """Facts of an earlier run that asked for the same and finished."""
    try:
        content = json.loads(stamp.read_text(encoding="utf-8"))
        if content["request"] != digest or not all((stamp.parent / name).is_file() for name in work.files):
            return None
        return Facts(float(content["duration_s"]), int(content["faces"]), int(content["windows"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digest(source: Path | str, work: Work) -> str | None:
    """Of what was asked and of the file's state; ``None`` where nobody can tell whether it is still the same."""
    if is_url(source) or str(source) == "-":
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
    return spooled(stdin()) if str(source) == "-" else nullcontext(source)
