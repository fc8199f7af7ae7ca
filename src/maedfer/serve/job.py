"""One video in the house: who may ask for it, where it stands, what came of it."""

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from maedfer.report import FILE_NAMES

__all__ = ["ENDED", "Failure", "Job", "JobState", "JobStatus", "Place", "Progress", "Span", "failure_of"]

JobState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
#: States in which nothing more happens.
ENDED: frozenset[JobState] = frozenset({"done", "failed", "cancelled", "interrupted"})


# Deliberate errors that are about the video; others are about this service.
_ABOUT_THE_VIDEO = frozenset({"DecodeError", "ConfigError", "MaedferError"})
_UNEXPECTED = "the video could not be read for an unexpected reason; please report it with the request's id"


@dataclass(frozen=True)
class Failure:
    """Why there is no result.

    Attributes:
        status: the HTTP status that says the same.
        detail: for the client; names no path of this machine.
    """

    status: int
    detail: str


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        stage: ``"waiting"``, ``"reading"`` (faces are found and judged) or ``"drawing"`` (the annotated video).
        done_s: seconds of the video that this stage has behind it.
        total_s: seconds of the video as its container says; ``None`` when it does not.
    """

    stage: str = "waiting"
    done_s: float = 0.0
    total_s: float | None = None


@dataclass(frozen=True)
class Span:
    """A face showed one expression from ``start_s`` to ``end_s`` (seconds), with a mean probability of 0..1."""

    track: int
    start_s: float
    end_s: float
    label: str
    confidence: float


@dataclass(frozen=True)
class JobStatus:
    """What a client is told of its job.

    Attributes:
        id: its secret name.
        state: where it stands.
        progress: how far it is.
        ahead: jobs that will be read before it, while it waits.
        error: why it failed, was cancelled or interrupted.
        duration_s: seconds that were decoded; when done.
        faces: faces that were judged; when done.
        windows: windows that were judged; when done.
        files: what can be fetched below ``/v1/jobs/{id}/files/``; when done.
    """

    id: str
    state: JobState
    progress: Progress
    ahead: int
    error: Failure | None
    duration_s: float | None
    faces: int | None
    windows: int | None
    files: tuple[str, ...]


@dataclass(eq=False)
class Job:
    """One video; changed by :class:`~maedfer.serve.jobs.JobRunner` alone, in the thread of its loop.

    Attributes:
        number: for the log, where the secret name must not stand.
        folder: its own; holds the upload while it is needed, and the results.
        name: the client's name of the video, made safe.
        source: what is read.
        annotate: whether the annotated video is wanted too.
        salvage: whether to read what there is of a file that breaks off.
    """

    number: int
    folder: Path
    name: str
    source: Path
    annotate: bool = False
    salvage: bool = False
    id: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    state: JobState = "queued"
    progress: Progress = Progress()
    failure: Failure | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    ended_at: float = 0.0
    fetched: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ended(self) -> bool:
        """Whether nothing more happens."""
        return self.state in ENDED

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the results; the only names that are ever opened for a client."""
        formats = [name for name in FILE_NAMES if name != "parquet" and (name != "mp4" or self.annotate)]
        return tuple(FILE_NAMES[name] for name in formats) if self.state == "done" else ()

    @property
    def spans(self) -> tuple[Span, ...]:
        """The first spans of the answer, by face and time."""
        rows = self.facts.get("spans", [])
        return tuple(Span(row["track"], row["start_s"], row["end_s"], row["label"], row["share"]) for row in rows)

    def task(self, max_duration_s: float) -> dict[str, Any]:
        """The line for the worker."""
        formats = ["csv", "json", "html", *(["mp4"] if self.annotate else [])]
        return {
            "source": str(self.source),
            "name": self.name,
            "folder": str(self.folder),
            "formats": formats,
            "salvage": self.salvage,
            "max_duration_s": max_duration_s,
        }

    def note(self) -> None:
        """Wake all who wait for a change."""
        waiting, self._changed = self._changed, asyncio.Event()
        waiting.set()

    async def change(self, seconds: float) -> None:
        """Wait for the next change, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    def end(self, state: JobState, failure: Failure | None = None) -> None:
        """Nothing more happens."""
        self.state, self.failure, self.ended_at = state, failure, time.monotonic()
        self.note()

    def status(self, ahead: int) -> JobStatus:
        """What the client is told."""
        known = self.facts if self.state == "done" else {}
        return JobStatus(
            id=self.id,
            state=self.state,
            progress=self.progress,
            ahead=ahead,
            error=self.failure,
            duration_s=known.get("duration_s"),
            faces=known.get("faces"),
            windows=known.get("windows"),
            files=self.files,
        )


class Place:
    """Room for one video, taken before its bytes come, so that what is on the disk stays bounded.

    Attributes:
        folder: for the upload; goes with the place unless a job was made of it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.used = False


def failure_of(answer: dict[str, Any]) -> Failure | None:
    """Why a worker's last message of a task is no result; ``None`` when it is one."""
    if answer["event"] == "done":
        return None
    if answer["event"] == "failed" and answer["kind"] in _ABOUT_THE_VIDEO:
        return Failure(422, answer["message"])
    return Failure(500, _UNEXPECTED)
