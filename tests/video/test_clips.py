"""Windows cover the video; crops hold still."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maedfer.errors import ConfigError
from maedfer.video.align import TEMPLATE
from maedfer.video.clips import ClipSpec, WindowPlan, crop_pixels


def streamed(spec: ClipSpec, hop_s: float, instants: int) -> list[range]:
    plan = WindowPlan(spec, hop_s)
    windows = [w for n in range(1, instants + 1) for w in plan.complete(n)]
    return windows + plan.finish(instants)


@given(st.integers(1, 200), st.floats(0.17, 2.56))
def test_every_instant_is_covered_and_starts_are_a_hop_apart(instants, hop_s):
    spec = ClipSpec()
    windows = streamed(spec, hop_s, instants)
    assert {i for w in windows for i in w} == set(range(instants))
    assert all(len(w) == min(instants, 16) for w in windows)
    starts = [w.start for w in windows]
    assert starts == sorted(set(starts))
    assert starts[:-1] == [round(k * (hop_s * spec.rate)) for k in range(len(starts) - 1)]
    assert max(np.diff(starts), default=0) <= np.ceil(hop_s * spec.rate)


def test_windows_by_hand():
    assert streamed(ClipSpec(), 1.28, 5) == [range(5)]
    assert streamed(ClipSpec(), 1.28, 16) == [range(16)]
    assert streamed(ClipSpec(), 1.28, 24) == [range(16), range(8, 24)]
    assert streamed(ClipSpec(), 1.28, 26) == [range(16), range(8, 24), range(10, 26)]


def test_spec_and_hop_out_of_range():
    for wrong in ({"num_frames": 0}, {"span_s": 0.0}, {"span_s": float("nan")}, {"size": 2}):
        with pytest.raises(ConfigError):
            ClipSpec(**wrong)
    for hop_s in (0.1, 3.0, float("nan")):
        with pytest.raises(ConfigError, match="hop_s"):
            WindowPlan(ClipSpec(), hop_s)


def test_pixels_of_gaps_are_of_their_instant_and_outside_the_nearest_sighting_stands():
    images = [np.full((100, 100, 3), 10 * k, np.uint8) for k in range(12)]
    marks = dict.fromkeys((3, 4, 8), TEMPLATE * 60 + 20)
    pixels = crop_pixels(images, marks, ClipSpec(size=32))
    assert pixels.shape == (3, 16, 32, 32)
    assert pixels.dtype == np.uint8
    shown = pixels[0].mean(axis=(1, 2)) / 10
    assert shown == pytest.approx([3, 3, 3, 3, 4, 5, 6, 7, 8, 8, 8, 8, 8, 8, 8, 8])


def test_sightings_beyond_the_window_help():
    images = [np.full((100, 100, 3), 10 * k, np.uint8) for k in range(16)]
    marks = dict.fromkeys((-3, 5, 18), TEMPLATE * 60 + 20)
    shown = crop_pixels(images, marks, ClipSpec(size=32))[0].mean(axis=(1, 2)) / 10
    assert shown == pytest.approx(range(16))


def test_no_sighting_inside_is_refused():
    images = [np.zeros((50, 50, 3), np.uint8)] * 4
    for marks in ({}, {9: TEMPLATE * 20}):
        with pytest.raises(ConfigError, match="sighting"):
            crop_pixels(images, marks, ClipSpec())
