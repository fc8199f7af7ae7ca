"""A video in, the video of its main face out: every picture aligned and cut, for the whole length.

Two passes, so that a long file is never in memory: the first looks for faces at 6.25 instants a second and keeps their
landmarks alone; the second warps every picture of the source as the smoothed landmarks say and encodes it at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from maedfer.errors import ConfigError
from maedfer.video.align import middle_square, warp
from maedfer.video.clips import DECODED_SIDE
from maedfer.video.decode import probe, read_frames
from maedfer.video.detect import FaceDetector
from maedfer.video.encode import write_timed
from maedfer.video.follow import FollowedFace, follow_face
from maedfer.video.types import Frame

__all__ = ["FaceVideo", "write_face_video"]

# Training reads 2.56 s from anywhere in a file, and decodes from the key frame before.
_KEY_EVERY_S = 0.64
# For files that do not say.
_USUAL_FPS = 25.0


@dataclass(frozen=True)
class FaceVideo:
    """What was written.

    Attributes:
        frames: pictures in it, as many as the source has.
        fps: frames per second on average.
        coverage: share of the searched instants at which the face was seen; 0: a centred square without a face.
    """

    frames: int
    fps: float
    coverage: float


def write_face_video(
    source: Path,
    out: Path,
    detector: FaceDetector,
    *,
    size: int = 160,
    folder_fps: float = 25.0,
    keep_faceless: bool = False,
    crf: int = 18,
) -> FaceVideo | None:
    """Write the aligned crop of the main face of ``source``, every picture of its whole length, at its own times.

    Args:
        source: video file, folder of frames or image.
        out: ends in ``.mp4``; appears whole or not at all.
        detector: finds the faces of one picture.
        size: side of the square crop in pixels, even.
        folder_fps: frames per second of a folder; files tell their own.
        keep_faceless: without any face write the centred square of the picture instead of nothing.
        crf: quality of H.264 from 0 (lossless) to 51 (worst).

    Returns:
        What was written, or ``None`` when no face was found and ``keep_faceless`` is off.

    Raises:
        DecodeError: the source cannot be read as pictures.
        OutputError: the place cannot be written.
        ConfigError: the size is odd or out of range.
    """
    if size % 2 or not 16 <= size <= 1024:
        raise ConfigError(f"expected an even size in 16..1024 pixels, got {size}; 160 is the published size")
    face = follow_face(source, detector, size, folder_fps=folder_fps)
    if face is None and not keep_faceless:
        return None
    written = _Counter()
    frames = written.through(_crops(source, face, size, folder_fps))
    rate = probe(source, folder_fps=folder_fps).frame_rate or _USUAL_FPS
    write_timed(out, frames, rate=min(max(rate, 1.0), 1000.0), crf=crf, key_every_s=_KEY_EVERY_S)
    return FaceVideo(written.frames, written.fps(rate), face.coverage if face is not None else 0.0)


class _Counter:
    """Counts the frames that pass, and their times."""

    def __init__(self) -> None:
        self.frames, self.first_s, self.last_s = 0, 0.0, 0.0

    def through(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            self.first_s = self.first_s if self.frames else frame.time_s
            self.frames, self.last_s = self.frames + 1, frame.time_s
            yield frame

    def fps(self, said: float) -> float:
        """By the times where there are enough of them, else as the source says."""
        span_s = self.last_s - self.first_s
        return (self.frames - 1) / span_s if self.frames > 1 and span_s > 0 else said


def _crops(source: Path, face: FollowedFace | None, size: int, folder_fps: float) -> Iterator[Frame]:
    for frame in read_frames(source, max_side=DECODED_SIDE, folder_fps=folder_fps):
        image = frame.image
        crop = middle_square(image, size) if face is None else warp(image, face.at(frame.time_s), size)
        yield Frame(frame.time_s, crop)
