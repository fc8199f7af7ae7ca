"""Searching less than everything must find what searching everything finds."""

import numpy as np
import pytest

from maedfer.errors import ConfigError
from maedfer.video.search import FaceSearch
from maedfer.video.types import Face

SIZE = (360, 640)
STEP = 0.16
RED, GREEN, BLUE = (230, 20, 20), (20, 200, 20), (30, 30, 230)


class Watched:
    """Passes pictures on to a detector and remembers which of them were whole ones."""

    def __init__(self, detector) -> None:
        self.detector, self.whole = detector, list[bool]()

    def detect(self, image: np.ndarray) -> list[Face]:
        self.whole.append(image.shape[:2] == SIZE)
        return self.detector.detect(image)

    def asked(self) -> tuple[int, int]:
        """How often for the whole picture and for a region since the last question."""
        count = sum(self.whole), len(self.whole) - sum(self.whole)
        self.whole = []
        return count


@pytest.fixture
def watched(disc_detector) -> Watched:
    return Watched(disc_detector)


@pytest.fixture
def scene(watched, draw):
    """``scene(search, discs_by_instant)``: faces and searches (whole, regions) of each instant."""

    def run(search: FaceSearch, instants, first: int = 0):
        out = []
        for k, discs in enumerate(instants, start=first):
            faces = search.find(k * STEP, draw(SIZE, discs))
            out.append((sorted(centre(face) for face in faces), *watched.asked()))
        return out

    return run


def centre(face: Face) -> tuple[float, float]:
    x, y = ((face.box[:2] + face.box[2:]) / 2).tolist()
    return x, y


def test_whole_pictures_now_and_then_and_regions_in_between(watched, scene):
    found = scene(FaceSearch(watched), [[(300 + 4 * k, 200, 40, RED)] for k in range(12)])
    # At the full searches the face is also looked at in its region, so that its landmarks do not change their kind.
    assert [(whole, regions) for _, whole, regions in found] == [(k % 4 == 0, 1) for k in range(12)]
    for k, (places, _, _) in enumerate(found):
        assert places == [pytest.approx((300 + 4 * k, 200), abs=1.0)]


def test_nobody_there_costs_one_search_in_four(watched, scene):
    found = scene(FaceSearch(watched), [[] for _ in range(12)])
    assert [(whole, regions) for _, whole, regions in found] == [(k % 4 == 0, 0) for k in range(12)]
    assert all(not places for places, _, _ in found)


def test_at_every_instant_when_asked(watched, scene):
    found = scene(FaceSearch(watched, full_search_s=0.0), [[(300, 200, 40, RED)] for _ in range(5)])
    assert [(whole, regions) for _, whole, regions in found] == [(1, 0)] * 5


def test_a_new_face_is_seen_at_the_next_full_search(watched, scene):
    seen = [[(150, 200, 30, RED)]] * 5 + [[(150, 200, 30, RED), (480, 180, 40, GREEN)]] * 6
    counts = [len(places) for places, _, _ in scene(FaceSearch(watched), seen)]
    assert counts == [1] * 8 + [2] * 3


def test_a_cut_is_searched_at_once(watched, draw):
    search = FaceSearch(watched)
    for k in range(3):
        search.find(k * STEP, draw(SIZE, [(150, 200, 30, RED)]))
    watched.asked()
    (face,) = search.find(3 * STEP, draw(SIZE, [(500, 100, 50, GREEN)]), cut=True)
    assert centre(face) == pytest.approx((500, 100), abs=1.0)
    assert watched.asked() == (1, 1)


def test_a_face_that_leaps_out_of_its_region_is_found_at_the_same_instant(watched, scene):
    found = scene(FaceSearch(watched), [[(150, 200, 30, RED)]] * 2 + [[(400, 100, 30, RED)]] * 2)
    assert [places for places, _, _ in found] == [
        [pytest.approx(p, abs=1.0)] for p in [(150, 200)] * 2 + [(400, 100)] * 2
    ]


def test_a_hidden_face_costs_a_bound_and_is_seen_again_at_once(watched, scene):
    face = [(300, 200, 40, RED)]
    found = scene(FaceSearch(watched), [face] * 2 + [[]] * 5 + [face] * 3)
    assert [len(places) for places, _, _ in found] == [1] * 2 + [0] * 5 + [1] * 3
    # Two searches for the lost face, then every second instant until it is there again.
    assert [whole for _, whole, _ in found] == [1, 0, 1, 1, 1, 0, 1, 0, 0, 0]


