"""Pairs of one instant: what order does not change, what unknown looks do not, and what stays open."""

import numpy as np
import pytest

from maedfer.video.match import Expectations, Sighting, assign, reaches

LENGTH = 12


def expectations(places, looks=None, confirmed=None, radius=30.0, gap_s=0.16) -> Expectations:
    """Faces that stand at ``places``, all clean."""
    centres = np.asarray(places, np.float64).reshape(-1, 2)
    boxes, count = np.hstack([centres - radius, centres + radius]), len(centres)
    sure = np.ones(count, np.bool_) if confirmed is None else np.array(confirmed, np.bool_)
    still, gaps = np.zeros((count, 2)), np.full(count, gap_s)
    return Expectations(boxes, boxes, still, gaps, looks or [None] * count, np.ones(count, np.bool_), sure)


def scene(make_face, seed: int, people: int, seen: int):
    """Tracks and sightings crowded so that many pairs are possible; a third of the looks is unknown."""
    rng = np.random.default_rng(seed)

    def look():
        return rng.uniform(0, 0.3, LENGTH).astype(np.float32) if rng.uniform() > 1 / 3 else None

    places, found = (rng.uniform(0, 60 + 25 * people, (count, 2)) for count in (people, seen))
    tracks = expectations(places, [look() for _ in range(people)], (rng.uniform(size=people) > 0.3).tolist())
    sightings = []
    for place in found:
        bright = bool(rng.uniform() > 0.3)
        alone = bright and bool(rng.uniform() > 0.5)
        sightings.append(Sighting(make_face(tuple(place), 30.0), look(), alone, bright))
    return tracks, sightings


@pytest.mark.parametrize("seed", range(12))
def test_pairs_do_not_depend_on_the_order_of_tracks_and_sightings(make_face, seed):
    rng = np.random.default_rng(100 + seed)
    people, seen = (int(count) for count in rng.integers(2, 40, 2))
    tracks, sightings = scene(make_face, seed, people, seen)
    pairs, doubtful = assign(tracks, sightings)
    rows, columns = rng.permutation(people), rng.permutation(seen)
    mixed = Expectations(
        tracks.last[rows],
        tracks.box[rows],
        tracks.run[rows],
        tracks.gap_s[rows],
        [tracks.looks[row] for row in rows.tolist()],
        tracks.clean[rows],
        tracks.confirmed[rows],
    )
    again, open_still = assign(mixed, [sightings[column] for column in columns.tolist()])
    assert {(int(rows[r]), int(columns[c])) for r, c in again} == set(pairs)
    assert {int(columns[c]) for c in open_still} == doubtful
    assert len({r for r, _ in pairs}) == len({c for _, c in pairs}) == len(pairs)
    assert not doubtful & {c for _, c in pairs}


def test_nobody_and_nothing():
    assert assign(expectations([]), []) == ([], set())
    assert assign(expectations([(0, 0)]), []) == ([], set())


def test_a_place_between_two_who_look_the_same_is_open_only_if_the_other_is_not_seen_elsewhere(make_face):
    tracks = expectations([(100, 100), (150, 100)])
    between = Sighting(make_face((124, 100), 30.0), None, False, True)
    beyond = Sighting(make_face((174, 100), 30.0), None, False, True)
    assert assign(tracks, [between]) == ([], {0})
    assert assign(tracks, [between, beyond]) == ([(0, 0), (1, 1)], set())


def test_a_track_without_a_name_does_not_make_a_named_ones_sighting_doubtful(make_face):
    between = Sighting(make_face((124, 100), 30.0), None, False, True)
    assert assign(expectations([(100, 100), (150, 100)], confirmed=[True, False]), [between]) == ([(0, 0)], set())


def test_looks_decide_where_they_are_known_and_only_there(make_face):
    dark, light = np.zeros(LENGTH, np.float32), np.full(LENGTH, 0.2, np.float32)
    places = [(100, 100), (150, 100)]
    swapped = [
        Sighting(make_face((120, 100), 30.0), light, False, True),
        Sighting(make_face((130, 100), 30.0), dark, False, True),
    ]
    assert set(assign(expectations(places, [dark, light]), swapped)[0]) == {(0, 1), (1, 0)}
    assert (0, 0) not in assign(expectations(places, [dark, None]), swapped)[0]
    unknown = assign(expectations(places, [None, None]), swapped)
    assert unknown == assign(expectations(places), [Sighting(s.face, None, False, True) for s in swapped])


def test_reach_is_wider_below_than_above_and_no_matter_of_order():
    box = np.array([[100.0, 100.0, 200.0, 200.0]])
    moves = np.array([[0, 0], [124, 0], [126, 0], [0, 159], [0, 161], [0, -129], [0, -131], [-124, 159]])
    others = box + np.tile(moves, 2)
    assert reaches(box, others).tolist() == [[True, True, False, True, False, True, False, True]]
    assert reaches(others, others[:3]).shape == (8, 3)
    np.testing.assert_array_equal(reaches(others, others)[2], reaches(others[2:3], others)[0])
    assert reaches(box[:0], others).shape == (0, 8)
