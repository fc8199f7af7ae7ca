"""Which sighting continues which track, and which could as well be another's: places, sizes and looks weighed together.

Places and sizes decide whether a pair is possible at all; looks decide between possible pairs, and only there, for the
light may change. What stays doubtful is given to nobody.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy.optimize import linear_sum_assignment

from maedfer.video.appearance import unlikeness
from maedfer.video.types import Face

__all__ = ["Expectation", "Sighting", "assign", "reaches"]

# A number for each track (row) and sighting (column).
_Table: TypeAlias = Float[np.ndarray, "N F"]

# In widths of the face. The gate grows while a face is unseen, for its prediction becomes worse.
_GATE, _FAINT_GATE = 0.9, 0.5
_GATE_GROWTH_PER_S, _GATE_LIMIT = 0.6, 1.6
_SIZE_GATE = np.log(1.8)
# Cost of a track without a face: more than any pair within the gates costs by place and size. Beyond this distance,
# in widths, all is equally far.
_UNMATCHED, _FAR = 2.5, 1.2
# Looks differ by 0.05 between sightings of one person, up to 0.13 beside another, and by 0.2 to 0.6 between people
# (rendered scenes): this weight sets two people apart like a face of distance or more, for who turns back behind
# somebody is a face away from where he should be. Measured: 3 and 6 do as well, at 2 one crossing in 50 swaps.
_LOOKS = 4.0
# After an absence, somebody as unlike as this is somebody else, and somebody as like as this may have gone farther.
_AWAY_S, _STRANGER, _SAME, _SAME_GATE = 0.4, 0.5, 0.12, 2.5
# A pair must be better than the other way round by this, in the units of the cost.
_CLEAR = 0.3
# An unconfirmed track gives way to a confirmed one that may have come back.
_TENTATIVE_HANDICAP = 0.25
# How far looks reach around the box, in its widths and heights: x0, y0, x1, y1.
_REACH = np.array([-0.25, -0.3, 0.25, 0.6])


@dataclass(frozen=True)
class Expectation:
    """What is known of a track before an instant is looked at.

    Attributes:
        last: box at the last sighting.
        box: predicted box.
        run: way of the centre since the last sighting if it went on as fast as then.
        gap_s: seconds since the last sighting.
        look: mean descriptor; ``None`` when unknown.
        clean: whether ``look`` is this face's alone.
        confirmed: whether the track has a number.
    """

    last: Float[np.ndarray, "4"]
    box: Float[np.ndarray, "4"]
    run: Float[np.ndarray, "2"]
    gap_s: float
    look: Float32[np.ndarray, "L"] | None
    clean: bool
    confirmed: bool


@dataclass(frozen=True)
class Sighting:
    """A face found at this instant.

    Attributes:
        face: the detection.
        look: its descriptor; ``None`` when unknown.
        alone: whether nobody else is near enough to be in ``look``.
        bright: whether its score may begin a track.
    """

    face: Face
    look: Float32[np.ndarray, "L"] | None
    alone: bool
    bright: bool


def assign(tracks: list[Expectation], sightings: list[Sighting]) -> tuple[list[tuple[int, int]], set[int]]:
    """Pairs of track and sighting (by index), and the sightings that could be one track's or another's.

    Bright sightings come first, faint ones go to the tracks that are left.
    """
    if not tracks or not sightings:
        return [], set()
    cost = _cost(tracks, sightings)
    bright = [column for column, sighting in enumerate(sightings) if sighting.bright]
    faint = [column for column, sighting in enumerate(sightings) if not sighting.bright]
    pairs = _cheapest(cost, list(range(len(tracks))), bright)
    pairs += _cheapest(cost, sorted(set(range(len(tracks))) - {row for row, _ in pairs}), faint)
    confirmed = [track.confirmed for track in tracks]
    doubtful = {column for row, column in pairs if _doubtful(cost, dict(pairs), row, column, confirmed)}
    return [(row, column) for row, column in pairs if column not in doubtful], doubtful


def reaches(box: Float[np.ndarray, "4"], other: Float[np.ndarray, "4"]) -> bool:
    """Whether ``other`` lies in what the look of the face at ``box`` takes in."""
    wide = box + _REACH * np.tile(box[2:] - box[:2], 2)
    return bool(np.all(np.minimum(wide[2:], other[2:]) > np.maximum(wide[:2], other[:2])))


def _cheapest(cost: _Table, rows: list[int], columns: list[int]) -> list[tuple[int, int]]:
    if not rows or not columns:
        return []
    chosen = linear_sum_assignment(cost[np.ix_(rows, columns)])
    pairs = [(rows[r], columns[c]) for r, c in zip(*(side.tolist() for side in chosen), strict=True)]
    return [(r, c) for r, c in pairs if cost[r, c] < _UNMATCHED]


def _doubtful(cost: _Table, own: dict[int, int], row: int, column: int, confirmed: list[bool]) -> bool:
    """Whether another track could have this sighting at nearly the same cost, alone or in exchange for its own."""
    for rival in np.flatnonzero(cost[:, column] < _UNMATCHED).tolist():
        if rival == row or (confirmed[row] and not confirmed[rival]):
            continue
        gain = cost[rival, column] - cost[row, column]
        if rival in own:
            gain += cost[row, own[rival]] - cost[rival, own[rival]]
        if gain < _CLEAR:
            return True
    return False


def _cost(tracks: list[Expectation], sightings: list[Sighting]) -> _Table:
    """Distance in face widths, lack of overlap, change of size, unlike looks; ``_UNMATCHED`` outside the gates."""
    found = np.stack([sighting.face.box for sighting in sightings]).astype(np.float64)
    expected, last = np.stack([t.box for t in tracks]), np.stack([t.last for t in tracks])
    run, gap = np.stack([t.run for t in tracks]), np.array([[t.gap_s] for t in tracks])
    here, there = _sizes(found)[None], _sizes(expected)[:, None]
    width = np.maximum(1.0, (here + there) / 2)
    distance = np.linalg.norm(_centres(found)[None] - _centres(expected)[:, None], axis=2) / width
    # A face that stops or turns back is far from its prediction, but on the way there from its last place.
    on_way = _off_way(_centres(found), _centres(last), run) / width
    growth = np.abs(np.log(np.maximum(here, 1e-3) / np.maximum(there, 1e-3)))
    unlike = _unlikeness(tracks, sightings)
    known = np.array([[t.clean and t.look is not None for t in tracks]]).T & np.array([s.alone for s in sightings])
    back = known & (gap > _AWAY_S)
    gate = np.array([_GATE if sighting.bright else _FAINT_GATE for sighting in sightings])
    limit = np.where(back & (unlike < _SAME), _SAME_GATE, np.minimum(_GATE_LIMIT, gate + _GATE_GROWTH_PER_S * gap))
    possible = (np.minimum(distance, on_way) <= limit) & (growth <= _SIZE_GATE) & ~(back & (unlike > _STRANGER))
    distance = np.where(gap > _AWAY_S, np.minimum(distance, on_way), distance)
    handicap = np.array([[0.0 if t.confirmed else _TENTATIVE_HANDICAP] for t in tracks])
    placed = np.minimum(distance, _FAR) + 0.5 * (1 - _overlaps(expected, found)) + 0.5 * growth + handicap
    whole = placed + _LOOKS * _beyond_best(unlike, possible)
    return np.asarray(np.where(possible, np.minimum(whole, _UNMATCHED), _UNMATCHED), np.float64)


def _unlikeness(tracks: list[Expectation], sightings: list[Sighting]) -> _Table:
    """0..1; 0 where a look is unknown."""
    table = np.zeros((len(tracks), len(sightings)))
    for row, track in enumerate(tracks):
        for column, sighting in enumerate(sightings):
            if track.look is not None and sighting.look is not None:
                table[row, column] = unlikeness(track.look, sighting.look)
    return table


def _beyond_best(unlike: _Table, possible: Bool[np.ndarray, "N F"]) -> _Table:
    """How much more unlike each pair is than the best that its track or its face could have: 0 without a choice."""
    open_to = np.where(possible, unlike, np.inf)
    best = np.minimum(open_to.min(0, keepdims=True), open_to.min(1, keepdims=True))
    return np.where(possible, unlike - np.where(np.isfinite(best), best, 0.0), 0.0)


def _off_way(
    points: Float[np.ndarray, "F 2"], starts: Float[np.ndarray, "N 2"], runs: Float[np.ndarray, "N 2"]
) -> _Table:
    """Distance of each point (column) to each way from ``start`` to ``start + run`` (row)."""
    away = points[None] - starts[:, None]
    length = np.maximum((runs**2).sum(1), 1e-12)[:, None]
    share = np.clip((away * runs[:, None]).sum(2) / length, 0, 1)
    return np.asarray(np.linalg.norm(away - share[..., None] * runs[:, None], axis=2), np.float64)


def _centres(boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 2"]:
    return np.asarray((boxes[:, :2] + boxes[:, 2:]) / 2, np.float64)


def _sizes(boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, " n"]:
    return np.asarray(np.sqrt(np.maximum(0.0, boxes[:, 2:] - boxes[:, :2]).prod(1)), np.float64)


def _overlaps(a: Float[np.ndarray, "N 4"], b: Float[np.ndarray, "F 4"]) -> _Table:
    """Intersection over union, 0..1."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    inner = np.maximum(0.0, high - low).prod(2)
    union = _sizes(a)[:, None] ** 2 + _sizes(b)[None] ** 2 - inner
    return np.asarray(inner / np.maximum(union, 1e-9), np.float64)
