"""A video opened and read ahead: groups of clips that fill a batch, found while the model works on those before."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from maedfer.errors import ConfigError, DecodeError
from maedfer.video.ahead import ahead
from maedfer.video.ending import ending_lost_s
from maedfer.video.faces import FaceClips, FaceStream
from maedfer.video.source import frames_of, is_url, shown
from maedfer.video.types import Clip, FaceWindow, Frame, TrackedFace, VideoInfo, Window

__all__ = ["Group", "Progress", "Reading", "Source", "open_source"]

#: A file, image or folder of frames; a URL; RGB pictures in memory, uint8 (T, H, W, 3), with ``fps``; frames in order.
# Other arrays are refused with the remedy, so the type takes them.
Source = str | Path | Shaped[np.ndarray, "..."] | Iterable[Frame]
#: Called with (seconds done, seconds in all or ``None`` when the container does not say).
Progress = Callable[[float, float | None], None]

# Groups that may wait for the model, beside the one that is being gathered.
_WAITING_GROUPS = 1
_FOLDER_FPS = 25.0


@dataclass
class Group:
    """All of some consecutive windows of time; see :class:`~maedfer.video.faces.FaceWindow`."""

    clips: list[Clip] = field(default_factory=list)
    gaps: list[Window] = field(default_factory=list)
    faces: list[TrackedFace] = field(default_factory=list)
    end_s: float = 0.0

    def take(self, window: FaceWindow) -> None:
        """Add one window."""
        self.clips += window.clips
        self.gaps += window.gaps
        self.faces += window.faces
        self.end_s = window.end_s


@dataclass(frozen=True)
class Reading:
    """One pass over one source.

    Attributes:
        stream: its windows.
        info: its facts.
        file: what can be opened again; ``None`` for pictures from memory.
    """

    stream: FaceStream
    info: VideoInfo
    file: Path | str | None

    def groups(self, batch_size: int, progress: Progress | None) -> Iterator[Group]:
        """Consecutive windows until their clips fill a batch, or while there are none at all."""
        with closing(ahead(self._gathered(batch_size), _WAITING_GROUPS)) as groups:
            for group in groups:
                yield group
                if progress is not None:
                    progress(group.end_s, self.info.duration_s)

    def _gathered(self, batch_size: int) -> Iterator[Group]:
        group = Group()
        for window in self.stream:
            group.take(window)
            if len(group.clips) >= batch_size or not group.clips:
                yield group
                group = Group()
        if group.end_s:
            yield group

    def refuse_broken(self, salvage: bool) -> None:
        """To be asked after the last window: did the file break off before the end that its container names?

        Raises:
            DecodeError: it did, and ``salvage`` is not wanted.
        """
        lost = None if self.file is None or salvage else ending_lost_s(self.file, self.info, self.stream.duration_s)
        if lost is not None:
            raise DecodeError(
                f"{self.info.source}: expected {self.stream.duration_s + lost:.1f} s of pictures, but the file breaks "
                f"off after {self.stream.duration_s:.1f} s; fetch it again, or ask for --salvage (salvage=True) to "
                "judge what is there"
            )


def open_source(clips: FaceClips, source: Source, fps: float | None) -> Reading:
    """Begin to read.

    Args:
        clips: the way from pictures to clips.
        source: see :data:`Source`.
        fps: frames per second of an array, or of a folder of frames (25 when left out); nothing else has one.

    Raises:
        DecodeError: nothing there can be read as pictures.
        ConfigError: an array of another shape or type, or without ``fps``.
    """
    if isinstance(source, np.ndarray):
        if fps is None:
            raise ConfigError("expected fps with an array of pictures, got none; give the frames per second it has")
        frames = frames_of(source, fps)
        facts = VideoInfo("array", source.shape[2], source.shape[1], len(source) / fps, fps, "array", 0)
        return Reading(clips.stream(frames, end_s=len(source) / fps), facts, None)
    folder = isinstance(source, str | Path) and not is_url(source) and Path(source).is_dir()
    if fps is not None and not folder:
        raise ConfigError("fps belongs to an array or a folder of frames; files carry their own times: leave it out")
    if isinstance(source, str | Path):
        stream = clips.stream(source, fps=_FOLDER_FPS if fps is None else fps)
        if stream.info is None:
            raise DecodeError(f"{shown(source)}: expected a source with facts, got none")
        return Reading(stream, stream.info, source)
    given: object = source
    if isinstance(given, bytes) or not isinstance(given, Iterable):
        raise ConfigError(f"expected a path, a URL, an array or Frame values, got {type(source).__name__}")
    rest = iter(source)
    first = next(rest, None)
    if first is None:
        raise DecodeError("expected at least one frame, got an empty stream; check the source of the frames")
    if not isinstance(first, Frame):
        raise ConfigError(
            f"expected Frame(time_s, image) values, got {type(first).__name__}; pictures without times go as one "
            "array: np.stack(pictures), with fps=25.0"
        )
    height, width = first.image.shape[:2]
    return Reading(
        clips.stream(chain([first], rest)), VideoInfo("frames", width, height, None, None, "frames", 0), None
    )
