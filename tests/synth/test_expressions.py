"""Expressions as action units, and faces in time."""

from itertools import combinations

import numpy as np
import pytest

from maedfer.emotions import BASIC_EXPRESSIONS
from maedfer.errors import ConfigError
from maedfer.synth.dynamics import Life, draw_bout
from maedfer.synth.expressions import ACTION_UNITS, PROTOTYPES, apex_weights, au_weights, speech_weights
from maedfer.synth.rig import UNITS

# The action units that FACS' tables of emotions give to each expression in all its forms.
CORE = {"happy": {6, 12}, "sad": {1, 15}, "angry": {4}, "surprise": {1, 2, 5}, "disgust": {9, 10}, "fear": {1, 4, 5}}


def column(name: str) -> int:
    return UNITS.index(name)


def test_every_expression_has_prototypes_of_known_action_units() -> None:
    assert tuple(PROTOTYPES) == BASIC_EXPRESSIONS
    for label, prototypes in PROTOTYPES.items():
        assert len(prototypes) >= 2
        for prototype in prototypes:
            assert set(prototype) <= set(ACTION_UNITS)
            assert CORE.get(label, set()) <= set(prototype)


def test_every_arkit_name_exists() -> None:
    for shares in ACTION_UNITS.values():
        for name in shares:
            assert name in UNITS or {name + "Left", name + "Right"} <= set(UNITS)
    assert (speech_weights().max(1) > 0.3).all()


def test_prototypes_of_two_expressions_are_further_apart_than_neutral_is_from_itself() -> None:
    weights = {label: [au_weights(p) for p in ps] for label, ps in PROTOTYPES.items()}
    for one, other in combinations(BASIC_EXPRESSIONS, 2):
        nearest = min(float(np.abs(a - b).sum()) for a in weights[one] for b in weights[other])
        assert nearest > 1.5, f"{one} and {other} look alike"


def test_angry_frowns_and_disgust_wrinkles_the_nose() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        angry, disgust = (apex_weights(label, seed % 3, 0.8, rng) for label in ("angry", "disgust"))
        assert angry[column("browDownLeft")] > 0.8 > disgust[column("browDownLeft")]
        assert disgust[column("noseSneerLeft")] > 0.6 > angry[column("noseSneerLeft")]


def test_people_vary_and_lean_to_a_side() -> None:
    drawn = np.stack([apex_weights("happy", 1, 1.0, np.random.default_rng(seed)) for seed in range(30)])
    assert drawn[:, column("mouthSmileLeft")].std() > 0.02
    assert np.abs(drawn[:, column("mouthSmileLeft")] - drawn[:, column("mouthSmileRight")]).max() > 0.03
    assert drawn.min() >= 0
    assert drawn.max() <= 1.5


def test_unknown_names_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="known: happy"):
        apex_weights("bored", 0, 1.0, rng)
    with pytest.raises(ConfigError, match=r"prototypes 0\.\.2"):
        apex_weights("happy", 9, 1.0, rng)
    with pytest.raises(ConfigError, match="99"):
        au_weights({99: 1.0})


def test_a_bout_rises_holds_and_fades() -> None:
    times = np.linspace(0, 2.56, 257)
    for seed in range(50):
        bout = draw_bout(np.random.default_rng(seed), 2.56)
        assert 0 < bout.onset_s < bout.apex_s < bout.offset_s <= 2.56
        curve = bout.curve(times)
        assert curve[times <= bout.onset_s].max() == 0
        assert curve.max() == pytest.approx(1)
        assert (curve > 0.95).mean() > 0.4, "the apex lasts for a good part of the clip"
        held = (times >= bout.apex_s) & (times <= bout.offset_s)
        np.testing.assert_allclose(curve[held], 1)


def test_any_frame_rate_samples_the_same_motion() -> None:
    slow, fast = np.arange(8) / 4, np.arange(64) / 32
    lives = [Life(np.random.default_rng(3), 2.0, talk=0.5) for _ in range(2)]
    apex = apex_weights("fear", 0, 1.0, np.random.default_rng(3))
    ones = [np.full(len(t), 0.5) for t in (slow, fast)]
    slower, faster = lives[0].weights(slow, ones[0], apex), lives[1].weights(fast, ones[1], apex)
    np.testing.assert_allclose(slower, faster[::8], atol=1e-6)
    np.testing.assert_allclose(lives[0].head(slow), lives[1].head(fast)[::8], atol=1e-9)


def test_faces_blink_and_talk() -> None:
    times = np.arange(0, 30, 0.04)
    nothing, still = np.zeros(len(UNITS), np.float32), np.zeros(len(times))
    quiet = Life(np.random.default_rng(1), 30.0, talk=0.0).weights(times, still, nothing)
    lids = quiet[:, column("eyeBlinkLeft")]
    starts = int(((lids[1:] > 0.5) & (lids[:-1] <= 0.5)).sum())
    assert 3 <= starts <= 20, "people blink 10 to 20 times a minute"
    assert quiet[:, column("jawOpen")].max() == 0
    loud = Life(np.random.default_rng(1), 30.0, talk=0.8).weights(times, still, nothing)
    assert loud[:, column("jawOpen")].std() > 0.03
    np.testing.assert_array_equal(loud[:, column("eyeBlinkLeft")], lids)
    wide = Life(np.random.default_rng(1), 30.0, talk=0.0).weights(
        times, still + 1, apex_weights("surprise", 0, 1.0, np.random.default_rng(0))
    )
    assert wide[lids > 0.99, column("eyeWideLeft")].max() < 0.1, "closed eyes are not wide"
