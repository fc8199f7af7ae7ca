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
