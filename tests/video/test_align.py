"""Alignment: exact where it can be, steady where the landmarks shiver."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maedfer.errors import ConfigError
from maedfer.video.align import TEMPLATE, clip_transforms, similarity, warp


def moved(points: np.ndarray, scale: float, angle: float, shift: tuple[float, float]) -> np.ndarray:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * points @ turn.T + np.asarray(shift)


def applied(transform: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ transform[:, :2].T + transform[:, 2]


@given(st.floats(20, 900), st.floats(-3.1, 3.1), st.floats(-500, 500), st.floats(-500, 500))
def test_similar_faces_land_exactly_on_the_template(scale, angle, x, y):
    landmarks = moved(TEMPLATE, scale, angle, (x, y))
    assert np.allclose(applied(similarity(landmarks, 160), landmarks), TEMPLATE * 160, atol=1e-6)


def test_it_is_the_weighted_least_squares_optimum():
    rng = np.random.default_rng(1)
    landmarks = TEMPLATE * 90 + rng.normal(0, 4, (5, 2))
    weights = np.array([1, 1, 0.5, 0.25, 0.25])
    best = similarity(landmarks, 100)

    def error(transform: np.ndarray) -> float:
        return float(weights @ ((applied(transform, landmarks) - TEMPLATE * 100) ** 2).sum(axis=1))

    assert best[0, 0] == pytest.approx(best[1, 1])
    assert best[0, 1] == pytest.approx(-best[1, 0])
    for change in rng.normal(0, 1e-3, (50, 4)):
        linear = np.array([[change[0], -change[1]], [change[1], change[0]]])
        assert error(best) <= error(best + np.column_stack([linear, change[2:] * 100]))


def test_an_open_mouth_moves_the_crop_little():
    landmarks = TEMPLATE * 100
    opened = landmarks + np.array([[0, 0], [0, 0], [0, 0], [0, 10], [0, 10]])
    eyes = applied(similarity(opened, 160), opened)[:2]
    assert np.abs(eyes - TEMPLATE[:2] * 160).max() < 4


def test_a_clip_has_one_scale_and_less_shiver_than_its_landmarks():
    rng = np.random.default_rng(0)
    still = np.tile(TEMPLATE * 100 + 50, (64, 1, 1))
    transforms = clip_transforms(still + rng.normal(0, 1.5, still.shape), 100)
    scales = np.sqrt(np.linalg.det(transforms[:, :, :2]))
    assert np.ptp(scales) < 1e-9
    assert scales[0] == pytest.approx(1, abs=0.02)
    eyes = np.stack([applied(t, still[0])[:2] for t in transforms])
    alone = np.stack([applied(similarity(s + rng.normal(0, 1.5, s.shape), 100), still[0])[:2] for s in still])
    assert np.diff(eyes, axis=0).std() < 0.7 * np.diff(alone, axis=0).std()


def test_even_movement_is_followed_without_lag():
    times = np.arange(16)[:, None, None]
    landmarks = TEMPLATE * 80 + np.array([6.0, -3.0]) * times
    crops = np.stack([applied(t, p) for t, p in zip(clip_transforms(landmarks, 160), landmarks, strict=True)])
    assert np.abs(crops[4:-4] - TEMPLATE * 160).max() < 0.25
    assert np.abs(crops - TEMPLATE * 160).max() < 0.05 * 160


def test_a_still_head_stands_still_under_shivering_landmarks():
    rng = np.random.default_rng(4)
    still = np.tile(TEMPLATE * 160 + 50, (16, 1, 1))
    places = []
    for _ in range(20):
        transforms = clip_transforms(still + rng.normal(0, 1.0, still.shape), 160)
        places.append(np.stack([applied(t, p) for t, p in zip(transforms, still, strict=True)]))
    away = np.stack(places) - np.stack(places).mean(axis=1, keepdims=True)
    # Five landmarks that shiver by one pixel each; smoothed lightly alone the crop would shiver by 0.5.
    assert np.sqrt((away**2).mean()) < 0.3


def test_a_head_that_starts_and_stops_at_a_face_width_a_second_stays_centred():
    width, rate = 0.8 * 160, 6.25
    for direction in ((1.0, 0.0), (0.0, 1.0), (-0.6, 0.8)):
        way = np.clip(np.arange(16) - 5, 0, 6)[:, None] * width / rate * np.array(direction)
        landmarks = TEMPLATE * 160 + way[:, None]
        transforms = clip_transforms(landmarks, 160)
        places = np.stack([applied(t, p) for t, p in zip(transforms, landmarks, strict=True)])
        assert np.abs(places - TEMPLATE * 160).max() < 3


def test_a_turn_through_half_a_circle_does_not_jump():
    landmarks = np.stack([moved(TEMPLATE, 100, angle, (200, 200)) for angle in np.linspace(2.6, 3.7, 16)])
    transforms = clip_transforms(landmarks, 160)
    crops = np.stack([applied(t, p) for t, p in zip(transforms, landmarks, strict=True)])
    assert np.abs(crops - TEMPLATE * 160).max() < 0.05 * 160


@pytest.mark.parametrize("scale", [0.3, 0.5, 1.0, 2.0])
def test_warp_brings_drawn_eyes_to_their_places(scale):
    landmarks = TEMPLATE * 120 / scale + np.array([40, 30])
    image = np.zeros((700, 800, 3), np.uint8)
    for x, y in landmarks[:2]:
        cv2.circle(image, (round(x * 16), round(y * 16)), round(6 / scale * 16), (255, 255, 255), -1, cv2.LINE_AA, 4)
    crop = warp(image, similarity(landmarks, 120), 120)
    for side, (x, y) in zip((crop[:, :60], crop[:, 60:]), TEMPLATE[:2] * 120, strict=True):
        moments = cv2.moments(side[..., 0])
        found = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
        assert found == pytest.approx((x % 60, y), abs=0.6)


def test_shrinking_averages_instead_of_aliasing():
    stripes = np.zeros((640, 640, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = warp(stripes, similarity(TEMPLATE * 640, 100), 100)
    assert crop.min() > 100
    assert crop.max() < 155


def test_outside_the_picture_the_border_is_mirrored():
    image = np.full((100, 100, 3), 77, np.uint8)
    crop = warp(image, similarity(TEMPLATE * 100 - 60, 64), 64)
    assert (crop == 77).all()


def test_landmarks_on_one_point_are_refused():
    for landmarks in (np.full((5, 2), 3.0), np.full((5, 2), np.nan)):
        with pytest.raises(ConfigError, match="landmarks"):
            similarity(landmarks, 100)
