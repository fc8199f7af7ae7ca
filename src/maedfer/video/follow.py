"""The main face of a whole file, followed from its first picture to its last; no picture is kept."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float

from maedfer.errors import DecodeError
from maedfer.video.align import clip_transforms
from maedfer.video.clips import DECODED_SIDE, PAPER_CLIP
from maedfer.video.container import file_pictures
from maedfer.video.cuts import CutDetector
from maedfer.video.detect import FaceDetector
from maedfer.video.find import frames_in
from maedfer.video.looks import looks_of
from maedfer.video.picture import Picture
from maedfer.video.search import FaceSearch
from maedfer.video.track import Tracker
from maedfer.video.types import TrackedFace

__all__ = ["FollowedFace", "follow_face"]

# The instants of prediction: the smoothing of `clip_transforms` is meant for these.
_STEP_S = 1 / PAPER_CLIP.rate
# One scale for so many instants (10 s): within a training clip it does not change, over minutes a person may come near.
_WINDOW = 64
_CUT_SIDE = 120
# How much a face at the very edge counts against an equally large one in the middle.
_EDGE_SHARE = 0.5
# A track that fills a gap of the main one belongs to the same person only at a like size.
_LIKE_SIZE = 2.0


@dataclass(frozen=True)
class FollowedFace:
    """Where the crop of one face lies at any time of a video.

    Attributes:
        times_s: knots in seconds, ascending.
        transforms: at each knot, from pixels of the picture (decoded at no more than ``DECODED_SIDE`` a side) to the
            crop's.
        coverage: share of the searched instants at which the face was seen, above 0, at most 1.
    """

    times_s: Float[np.ndarray, " N"]
    transforms: Float[np.ndarray, "N 2 3"]
    coverage: float

    def at(self, time_s: float) -> Float[np.ndarray, "2 3"]:
        """The transform at ``time_s``; before the first and after the last sighting the nearest one stands still."""
        columns = self.transforms.reshape(-1, 6).T
        return np.array([np.interp(time_s, self.times_s, column) for column in columns]).reshape(2, 3)


def follow_face(
    source: Path, detector: FaceDetector, size: int, *, folder_fps: float = 25.0, min_face_px: float = 16.0
) -> FollowedFace | None:
    """Find the largest and most central face of a whole file and where its crop lies at any time.

    Faces are searched, followed and aligned by the functions that prediction uses. Where the main track is interrupted
    (the face was hidden for long, or a new shot began), tracks of a like size that do not overlap it fill the gaps.

    Args:
        source: video file, folder of frames or image.
        detector: finds the faces of one picture.
        size: side of the square crop in pixels.
        folder_fps: frames per second of a folder; files tell their own.
        min_face_px: narrower faces are ignored, pixels of the decoded picture.

    Returns:
        ``None`` when no face was found.

    Raises:
        DecodeError: the source cannot be read as pictures.
    """
    search, tracker, cuts = FaceSearch(detector, min_face_px=min_face_px), Tracker(), CutDetector()
    tracks: dict[int, list[TrackedFace]] = {}
    sightings: list[TrackedFace] = []
    searched, extent = 0, (1, 1)
    for picture in _instants(source, folder_fps):
        image = picture.rgb(DECODED_SIDE)
        step = max(1, min(image.shape[:2]) // _CUT_SIDE)
        cut = cuts.update(np.ascontiguousarray(image[::step, ::step]))
        faces = search.find(picture.time_s, image, cut=cut)
        sightings += tracker.update(picture.time_s, faces, cut=cut, looks=looks_of(image, faces))
        searched, extent = searched + 1, (image.shape[1], image.shape[0])
    for sighting in [*sightings, *tracker.finish()]:
        tracks.setdefault(sighting.track, []).append(sighting)
    chosen = _main_tracks(list(tracks.values()), extent)
    if not chosen:
        return None
    seen = sum(len(track) for track in chosen)
    times, transforms = _joined([_steady(track, size) for track in chosen])
    return FollowedFace(times, transforms, min(1.0, seen / searched))


def _instants(source: Path, folder_fps: float) -> Iterator[Picture]:
    """The first picture at or after each instant, and the last of all, with their own times.

    A picture's time, not the instant's, because a face may move by pixels in 40 ms.
    """
    due_s, unseen = 0.0, None
    for picture in _pictures(source, folder_fps):
        unseen = picture
        if picture.time_s >= due_s - 1e-3:
            due_s, unseen = max(due_s + _STEP_S, picture.time_s + _STEP_S / 2), None
            yield picture
    if unseen is not None:
        yield unseen


def _pictures(source: Path, folder_fps: float) -> Iterator[Picture]:
    if not source.is_dir():
        yield from file_pictures(source)
        return
    for index, image in enumerate(frames_in(source)):
        try:
            picture = next(file_pictures(image))
        except DecodeError:
            if not index:
                raise
            continue
        yield replace(picture, time_s=index / folder_fps)


def _main_tracks(tracks: list[list[TrackedFace]], extent: tuple[int, int]) -> list[list[TrackedFace]]:
    """The main track and those that fill its gaps, in order of time."""
    ranked = sorted(tracks, key=lambda track: -sum(_weight(sighting, extent) for sighting in track))
    chosen: list[list[TrackedFace]] = []
    for track in ranked:
        apart = all(track[-1].time_s < other[0].time_s or track[0].time_s > other[-1].time_s for other in chosen)
        like = not chosen or 1 / _LIKE_SIZE <= _width(track) / _width(chosen[0]) <= _LIKE_SIZE
        if apart and like:
            chosen.append(track)
    return sorted(chosen, key=lambda track: track[0].time_s)


def _weight(sighting: TrackedFace, extent: tuple[int, int]) -> float:
    box = sighting.face.box.astype(np.float64)
    away = float(np.abs((box[:2] + box[2:]) / np.array(extent) - 1).max())
    return float(np.sqrt(np.prod(box[2:] - box[:2]))) * (1 - _EDGE_SHARE * min(1.0, away))


def _width(track: list[TrackedFace]) -> float:
    return float(np.median([sighting.face.box[2] - sighting.face.box[0] for sighting in track]))


def _steady(track: list[TrackedFace], size: int) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, "N 2 3"]]:
    """Evenly spaced times of one track and its transforms there: windows of one scale each, blended into each other."""
    seen = np.array([sighting.time_s for sighting in track])
    points = np.stack([sighting.face.landmarks for sighting in track]).astype(np.float64).reshape(len(track), 10)
    count = max(1, round(float(seen[-1] - seen[0]) / _STEP_S) + 1)
    times = np.linspace(seen[0], seen[-1], count)
    even = np.stack([np.interp(times, seen, column) for column in points.T], axis=1).reshape(-1, 5, 2)
    if count <= _WINDOW:
        return times, clip_transforms(even, size)
    total, weights = np.zeros((count, 2, 3)), np.zeros((count, 1, 1))
    ramp = np.minimum(np.arange(1, _WINDOW + 1), np.arange(_WINDOW, 0, -1)).reshape(-1, 1, 1) / _WINDOW
    starts = sorted({*range(0, count - _WINDOW, _WINDOW // 2), count - _WINDOW})
    for start in starts:
        inside = slice(start, start + _WINDOW)
        total[inside] += ramp * clip_transforms(even[inside], size)
        weights[inside] += ramp
    return times, total / weights


def _joined(
    parts: list[tuple[Float[np.ndarray, " _"], Float[np.ndarray, "_ 2 3"]]],
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, "N 2 3"]]:
    """One row of knots; between two parts the crop jumps half-way instead of panning from one place to the other."""
    times, transforms = [parts[0][0]], [parts[0][1]]
    for (before, old), (after, new) in pairwise(parts):
        middle = (before[-1] + after[0]) / 2
        times += [np.array([middle - 1e-6, middle + 1e-6]), after]
        transforms += [np.stack([old[-1], new[0]]), new]
    return np.concatenate(times), np.concatenate(transforms)
