"""Which windows of a labelled clip are looked at: the paper's two ends, windows all along, or the middle.

The paper (arXiv 2307.02227, section 4.2) takes every 4th frame of 25 fps video, then the first and the last 16 of
those, and averages the softmax of the two windows. Here the 4 frames are 0.16 s, whatever the frame rate. The published
code's two spatial crops are the same pixels of a square face crop, so they are left out.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8

from maedfer.errors import ConfigError, DecodeError
from maedfer.video.clips import ClipSpec, WindowPlan

__all__ = ["MOST_VIEWS", "SOURCE_RATE", "Sampling", "ViewPlan", "Views", "average_views", "clip_views", "kept_views"]

Views = Literal["ends", "dense", "middle"]
Sampling = Literal["span", "every"]

#: Frames a second of the paper's videos.
SOURCE_RATE = 25.0
#: Views of one clip that are held in memory at most: 157 MB at 16 pictures of 160 pixels.
MOST_VIEWS = 128


@dataclass(frozen=True)
class ViewPlan:
    """Which windows of a clip are judged, and how their pictures are spread.

    Attributes:
        spec: pictures T of a window, the seconds it spans, and its side in pixels.
        views: ``"ends"``: the first and the last window; ``"dense"``: a window every ``hop_s`` and one that ends with
            the clip; ``"middle"``: the window around the clip's middle.
        hop_s: seconds from one dense window to the next; ``None``: half a window.

    Raises:
        ConfigError: a hop shorter than one picture or longer than a window, or given without dense views.
    """

    spec: ClipSpec
    views: Views = "ends"
    hop_s: float | None = None

    def __post_init__(self) -> None:
        if self.views not in ("ends", "dense", "middle"):
            raise ConfigError(f"views: expected ends, dense or middle, got {self.views!r}")
        if self.hop_s is not None and self.views != "dense":
            raise ConfigError(f"views: a hop belongs to dense views, got one with {self.views}; leave out one of them")
        WindowPlan(self.spec, self.hop)

    @property
    def hop(self) -> float:
        """Seconds from the start of one window to the next; windows that follow each other where only ends count."""
        if self.views != "dense":
            return self.spec.span_s
        return self.spec.span_s / 2 if self.hop_s is None else self.hop_s

    @staticmethod
    def of(
        num_frames: int, size: int, *, views: Views = "ends", sampling: Sampling = "span", hop_s: float | None = None
    ) -> "ViewPlan":
        """The plan of a model that reads ``num_frames`` pictures of ``size`` pixels.

        Args:
            num_frames: pictures T of a window.
            size: side in pixels.
            views: see the attributes.
            sampling: ``"span"``: a window spans 2.56 s, of 16 pictures every 4th at 25 fps; ``"every"``: every frame at
                25 fps, as is done for FERV39k, whose clips are short.
            hop_s: see the attributes.

        Raises:
            ConfigError: as above, or an unknown sampling.
        """
        if sampling not in ("span", "every"):
            raise ConfigError(f"sampling: expected span or every, got {sampling!r}")
        spec = ClipSpec(num_frames=num_frames, size=size)
        if sampling == "every":
            spec = ClipSpec(num_frames=num_frames, span_s=num_frames / SOURCE_RATE, size=size)
        return ViewPlan(spec, views, hop_s)


def clip_views(pictures: Iterable[UInt8[np.ndarray, "H W 3"]], plan: ViewPlan) -> UInt8[np.ndarray, "V 3 T H W"]:
    """The windows of a clip that is read from its start (from the middle window's start for ``"middle"``).

    Fewer pictures than a window has: one view, the last picture repeated. No more pictures are held than are given.

    Args:
        pictures: RGB, 0..255, one size, ``plan.spec.rate`` a second.
        plan: which windows.

    Raises:
        DecodeError: there is no picture.
        ConfigError: there are more than :data:`MOST_VIEWS` dense windows.
    """
    found = kept_views(_windows(pictures, plan), plan)
    if not found:
        raise DecodeError("views: expected at least one picture, got none; check that the video plays")
    return np.stack(found)


def kept_views(windows: Iterable[UInt8[np.ndarray, "3 T H W"]], plan: ViewPlan) -> list[UInt8[np.ndarray, "3 T H W"]]:
    """Of all windows of a clip those that ``plan`` asks for; a first window that is also the last counts once.

    Raises:
        ConfigError: there are more than :data:`MOST_VIEWS` dense windows.
    """
    kept: list[UInt8[np.ndarray, "3 T H W"]] = []
    for window in windows:
        if plan.views == "ends" and len(kept) == 2:
            kept[1] = window
        elif plan.views != "middle" or not kept:
            kept.append(window)
        if len(kept) > MOST_VIEWS:
            raise ConfigError(
                f"views: expected at most {MOST_VIEWS} windows a clip, got more every {plan.hop:g} s; choose a longer "
                "hop, or views ends"
            )
    return kept


def _windows(pictures: Iterable[UInt8[np.ndarray, "H W 3"]], plan: ViewPlan) -> Iterator[UInt8[np.ndarray, "3 T H W"]]:
    """Every window in order of time; it ends at the picture that came last."""
    length = plan.spec.num_frames
    cut, recent = WindowPlan(plan.spec, plan.hop), deque[UInt8[np.ndarray, "H W 3"]](maxlen=length)
    count = 0
    for picture in pictures:
        recent.append(picture)
        count += 1
        for _ in cut.complete(count):
            yield _stacked(recent, length)
    for _ in cut.finish(count):
        yield _stacked(recent, length)


def _stacked(pictures: Iterable[UInt8[np.ndarray, "H W 3"]], length: int) -> UInt8[np.ndarray, "3 T H W"]:
    shown = list(pictures)
    shown += [shown[-1]] * (length - len(shown))
    return np.ascontiguousarray(np.stack(shown).transpose(3, 0, 1, 2))


def average_views(probabilities: Float[np.ndarray, "V C"]) -> Float[np.ndarray, " C"]:
    """Mean of the views' softmax."""
    mean: Float[np.ndarray, " C"] = probabilities.mean(axis=0)
    return mean
