"""Identities over time against known truth."""

import numpy as np
import pytest

from maedfer.errors import ConfigError
from maedfer.video.cuts import CutDetector
from maedfer.video.track import Tracker

STEP = 0.16


def run(tracker: Tracker, instants: list, cuts: frozenset[int] = frozenset()) -> list:
    out = []
    for index, faces in enumerate(instants):
        out += tracker.update(index * STEP, faces, cut=index in cuts)
    return out + tracker.finish()


def test_two_faces_that_pass_each_other_keep_their_names(make_face):
    instants = [
        [make_face((50 + 12 * k, 100), 30.0), make_face((290 - 12 * k, 130), 30.0)][:: 1 if k % 2 else -1]
        for k in range(21)
    ]
    sightings = run(Tracker(), instants)
    assert len(sightings) == 42
    for s in sightings:
        k = round(s.time_s / STEP)
        expected = (50 + 12 * k, 100) if s.track == 0 else (290 - 12 * k, 130)
        assert (s.face.box[:2] + s.face.box[2:]) / 2 == pytest.approx(expected, abs=1e-3)


def test_numbers_go_from_left_to_right_and_then_by_appearance(make_face):
    left, right, late = make_face((50, 50), 20.0), make_face((300, 50), 20.0), make_face((10, 200), 20.0)
    sightings = run(Tracker(), [[right, left]] * 4 + [[right, left, late]] * 4)
    by_x = {float(s.face.box[0]): s.track for s in sightings}
    assert by_x == {30.0: 0, 280.0: 1, -10.0: 2}


def test_first_sightings_of_a_confirmed_track_are_not_lost_and_false_alarms_never_shown(make_face):
    face, alarm = make_face((50, 50), 20.0), make_face((400, 400), 20.0)
    tracker = Tracker(min_hits=3)
    given = [tracker.update(k * STEP, [face, alarm] if k == 1 else [face]) for k in range(4)]
    assert [len(g) for g in given] == [0, 0, 3, 1]
    assert [s.time_s for s in given[2]] == pytest.approx([0, STEP, 2 * STEP])
    assert all(s.track == 0 for g in given for s in g)
    assert tracker.finish() == []


def test_a_video_shorter_than_min_hits_still_gives_its_face(make_face):
    sightings = run(Tracker(min_hits=3), [[make_face((50, 50), 20.0)]])
    assert [(s.track, s.time_s) for s in sightings] == [(0, 0.0)]


def test_a_moving_face_comes_back_as_itself_after_a_short_gap_and_as_new_after_a_long_one(make_face):
    def at(k):
        return [make_face((60 + 5 * k, 100), 30.0)]

    short = run(Tracker(max_gap_s=1.0), [at(k) if not 6 <= k < 11 else [] for k in range(20)])
    long = run(Tracker(max_gap_s=0.5), [at(k) if not 6 <= k < 11 else [] for k in range(20)])
    assert {s.track for s in short} == {0}
    assert {s.track for s in long} == {0, 1}


def test_a_cut_ends_every_track_even_at_the_same_place(make_face):
    face = make_face((100, 100), 30.0)
    sightings = run(Tracker(), [[face]] * 10, cuts=frozenset({5}))
    assert [s.track for s in sightings] == [0] * 5 + [1] * 5


def test_a_neighbour_does_not_take_over(make_face):
    here, next_to = make_face((100, 100), 30.0), make_face((200, 100), 30.0)
    sightings = run(Tracker(), [[here]] * 5 + [[next_to]] * 5)
    assert [s.track for s in sightings] == [0] * 5 + [1] * 5


def test_faint_detections_go_on_but_do_not_begin(make_face):
    bright, faint = make_face((100, 100), 30.0), make_face((102, 100), 30.0, 0.3)
    assert run(Tracker(), [[faint]] * 6) == []
    sightings = run(Tracker(), [[bright]] * 3 + [[faint]] * 12)
    assert [s.track for s in sightings] == [0] * 15


