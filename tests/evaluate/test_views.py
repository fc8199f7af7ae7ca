"""Which pictures are looked at: the paper's two windows against its published rule, denser ones, the middle."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import UInt8

from maedfer.errors import ConfigError, DecodeError
from maedfer.evaluate.views import MOST_VIEWS, ViewPlan, Views, average_views, clip_views


def numbered(count: int) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    return (np.full((2, 2, 3), index, dtype=np.uint8) for index in range(count))


def shown(count: int, views: Views, hop_s: float | None = None) -> list[list[int]]:
    """The pictures of each window of a clip of ``count`` pictures."""
    plan = ViewPlan.of(16, 16, views=views, hop_s=hop_s)
    seen: list[list[int]] = clip_views(numbered(count), plan)[:, 0, :, 0, 0].tolist()
    return seen


@pytest.mark.parametrize("frames", [1, 3, 4, 5, 16, 63, 64, 65, 68, 100, 129, 255])
def test_ends_equal_the_published_rule_at_25_fps(frames: int) -> None:
    every_fourth = list(range(0, frames, 4))
    while len(every_fourth) < 16:
        every_fourth.append(every_fourth[-1])
    published = [every_fourth[:16], every_fourth[-16:]]

    sampled = (picture for picture in numbered(frames) if picture[0, 0, 0] % 4 == 0)
    views = clip_views(sampled, ViewPlan.of(16, 16))
    assert views.shape[1:] == (3, 16, 2, 2)
    seen = views[:, 0, :, 0, 0].tolist()
    assert seen == (published if published[0] != published[1] else published[:1])


@given(count=st.integers(1, 100), hop=st.sampled_from([None, 0.16, 0.64, 2.0, 2.56]))
def test_dense_windows_see_everything_and_hold_the_ends(count: int, hop: float | None) -> None:
    ends, dense = shown(count, "ends"), shown(count, "dense", hop)
    assert dense[0] == ends[0]
    assert dense[-1] == ends[-1]
    assert {picture for window in dense for picture in window} == set(range(count))
    starts = [window[0] for window in dense]
    assert starts == sorted(set(starts))
    if count <= 16:
        assert dense == ends == shown(count, "middle")


def test_dense_windows_are_a_hop_apart() -> None:
    assert [window[0] for window in shown(50, "dense")] == [0, 8, 16, 24, 32, 34]
    assert [window[0] for window in shown(50, "dense", 0.64)] == [0, 4, 8, 12, 16, 20, 24, 28, 32, 34]


def test_every_frame_instead_of_every_fourth() -> None:
    span, every = ViewPlan.of(16, 32), ViewPlan.of(16, 32, sampling="every")
    assert (span.spec.rate, every.spec.rate) == (6.25, 25.0)
    assert every.spec.span_s == pytest.approx(0.64)
    assert ViewPlan.of(4, 32).spec.rate == pytest.approx(1.5625)


def test_channels_and_pixels_stay_in_place() -> None:
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    views = clip_views([picture], ViewPlan.of(3, 16))
    assert views.shape == (1, 3, 3, 2, 4)
    for frame in range(3):
        assert np.array_equal(views[0, :, frame].transpose(1, 2, 0), picture)


def test_average_is_of_probabilities() -> None:
    mean = average_views(np.array([[1.0, 0.0], [0.2, 0.8]], dtype=np.float32))
    assert mean == pytest.approx([0.6, 0.4])


def test_impossible_plans_and_no_picture_are_refused() -> None:
    with pytest.raises(DecodeError):
        clip_views(numbered(0), ViewPlan.of(16, 16))
    with pytest.raises(ConfigError, match="num_frames"):
        ViewPlan.of(0, 16)
    with pytest.raises(ConfigError, match="hop belongs to dense"):
        ViewPlan.of(16, 16, hop_s=0.5)
    with pytest.raises(ConfigError, match="hop_s"):
        ViewPlan.of(16, 16, views="dense", hop_s=3.0)


def test_windows_without_number_are_refused_and_not_held() -> None:
    endless = (np.zeros((1, 1, 3), dtype=np.uint8) for _ in iter(int, 1))
    with pytest.raises(ConfigError, match=f"at most {MOST_VIEWS} windows"):
        clip_views(endless, ViewPlan.of(4, 16, views="dense"))
