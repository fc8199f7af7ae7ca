"""Which sighting continues which track, and which could as well be another's: places, sizes and looks weighed together.

Places and sizes decide whether a pair is possible at all; looks decide between possible pairs, and only there, for the
light may change. What stays doubtful is given to nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy.optimize import linear_sum_assignment

from maedfer.video.looks import unlikeness
from maedfer.video.types import Face

__all__ = ["Expectations", "Sighting", "assign", "reaches"]

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
class Expectations:
    """What is known of the tracks before an instant is looked at, one of each value for each track.

    Attributes:
        last: boxes at the last sighting.
        box: predicted boxes.
        run: way of the centre since the last sighting if it went on as fast as then.
        gap_s: seconds since the last sighting.
        looks: mean descriptors; ``None`` when unknown.
        clean: whether the look is this face's alone.
        confirmed: whether the track has a number.
    """

    last: Float[np.ndarray, "N 4"]
    box: Float[np.ndarray, "N 4"]
    run: Float[np.ndarray, "N 2"]
    gap_s: Float[np.ndarray, " N"]
    looks: Sequence[Float32[np.ndarray, "L"] | None]
    clean: Bool[np.ndarray, " N"]
    confirmed: Bool[np.ndarray, " N"]


@dataclass(frozen=True)
class Sighting:
    """A face found at this instant.

    Attributes:
        face: the detection.
        look: its descriptor; ``None`` when unknown.
        alone: whether the face is ``bright`` and nobody else is near enough to be in ``look``: only such a look is
            taken for this face's own.
        bright: whether its score may begin a track.
    """

    face: Face
    look: Float32[np.ndarray, "L"] | None
    alone: bool
    bright: bool


def assign(tracks: Expectations, sightings: list[Sighting]) -> tuple[list[tuple[int, int]], set[int]]:
    """Pairs of track and sighting (by index), and the sightings that could be one track's or another's.

    Bright sightings come first, faint ones go to the tracks that are left.
    """
    if not len(tracks.box) or not sightings:
        return [], set()
    cost = _cost(tracks, sightings)
    every = list(range(len(tracks.box)))
    bright = [column for column, sighting in enumerate(sightings) if sighting.bright]
    faint = [column for column, sighting in enumerate(sightings) if not sighting.bright]
    pairs = _cheapest(cost, every, bright)
    pairs += _cheapest(cost, sorted(set(every) - {row for row, _ in pairs}), faint)
    doubts = _doubts(cost, pairs, tracks.confirmed)
    sure = [pair for pair, doubt in zip(pairs, doubts, strict=True) if not doubt]
    return sure, {column for (_, column), doubt in zip(pairs, doubts, strict=True) if doubt}


def reaches(boxes: Float[np.ndarray, "n 4"], others: Float[np.ndarray, "m 4"]) -> Bool[np.ndarray, "n m"]:
    """Whether each of ``others`` lies in what the look of the face at each of ``boxes`` takes in."""
    wide = boxes + _REACH * np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    low = np.maximum(wide[:, None, :2], others[None, :, :2])
    return np.asarray((np.minimum(wide[:, None, 2:], others[None, :, 2:]) > low).all(2), np.bool_)


def _cheapest(cost: _Table, rows: list[int], columns: list[int]) -> list[tuple[int, int]]:
    if not rows or not columns:
        return []
    chosen = linear_sum_assignment(cost[np.ix_(rows, columns)])
    pairs = [(rows[r], columns[c]) for r, c in zip(*(side.tolist() for side in chosen), strict=True)]
    return [(r, c) for r, c in pairs if cost[r, c] < _UNMATCHED]


def _doubts(cost: _Table, pairs: list[tuple[int, int]], confirmed: Bool[np.ndarray, " N"]) -> list[bool]:
    """Of each pair: whether another track could have its sighting at nearly the same cost.

    Alone, or in exchange for its own.
    """
    if not pairs:
        return []
    rows, columns = (np.array(side) for side in zip(*pairs, strict=True))
    # Table of rival (row) and pair (column).
    gain = cost[:, columns] - cost[rows, columns]
    gain[rows] += cost[np.ix_(rows, columns)].T - cost[rows, columns][:, None]
    rival = (cost[:, columns] < _UNMATCHED) & (confirmed[:, None] | ~confirmed[rows])
    rival[rows, np.arange(len(rows))] = False
    doubts: list[bool] = (rival & (gain < _CLEAR)).any(0).tolist()
    return doubts


def _cost(tracks: Expectations, sightings: list[Sighting]) -> _Table:
    """Distance in face widths, lack of overlap, change of size, unlike looks; ``_UNMATCHED`` outside the gates."""
    found = np.stack([sighting.face.box for sighting in sightings]).astype(np.float64)
    alone, bright = (np.array(side) for side in zip(*((s.alone, s.bright) for s in sightings), strict=True))
    gap = tracks.gap_s[:, None]
    here, there = _sizes(found)[None], _sizes(tracks.box)[:, None]
    width = np.maximum(1.0, (here + there) / 2)
    distance = np.linalg.norm(_centres(found)[None] - _centres(tracks.box)[:, None], axis=2) / width
    # A face that stops or turns back is far from its prediction, but on the way there from its last place.
    on_way = _off_way(_centres(found), _centres(tracks.last), tracks.run) / width
    growth = np.abs(np.log(np.maximum(here, 1e-3) / np.maximum(there, 1e-3)))
    unlike = _unlikeness(tracks.looks, [sighting.look for sighting in sightings])
    learned = tracks.clean & np.array([look is not None for look in tracks.looks])
    back = learned[:, None] & alone & (gap > _AWAY_S)
    gate = np.where(bright, _GATE, _FAINT_GATE)
    limit = np.where(back & (unlike < _SAME), _SAME_GATE, np.minimum(_GATE_LIMIT, gate + _GATE_GROWTH_PER_S * gap))
    possible = (np.minimum(distance, on_way) <= limit) & (growth <= _SIZE_GATE) & ~(back & (unlike > _STRANGER))
    distance = np.where(gap > _AWAY_S, np.minimum(distance, on_way), distance)
    handicap = np.where(tracks.confirmed, 0.0, _TENTATIVE_HANDICAP)[:, None]
    placed = np.minimum(distance, _FAR) + 0.5 * (1 - _overlaps(tracks.box, found)) + 0.5 * growth + handicap
    whole = placed + _LOOKS * _beyond_best(unlike, possible)
    return np.asarray(np.where(possible, np.minimum(whole, _UNMATCHED), _UNMATCHED), np.float64)


def _unlikeness(
    tracks: Sequence[Float32[np.ndarray, "L"] | None], sightings: Sequence[Float32[np.ndarray, "L"] | None]
) -> _Table:
    """0..1; 0 where a look is unknown."""
    table = np.zeros((len(tracks), len(sightings)))
    rows, columns = ([k for k, look in enumerate(side) if look is not None] for side in (tracks, sightings))
    if rows and columns:
        known = (np.stack([look for look in side if look is not None]) for side in (tracks, sightings))
        table[np.ix_(rows, columns)] = unlikeness(*known)
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
