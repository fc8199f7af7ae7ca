"""The main face of each window of a labelled clip, found, followed and aligned as in prediction."""

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import UInt8

from maedfer.evaluate.views import ViewPlan
from maedfer.video.detect import FaceDetector
from maedfer.video.faces import FaceClips
from maedfer.video.types import Clip, Face, FaceWindow, Frame, TrackedFace

__all__ = ["face_windows"]

_SMALLEST_PX = 8.0  # as for the crops that training caches
_ANY = 1e-6  # a label speaks of the clip, so a face seen once in a window is better than no window
_EDGE_SHARE = 0.5  # how much a face at the very edge counts against an equally large one in the middle


def face_windows(
    frames: Iterable[Frame], plan: ViewPlan, detector: FaceDetector
) -> Iterator[UInt8[np.ndarray, "3 T H W"]]:
    """One aligned crop a window: of the face that is largest and most central while the window lasts.

    A choice for each window, so that a cut, after which the same person is a new track, loses nothing. Windows without
    a face are left out; those between the two ends are cut for nothing, which costs less than a second pass.

    Args:
        frames: pictures at ``plan.spec.rate``, in order of time.
        plan: which windows.
        detector: finds the faces of one picture.

    Raises:
        DecodeError: there is no picture.
    """
    settings = FaceClips(detector, plan.spec, hop_s=plan.hop, min_coverage=_ANY, min_face_px=_SMALLEST_PX, min_hits=1)
    shape, half_s = (1, 1), 0.5 / plan.spec.rate

    def noted() -> Iterator[Frame]:
        nonlocal shape
        for frame in frames:
            shape = (frame.image.shape[0], frame.image.shape[1])
            yield frame

    seen: list[TrackedFace] = []
    for window in settings.stream(noted(), even=True):
        seen = [face for face in seen if face.time_s > window.start_s - half_s] + window.faces
        if window.clips:
            yield _main(window, seen, shape).pixels


def _main(window: FaceWindow, seen: list[TrackedFace], shape: tuple[int, int]) -> Clip:
    weights = {clip.track: 0.0 for clip in window.clips}
    for face in seen:
        if face.track in weights and face.time_s < window.end_s:
            weights[face.track] += _weight(face.face, shape)
    return max(window.clips, key=lambda clip: (weights[clip.track], -clip.track))


def _weight(face: Face, shape: tuple[int, int]) -> float:
    size = float(np.sqrt(np.prod(face.box[2:] - face.box[:2])))
    away = np.abs((face.box[:2] + face.box[2:]) / np.array(shape[::-1]) - 1).max()
    return size * (1 - _EDGE_SHARE * min(1.0, float(away)))