def test_shivering_fast_faces_stay_one_track(make_face):
    rng = np.random.default_rng(3)
    path = np.cumsum(rng.normal(0, 14, (60, 2)), axis=0) + 400
    sightings = run(Tracker(), [[make_face(p, float(30 * rng.uniform(0.9, 1.1)))] for p in path])
    assert {s.track for s in sightings} == {0}
    assert len(sightings) == 60


def test_settings_out_of_range():
    for wrong in ({"max_gap_s": -1.0}, {"min_hits": 0}, {"start_score": 1.5}):
        with pytest.raises(ConfigError):
            Tracker(**wrong)


LOOKS = np.eye(4, 40, dtype=np.float32) * 20  # as unlike as can be


def looks_of(rng: np.random.Generator, *people: int) -> list[np.ndarray]:
    return [LOOKS[person] + rng.normal(0, 0.01, 40).astype(np.float32) for person in people]


def meeting(make_face, meet: int, merged: int, back: bool):
    """Two who come together, are one detection (person 0, in front) for a while, and come apart or turn back."""
    for k in range(2 * meet + merged):
        t = min(k, meet) if k < meet + merged else (2 * meet + merged - k if back else k - merged)
        step = (meet - t) * 14
        left, right = 200 - step, 200 + step
        if meet <= k < meet + merged:
            yield [make_face((200, 100), 30.0)], [0]
        else:
            yield [make_face((left, 100), 30.0), make_face((right, 102), 30.0)], [0, 1]


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("merged", [1, 3, 5])
def test_looks_tell_who_is_who_after_a_meeting(make_face, merged, back):
    """Places are the same whether they pass or turn back, so only looks can tell."""
    rng, tracker, owners = np.random.default_rng(0), Tracker(), {0: set(), 1: set()}
    seen = 0
    for k, (faces, people) in enumerate(meeting(make_face, 6, merged, back)):
        for s in tracker.update(k * STEP, faces, looks=looks_of(rng, *people)):
            at = round(s.time_s / STEP)
            now = list(meeting(make_face, 6, merged, back))[at]
            person = now[1][[f is s.face or np.array_equal(f.box, s.face.box) for f in now[0]].index(True)]
            owners[person].add(s.track)
            seen += 1
    assert sorted(map(len, owners.values())) == [1, 1]
    assert owners[0] != owners[1]
    assert seen >= 2 * 12 + merged - 4


def test_a_sighting_that_could_be_either_twins_is_given_to_nobody(make_face):
    """Two who look the same merge: the one detection half-way between both is nobody's, and no third track."""
    rng, tracker = np.random.default_rng(0), Tracker()
    given = []
    for k in range(8):
        apart = 62 - 4 * k
        faces = [make_face((200 - apart, 100), 30.0), make_face((200 + apart, 100), 30.0)]
        given += tracker.update(k * STEP, faces, looks=looks_of(rng, 0, 0))
    between = tracker.update(8 * STEP, [make_face((200, 100), 30.0)], looks=looks_of(rng, 0))
    assert {s.track for s in given} == {0, 1}
    assert between == []


def test_a_change_of_light_vetoes_no_plain_continuation(make_face):
    """Everybody looks like somebody else at once; places go on."""
    rng, tracker, sightings = np.random.default_rng(0), Tracker(), []
    for k in range(20):
        faces = [make_face((60 + 3 * k, 100), 30.0), make_face((300 - 3 * k, 100), 30.0)]
        who = (0, 1) if k < 10 else (2, 3)
        sightings += tracker.update(k * STEP, faces, looks=looks_of(rng, *who))
    assert len(sightings) == 40
    for s in sightings:
        assert (s.face.box[0] + s.face.box[2] < 360) == (s.track == 0)


def test_somebody_else_at_the_place_of_one_who_left_is_not_taken_for_him(make_face):
    rng, tracker, sightings = np.random.default_rng(0), Tracker(), []
    for k in range(20):
        faces = [] if 8 <= k < 13 else [make_face((100, 100), 30.0)]
        sightings += tracker.update(k * STEP, faces, looks=looks_of(rng, *([0 if k < 8 else 1] * len(faces))))
    assert [s.track for s in sightings] == [0] * 8 + [1] * 7


