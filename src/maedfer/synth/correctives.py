"""What a rig's units leave out when they act together: how a frown draws the brows, and how disgust narrows the eyes.

Units are added to one another, and makers let ``browDown`` move the middle of the brow most. The corrugator (action
unit 4) draws the inner ends down and together, so that the brows slope to the nose and hood the eyes; with the inner
brow raised as well (1+4, sadness and fear) that is taken back. Nose wrinkling (9) presses the lower lids up and leaves
the tails of the brows where they are. Displacements are blended in where the rig's own units move the skin. Unit tracks
know nothing of this: it is how a unit looks, not another unit.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from maedfer.synth.dynamics import smooth
from maedfer.synth.rig import UNITS, Rig

__all__ = ["CORRECTIVES", "corrective_offsets", "corrective_weights", "coupled"]

#: Displacements beyond those of :data:`~maedfer.synth.rig.UNITS`, in order.
CORRECTIVES = ("frownLeft", "frownRight", "wrinkleLeft", "wrinkleRight")


class _Shape(NamedTuple):
    """Where a brow goes at weight 1: outwards, up and forwards at each distance from the middle, in eye distances."""

    away: tuple[float, ...]
    out: tuple[float, ...]
    up: tuple[float, ...]
    forth: tuple[float, ...]


_FROWN = _Shape(
    (-0.08, 0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9),
    (0.0, 0.0, -0.035, -0.06, -0.065, -0.055, -0.04, -0.02),
    (0.0, -0.055, -0.115, -0.155, -0.13, -0.088, -0.035, 0.0),
    (0.0, 0.008, 0.025, 0.03, 0.03, 0.025, 0.015, 0.01),
)
_WRINKLE = _Shape(
    (-0.08, 0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9),
    (0.0, 0.0, -0.02, -0.025, -0.02, -0.015, -0.01, 0.0),
    (0.0, -0.015, -0.03, -0.045, -0.05, -0.05, -0.045, -0.03),
    (0.0, 0.005, 0.012, 0.015, 0.012, 0.01, 0.01, 0.005),
)
# The band of skin that goes with the brow; it fades out towards the lid's edge and up the forehead.
_LOW, _HIGH, _FADE_LOW, _FADE_HIGH = 0.27, 0.45, 0.13, 0.3
# A vertex counts as skin of the brow when the rig's units move it by this much.
_MOVED = 0.012
_LID_FALL, _LID_PRESS, _CORNER_FALL = 0.08, 0.45, 0.3
# A lip raised by more than an open mouth raises it; a frown deeper than a resting face may wear.
_LIP_RAISED, _FROWNED = 0.4, 0.5


def corrective_offsets(rig: Rig) -> Float32[np.ndarray, "C N 3"]:
    """Displacements at weight 1, in eye distances, in the order of :data:`CORRECTIVES`."""
    made = []
    for unit, shape in (("browDown", _FROWN), ("noseSneer", _WRINKLE)):
        for side, sign in (("Left", 1.0), ("Right", -1.0)):
            own = rig.unit_offsets[UNITS.index(unit + side)]
            frown = rig.unit_offsets[UNITS.index("browDown" + side)]
            made.append(_in_brow(rig, frown, sign)[:, None] * (_course(rig, shape, sign) - own))
    return np.stack(made).astype(np.float32)


def corrective_weights(weights: Float32[np.ndarray, "T K"]) -> Float32[np.ndarray, "T C"]:
    """Weights of :data:`CORRECTIVES` under unit weights; a raised inner brow takes the frown back."""
    columns = []
    for side in ("Left", "Right"):
        frown, raised = (weights[:, UNITS.index(unit + side)] for unit in ("browDown", "browInnerUp"))
        columns.append(frown * smooth(frown / _FROWNED) * np.clip(1 - raised, 0, 1))
    columns += [weights[:, UNITS.index("noseSneer" + side)] for side in ("Left", "Right")]
    return np.stack(columns, 1).astype(np.float32)


def coupled(weights: Float32[np.ndarray, "T K"]) -> Float32[np.ndarray, "T K"]:
    """Unit weights with what moves besides.

    Lids fall under a frown; a wrinkled nose or raised lip presses the lower lids up; the corners of the mouth stay low
    under a wrinkled nose and between pressed lips, unless they smile.
    """
    moved = weights.copy()
    for side, frown in zip(("Left", "Right"), corrective_weights(weights)[:, :2].T, strict=True):
        blink, squint = UNITS.index("eyeBlink" + side), UNITS.index("eyeSquint" + side)
        fallen = np.minimum(_LID_FALL * frown, np.maximum(1 - moved[:, blink], 0))
        moved[:, blink] += fallen
        sneer, lip, smile = (weights[:, UNITS.index(u + side)] for u in ("noseSneer", "mouthUpperUp", "mouthSmile"))
        raised = np.maximum(sneer, 0.8 * np.maximum(lip - _LIP_RAISED, 0))
        moved[:, squint] += _LID_PRESS * raised
        pulled = np.maximum(sneer, weights[:, UNITS.index("mouthPress" + side)])
        moved[:, UNITS.index("mouthFrown" + side)] += _CORNER_FALL * pulled * np.clip(1 - smile, 0, 1)
    return moved


def _in_brow(rig: Rig, frown: Float32[np.ndarray, "N 3"], sign: float) -> Float32[np.ndarray, "N"]:
    """How much each vertex belongs to the skin of one brow, 0..1."""
    x, y = sign * rig.rest[:, 0], rig.rest[:, 1]
    band = smooth(1 - (_LOW - y) / _FADE_LOW) * smooth(1 - (y - _HIGH) / _FADE_HIGH)
    across = smooth((x + 0.1) / 0.1) * smooth((1.15 - x) / 0.25)
    moved = np.clip(np.linalg.norm(frown, axis=1) / _MOVED, 0, 1)
    return np.asarray(band * across * moved, np.float32)


def _course(rig: Rig, shape: _Shape, sign: float) -> Float32[np.ndarray, "N 3"]:
    """A shape at every vertex by its distance from the middle of the face."""
    x = sign * rig.rest[:, 0]
    out, up, forth = (np.interp(x, shape.away, values) for values in shape[1:])
    return np.stack([sign * out, up, forth], 1).astype(np.float32)
