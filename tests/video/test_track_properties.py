"""What holds for whatever a detector may say, however odd."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from maedfer.video.align import TEMPLATE
from maedfer.video.track import Tracker
from maedfer.video.types import Face, TrackedFace

STEP = 0.16
Instants = list[list[Face]]


@st.composite
def faces(draw: st.DrawFn) -> Face:
    x, y = draw(st.floats(-50, 400)), draw(st.floats(-50, 200))
    width, height = draw(st.floats(1, 150)), draw(st.floats(1, 150))
    box = np.array([x, y, x + width, y + height], np.float32)
    corner, side = np.array([x, y]), np.array([width, height])
    return Face(box, draw(st.floats(0, 1)), (corner + TEMPLATE * side).astype(np.float32))


def tracked(instants: Instants, cuts: set[int]) -> list[TrackedFace]:
    tracker = Tracker()
    out: list[TrackedFace] = []
    for index, seen in enumerate(instants):
        out += tracker.update(index * STEP, seen, cut=index in cuts)
    return out + tracker.finish()


# Two detections at exactly the same place could not be told apart by anybody.
videos = st.lists(st.lists(faces(), max_size=5, unique_by=lambda face: face.box.tobytes()), max_size=12)
shots = st.sets(st.integers(0, 11), max_size=3)


@given(videos, shots)
def test_a_face_is_given_once_at_its_time_and_to_one_track(instants: Instants, cuts: set[int]) -> None:
    out = tracked(instants, cuts)
    came = {id(face): index for index, seen in enumerate(instants) for face in seen}
    assert len({id(one.face) for one in out}) == len(out)
    for one in out:
        assert one.time_s == came[id(one.face)] * STEP
    places = [(one.track, one.time_s) for one in out]
    assert len(set(places)) == len(places), "a track is at two places at once"
    for track in {one.track for one in out}:
        indices = [came[id(one.face)] for one in out if one.track == track]
        assert indices == sorted(indices)
        assert not any(indices[0] < cut <= indices[-1] for cut in cuts), "a track goes on over a cut"
    assert {one.track for one in out} == set(range(len({one.track for one in out})))


@given(videos, shots, st.integers(0, 1000))
def test_the_order_of_the_detections_says_nothing(instants: Instants, cuts: set[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    shuffled = [[seen[i] for i in random.permutation(len(seen))] for seen in instants]
    before = {id(one.face): one.track for one in tracked(instants, cuts)}
    after = {id(one.face): one.track for one in tracked(shuffled, cuts)}
    assert before == after
