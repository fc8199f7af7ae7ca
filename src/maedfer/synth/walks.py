"""Who walks where: the courses of two people through a short scene, one difficulty of tracking each."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

__all__ = ["LONG_EXIT_S", "SHORT_EXIT_S", "Walk", "crossing", "leaving", "standing", "turning"]

#: For how long people are out of the picture.
SHORT_EXIT_S, LONG_EXIT_S = 0.8, 3.0


@dataclass(frozen=True)
class Walk:
    """Where a person's face is over time: picture heights right of and above the middle; degrees; share of height."""

    across: Float64[np.ndarray, "T"]
    up: float
    yaw: Float64[np.ndarray, "T"]
    fill: float
    layer: int = 0


def crossing(rng: np.random.Generator, seed: int, times: Float64[np.ndarray, "T"], aspect: float) -> list[Walk]:
    """One before the other, at different speeds; who is in front and who comes from the left is drawn."""
    side, front = rng.choice([-1.0, 1.0]), int(rng.integers(2))
    end = float(times[0] + times[-1])
    middle, far = end / 2 + float(rng.uniform(-0.2, 0.2)), 0.33 * aspect
    fills = rng.uniform(0.27, 0.33) * np.array([1.0, rng.uniform(0.8, 0.95)])[:: 1 if front == 0 else -1]
    spans = rng.uniform(1.25, 1.75, 2)
    if seed % 3 == 0:
        runs = [_ease(times, middle - s, middle + s) for s in spans]
        across = [side * far * (2 * runs[0] - 1), -side * far * (2 * runs[1] - 1)]
    elif seed % 3 == 1:
        slow, quick = _ease(times, 0.1 * end, 0.9 * end), _ease(times, middle - spans[0], middle + spans[0])
        across = [side * 0.16 * aspect * (2 * slow - 1), side * 0.42 * aspect * (2 * quick - 1)]
    else:
        wait = float(rng.uniform(0.0, 0.1))
        there = [
            _ease(times, middle - wait - 0.8 * s, middle - wait) - _ease(times, middle + wait, middle + wait + 0.8 * s)
            for s in spans
        ]
        across = [side * far * (0.95 * there[0] - 1), -side * far * (0.95 * there[1] - 1)]
    # Turned to where they go at first, by the same angle all along: a turn with the speed would look like a delay.
    turned = [float(rng.uniform(4, 14)) * np.sign(a[-1] + a[len(a) // 2] - 2 * a[0]) * np.ones(len(a)) for a in across]
    ups = rng.normal(-0.08, 0.025, 2)
    return [Walk(across[p], float(ups[p]), turned[p], float(fills[p]), int(p == front)) for p in range(2)]


def standing(rng: np.random.Generator, seed: int, times: Float64[np.ndarray, "T"], aspect: float) -> list[Walk]:
    """Side by side, drifting a little."""
    drift = [rng.uniform(-0.04, 0.04) * (times - times.mean()) for _ in range(2)]
    return [
        Walk(
            np.asarray((p - 0.5) * 0.5 * aspect + drift[p]),
            float(rng.normal(-0.08, 0.03)),
            np.full(len(times), float(rng.normal(0, 5))),
            float(rng.uniform(0.28, 0.36)),
        )
        for p in range(2)
    ]


def leaving(rng: np.random.Generator, seed: int, times: Float64[np.ndarray, "T"], aspect: float) -> list[Walk]:
    """Each leaves at the nearer side and returns, person 0 soon and person 1 late."""
    walks = standing(rng, seed, times, aspect)
    for p, away_s in enumerate((SHORT_EXIT_S, LONG_EXIT_S)):
        outward, edge, run_s = 2 * p - 1, 0.5 * aspect, 0.5
        start = float(times[0] + times[-1]) - away_s - 1.1 if p else float(rng.uniform(1.3, 1.8))
        out, back = (times - start) / run_s, (times - start - away_s) / run_s
        # Straight through the border at the times asked for, and on for as long as it stays away.
        place = 0.25 * aspect + 0.25 * aspect * np.maximum(0.0, np.minimum(out + 1, 1 - back))
        beyond = np.minimum(place, edge + 0.35)
        walks[p] = Walk(outward * beyond, walks[p].up, walks[p].yaw, walks[p].fill)
    return walks


def turning(rng: np.random.Generator, seed: int, times: Float64[np.ndarray, "T"], aspect: float) -> list[Walk]:
    """Side by side; each head turns away and back, one after the other."""
    walks = standing(rng, seed, times, aspect)
    for p, walk in enumerate(walks):
        peak = float(rng.choice([-1.0, 1.0]) * rng.uniform(40, 60))
        start = 0.6 + 0.4 * p
        stays = float(times[0] + times[-1]) - 0.8 + 0.3 * p - 1.2
        turn = _ease(times, start, start + 0.7) - _ease(times, stays, stays + 0.7)
        walks[p] = Walk(walk.across, walk.up, walk.yaw + peak * turn, walk.fill)
    return walks


def _ease(times: Float64[np.ndarray, "T"], start: float, end: float) -> Float64[np.ndarray, "T"]:
    """0 before ``start``, 1 after ``end``, a cubic between."""
    x = np.clip((times - start) / (end - start), 0, 1)
    return np.asarray(x * x * (3 - 2 * x), np.float64)
