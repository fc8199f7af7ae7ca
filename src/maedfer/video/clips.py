"""What one clip is, which windows of a video become clips, and how a window's pictures become the model's pixels."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from maedfer.errors import ConfigError
from maedfer.video.align import clip_transforms, warp

__all__ = ["DECODED_SIDE", "PAPER_CLIP", "ClipSpec", "WindowPlan", "crop_pixels"]


@dataclass(frozen=True)
class ClipSpec:
    """The shape of a clip in time and space.

    Attributes:
        num_frames: pictures in a clip.
        span_s: seconds from one clip's first instant to the first instant after it; the published protocol takes every
            4th frame at 25 fps, 16 of them: 2.56 s.
        size: side of the square crop in pixels.
    """

    num_frames: int = 16
    span_s: float = 2.56
    size: int = 160

    def __post_init__(self) -> None:
        if not 1 <= self.num_frames <= 1024:
            raise ConfigError(f"expected num_frames in 1..1024, got {self.num_frames}; 16 is the published length")
        if not (math.isfinite(self.span_s) and 0 < self.span_s <= 600):
            raise ConfigError(f"expected span_s in 0..600 seconds, got {self.span_s}; 2.56 is the published span")
        if not 16 <= self.size <= 1024:
            raise ConfigError(f"expected size in 16..1024 pixels, got {self.size}; 160 is the published size")

    @property
    def rate(self) -> float:
        """Sampled instants per second."""
        return self.num_frames / self.span_s


PAPER_CLIP = ClipSpec()
#: Longer side in pixels at which pictures are decoded, unless told otherwise; bounds memory.
DECODED_SIDE = 1280


class WindowPlan:
    """Which ranges of sampled instants are windows, decided while the instants still come in.

    Window k starts at ``k * hop_s`` (rounded to an instant). A video shorter than the span is one short window. A tail
    that no complete window covers gets one that ends at the video's end.

    Raises:
        ConfigError: the hop is shorter than one instant or longer than the span (then windows would leave holes).
    """

    def __init__(self, spec: ClipSpec, hop_s: float) -> None:
        if not 1 / spec.rate - 1e-9 <= hop_s <= spec.span_s + 1e-9:
            raise ConfigError(
                f"expected hop_s between {1 / spec.rate:.3g} and {spec.span_s:.3g} seconds for this clip, got {hop_s}; "
                f"{spec.span_s / 2:.3g} makes windows overlap by half"
            )
        self._length, self._hop = spec.num_frames, hop_s * spec.rate
        self._next = 0

    def complete(self, instants: int) -> list[range]:
        """Windows that lie wholly within the first ``instants`` instants and were not given out before."""
        windows = []
        while (first := round(self._next * self._hop)) + self._length <= instants:
            windows.append(range(first, first + self._length))
            self._next += 1
        return windows

    def finish(self, instants: int) -> list[range]:
        """The remaining windows of a video that ended after ``instants`` instants."""
        windows = self.complete(instants)
        covered = round((self._next - 1) * self._hop) + self._length if self._next else 0
        if covered < instants:
            windows.append(range(max(0, instants - self._length), instants))
        return windows


def crop_pixels(
    images: Sequence[UInt8[np.ndarray, "_ _ 3"]],
    landmarks: Mapping[int, Float[np.ndarray, "5 2"]],
    spec: ClipSpec,
) -> UInt8[np.ndarray, "3 T H W"]:
    """Aligned crops of one face from the pictures of one window.

    Between two sightings the landmarks are interpolated and the pixels are those of the instant itself. Before the
    first and after the last sighting (the face is not there yet, or a new shot began) the nearest seen picture stands
    still; so does the last one where the window is shorter than the clip.

    Args:
        images: RGB pictures of the window's instants, at most ``spec.num_frames``.
        landmarks: sightings by instant, 0 = first picture; instants outside the window help the interpolation. At least
            one lies inside.
        spec: shape of the clip.
    """
    seen = np.array(sorted(landmarks))
    inside = seen[(seen >= 0) & (seen < len(images))]
    if not 0 < len(images) <= spec.num_frames or not len(inside):
        raise ConfigError(
            f"expected 1..{spec.num_frames} pictures and a sighting among them, got {len(images)} pictures and "
            f"{len(inside)} sightings; skip this window"
        )
    shown = np.arange(max(0, seen[0]), min(len(images) - 1, seen[-1]) + 1)
    points = np.stack([landmarks[instant] for instant in seen.tolist()]).reshape(len(seen), 10)
    between = np.stack([np.interp(shown, seen, column) for column in points.T], axis=1).reshape(-1, 5, 2)
    transforms = clip_transforms(between, spec.size)
    crops = [warp(images[i], matrix, spec.size) for i, matrix in zip(shown.tolist(), transforms, strict=True)]
    order = np.clip(np.arange(spec.num_frames), shown[0], shown[-1]) - shown[0]
    return np.ascontiguousarray(np.stack(crops)[order].transpose(3, 0, 1, 2))
