"""The three things that are done with a clip, each a value that can be sent to another process and remembered."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from maedfer.preparation.facts import ClipFacts, content_mark, read_facts
from maedfer.preparation.tightness import Tightness, measure_clip
from maedfer.video.detect import CenterFace, FaceDetector
from maedfer.video.face_video import write_face_video

__all__ = ["CropJob", "Cropped", "FactsJob", "Failure", "Job", "LookJob"]

R_co = TypeVar("R_co", covariant=True)
# Counted up whenever a job's result changes its meaning, so that an older journal is not believed.
_FACTS_VERSION, _LOOK_VERSION, _CROP_VERSION = 1, 1, 1


@dataclass(frozen=True)
class Failure:
    """Why a clip could not be read, in words."""

    reason: str


@runtime_checkable
class Job(Protocol, Generic[R_co]):
    """One piece of work on one clip."""

    @property
    def kind(self) -> str:
        """What sort of work, for the journal."""
        ...

    @property
    def name(self) -> str:
        """The clip, relative to the root of its set."""
        ...

    @property
    def source(self) -> Path:
        """The clip's file or folder."""
        ...

    def mark(self) -> str:
        """All that the result depends on; raises ``OSError`` when the clip is gone."""
        ...

    def run(self) -> R_co:
        """Do it; raises what :class:`Failure` is made of."""
        ...

    def restored(self, kept: dict[str, Any]) -> R_co | None:
        """The result of an earlier run, or ``None`` when it does not hold any more."""
        ...


@dataclass(frozen=True)
class FactsJob:
    """Count, hash and try a clip."""

    name: str
    source: Path
    deep: bool
    kind: str = "facts"

    def mark(self) -> str:
        """Changes with the clip, and with the depth."""
        return f"{_FACTS_VERSION}-{self.deep:d}-{content_mark(self.source)}"

    def run(self) -> ClipFacts:
        """Read the facts."""
        return read_facts(self.source, deep=self.deep)

    def restored(self, kept: dict[str, Any]) -> ClipFacts | None:
        """As kept."""
        try:
            return ClipFacts(**kept)
        except TypeError:
            return None


@dataclass(frozen=True)
class LookJob:
    """Measure how much of its pictures a face takes."""

    name: str
    source: Path
    kind: str = "look"

    def mark(self) -> str:
        """Changes with the clip."""
        return f"{_LOOK_VERSION}-{content_mark(self.source)}"

    def run(self) -> Tightness:
        """Measure."""
        return measure_clip(self.source, _detector())

    def restored(self, kept: dict[str, Any]) -> Tightness | None:
        """As kept."""
        try:
            return Tightness(**kept)
        except TypeError:
            return None


@dataclass(frozen=True)
class Cropped:
    """A face video that was cut, or the news that there is no face.

    Attributes:
        frames: pictures in it; 0: no face was found and nothing was written.
        fps: frames per second on average.
        coverage: share of the searched instants at which the face was seen, 0..1.
        sha256: of the file.
        size: of the file, in bytes.
    """

    frames: int
    fps: float
    coverage: float
    sha256: str
    size: int


@dataclass(frozen=True)
class CropJob:
    """Cut the video of a clip's main face."""

    name: str
    source: Path
    out: Path
    side: int
    folder_fps: float
    keep_faceless: bool
    kind: str = "crop"

    def mark(self) -> str:
        """Changes with the clip, with the crop's settings and with where it lies."""
        settings = f"{self.side}-{self.folder_fps:g}-{self.keep_faceless:d}-{self.out.name}"
        return f"{_CROP_VERSION}-{settings}-{content_mark(self.source)}"

    def run(self) -> Cropped:
        """Cut it."""
        os.makedirs(self.out.parent, exist_ok=True)
        written = write_face_video(
            self.source,
            self.out,
            _detector(),
            size=self.side,
            folder_fps=self.folder_fps,
            keep_faceless=self.keep_faceless,
        )
        if written is None:
            return Cropped(0, 0.0, 0.0, "", 0)
        facts = read_facts(self.out)
        return Cropped(written.frames, written.fps, written.coverage, facts.sha256, self.out.stat().st_size)

    def restored(self, kept: dict[str, Any]) -> Cropped | None:
        """As kept, if the file is still there as it was written."""
        try:
            cropped = Cropped(**kept)
            there = not cropped.frames or self.out.stat().st_size == cropped.size
        except (TypeError, OSError):
            return None
        return cropped if there else None


@cache
def _detector() -> FaceDetector:
    """One a process: loading the network costs more than a clip."""
    return CenterFace()
