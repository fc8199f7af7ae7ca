"""The course of an expression in time: onset, apex and offset, and the three labels that only time can tell.

- **timing**: an ``"onset"`` clip begins at rest and ends in the expression; an ``"offset"`` clip is the same reversed.
  Both are drawn from one distribution, and so is all else that the face does (:mod:`maedfer.synth.life`): a clip played
  backwards is an equally likely clip of the other label. One frame, or a set of frames without their order, says
  nothing about it.
- **pace**: ``"spontaneous"`` expressions rise slowly and their apex wavers; ``"posed"`` ones are switched on, held, and
  switched off (K. L. Schmidt, J. F. Cohn and Y. Tian, Biological Psychology 65, 2003; K. L. Schmidt et al., Journal of
  Nonverbal Behavior 30, 2006, deliberate and spontaneous smiles; M. F. Valstar et al., ICMI 2006, brow actions). One
  frame says next to nothing about it; a set of frames may, for slow ramps have more frames half-way.
- **order**: one expression fades while another rises, and the label says which is the last. Played backwards it is an
  equally likely clip of the other order: who sees both expressions and not their order is right in one clip of two.

Everything is a function of time in seconds, drawn once: any frame rate samples the same motion.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Float64

__all__ = ["PLANS", "Bout", "Pace", "Timing", "Wander", "draw_bout", "draw_change", "smooth"]

Timing: TypeAlias = Literal["onset", "offset", ""]
Pace: TypeAlias = Literal["spontaneous", "posed", ""]

#: Timing and pace of every eight clips of an expression, in an order that is drawn: half are timed, half of each pace.
PLANS: tuple[tuple[Timing, Pace], ...] = (
    *(("onset", "spontaneous"), ("onset", "posed"), ("offset", "spontaneous"), ("offset", "posed")),
    *(("", "spontaneous"), ("", "spontaneous"), ("", "posed"), ("", "posed")),
)

# Seconds of a ramp from rest to apex.
_RAMP_S = {"spontaneous": (0.5, 1.1), "posed": (0.12, 0.3), "": (0.2, 0.8)}
# So long before or after the clip lies what happens outside it.
_BEYOND_S = 1.0
# Where in a clip one expression makes way for another, and the seconds between the middles of both ramps.
_CHANGE, _APART_S = (0.35, 0.65), (-0.15, 0.3)
_WAVER = {"spontaneous": (0.1, 0.3), "posed": (0.0, 0.03), "": (0.0, 0.2)}


@dataclass(frozen=True)
class Bout:
    """One expression in time.

    Attributes:
        onset_s: the face begins to leave its rest; before 0: it has left it before the clip begins.
        apex_s: the full expression is reached.
        offset_s: the expression begins to fade (at or after the clip's end: it stays).
        release_s: seconds that the fading takes.
        waver: how unsteady the apex is, as a share of the strength.
    """

    onset_s: float
    apex_s: float
    offset_s: float
    release_s: float
    waver: float = 0.0

    def curve(self, times: Float64[np.ndarray, "T"]) -> Float64[np.ndarray, "T"]:
        """Strength 0..1 at each time: smooth ramps, a held apex."""
        up = smooth((times - self.onset_s) / max(self.apex_s - self.onset_s, 1e-6))
        down = smooth((times - self.offset_s) / self.release_s)
        rise: Float64[np.ndarray, "T"] = up * (1 - down)
        return rise


def draw_bout(rng: np.random.Generator, seconds: float, timing: Timing, pace: Pace) -> Bout:
    """A bout that is beyond half its strength in 40 % of the clip or more.

    Args:
        rng: draws it.
        seconds: of the clip; ramps of clips shorter than 2.56 s are shorter too.
        timing: ``"onset"``, ``"offset"``, or empty for a bout that is whole, or there from the beginning, or stays.
        pace: of its ramps; empty for anything between.
    """
    scale = min(1.0, seconds / 2.56)
    ramp, release = (float(r) * scale for r in rng.uniform(*_RAMP_S[pace], 2))
    waver = float(rng.uniform(*_WAVER[pace]))
    if timing:
        middle = float(rng.uniform(max(0.2, ramp / seconds / 2 + 0.03), 0.55)) * seconds
        if timing == "onset":
            return Bout(middle - ramp / 2, middle + ramp / 2, seconds + _BEYOND_S, ramp, waver)
        return Bout(-1.5 * _BEYOND_S, -_BEYOND_S, seconds - middle - ramp / 2, ramp, waver)
    kind = rng.random()
    # Present all along, present from early on, or the whole bout; a window cut from a film shows any of them.
    onset = -_BEYOND_S - ramp if kind < 0.3 else float(rng.uniform(0.02, 0.15)) * seconds
    offset = seconds + _BEYOND_S if kind < 0.6 else float(rng.uniform(0.75, 0.95)) * seconds
    return Bout(onset, onset + ramp, max(offset, onset + ramp), release, waver)


def draw_change(rng: np.random.Generator, seconds: float, pace: Pace) -> tuple[Bout, Bout]:
    """Two bouts, of which the first fades while the second rises, some 35 to 65 % into the clip.

    Between them the face may rest for a moment, or show a little of both. Reversed in time the two have exchanged
    their places, and are as likely.

    Args:
        rng: draws them.
        seconds: of the clip; ramps of clips shorter than 2.56 s are shorter too.
        pace: of the ramps.
    """
    scale = min(1.0, seconds / 2.56)
    fade, rise = (float(r) * scale for r in rng.uniform(*_RAMP_S[pace], 2))
    wavers = [float(w) for w in rng.uniform(*_WAVER[pace], 2)]
    middle = float(rng.uniform(*_CHANGE)) * seconds
    apart = float(rng.uniform(*_APART_S)) * scale
    first = Bout(-1.5 * _BEYOND_S, -_BEYOND_S, middle - apart / 2 - fade / 2, fade, wavers[0])
    onset = middle + apart / 2 - rise / 2
    return first, Bout(onset, onset + rise, seconds + _BEYOND_S, rise, wavers[1])


class Wander:
    """A smooth random walk around 0 with standard deviation about 1: a sum of slow sines with random phases."""

    def __init__(self, rng: np.random.Generator, channels: int, low_hz: float, high_hz: float) -> None:
        self._hz = rng.uniform(low_hz, high_hz, (channels, 4))
        self._phase = rng.uniform(0, 2 * np.pi, (channels, 4))
        self._size = rng.uniform(0.4, 1.0, (channels, 4))

    def __call__(self, times: Float64[np.ndarray, "T"]) -> Float64[np.ndarray, "T C"]:
        """Values at each time, one column a channel."""
        waves = np.sin(2 * np.pi * self._hz * times[:, None, None] + self._phase) * self._size
        values: Float64[np.ndarray, "T C"] = waves.sum(-1) / np.sqrt((self._size**2).sum(-1) / 2)
        return values


def smooth(x: Float[np.ndarray, "N"]) -> Float[np.ndarray, "N"]:
    """0 below 0, 1 above 1, a cubic between; symmetric, so that reversed ramps are ramps. Of the type of ``x``."""
    x = np.clip(x, 0, 1)
    return np.asarray(x * x * (3 - 2 * x), x.dtype)