def test_a_look_is_learned_only_where_nobody_else_is_near(make_face):
    """Beside another face a look is of both; the mean before it must survive a long neighbourhood."""
    rng, tracker, sightings = np.random.default_rng(0), Tracker(), []
    for k in range(44):
        gap = 150 if k < 6 or k >= 32 else 64
        faces = [make_face((200 - gap / 2, 100), 30.0), make_face((200 + gap / 2, 100), 30.0)]
        looks = looks_of(rng, 0, 1) if k < 6 or k >= 32 else [(LOOKS[0] + LOOKS[1]) / 2] * 2
        if 30 <= k < 33:
            faces, looks = [], []
        sightings += tracker.update(k * STEP, faces, looks=looks)
    assert {s.track for s in sightings} == {0, 1}


def test_looks_must_be_as_many_as_faces(make_face):
    with pytest.raises(ConfigError):
        Tracker().update(0.0, [make_face((100, 100), 30.0)], looks=[])


def audience(make_face, rng: np.random.Generator, people: int, instants: int):
    """Seats 60 apart; everyone sways; one in ten is not seen, one in ten faint."""
    seats = np.array([(60 * (k % 10), 60 * (k // 10)) for k in range(people)], np.float64)
    for _ in range(instants):
        at, fate = seats + rng.normal(0, 3, seats.shape), rng.uniform(size=people)
        seen = [k for k in rng.permutation(people).tolist() if fate[k] > 0.1]
        faces = [make_face(tuple(at[k]), 22.0, 0.35 if fate[k] < 0.2 else 0.9) for k in seen]
        looks = [np.roll(LOOKS[0] / 20, k % 40) + rng.normal(0, 0.01, 40).astype(np.float32) for k in seen]
        yield seen, faces, looks


def test_a_crowd_keeps_its_names_in_whatever_order_its_faces_come(make_face):
    rng, tracker, shuffled = np.random.default_rng(0), Tracker(max_gap_s=3.0), Tracker(max_gap_s=3.0)
    owners: dict[int, set[int]] = {}
    people_of: dict[int, int] = {}
    for k, (seen, faces, looks) in enumerate(audience(make_face, rng, 50, 25)):
        people_of |= {id(face): person for face, person in zip(faces, seen, strict=True)}
        given = tracker.update(k * STEP, faces, looks=looks)
        order = rng.permutation(len(faces)).tolist()
        again = shuffled.update(k * STEP, [faces[i] for i in order], looks=[looks[i] for i in order])
        assert [(s.track, s.time_s, id(s.face)) for s in given] == [(s.track, s.time_s, id(s.face)) for s in again]
        for s in given:
            owners.setdefault(people_of[id(s.face)], set()).add(s.track)
    assert len(owners) == 50
    assert all(len(tracks) == 1 for tracks in owners.values())
    assert len(set.union(*owners.values())) == 50


def scene(seed: int, shift: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    blocks = np.kron(rng.integers(0, 255, (12, 20, 3), dtype=np.uint8), np.ones((20, 20, 1), np.uint8))
    return np.roll(blocks, shift, axis=1)


def test_cuts_are_found_and_movement_is_none():
    detector = CutDetector()
    images = [scene(0, 2 * k) for k in range(10)] + [scene(1, k) for k in range(10)] + [scene(2)] * 5
    assert [k for k, image in enumerate(images) if detector.update(image)] == [10, 20]


def test_noise_and_slow_change_of_light_are_no_cut():
    rng, detector = np.random.default_rng(0), CutDetector()
    images = [np.clip(scene(0) * (0.5 + 0.02 * k) + rng.normal(0, 8, (240, 400, 3)), 0, 255) for k in range(25)]
    assert not any(detector.update(image.astype(np.uint8)) for image in images)
