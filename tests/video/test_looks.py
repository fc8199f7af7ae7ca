"""Descriptors: alike for one person under what may change, unlike for two."""

import numpy as np
import pytest

from maedfer.video.looks import looks_of, unlikeness

HAIR, SKIN, CLOTH = (40, 30, 25), (200, 150, 120), (60, 90, 150)
OTHER = ((180, 150, 90), (120, 80, 60), (150, 50, 60))


def person(make_face, colours=(HAIR, SKIN, CLOTH), at=(160, 90), radius=30, size=(240, 360), background=90):
    """Three patches where a head has its hair, face and clothes."""
    x, y = at
    image = np.full((*size, 3), background, np.uint8)
    image[max(0, y - 2 * radius) : y - int(0.7 * radius), x - radius : x + radius] = colours[0]
    image[y - int(0.7 * radius) : y + radius, x - radius : x + radius] = colours[1]
    image[y + radius : y + 3 * radius, max(0, x - 2 * radius) : x + 2 * radius] = colours[2]
    return image, make_face(at, float(radius))


def appearance(image: np.ndarray, face) -> np.ndarray:
    return looks_of(image, [face])[0]


def unlike(a: np.ndarray, b: np.ndarray) -> float:
    return float(unlikeness(a[None], b[None])[0, 0])


def crowd(make_face, count: int, seed: int = 0):
    """A picture of coloured blocks, and faces in it and over its borders."""
    rng = np.random.default_rng(seed)
    image = np.kron(rng.integers(0, 255, (18, 32, 3), dtype=np.uint8), np.ones((20, 20, 1), np.uint8))
    places = rng.uniform((-40, -40), (680, 400), (count, 2))
    return image, [make_face(tuple(place), float(rng.uniform(1, 50))) for place in places]


def test_shape_range_and_nothing_to_tell_from_itself(make_face):
    look = appearance(*person(make_face))
    assert look.dtype == np.float32
    assert look.ndim == 1
    assert look.min() >= 0
    assert look.max() <= 1
    assert unlike(look, look) == 0
    assert unlike(look, look * 0) <= 1


def test_two_people_are_far_more_unlike_than_one_at_another_place_and_size(make_face):
    rng = np.random.default_rng(0)
    look = appearance(*person(make_face))
    image, face = person(make_face, at=(220, 100), radius=24)
    noisy = np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)
    assert unlike(look, appearance(noisy, face)) < 0.12
    for k in range(3):
        colours = tuple(OTHER[i] if i == k else (HAIR, SKIN, CLOTH)[i] for i in range(3))
        assert unlike(look, appearance(*person(make_face, colours))) > 0.12
    assert unlike(look, appearance(*person(make_face, OTHER))) > 0.4


def test_exposure_changes_little(make_face):
    image, face = person(make_face)
    look = appearance(image, face)
    for exposure in (0.6, 0.8, 1.25):
        other = np.clip(image.astype(np.float32) * exposure, 0, 255).astype(np.uint8)
        assert unlike(look, appearance(other, face)) < 0.1


@pytest.mark.parametrize("at", [(2, 2), (355, 235), (-20, 100), (180, 300)])
def test_faces_at_and_beyond_the_border_have_a_look(make_face, at):
    look = appearance(np.full((240, 360, 3), 80, np.uint8), make_face(at, 25.0))
    assert np.isfinite(look).all()
    assert look.shape == appearance(*person(make_face)).shape


def test_mean_of_looks_is_nearer_to_each_than_they_are_to_each_other(make_face):
    a, b = appearance(*person(make_face)), appearance(*person(make_face, OTHER))
    middle = (a + b) / 2
    assert unlike(a, middle) == pytest.approx(unlike(middle, b), abs=1e-5)
    assert unlike(a, middle) < unlike(a, b)


@pytest.mark.parametrize("count", [0, 1, 2, 16, 17, 60])
def test_a_look_does_not_depend_on_who_else_is_in_the_picture(make_face, count):
    image, faces = crowd(make_face, count)
    looks = looks_of(image, faces)
    assert len(looks) == count
    for face, look in zip(faces, looks, strict=True):
        np.testing.assert_array_equal(look, appearance(image, face))
    for look, again in zip(reversed(looks), looks_of(image, faces[::-1]), strict=True):
        np.testing.assert_array_equal(look, again)


def test_the_table_of_unlikeness_is_that_of_its_pairs():
    """At a size that is worked through in several blocks, with the limit of 1 in reach."""
    rng = np.random.default_rng(0)
    a, b = (rng.uniform(0, 1, (count, 108)).astype(np.float32) for count in (47, 61))
    b[::3] += 3
    table = unlikeness(a, b)
    assert table.shape == (47, 61)
    pairs = [[min(1.0, 4 * float(np.abs(x - y).mean())) for y in b] for x in a]
    np.testing.assert_allclose(table, pairs, rtol=1e-6)
    np.testing.assert_array_equal(unlikeness(b, a), table.T)
    assert unlikeness(a[:0], b).shape == (0, 61)
    assert unlikeness(a, b[:0]).shape == (47, 0)
