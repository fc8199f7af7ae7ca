"""Who is who over time: detections of single instants joined into tracks.

Each track predicts its box with constant velocity; an assignment joins predictions and detections at the least cost of
distance, overlap, change of size and unlike looks (:mod:`match`), first the confident detections, then the faint ones
(the two stages of ByteTrack, arXiv 2110.06864). Instants are some 0.16 s apart, so a face may move by most of its own
width.

Where people pass one before the other, places alone would swap them. Looks decide there (:mod:`looks`), and a
sighting that could as well be another's is given to nobody: a gap is closed by interpolation, a swap is wrong for good.
A face unseen for longer than ``max_gap_s`` comes back as a new track: no network for the identity of faces is at hand,
and hair, skin and clothes do not tell two people apart for sure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Float32

from maedfer.errors import ConfigError
from maedfer.video.match import Expectations, Sighting, assign, reaches
from maedfer.video.types import Face, TrackedFace

__all__ = ["TENTATIVE_GAP_S", "Tracker"]

# Share of the newest clean look.
_LOOK_GAIN = 0.2
# An unconfirmed track dies sooner: chance detections at one place would add up to a face otherwise.
TENTATIVE_GAP_S = 0.4
# Share of the newest measured velocity; half of it is forgotten in an unseen second.
_VELOCITY_GAIN = 0.5
_VELOCITY_DECAY_PER_S = 0.5


@dataclass
class _Track:
    face: Face
    seen_s: float
    velocity: Float[np.ndarray, "2"] = field(default_factory=lambda: np.zeros(2))
    look: Float32[np.ndarray, "L"] | None = None
    clean: bool = False
    number: int | None = None
    held: list[tuple[float, Face]] = field(default_factory=list)

    def join(self, time_s: float, sighting: Sighting) -> None:
        """Take ``sighting`` as this track's place at ``time_s``, and learn its look if it is this face's alone."""
        face = sighting.face
        gap = max(time_s - self.seen_s, 1e-3)
        measured = (_centre(face.box) - _centre(self.face.box)) / gap
        self.velocity = (1 - _VELOCITY_GAIN) * self.velocity + _VELOCITY_GAIN * measured
        self.face, self.seen_s = face, time_s
        self.held.append((time_s, face))
        if sighting.look is not None and (sighting.alone or self.look is None):
            first = not self.clean or self.look is None
            self.look = sighting.look if first else self.look + np.float32(_LOOK_GAIN) * (sighting.look - self.look)
            self.clean = sighting.alone


class Tracker:
    """Streaming tracker; one instance per video.

    A face becomes a track after ``min_hits`` detections. Its first ones are held back until then and given out
    together with the confirming one, so nothing of a confirmed track is lost and nothing of a false alarm is shown.
    Numbers count from 0 in order of confirmation, left to right within an instant: with faces seen at every instant
    that is the order of first appearance.

    Args:
        max_gap_s: a track ends when unseen for longer, seconds.
        min_hits: detections that make a track, at least 1.
        start_score: only detections of at least this score begin a track; fainter ones can continue one.

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(self, *, max_gap_s: float = 1.28, min_hits: int = 3, start_score: float = 0.5) -> None:
        if not 0 <= max_gap_s < float("inf"):
            raise ConfigError(f"expected max_gap_s of 0 or more seconds, got {max_gap_s}; 1.28 is common")
        if min_hits < 1:
            raise ConfigError(f"expected min_hits of at least 1, got {min_hits}; 3 keeps most false alarms out")
        if not 0 <= start_score <= 1:
            raise ConfigError(f"expected start_score in 0..1, got {start_score}; 0.5 is common")
        self.max_gap_s, self.min_hits, self.start_score = max_gap_s, min_hits, start_score
        self._tracks: list[_Track] = []
        self._confirmed = 0
        self._instants = 0

    def update(
        self,
        time_s: float,
        faces: list[Face],
        *,
        cut: bool = False,
        looks: Sequence[Float32[np.ndarray, "L"]] | None = None,
    ) -> list[TrackedFace]:
        """Join the faces of one instant to tracks.

        Args:
            time_s: seconds, later than in the call before.
            faces: all detections at this instant.
            cut: a new shot begins with this instant: no track goes on.
            looks: of each face, by :func:`~maedfer.video.looks.looks_of`; ``None``: by geometry alone.

        Returns:
            The faces whose identity is now certain: those of this instant, and earlier ones of a track that this
            instant confirmed; ordered by time, then track.
        """
        if looks is not None and len(looks) != len(faces):
            raise ConfigError(f"expected a look for each of {len(faces)} faces, got {len(looks)}; give all or None")
        self._instants += 1
        self._tracks = [] if cut else [t for t in self._tracks if time_s - t.seen_s <= self._patience(t) + 1e-6]
        expected = _expected(self._tracks, time_s)
        sightings = self._sightings(expected, faces, looks)
        pairs, doubtful = assign(expected, sightings)
        for row, column in pairs:
            self._tracks[row].join(time_s, sightings[column])
        taken = {column for _, column in pairs} | doubtful
        for column, sighting in enumerate(sightings):
            if column not in taken and sighting.bright:
                fresh = _Track(sighting.face, time_s)
                fresh.join(time_s, sighting)
                self._tracks.append(fresh)
        return self._released([t for t in self._tracks if t.number is not None or len(t.held) >= self.min_hits])

    def finish(self) -> list[TrackedFace]:
        """At the end of a video shorter than ``min_hits`` instants: what was seen, as tracks; otherwise nothing."""
        return self._released(self._tracks) if self._instants < self.min_hits else []

    def _sightings(
        self, expected: Expectations, faces: list[Face], looks: Sequence[Float32[np.ndarray, "L"]] | None
    ) -> list[Sighting]:
        boxes = _boxes(faces)
        # The track at this very place is most likely the face itself; if it is another's, a detection is near too.
        near = reaches(boxes, expected.box[expected.confirmed]).sum(1) > 1
        near |= (reaches(boxes, boxes) & ~np.eye(len(boxes), dtype=np.bool_)).any(1)
        out = []
        for index, (face, crowded) in enumerate(zip(faces, near.tolist(), strict=True)):
            bright = face.score >= self.start_score
            out.append(Sighting(face, None if looks is None else looks[index], bright and not crowded, bright))
        return out

    def _patience(self, track: _Track) -> float:
        return self.max_gap_s if track.number is not None else min(self.max_gap_s, TENTATIVE_GAP_S)

    def _released(self, tracks: list[_Track]) -> list[TrackedFace]:
        fresh = [track for track in tracks if track.number is None]
        for track in sorted(fresh, key=lambda t: (t.held[0][0], *t.held[0][1].box.tolist())):
            track.number = self._confirmed
            self._confirmed += 1
        out = []
        for track in tracks:
            if track.number is not None:
                out += [TrackedFace(track.number, time_s, face) for time_s, face in track.held]
                track.held = []
        return sorted(out, key=lambda tracked: (tracked.time_s, tracked.track))


def _expected(tracks: list[_Track], time_s: float) -> Expectations:
    """Where each should be at ``time_s``, by constant velocity that fades while the face is unseen."""
    last = _boxes([track.face for track in tracks])
    gaps = [time_s - track.seen_s for track in tracks]
    run = np.array([track.velocity for track in tracks]).reshape(-1, 2) * np.array(gaps)[:, None]
    fading = np.array([_VELOCITY_DECAY_PER_S ** max(0.0, gap - 0.2) for gap in gaps])
    box = last + np.tile(run * fading[:, None], 2)
    clean = np.array([track.clean for track in tracks], np.bool_)
    confirmed = np.array([track.number is not None for track in tracks], np.bool_)
    return Expectations(last, box, run, np.array(gaps), [track.look for track in tracks], clean, confirmed)


def _boxes(faces: Sequence[Face]) -> Float[np.ndarray, "n 4"]:
    return np.array([face.box for face in faces], np.float64).reshape(-1, 4)


def _centre(box: Float[np.ndarray, "4"]) -> Float[np.ndarray, "2"]:
    centre: np.ndarray = (box[:2].astype(np.float64) + box[2:]) / 2
    return centre
