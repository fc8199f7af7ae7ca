"""What happens beyond single units: brows slope to the nose under a frown, and stay up in sadness and fear."""

import numpy as np
import pytest

from maedfer.synth.anny import load_anny
from maedfer.synth.correctives import CORRECTIVES, corrective_offsets, corrective_weights, coupled
from maedfer.synth.expressions import au_weights
from maedfer.synth.head import build_head
from maedfer.synth.identity import draw_identity
from maedfer.synth.rig import UNITS, Part, Rig


@pytest.fixture(scope="module")
def rig() -> Rig:
    pytest.importorskip("anny", reason="anny is not installed: pip install maedfer[synth]")
    return load_anny()


def column(name: str) -> int:
    return UNITS.index(name)


def moved(rig: Rig, units: dict[int, float]) -> np.ndarray:
    """Displacement of every vertex of the rig, in eye distances of the rig."""
    weights = au_weights(units)[None]
    every = np.concatenate([rig.unit_offsets, corrective_offsets(rig)])
    both = np.concatenate([coupled(weights), corrective_weights(weights)], 1)[0]
    return np.tensordot(both, every, 1)


def brow(rig: Rig, low: float, high: float) -> np.ndarray:
    """Skin of the subject's left brow between two distances from the middle."""
    x, y, z = rig.rest.T
    return (rig.part == Part.SKIN) & (x > low) & (x < high) & (np.abs(y - 0.34) < 0.06) & (z > 0)


def test_a_frown_draws_the_inner_ends_of_the_brows_down_and_together(rig: Rig) -> None:
    angry = moved(rig, {4: 1.4})
    inner, tail = angry[brow(rig, 0.15, 0.3)].mean(0), angry[brow(rig, 0.75, 0.95)].mean(0)
    assert inner[1] < -0.15
    assert inner[1] < tail[1] - 0.1, "they slope to the nose"
    assert inner[0] < -0.06, "the subject's left brow moves to the viewer's left, to the nose"


def test_sadness_and_fear_keep_the_inner_brow_up(rig: Rig) -> None:
    for units in ({1: 1.2, 4: 0.6}, {1: 1.2, 2: 0.6, 4: 0.7}):
        assert moved(rig, units)[brow(rig, 0.15, 0.3)].mean(0)[1] > 0.0
        assert corrective_weights(au_weights(units)[None])[0, :2].max() == 0


def test_resting_frowns_stay_shallow_and_nothing_stays_nothing() -> None:
    rest = np.zeros((1, len(UNITS)), np.float32)
    assert not corrective_weights(rest).any()
    np.testing.assert_array_equal(coupled(rest), rest)
    resting, full = (corrective_weights(au_weights({4: strength})[None])[0, 0] for strength in (0.15, 1.0))
    assert resting < 0.05 < 0.95 < full


def test_correctives_are_mirrored_and_leave_mouth_and_eyeballs_alone(rig: Rig) -> None:
    offsets = corrective_offsets(rig)
    assert len(offsets) == len(CORRECTIVES)
    away = (rig.rest[:, 1] < 0.1) | (rig.part != Part.SKIN)
    assert not offsets[:, away].any()
    left, right = (np.abs(o).sum(0) for o in offsets[:2])
    np.testing.assert_allclose(left, right, rtol=0.1)


def test_lids_close_at_most_and_smiles_stay_smiles() -> None:
    weights = au_weights({4: 1.4, 9: 1.0, 12: 1.0, 43: 1.0})[None]
    both = coupled(weights)
    assert both[0, column("eyeBlinkLeft")] == pytest.approx(1.0)
    assert both[0, column("mouthFrownLeft")] == 0
    assert both[0, column("eyeSquintLeft")] > weights[0, column("eyeSquintLeft")]
    wrinkled = coupled(au_weights({9: 1.0})[None])[0]
    assert wrinkled[column("mouthFrownRight")] > 0.2


def test_a_head_wears_them(rig: Rig) -> None:
    head = build_head(rig, draw_identity(rig, np.random.default_rng(0)))
    rest, angry = head.pose(np.stack([au_weights({}), au_weights({4: 1.4})]))
    fallen = (angry - rest)[: len(rig.rest), 1][brow(rig, 0.15, 0.3)]
    assert fallen.mean() < -0.12
