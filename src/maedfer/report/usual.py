"""A face against its own usual look: what is always there is its shape, what changes is its expression.

Models read some people's resting faces as an expression: low brows as anger, deep folds as disgust. The remedy is old:
subtract the median over the video (person-specific normalisation, Baltrušaitis et al. 2015, doi
10.1109/FG.2015.7284869). It holds for talks and interviews, where a face mostly rests. Faces at rest look stern, sad or
strained to a model, hardly ever as if they smiled: who usually looks happy is left as the model says.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from maedfer.errors import ConfigError
from maedfer.report.windows import WindowPrediction

__all__ = ["LEAST_S", "RESTING", "against_usual", "has_usual", "require_resting"]

#: A face that was judged for less (seconds) stays as it is: its usual look is not known.
LEAST_S = 15.0

#: The class that a face's usual look is called.
RESTING = "neutral"

# A usual look of this class is what it seems, and not the shape of a face at rest.
_SHOWN = "happy"
# Probability of :data:`RESTING` where a face looks exactly as usual.
_USUALLY = 0.7
# Probabilities below weigh as this one: how much less is noise.
_LEAST = 1e-4


def require_resting(labels: Sequence[str]) -> None:
    """Raises ConfigError when no class of ``labels`` is a resting face."""
    if RESTING not in labels:
        raise ConfigError(
            f"baseline person: expected a model with the class {RESTING}, got {', '.join(labels)}; take baseline none"
        )


def against_usual(windows: Sequence[WindowPrediction], labels: Sequence[str]) -> list[WindowPrediction]:
    """The windows of one face with probabilities relative to their medians over all of them.

    Centred log-probabilities less their median, plus those of a resting face: whatever constant a face adds to the
    logits, the result is the same. A face whose usual look is a smile stays as it is.

    Args:
        windows: of one face, in any order.
        labels: class names in index order, a resting face among them.

    Raises:
        ConfigError: it is not.
    """
    require_resting(labels)
    if not has_usual(windows, labels):
        return list(windows)
    logits = _centred(windows)
    usual = np.median(logits, axis=0)
    resting = np.full(len(labels), (1 - _USUALLY) / max(1, len(labels) - 1))
    resting[list(labels).index(RESTING)] = _USUALLY
    relative = logits - usual + np.log(resting)
    relative = np.exp(relative - relative.max(axis=1, keepdims=True))
    relative /= relative.sum(axis=1, keepdims=True)
    return [
        replace(window, label=labels[row.argmax()], confidence=float(row.max()), probabilities=tuple(row.tolist()))
        for window, row in zip(windows, relative, strict=True)
    ]


def has_usual(windows: Sequence[WindowPrediction], labels: Sequence[str]) -> bool:
    """Whether a face was judged for long enough to have a usual look, and that is not a smile."""
    if not windows or max(one.end_s for one in windows) - min(one.start_s for one in windows) < LEAST_S:
        return False
    return labels[int(np.median(_centred(windows), axis=0).argmax())] != _SHOWN


def _centred(windows: Sequence[WindowPrediction]) -> Float[np.ndarray, "N C"]:
    """Log-probabilities less their mean, so that a constant shifts every window alike."""
    logits = np.log(np.maximum([one.probabilities for one in windows], _LEAST))
    return np.asarray(logits - logits.mean(axis=1, keepdims=True))
