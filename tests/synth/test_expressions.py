"""Expressions as action units, and faces in time."""

from itertools import combinations

import numpy as np
import pytest

from maedfer.emotions import BASIC_EXPRESSIONS
from maedfer.errors import ConfigError
from maedfer.synth.dynamics import PLANS, draw_bout
from maedfer.synth.expressions import ACTION_UNITS, apex_weights, au_weights, speech_weights
from maedfer.synth.life import Life
from maedfer.synth.prototypes import PROTOTYPES
from maedfer.synth.rig import UNITS

# Of each row every form has one unit at least: what FACS' tables of emotions, or Du et al., never leave out.
CORE = {
    "happy": [{12}],
    "sad": [{1, 15}, {4, 6, 43}],
    "angry": [{4}, {7}],
    "surprise": [{1}, {2}, {5, 25, 26, 27}],
    "disgust": [{9, 10}],
    "fear": [{1}, {4}, {5, 20}],
}


def column(name: str) -> int:
    return UNITS.index(name)


def test_every_expression_has_forms_of_known_action_units() -> None:
    assert tuple(PROTOTYPES) == BASIC_EXPRESSIONS
    for label, forms in PROTOTYPES.items():
        assert len(forms) >= 6
        assert len({form.name for form in forms}) == len(forms)
        assert not forms[0].held_out
        out = sum(form.share for form in forms if form.held_out) / sum(form.share for form in forms)
        assert 0.15 < out < 0.3
        for form in forms:
            assert set(form.units) | set(form.often) <= set(ACTION_UNITS)
            assert all(0 < probability <= 0.75 for probability, _ in form.often.values())
            for wanted in CORE.get(label, []):
                assert wanted & set(form.units), f"{label}/{form.name} lacks {wanted}"


def test_a_mouth_alone_is_no_surprise() -> None:
    brows = [column("browInnerUpLeft"), column("browOuterUpLeft")]
    opened = [form for form in PROTOTYPES["neutral"] if {26, 27} & set(form.units)]
    assert len(opened) >= 3
    assert max(au_weights(form.units)[column("jawOpen")] for form in opened) > 0.7
    assert all(au_weights(form.units)[brows].max() == 0 for form in opened)
    assert all(au_weights(form.units)[brows].min() > 1 for form in PROTOTYPES["surprise"])
    assert max(au_weights(form.units)[brows].max() for form in PROTOTYPES["neutral"]) < 0.6


def test_every_arkit_name_exists() -> None:
    for shares in ACTION_UNITS.values():
        for name in shares:
            assert name in UNITS or {name + "Left", name + "Right"} <= set(UNITS)
    assert (speech_weights().max(1) > 0.3).all()


def test_prototypes_of_two_expressions_are_further_apart_than_neutral_is_from_itself() -> None:
    weights = {label: [au_weights(form.units) for form in forms] for label, forms in PROTOTYPES.items()}
    for one, other in combinations(BASIC_EXPRESSIONS, 2):
        nearest = min(float(np.abs(a - b).sum()) for a in weights[one] for b in weights[other])
        assert nearest > 1.2, f"{one} and {other} look alike"


def test_angry_frowns_and_disgust_wrinkles_the_nose_or_lifts_the_lip() -> None:
    def mean(label: str, name: str) -> float:
        drawn = [apex_weights(label, v, 1.0, np.random.default_rng(v)) for v in range(len(PROTOTYPES[label]))]
        return float(np.mean([weights[column(name)] for weights in drawn]))

    assert mean("angry", "browDownLeft") > 1.0 > 0.5 > mean("disgust", "browDownLeft")
    assert mean("disgust", "noseSneerLeft") > 0.7 > 0.3 > mean("angry", "noseSneerLeft")
    assert mean("disgust", "mouthUpperUpLeft") > 2 * mean("angry", "mouthUpperUpLeft")


