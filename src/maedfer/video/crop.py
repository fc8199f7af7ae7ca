"""One clip file in, one crop of its main face out: what the data room caches for training."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from maedfer.errors import ConfigError, DecodeError
from maedfer.video.align import middle_square
from maedfer.video.clips import DECODED_SIDE, ClipSpec, crop_pixels
from maedfer.video.decode import probe, read_frames
from maedfer.video.detect import FaceDetector
from maedfer.video.track import Tracker
from maedfer.video.types import Clip, Face, TrackedFace, VideoInfo

__all__ = ["crop_clip", "usable"]

# How much a face at the very edge counts against an equally large one in the middle.
_EDGE_SHARE = 0.5


def crop_clip(
    path: Path,
    spec: ClipSpec,
    detector: FaceDetector,
    *,
    detect_every: int = 1,
    min_face_px: float = 8.0,
    folder_fps: float = 25.0,
) -> Clip:
    """The largest and most central face of a clip file, in one window: the middle ``span_s`` of a longer file.

    Instants at which the face is not found are tolerated. When no face is found at all, the clip is the centred square
    of the whole picture, with coverage 0: the caller decides whether to keep it.

    Args:
        path: video file, folder of frames or image.
        spec: shape of the clip; a file shorter than its span repeats its last picture.
        detector: finds the faces of one picture.
        detect_every: look for faces at every n-th sampled instant and at the last; landmarks in between are
            interpolated.
        min_face_px: narrower faces are ignored, pixels of the decoded picture.
        folder_fps: frames per second of a folder; files tell their own.

    Returns:
        Clip of track 0; ``coverage`` is the share of the searched instants at which the face was found.

    Raises:
        DecodeError: the file cannot be read as pictures.
        ConfigError: ``detect_every`` is less than 1, or ``folder_fps`` not a positive number.
    """
    if detect_every < 1:
        raise ConfigError(f"expected detect_every of at least 1, got {detect_every}; 1 searches every sampled picture")
    info = probe(path, folder_fps=folder_fps)
    start_s = max(0.0, (info.duration_s - spec.span_s) / 2) if info.duration_s else 0.0
    images = _images(path, spec, start_s, folder_fps)
    if not images and start_s:
        # The container promised more than the file holds.
        start_s, images = 0.0, _images(path, spec, 0.0, folder_fps)
    if not images:
        raise DecodeError(f"{path}: expected at least one picture, none could be decoded; check that the file plays")
    searched = sorted({*range(0, len(images), detect_every), len(images) - 1})
    marks = _main_face(images, searched, detector, spec.rate, min_face_px)
    end_s = _end_s(info, start_s, len(images), spec.rate)
    if not marks:
        return Clip(0, start_s, end_s, _centred(images, spec), 0.0)
    return Clip(0, start_s, end_s, crop_pixels(images, marks, spec), len(marks) / len(searched))


def usable(face: Face, min_face_px: float) -> bool:
    """Whether a detection is wide enough and its landmarks can be aligned."""
    eyes = float(np.linalg.norm(face.landmarks[1] - face.landmarks[0]))
    finite = np.isfinite(face.landmarks).all() and np.isfinite(face.box).all()
    return bool(finite and face.box[2] - face.box[0] >= min_face_px and eyes > 0.5)


def _images(path: Path, spec: ClipSpec, start_s: float, folder_fps: float) -> list[UInt8[np.ndarray, "_ _ 3"]]:
    # Half an instant short of the span, so that rounding cannot add a 17th picture.
    end_s = start_s + (spec.num_frames - 0.5) / spec.rate
    frames = read_frames(
        path, rate=spec.rate, start_s=start_s, end_s=end_s, max_side=DECODED_SIDE, folder_fps=folder_fps
    )
    return [frame.image for frame in frames]


def _main_face(
    images: list[UInt8[np.ndarray, "_ _ 3"]],
    searched: list[int],
    detector: FaceDetector,
    rate: float,
    min_face_px: float,
) -> dict[int, Float[np.ndarray, "5 2"]]:
    """Landmarks by instant of the face that is largest and most central over the whole clip; empty without a face."""
    tracker = Tracker(max_gap_s=len(images) / rate, min_hits=1)
    tracks: dict[int, list[TrackedFace]] = {}
    for instant in searched:
        faces = [face for face in detector.detect(images[instant]) if usable(face, min_face_px)]
        for sighting in tracker.update(instant / rate, faces):
            tracks.setdefault(sighting.track, []).append(sighting)
    if not tracks:
        return {}
    height, width = images[0].shape[:2]
    weights = {number: sum(_weight(s.face, width, height) for s in seen) for number, seen in tracks.items()}
    best = max(weights, key=lambda number: (weights[number], -number))
    return {round(s.time_s * rate): s.face.landmarks for s in tracks[best]}


def _weight(face: Face, width: int, height: int) -> float:
    size = float(np.sqrt(np.prod(face.box[2:] - face.box[:2])))
    away = np.abs((face.box[:2] + face.box[2:]) / np.array([width, height]) - 1).max()
    return size * (1 - _EDGE_SHARE * min(1.0, float(away)))


def _centred(images: list[UInt8[np.ndarray, "_ _ 3"]], spec: ClipSpec) -> UInt8[np.ndarray, "3 T H W"]:
    squares = [middle_square(image, spec.size) for image in images]
    squares += [squares[-1]] * (spec.num_frames - len(squares))
    return np.ascontiguousarray(np.stack(squares).transpose(3, 0, 1, 2))


def _end_s(info: VideoInfo, start_s: float, instants: int, rate: float) -> float:
    end_s = start_s + instants / rate
    return min(end_s, info.duration_s) if info.duration_s and info.duration_s > start_s else end_s