def test_a_face_is_waited_for_no_longer_than_the_gap(watched, scene):
    face = [(300, 200, 40, RED)]
    search = FaceSearch(watched, max_gap_s=0.32)
    assert [regions for _, _, regions in scene(search, [face] + [[]] * 4)] == [1, 1, 1, 0, 0]


def test_what_never_was_clearly_a_face_starts_no_search(draw, watched, make_face):
    class Faint:
        whole = 0

        def detect(self, image):
            self.whole += image.shape[:2] == SIZE
            return [make_face(np.array([300.0, 200.0]), 40.0, 0.35)] if image.shape[:2] == SIZE else []

    faint = Faint()
    search = FaceSearch(faint)
    for k in range(8):
        search.find(k * STEP, draw(SIZE, []))
    assert faint.whole == 2


def test_a_held_picture_is_not_searched_again(watched, draw):
    search, image = FaceSearch(watched), draw(SIZE, [(300, 200, 40, RED)])
    first = search.find(0.0, image)
    assert watched.asked() == (1, 1)
    for k in range(1, 20):
        assert all(a is b for a, b in zip(first, search.find(k * STEP, image), strict=True))
    assert watched.asked() == (0, 0)
    # Held since an instant at which only the region was searched: once everything, when that is due.
    other = draw(SIZE, [(302, 200, 40, RED), (500, 100, 30, BLUE)])
    search = FaceSearch(watched)
    search.find(0.0, image)
    counts = [len(search.find(k * STEP, other)) for k in range(1, 12)]
    assert counts == [1] * 3 + [2] * 8


def test_many_faces_are_searched_together(watched, scene):
    crowd = [(60 + 90 * x, 60 + 90 * y, 30, RED) for x in range(7) for y in range(4)]
    found = scene(FaceSearch(watched), [crowd] * 3)
    assert [(len(places), whole, regions) for places, whole, regions in found] == [(28, 1, 0)] * 3


def test_a_face_cut_by_the_border_of_a_region_is_no_face(watched, scene):
    """The second face comes into the first one's region from the side; its visible part must not count."""
    instants = [[(300, 200, 40, RED)] + ([(400 - 6 * k, 200, 15, BLUE)] if k else []) for k in range(8)]
    seen = []
    for k, (places, _, _) in enumerate(scene(FaceSearch(watched, full_search_s=10.0), instants)):
        assert places[0] == pytest.approx((300, 200), abs=1.0)
        assert all(place == pytest.approx((400 - 6 * k, 200), abs=1.0) for place in places[1:])
        seen.append(len(places))
    assert seen[1] == 1  # its visible part is there
    assert seen[-1] == 2  # all of it is
    assert seen == sorted(seen)


def test_neighbours_inside_both_regions_are_each_found_once(watched, scene):
    pair = [(280, 200, 30, RED), (345, 200, 30, GREEN)]
    for places, _, _ in scene(FaceSearch(watched), [pair] * 6):
        assert places == [pytest.approx((280, 200), abs=1.0), pytest.approx((345, 200), abs=1.0)]


def test_a_still_face_gives_the_very_same_answer_at_every_instant(watched, draw):
    search, discs = FaceSearch(watched), [(300.4, 200.3, 41.7, RED)]
    boxes = np.stack([search.find(k * STEP, draw(SIZE, discs))[0].box for k in range(9)])
    assert np.ptp(boxes, axis=0).max() == 0


@pytest.mark.parametrize("seed", range(6))
def test_faces_on_random_ways_are_seen_as_by_searching_everything(watched, scene, seed):
    """Two faces walk, stop and turn at up to 0.8 of their width an instant."""
    rng = np.random.default_rng(seed)
    places, speed, instants = np.array([[160.0, 120.0], [480.0, 240.0]]), np.zeros((2, 2)), []
    for _ in range(40):
        speed = np.clip(0.7 * speed + rng.normal(0, 14, (2, 2)), -50, 50)
        places = np.clip(places + speed, [[32, 32], [350, 40]], [[290, 326], [598, 318]])
        instants.append([(*places[0], 30, RED), (*places[1], 38, GREEN)])
    some = scene(FaceSearch(watched), instants)
    every = scene(FaceSearch(watched, full_search_s=0.0), instants)
    for (a, _, _), (b, _, _) in zip(some, every, strict=True):
        assert a == [pytest.approx(place, abs=1.5) for place in b]
    assert sum(whole for _, whole, _ in some) < 0.75 * len(instants)


def test_settings_out_of_range(watched):
    for wrong in (-0.1, 11.0, float("nan")):
        with pytest.raises(ConfigError, match="full_search_s"):
            FaceSearch(watched, full_search_s=wrong)