def test_people_vary_lean_to_a_side_and_are_one_sided_now_and_then() -> None:
    drawn = np.stack([apex_weights("happy", 1, 1.0, np.random.default_rng(seed)) for seed in range(300)])
    left, right = drawn[:, column("mouthSmileLeft")], drawn[:, column("mouthSmileRight")]
    assert left.std() > 0.1
    leaning = np.minimum(left, right) / np.maximum(left, right)
    assert 0.04 < (leaning < 0.7).mean() < 0.2
    assert np.median(leaning) > 0.85
    cheeks = drawn[:, column("cheekSquintLeft")] > 0.2
    assert 0.4 < cheeks.mean() < 0.62, "51 % of happy faces raise their cheeks (Du et al.)"
    assert drawn.min() >= 0
    assert drawn.max() <= 1.5


def test_unknown_names_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="known: happy"):
        apex_weights("bored", 0, 1.0, rng)
    with pytest.raises(ConfigError, match=r"prototypes 0\.\.7"):
        apex_weights("happy", 9, 1.0, rng)
    with pytest.raises(ConfigError, match="99"):
        au_weights({99: 1.0})


@pytest.mark.parametrize(("timing", "pace"), sorted(set(PLANS)))
def test_a_bout_shows_the_expression_in_much_of_the_clip(timing: str, pace: str) -> None:
    times = np.linspace(0, 2.56, 257)
    for seed in range(100):
        bout = draw_bout(np.random.default_rng(seed), 2.56, timing, pace)  # type: ignore[arg-type]
        assert bout.onset_s < bout.apex_s <= bout.offset_s
        curve = bout.curve(times)
        assert curve.max() == pytest.approx(1)
        assert (curve > 0.5).mean() > 0.4
        if timing:
            ends = curve[[0, -1]] if timing == "onset" else curve[[-1, 0]]
            np.testing.assert_allclose(ends, [0, 1])
            step = np.diff(curve) if timing == "onset" else -np.diff(curve)
            assert step.min() >= -1e-12
            ramp = ((curve > 0.02) & (curve < 0.98)).sum() / 100
            assert (ramp < 0.32) == (pace == "posed")


def test_an_offset_is_an_onset_reversed() -> None:
    """With the same draws, to the last bit of a float."""
    times = np.linspace(0, 2.56, 257)
    for seed in range(20):
        onset, offset = (draw_bout(np.random.default_rng(seed), 2.56, t, "posed") for t in ("onset", "offset"))
        np.testing.assert_allclose(onset.curve(times), offset.curve(2.56 - times), atol=1e-9)


def test_any_frame_rate_samples_the_same_motion() -> None:
    slow, fast = np.arange(8) / 4, np.arange(64) / 32
    lives = [Life(np.random.default_rng(3), 2.0, talk=0.5) for _ in range(2)]
    apex = apex_weights("fear", 0, 1.0, np.random.default_rng(3))
    slower, faster = (
        life.weights(t, np.tile(np.float64(0.5) * apex.astype(np.float64), (len(t), 1)))
        for life, t in zip(lives, (slow, fast), strict=True)
    )
    np.testing.assert_allclose(slower, faster[::8], atol=1e-6)
    np.testing.assert_allclose(lives[0].head(slow), lives[1].head(fast)[::8], atol=1e-9)


def test_faces_blink_and_talk() -> None:
    times = np.arange(0, 30, 0.04)
    nothing = np.zeros((len(times), len(UNITS)))
    quiet = Life(np.random.default_rng(1), 30.0, talk=0.0).weights(times, nothing)
    lids = quiet[:, column("eyeBlinkLeft")]
    starts = int(((lids[1:] > 0.5) & (lids[:-1] <= 0.5)).sum())
    assert 3 <= starts <= 20, "people blink 10 to 20 times a minute"
    assert quiet[:, column("jawOpen")].max() == 0
    loud = Life(np.random.default_rng(1), 30.0, talk=0.8).weights(times, nothing)
    assert loud[:, column("jawOpen")].std() > 0.03
    np.testing.assert_array_equal(loud[:, column("eyeBlinkLeft")], lids)
    wide = Life(np.random.default_rng(1), 30.0, talk=0.0).weights(
        times, nothing + apex_weights("surprise", 0, 1.0, np.random.default_rng(0))
    )
    assert wide[lids > 0.99, column("eyeWideLeft")].max() < 0.1, "closed eyes are not wide"
