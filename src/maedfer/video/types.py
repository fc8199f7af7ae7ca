"""The values that travel between the rooms of :mod:`maedfer.video`. NumPy only."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

__all__ = ["Clip", "Face", "FaceWindow", "Frame", "TrackedFace", "VideoInfo", "Window"]


@dataclass(frozen=True)
class VideoInfo:
    """Facts about a source, as far as its container tells them.

    Attributes:
        source: the file or folder as it was asked for, the URL without its password, or a word for frames in memory.
        width: pixels as shown: after the rotation of the metadata, and stretched to square pixels.
        height: pixels as shown.
        duration_s: seconds by the container; ``None`` when it does not say (only decoding tells).
        frame_rate: average frames per second; ``None`` for a single image.
        codec: for example ``"h264"``; ``"images"`` for a folder of frames or an image.
        rotation: degrees clockwise that were applied: 0, 90, 180 or 270.
    """

    source: str
    width: int
    height: int
    duration_s: float | None
    frame_rate: float | None
    codec: str
    rotation: int


@dataclass(frozen=True)
class Frame:
    """One decoded picture.

    Attributes:
        time_s: presentation time in seconds, 0 at the first frame of the video.
        image: RGB, 0..255.
    """

    time_s: float
    image: UInt8[np.ndarray, "H W 3"]


@dataclass(frozen=True)
class Face:
    """One detection in one frame, in pixels of that frame.

    Attributes:
        box: x0, y0, x1, y1.
        score: detector confidence, 0..1.
        landmarks: right eye, left eye, nose tip, right and left mouth corner as the viewer sees them from left to
            right (so ``landmarks[0]`` is the eye with the smaller x on an upright face).
    """

    box: Float[np.ndarray, "4"]
    score: float
    landmarks: Float[np.ndarray, "5 2"]


@dataclass(frozen=True)
class TrackedFace:
    """A face with the identity of its track and its time."""

    track: int
    time_s: float
    face: Face


@dataclass(frozen=True)
class Window:
    """A span of time that has no usable clip.

    Attributes:
        track: the track that was there but too rarely seen; ``None`` when no face was found at all.
        start_s: seconds.
        end_s: seconds.
        coverage: share of the sampled instants at which the face was seen, 0..1.
    """

    track: int | None
    start_s: float
    end_s: float
    coverage: float


@dataclass(frozen=True)
class Clip:
    """What the model reads: aligned crops of one face, evenly spaced in time.

    Attributes:
        track: identity of the face in this video, counted from 0.
        start_s: time of the window's start in seconds; ``end_s`` = ``start_s`` + span (cut at the video's end).
        end_s: seconds.
        pixels: RGB, 0..255.
        coverage: share of the window's sampled instants at which the face was seen, 0..1.
    """

    track: int
    start_s: float
    end_s: float
    pixels: UInt8[np.ndarray, "3 T H W"]
    coverage: float


@dataclass(frozen=True)
class FaceWindow:
    """Everything about one window of time.

    Attributes:
        start_s: seconds.
        end_s: seconds, cut at the video's end.
        clips: one for each face seen often enough, by track.
        gaps: one for each track seen too rarely; or a single one with ``track=None`` when no face was there at all.
        faces: sightings not given with an earlier window, by time, in pixels of the source (``VideoInfo.width``).
            Together the windows of a video give every sighting once.
    """

    start_s: float
    end_s: float
    clips: list[Clip]
    gaps: list[Window]
    faces: list[TrackedFace]
