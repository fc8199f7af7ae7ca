"""Who is who over time: detections of single instants joined into tracks.

Each track predicts its box with constant velocity; scipy's assignment joins predictions and detections at the least
cost of centre distance, overlap and change of size, first the confident detections, then the faint ones (the two stages
of ByteTrack, arXiv 2110.06864). Instants are some 0.16 s apart, so a face may move by most of its own width.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from maedfer.errors import ConfigError
from maedfer.video.types import Face, TrackedFace

__all__ = ["TENTATIVE_GAP_S", "Tracker"]

# In widths of the face. The gate grows while a face is unseen, for its prediction becomes worse.
_GATE = 0.9
_FAINT_GATE = 0.5
_GATE_GROWTH_PER_S = 0.6
_GATE_LIMIT = 1.6
_SIZE_GATE = np.log(1.8)
_IMPOSSIBLE = 1e6
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
    number: int | None = None
    held: list[tuple[float, Face]] = field(default_factory=list)

    def predicted(self, time_s: float) -> Float[np.ndarray, "4"]:
        """Box at ``time_s`` by constant velocity that fades while the face is unseen."""
        gap = time_s - self.seen_s
        shift = self.velocity * gap * _VELOCITY_DECAY_PER_S ** max(0.0, gap - 0.2)
        box: np.ndarray = self.face.box.astype(np.float64) + np.tile(shift, 2)
        return box

    def join(self, time_s: float, face: Face) -> None:
        """Take ``face`` as this track's place at ``time_s``."""
        gap = max(time_s - self.seen_s, 1e-3)
        measured = (_centre(face.box) - _centre(self.face.box)) / gap
        self.velocity = (1 - _VELOCITY_GAIN) * self.velocity + _VELOCITY_GAIN * measured
        self.face, self.seen_s = face, time_s


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

    def update(self, time_s: float, faces: list[Face], *, cut: bool = False) -> list[TrackedFace]:
        """Join the faces of one instant to tracks.

        Args:
            time_s: seconds, later than in the call before.
            faces: all detections at this instant.
            cut: a new shot begins with this instant: no track goes on.

        Returns:
            The faces whose identity is now certain: those of this instant, and earlier ones of a track that this
            instant confirmed; ordered by time, then track.
        """
        self._instants += 1
        self._tracks = [] if cut else [t for t in self._tracks if time_s - t.seen_s <= self._patience(t) + 1e-6]
        bright = [face for face in faces if face.score >= self.start_score]
        faint = [face for face in faces if face.score < self.start_score]
        pairs, unmatched, new = _assign(self._tracks, bright, time_s, _GATE)
        more, _, _ = _assign(unmatched, faint, time_s, _FAINT_GATE)
        for track, face in pairs + more:
            track.join(time_s, face)
            track.held.append((time_s, face))
        self._tracks += [_Track(face, time_s, held=[(time_s, face)]) for face in new]
        return self._released([t for t in self._tracks if t.number is not None or len(t.held) >= self.min_hits])

    def finish(self) -> list[TrackedFace]:
        """At the end of a video shorter than ``min_hits`` instants: what was seen, as tracks; otherwise nothing."""
        return self._released(self._tracks) if self._instants < self.min_hits else []

    def _patience(self, track: _Track) -> float:
        return self.max_gap_s if track.number is not None else min(self.max_gap_s, TENTATIVE_GAP_S)

    def _released(self, tracks: list[_Track]) -> list[TrackedFace]:
        fresh = [track for track in tracks if track.number is None]
        for track in sorted(fresh, key=lambda t: (t.held[0][0], t.held[0][1].box[0])):
            track.number = self._confirmed
            self._confirmed += 1
        out = []
        for track in tracks:
            if track.number is not None:
                out += [TrackedFace(track.number, time_s, face) for time_s, face in track.held]
                track.held = []
        return sorted(out, key=lambda tracked: (tracked.time_s, tracked.track))


def _assign(
    tracks: list[_Track], faces: list[Face], time_s: float, gate: float
) -> tuple[list[tuple[_Track, Face]], list[_Track], list[Face]]:
    """Pairs, tracks without a face, faces without a track."""
    if not tracks or not faces:
        return [], list(tracks), list(faces)
    cost = np.array([[_cost(track, face, time_s, gate) for face in faces] for track in tracks])
    rows, columns = linear_sum_assignment(cost)
    good = [(r, c) for r, c in zip(rows.tolist(), columns.tolist(), strict=True) if cost[r, c] < _IMPOSSIBLE]
    used_tracks, used_faces = {r for r, _ in good}, {c for _, c in good}
    return (
        [(tracks[r], faces[c]) for r, c in good],
        [track for index, track in enumerate(tracks) if index not in used_tracks],
        [face for index, face in enumerate(faces) if index not in used_faces],
    )


def _cost(track: _Track, face: Face, time_s: float, gate: float) -> float:
    """Distance in face widths, plus lack of overlap, plus change of size; ``_IMPOSSIBLE`` outside the gates."""
    expected, found = track.predicted(time_s), face.box.astype(np.float64)
    here, there = _size(found), _size(expected)
    width = max(1.0, (here + there) / 2)
    distance = float(np.linalg.norm(_centre(found) - _centre(expected))) / width
    # A face that stops or turns back is far from its prediction but near its last place.
    moved = float(np.linalg.norm(_centre(found) - _centre(track.face.box))) / width
    growth = abs(float(np.log(max(here, 1e-3) / max(there, 1e-3))))
    limit = min(_GATE_LIMIT, gate + _GATE_GROWTH_PER_S * (time_s - track.seen_s))
    if min(distance, moved) > limit or growth > _SIZE_GATE:
        return _IMPOSSIBLE
    return distance + 0.5 * (1 - _overlap(expected, found)) + 0.5 * growth


def _centre(box: Float[np.ndarray, "4"]) -> Float[np.ndarray, "2"]:
    centre: np.ndarray = (box[:2].astype(np.float64) + box[2:]) / 2
    return centre


def _size(box: Float[np.ndarray, "4"]) -> float:
    return float(np.sqrt(max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])))


def _overlap(a: Float[np.ndarray, "4"], b: Float[np.ndarray, "4"]) -> float:
    """Intersection over union, 0..1."""
    inner = np.maximum(0, np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).prod()
    union = (a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - inner
    return float(inner / union) if union > 0 else 0.0
