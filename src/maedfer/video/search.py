"""Faces at every instant for the price of a few: the whole picture now and then, in between only where faces are."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt8
from scipy.optimize import linear_sum_assignment

from maedfer.errors import ConfigError
from maedfer.video.crop import usable
from maedfer.video.detect import FaceDetector, working_pixels
from maedfer.video.region import Region, head_width
from maedfer.video.types import Face

__all__ = ["FaceSearch"]

# Regions together dearer than this share of the whole picture save too little to search less than everything.
_WORTHWHILE = 0.6
# The whole picture is searched at this many instants after a face was lost, then at every second one.
_LOST_SEARCHES = 2
# In widths of the face; the size may change by the factor from one instant to the next.
_GATE, _SIZE_FACTOR = 1.2, 2.0
_SAME_FACE, _IMPOSSIBLE = 0.3, 1e6
_VELOCITY_GAIN, _VELOCITY_DECAY_PER_S = 0.5, 0.5


@dataclass
class _Known:
    face: Face
    seen_s: float
    bright: bool
    velocity: Float[np.ndarray, "2"] = field(default_factory=lambda: np.zeros(2))
    missed: int = 0
    region: Region | None = None

    def centre(self, time_s: float) -> Float[np.ndarray, "2"]:
        """Where the face should be: constant velocity that fades while it is unseen."""
        gap = time_s - self.seen_s
        faded: float = _VELOCITY_DECAY_PER_S ** max(0.0, gap - 0.2)
        centre: np.ndarray = _centre(self.face) + self.velocity * gap * faded
        return centre

    def place(self, time_s: float, image: UInt8[np.ndarray, "H W 3"]) -> Region:
        """Where to look for it: where it was looked for before, if that still holds it well."""
        size, middle, lost = (image.shape[1], image.shape[0]), self.centre(time_s), self.missed > 0
        if lost or self.region is None or not self.region.fits(self.face, middle, size):
            self.region = Region.around(self.face, middle, size, lost=lost)
        return self.region

    def join(self, time_s: float, face: Face, min_score: float) -> None:
        if time_s > self.seen_s:
            measured = (_centre(face) - _centre(self.face)) / (time_s - self.seen_s)
            self.velocity = (1 - _VELOCITY_GAIN) * self.velocity + _VELOCITY_GAIN * measured
        self.face, self.seen_s, self.missed = face, time_s, 0
        self.bright = self.bright or face.score >= min_score


class FaceSearch:
    """Finds the faces of the sampled pictures of one video, in order of time.

    The whole picture is searched at the first instant, at a cut, every ``full_search_s`` seconds, for two instants
    after a face was lost and then at every second one until ``max_gap_s`` have passed, since a face that was hidden may
    come out anywhere. Else only regions around the known faces are, unless these would save little. So a face that
    comes in between two full searches is first seen up to ``full_search_s`` late; one that is known is not seen less.

    Args:
        detector: finds the faces of one picture or region.
        full_search_s: seconds between two searches of the whole picture; 0 searches it at every instant.
        min_score: losing a face that never had this score is no reason for a full search, 0..1.
        max_gap_s: a lost face is looked for at its last place for so long, seconds.
        min_face_px: narrower faces are ignored, pixels of the picture.

    Raises:
        ConfigError: ``full_search_s`` is out of range.
    """

    def __init__(
        self,
        detector: FaceDetector,
        *,
        full_search_s: float = 0.64,
        min_score: float = 0.5,
        max_gap_s: float = 1.28,
        min_face_px: float = 16.0,
    ) -> None:
        if not 0 <= full_search_s <= 10:
            raise ConfigError(f"expected full_search_s in 0..10 seconds, got {full_search_s}; 0.64 is common")
        self._detector, self._full_search_s, self._min_score = detector, full_search_s, min_score
        self._max_gap_s, self._min_face_px = max_gap_s, min_face_px
        self._known: list[_Known] = []
        self._full_s = -np.inf
        self._image: UInt8[np.ndarray, "H W 3"] | None = None
        self._image_full, self._faces = False, list[Face]()

    def find(self, time_s: float, image: UInt8[np.ndarray, "H W 3"], *, cut: bool = False) -> list[Face]:
        """Faces of one instant, in pixels of ``image``, best score first.

        Args:
            time_s: seconds, later than in the call before.
            image: RGB. The very object of the call before (a held frame) is not searched again; so its pixels must not
                have been changed meanwhile.
            cut: a new shot begins with this picture.
        """
        due = cut or time_s - self._full_s >= self._full_search_s - 1e-6
        if image is self._image and (self._image_full or not due):
            for known in self._known:
                known.seen_s = time_s if not known.missed else known.seen_s
            return list(self._faces)
        if cut or (self._image is not None and self._image.shape != image.shape):
            self._known, due = [], True
        self._known = [k for k in self._known if time_s - k.seen_s <= self._max_gap_s + 1e-6]
        faces, full = self._seen(time_s, image, due)
        if full:
            self._full_s = time_s
        self._image, self._image_full = image, full
        self._faces = sorted(faces, key=lambda face: -face.score)
        self._learn(time_s, self._faces)
        return list(self._faces)

    def _seen(self, time_s: float, image: UInt8[np.ndarray, "H W 3"], full: bool) -> tuple[list[Face], bool]:
        """Faces of the picture, and whether all of it was searched."""
        regions = [known.place(time_s, image) for known in self._known]
        if not self._full_search_s or not self._worthwhile(regions, image):
            return self._everywhere(image), True
        faces = self._inside(regions, image)
        if not full and not self._lost(time_s, faces):
            return faces, False
        new = [face for face in self._everywhere(image) if all(_overlap(face, f) <= _SAME_FACE for f in faces)]
        # In its region a face has other landmark errors than in the full picture: mixed, the crop would jump.
        fresh = [_Known(face, time_s, face.score >= self._min_score) for face in new]
        more = [known.place(time_s, image) for known in fresh]
        if self._worthwhile(regions + more, image):
            self._known += fresh
            return _distinct(faces + self._inside(more, image) + new), True
        return faces + new, True

    def _everywhere(self, image: UInt8[np.ndarray, "H W 3"]) -> list[Face]:
        return [face for face in self._detector.detect(image) if usable(face, self._min_face_px)]

    def _inside(self, regions: list[Region], image: UInt8[np.ndarray, "H W 3"]) -> list[Face]:
        """Faces that lie wholly inside some region; of two sightings of one face, the one nearer to its middle."""
        found: list[tuple[float, Face]] = []
        for region in regions:
            middle = np.array(region.corner) + np.array(region.extent) / 2
            for face in self._detector.detect(region.cut_out(image)):
                whole = region.placed(face, (image.shape[1], image.shape[0]))
                if whole is not None and usable(whole, self._min_face_px):
                    found.append((float(np.linalg.norm(_centre(whole) - middle)) / max(region.extent), whole))
        return _distinct([face for _, face in sorted(found, key=lambda pair: pair[0])])

    def _worthwhile(self, regions: list[Region], image: UInt8[np.ndarray, "H W 3"]) -> bool:
        parts = sum(working_pixels(self._detector, r.working[1], r.working[0]) for r in regions)
        return parts <= _WORTHWHILE * working_pixels(self._detector, image.shape[0], image.shape[1])

    def _lost(self, time_s: float, faces: list[Face]) -> bool:
        here = {index for index, _ in _pairs(self._known, faces, time_s)}
        gone = [known for index, known in enumerate(self._known) if index not in here]
        return any(known.bright and (known.missed < _LOST_SEARCHES or known.missed % 2 == 0) for known in gone)

    def _learn(self, time_s: float, faces: list[Face]) -> None:
        pairs = _pairs(self._known, faces, time_s)
        for known in self._known:
            known.missed += 1
        for index, number in pairs:
            self._known[index].join(time_s, faces[number], self._min_score)
        # What never was clearly a face is not waited for.
        self._known = [known for known in self._known if known.bright or not known.missed]
        old = {number for _, number in pairs}
        self._known += [_Known(f, time_s, f.score >= self._min_score) for n, f in enumerate(faces) if n not in old]


def _distinct(faces: list[Face]) -> list[Face]:
    """Of faces that overlap, the first."""
    kept = list[Face]()
    for face in faces:
        if all(_overlap(face, other) <= _SAME_FACE for other in kept):
            kept.append(face)
    return kept


def _pairs(known: list[_Known], faces: list[Face], time_s: float) -> list[tuple[int, int]]:
    """Which known face is which found one, as indices."""
    if not known or not faces:
        return []
    found, sizes = np.stack([_centre(f) for f in faces]), np.array([head_width(f) for f in faces])
    cost = np.empty((len(known), len(faces)))
    for row, one in zip(cost, known, strict=True):
        size = (sizes + head_width(one.face)) / 2
        expected = np.linalg.norm(found - one.centre(time_s), axis=1) / size
        moved = np.linalg.norm(found - _centre(one.face), axis=1) / size
        resized = np.abs(np.log(sizes / head_width(one.face))) > np.log(_SIZE_FACTOR)
        row[:] = np.where(resized | (np.minimum(expected, moved) > _GATE), _IMPOSSIBLE, expected)
    rows, columns = linear_sum_assignment(cost)
    return [(r, c) for r, c in zip(rows.tolist(), columns.tolist(), strict=True) if cost[r, c] < _IMPOSSIBLE]


def _centre(face: Face) -> Float[np.ndarray, "2"]:
    centre: np.ndarray = (face.box[:2].astype(np.float64) + face.box[2:]) / 2
    return centre


def _overlap(a: Face, b: Face) -> float:
    """Intersection over union, 0..1."""
    inner = np.maximum(0, np.minimum(a.box[2:], b.box[2:]) - np.maximum(a.box[:2], b.box[:2])).prod()
    union = (a.box[2:] - a.box[:2]).prod() + (b.box[2:] - b.box[:2]).prod() - inner
    return float(inner / union) if union > 0 else 0.0
