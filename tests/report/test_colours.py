"""Colours that stay apart, for colour-blind eyes too, and ink that can be read on them."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maedfer.emotions import BASIC_EXPRESSIONS, LABEL_SETS
from maedfer.report import UNSEEN, UNSURE
from maedfer.report.colours import colour_of, ink_on

#: Linear RGB as seen without M cones (deuteranopia) and without L cones (protanopia), and unchanged. Machado, Oliveira
#: and Fernandes 2009, severity 1.0.
EYES = {
    "common": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
}

#: CIE76 differences; about 2.3 is just noticeable.
LEAST_BASIC = 15.0
LEAST_OTHER = 10.0


def linear(colour: str) -> list[float]:
    shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]


def lab(colour: str, eye: str) -> tuple[float, float, float]:
    light = linear(colour)
    r, g, b = (min(1.0, max(0.0, sum(a * b for a, b in zip(row, light, strict=True)))) for row in EYES[eye])
    white = (0.9505, 1.0, 1.089)
    xyz = (
        0.4124 * r + 0.3576 * g + 0.1805 * b,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        0.0193 * r + 0.1192 * g + 0.9505 * b,
    )
    x, y, z = (value / w for value, w in zip(xyz, white, strict=True))
    fx, fy, fz = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def difference(one: str, two: str) -> float:
    """In the worst of the eyes."""
    return min(math.dist(lab(one, eye), lab(two, eye)) for eye in EYES)


def contrast(one: str, two: str) -> float:
    lights = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (linear(one), linear(two)))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def test_the_basic_expressions_stay_apart_for_every_eye() -> None:
    colours = [colour_of(label, BASIC_EXPRESSIONS) for label in BASIC_EXPRESSIONS]
    assert min(difference(*pair) for pair in itertools.combinations(colours, 2)) > LEAST_BASIC


@pytest.mark.parametrize("name", LABEL_SETS)
def test_each_label_set_and_the_greys_stay_apart(name: str) -> None:
    labels = LABEL_SETS[name].labels
    colours = [colour_of(label, labels) for label in (*labels, UNSURE, UNSEEN)]
    assert min(difference(*pair) for pair in itertools.combinations(colours, 2)) > LEAST_OTHER


def test_an_expression_keeps_its_colour_in_every_set_and_spelling() -> None:
    assert colour_of("anger", LABEL_SETS["MAFW"].labels) == colour_of("angry", BASIC_EXPRESSIONS)
    assert colour_of("happy", ("x", "happy")) == colour_of("happiness", ("happiness", "y", "z"))
    assert colour_of(UNSURE, ("a",)) == colour_of(UNSURE, BASIC_EXPRESSIONS)


def test_greys_are_grey_and_classes_are_not() -> None:
    for grey in (colour_of(UNSURE, ()), colour_of(UNSEEN, ())):
        assert grey[1:3] == grey[3:5] == grey[5:7]
    for label in (*LABEL_SETS["MAFW"].labels, "calm"):
        colour = colour_of(label, (label,))
        assert not colour[1:3] == colour[3:5] == colour[5:7]


@given(labels=st.lists(st.text(max_size=8), min_size=1, max_size=12, unique=True))
def test_any_labels_get_distinct_colours_that_are_always_the_same(labels: list[str]) -> None:
    colours = [colour_of(label, labels) for label in dict.fromkeys((*labels, UNSURE, UNSEEN))]
    assert len(set(colours)) == len(colours)
    assert colours == [colour_of(label, tuple(labels)) for label in dict.fromkeys((*labels, UNSURE, UNSEEN))]
    assert all(len(colour) == 7 and int(colour[1:], 16) >= 0 for colour in colours)


def test_two_spellings_of_one_expression_are_still_two_classes() -> None:
    labels = ("anger", "angry", "Anger")
    assert len({colour_of(label, labels) for label in labels}) == 3


def test_a_further_class_is_told_from_all_the_known() -> None:
    labels = (*LABEL_SETS["MAFW"].labels, "boredom", "pain", "doubt")
    colours = [colour_of(label, labels) for label in labels]
    for further in colours[-3:]:
        assert (
            min(math.dist(lab(further, "common"), lab(own, "common")) for own in colours if own != further)
            > LEAST_OTHER
        )


def test_hundreds_of_labels_are_still_told_apart() -> None:
    labels = [f"class {number}" for number in range(400)]
    assert len({colour_of(label, labels) for label in labels}) == 400


def test_a_label_outside_the_set_has_a_colour_too() -> None:
    assert colour_of("boredom", BASIC_EXPRESSIONS) not in {colour_of(x, BASIC_EXPRESSIONS) for x in BASIC_EXPRESSIONS}


@given(value=st.integers(0, 0xFFFFFF))
def test_ink_is_readable_on_any_colour(value: int) -> None:
    colour = f"#{value:06X}"
    ink = ink_on(colour)
    assert contrast(colour, ink) >= 4.5
    assert contrast(colour, ink) >= contrast(colour, "#FFFFFF" if ink == "#000000" else "#000000")
