"""The order in which an epoch visits the clips, with classes as often as asked for."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

__all__ = ["class_order", "class_visits"]

_EPOCH_ORDER, _CLASS_ORDER = 0, 1  # two streams of random numbers from one seed


def class_order(
    targets: Sequence[int], sampling: Literal["natural", "square_root", "balanced"], seed: int, epoch: int
) -> list[int]:
    """Positions of the clips in the order of their visit; as many as there are clips, whatever the sampling.

    Nothing is drawn with replacement. Each class has its clips in a fixed random order, a ring; an epoch takes the
    next :func:`class_visits` of them. So within an epoch no clip of a class is visited twice more than another, and
    over the epochs each comes equally often. Then all are shuffled. The order depends on the arguments alone: a
    resumed run, and every process, sees the same.

    Args:
        targets: class index of each clip.
        sampling: ``"natural"``: each clip once; see :class:`maedfer.recipes.ImbalanceConfig`.
        seed: of the run.
        epoch: from 0.
    """
    shuffle = np.random.default_rng((_EPOCH_ORDER, seed, epoch))
    if sampling == "natural":
        return [int(position) for position in shuffle.permutation(len(targets))]
    visits = class_visits(targets, sampling)
    chosen: list[int] = []
    for index, wanted in sorted(visits.items()):
        ring = np.flatnonzero(np.asarray(targets) == index)
        ring = np.random.default_rng((_CLASS_ORDER, seed, index)).permutation(ring)
        start = epoch * wanted
        chosen += [int(ring[step % len(ring)]) for step in range(start, start + wanted)]
    return [chosen[position] for position in shuffle.permutation(len(chosen))]


def class_visits(targets: Sequence[int], sampling: Literal["natural", "square_root", "balanced"]) -> dict[int, int]:
    """Clips of each class that an epoch visits, by class index; their sum is the number of clips.

    The shares are the configured ones, rounded by largest remainder (ties: the lower class index), so each is less
    than one clip off.
    """
    classes, counts = np.unique(np.asarray(targets, dtype=np.int64), return_counts=True)
    share: Float[np.ndarray, " classes"]
    if sampling == "natural":
        share = counts.astype(np.float64)
    elif sampling == "square_root":
        share = np.sqrt(counts)
    else:
        share = np.ones(len(counts))
    exact = len(targets) * share / share.sum()
    visits = np.floor(exact + 1e-9).astype(np.int64)  # 14 * 3 / 7 must be 6, not 5.9999
    rest = len(targets) - int(visits.sum())
    visits[np.argsort(visits - exact, kind="stable")[:rest]] += 1
    return {int(index): int(count) for index, count in zip(classes, visits, strict=True)}
