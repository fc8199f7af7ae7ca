"""Regions: inside the picture, around the face, and back to where the face came from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maedfer.video.align import TEMPLATE
from maedfer.video.region import Region, head_width
from maedfer.video.types import Face


def face_at(x: float, y: float, width: float) -> Face:
    size = np.array([width, 1.3 * width])
    corner = np.array([x, y]) - size / 2
    box = np.concatenate([corner, corner + size]).astype(np.float32)
    return Face(box, 0.9, (TEMPLATE * size + corner).astype(np.float32))


@given(
    st.tuples(st.integers(20, 1280), st.integers(20, 1280)),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(2, 900),
    st.booleans(),
)
def test_a_region_lies_in_the_picture_and_around_the_face(size, x, y, width, lost):
    middle = np.array([x * size[0], y * size[1]])
    region = Region.around(face_at(*middle.tolist(), width), middle, size, lost=lost)
    assert min(region.corner) >= 0
    assert np.all(np.add(region.corner, region.extent) <= size)
    assert np.all(np.array(region.working) <= region.extent)
    assert min(region.working) >= 1
    low, high = np.maximum(0, middle - width * 0.4), np.minimum(size, middle + width * 0.4)
    assert np.all(low >= np.array(region.corner) - 1)
    assert np.all(high <= np.add(region.corner, region.extent) + 1)


def test_a_face_has_the_width_at_which_landmarks_are_best():
    for width in (60.0, 146.0, 400.0):
        region = Region.around(face_at(640, 360, width), np.array([640.0, 360.0]), (4000, 4000), lost=False)
        assert width * region.scale == pytest.approx(52)
        assert region.working == (96, 128)
    small = Region.around(face_at(640, 360, 30), np.array([640.0, 360.0]), (1280, 720), lost=False)
    assert small.working == small.extent == (64, 96)


def test_it_stays_while_the_face_stays_inside():
    size, middle = (640, 360), np.array([320.0, 180.0])
    face = face_at(320, 180, 100)
    region = Region.around(face, middle, size, lost=False)
    assert region.fits(face, np.array([332.0, 168.0]), size)
    assert not region.fits(face, np.array([350.0, 180.0]), size)
    assert not region.fits(face_at(320, 180, 140), middle, size)
    assert not region.fits(face_at(320, 180, 70), middle, size)


def test_there_and_back():
    size, face = (640, 360), face_at(250, 170, 120)
    region = Region.around(face, np.array([250.0, 170.0]), size, lost=False)
    factor, corner = np.divide(region.working, region.extent), np.array(region.corner)
    box = ((face.box.reshape(2, 2) - corner) * factor).reshape(4).astype(np.float32)
    back = region.placed(Face(box, 0.9, ((face.landmarks - corner) * factor).astype(np.float32)), size)
    assert back is not None
    assert back.box == pytest.approx(face.box, abs=1e-3)
    assert back.landmarks == pytest.approx(face.landmarks, abs=1e-3)


def test_a_border_of_the_region_cuts_but_one_of_the_picture_does_not():
    size = (640, 360)
    region = Region.around(face_at(60, 170, 100), np.array([60.0, 170.0]), size, lost=False)
    assert region.corner[0] == 0
    points = np.zeros((5, 2), np.float32)
    at_the_pictures_edge = Face(np.array([0, 40, 50, 90], np.float32), 0.9, points)
    at_the_regions_edge = Face(np.array([50, 40, region.working[0], 90], np.float32), 0.9, points)
    assert region.placed(at_the_pictures_edge, size) is not None
    assert region.placed(at_the_regions_edge, size) is None


def test_the_cut_out_shows_the_face():
    image = np.zeros((360, 640, 3), np.uint8)
    image[120:220, 200:300] = 255
    face = face_at(250, 170, 100)
    region = Region.around(face, np.array([250.0, 170.0]), (640, 360), lost=False)
    part = region.cut_out(image)
    assert part.shape[1::-1] == region.working
    share = (part[..., 0] > 127).mean() * region.extent[0] * region.extent[1]
    assert share == pytest.approx(100 * 100, rel=0.05)
    assert head_width(face) == pytest.approx(100)
