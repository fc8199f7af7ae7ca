"""The paper's two windows, against its published rule written out for frames at 25 fps."""

from collections.abc import Iterator

import numpy as np
import pytest
from jaxtyping import UInt8

from maedfer.errors import ConfigError, DecodeError
from maedfer.evaluate import average_views, end_views


def numbered(count: int) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    return (np.full((2, 2, 3), index, dtype=np.uint8) for index in range(count))


@pytest.mark.parametrize("frames", [1, 3, 4, 5, 16, 63, 64, 65, 68, 100, 255])
def test_views_equal_the_published_rule_at_25_fps(frames: int) -> None:
    every_fourth = list(range(0, frames, 4))
    while len(every_fourth) < 16:
        every_fourth.append(every_fourth[-1])
    published = [every_fourth[:16], every_fourth[-16:]]

    sampled = (picture for picture in numbered(frames) if picture[0, 0, 0] % 4 == 0)
    views = end_views(sampled, 16)
    assert views.shape[1:] == (3, 16, 2, 2)
    shown = views[:, 0, :, 0, 0].tolist()
    assert shown == (published if published[0] != published[1] else published[:1])


def test_channels_and_pixels_stay_in_place() -> None:
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    views = end_views([picture], 3)
    assert views.shape == (1, 3, 3, 2, 4)
    for frame in range(3):
        assert np.array_equal(views[0, :, frame].transpose(1, 2, 0), picture)


def test_average_is_of_probabilities() -> None:
    mean = average_views(np.array([[1.0, 0.0], [0.2, 0.8]], dtype=np.float32))
    assert mean == pytest.approx([0.6, 0.4])


def test_no_picture_and_no_frame_are_refused() -> None:
    with pytest.raises(DecodeError):
        end_views(numbered(0), 16)
    with pytest.raises(ConfigError):
        end_views(numbered(3), 0)
