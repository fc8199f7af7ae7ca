"""Unit tracks: of the spec alone, in no part aware of the direction of time but in the one that is labelled."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from maedfer.emotions import BASIC_EXPRESSIONS
from maedfer.errors import ConfigError, ManifestError
from maedfer.synth import ClipSpec, draw_spec, read_units, unit_track, write_units
from maedfer.synth.performance import features_at_rest
from maedfer.synth.rig import UNITS
from maedfer.synth.sequence import in_sequence


def spec(index: int, seed: int = 5, seconds: float = 2.56) -> ClipSpec:
    return draw_spec(index, seed, size=96, fps=6.25, seconds=seconds, test_share=0.1)


@cache
def timed() -> tuple[np.ndarray, np.ndarray]:
    """Tracks of 400 timed clips, and which of them are onsets."""
    specs = [s for s in map(spec, range(1000)) if s.timing][:400]
    return np.stack([unit_track(s) for s in specs]), np.array([s.timing == "onset" for s in specs])


@cache
def sequences() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tracks of 900 clips of two expressions, and numbers of the first and of the last."""
    specs = [in_sequence(spec(index)) for index in range(900)]
    first, last = (
        np.array([BASIC_EXPRESSIONS.index(label) for label in labels])
        for labels in zip(*((s.former.label, s.label) for s in specs if s.former is not None), strict=True)
    )
    return np.stack([unit_track(s) for s in specs]), first, last


def share_of_last(read: np.ndarray, shown: np.ndarray, first: np.ndarray, last: np.ndarray) -> float:
    """How often a logistic regression that learned the last expression from ``read`` holds it likelier than the first.

    Args:
        read: features that it learns from, of all clips.
        shown: features of the same clips that it is asked about.
        first: the other expression in each clip.
        last: the label.
    """
    linear = pytest.importorskip("sklearn.linear_model")
    read, shown = ((x.reshape(len(x), -1) - read.mean()) / read.std() for x in (read, shown))
    half = len(last) // 2
    right = []
    for learned, asked in ((slice(half), slice(half, None)), (slice(half, None), slice(half))):
        model = linear.LogisticRegression(C=0.1, max_iter=1000).fit(read[learned], last[learned])
        scores = np.full((len(last[asked]), len(BASIC_EXPRESSIONS)), -np.inf)
        scores[:, model.classes_] = model.predict_log_proba(shown[asked])
        rows = np.arange(len(scores))
        right.append(scores[rows, last[asked]] > scores[rows, first[asked]])
    return float(np.concatenate(right).mean())


def accuracy(features: np.ndarray, labels: np.ndarray) -> float:
    """Of a logistic regression, five-fold."""
    linear = pytest.importorskip("sklearn.linear_model")
    selection = pytest.importorskip("sklearn.model_selection")
    flat = features.reshape(len(features), -1)
    flat = (flat - flat.mean(0)) / (flat.std(0) + 1e-6)
    model = linear.LogisticRegression(C=0.01, max_iter=1000)
    return float(selection.cross_val_score(model, flat, labels, cv=5).mean())


def test_features_are_of_the_person_and_of_no_track() -> None:
    plain = [spec(index) for index in range(700)]
    drawn = [replace(one, features=0.25) for one in plain]
    assert not features_at_rest(plain[0]).any()
    assert all(
        np.array_equal(unit_track(one), unit_track(other)) for one, other in zip(plain[:20], drawn, strict=False)
    )
    by_person: dict[str, list[np.ndarray]] = {}
    for one in drawn:
        by_person.setdefault(one.person, []).append(features_at_rest(one))
    assert all(np.array_equal(shape, shapes[0]) for shapes in by_person.values() for shape in shapes)
    people = np.stack([shapes[0] for shapes in by_person.values()])
    brow = people[:, UNITS.index("browDownLeft")]
    assert brow.std() == pytest.approx(0.25, rel=0.2)
    assert abs(brow.mean()) < 0.06, "low brows are as frequent as high ones"
    assert np.corrcoef(brow, people[:, UNITS.index("browDownRight")])[0, 1] > 0.8
    assert not people[:, UNITS.index("jawOpen")].any()


def test_without_the_order_of_frames_onset_and_offset_are_the_same() -> None:
    tracks, onset = timed()
    assert 0.45 < onset.mean() < 0.55
    # Five standard deviations of a guess over 400 clips are 0.125.
    assert accuracy(np.sort(tracks, 1), onset) < 0.61
    assert accuracy(np.concatenate([tracks.mean(1), tracks.max(1), tracks.std(1)], 1), onset) < 0.61
    moment = np.random.default_rng(0).integers(tracks.shape[1], size=len(tracks))
    assert accuracy(tracks[np.arange(len(tracks)), moment], onset) < 0.61


def test_the_order_of_frames_tells_onset_from_offset() -> None:
    tracks, onset = timed()
    shown = tracks.sum(2)
    rising = shown[:, 8:].mean(1) > shown[:, :8].mean(1)
    assert (rising == onset).mean() > 0.95
    assert accuracy(tracks, onset) > 0.95


def test_reversed_clips_of_one_label_are_like_clips_of_the_other() -> None:
    tracks, onset = timed()
    turned = np.where(onset[:, None, None], tracks, tracks[:, ::-1])
    assert accuracy(turned, onset) < 0.61


def test_without_the_order_of_frames_two_expressions_have_none() -> None:
    tracks, first, last = sequences()
    # Five standard deviations of a guess over 900 clips are 0.083.
    unordered = np.concatenate([np.sort(tracks, 1)[:, ::5].reshape(len(tracks), -1), tracks.mean(1)], 1)
    assert 0.41 < share_of_last(unordered, unordered, first, last) < 0.59
    moment = np.random.default_rng(0).integers(tracks.shape[1], size=len(tracks))
    one = tracks[np.arange(len(tracks)), moment]
    assert 0.41 < share_of_last(one, one, first, last) < 0.59
    assert share_of_last(tracks, tracks, first, last) > 0.9


def test_two_expressions_played_backwards_are_an_equally_likely_clip() -> None:
    tracks, first, last = sequences()
    forwards = share_of_last(tracks, tracks, first, last)
    assert 1 - share_of_last(tracks, tracks[:, ::-1], first, last) == pytest.approx(forwards, abs=0.04)
    shown = tracks.sum(2).mean(0)
    np.testing.assert_allclose(shown, shown[::-1], rtol=0.06)


def test_the_first_expression_makes_way_for_the_last() -> None:
    one = in_sequence(spec(2))
    assert one.former is not None
    alone, before = (
        replace(one, former=None),
        replace(one, label=one.former.label, variant=one.former.variant, former=None),
    )
    moved = np.abs(unit_track(one) - unit_track(alone)).max(1)
    assert moved[:4].min() > 0.2
    assert moved[-3:].max() < 0.02, "the last expression ends the clip alone"
    assert np.abs(unit_track(one) - unit_track(before)).max(1)[-3:].min() > 0.2


def test_a_track_is_the_same_twice_and_any_rate_samples_the_same_motion() -> None:
    for index in range(6):
        one = spec(index)
        np.testing.assert_array_equal(unit_track(one), unit_track(one))
        assert unit_track(one).shape == (16, len(UNITS))
        assert unit_track(one).min() >= 0
        # Frames are taken in the middle of their time: the second of three is in the middle of the coarse one.
        fine = replace(one, fps=18.75, frames=48)
        np.testing.assert_allclose(unit_track(fine)[1::3], unit_track(one), atol=1e-5)


def test_a_person_wears_the_same_little_at_rest_in_all_clips() -> None:
    def rest(s: ClipSpec) -> np.ndarray:
        resting = replace(s, label="neutral", variant=0, intensity=0.0, talk=0.0)
        return np.asarray(np.median(unit_track(resting), axis=0))

    worn = ["browDownLeft", "mouthSmileLeft", "mouthFrownLeft", "eyeSquintLeft"]
    columns = [UNITS.index(name) for name in worn]
    first = np.stack([rest(spec(i)) for i in range(4)])[:, columns]
    assert first.max() < 0.15
    assert np.abs(first - first[0]).max() < 0.06
    everybody = np.stack([rest(spec(7 * i)) for i in range(40)])[:, columns]
    assert (everybody.max(0) > 0.03).all()


def written(path: Path, specs: Sequence[ClipSpec]) -> np.ndarray:
    write_units(path, specs)
    units, names = read_units(path, len(specs))
    assert names == UNITS
    return units


def test_the_truth_of_a_set_is_read_as_it_was_written(tmp_path: Path) -> None:
    specs = [spec(i) for i in range(5)]
    units = written(tmp_path / "units.npz", specs)
    assert units.dtype == np.float16
    for row, s in zip(units, specs, strict=True):
        np.testing.assert_allclose(row, unit_track(s), atol=2e-3)
    assert [p.name for p in tmp_path.iterdir()] == ["units.npz"]


def test_a_truth_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "units.npz"
    with pytest.raises(ConfigError, match="one length"):
        write_units(path, [spec(0), spec(1, seconds=1.0)])
    with pytest.raises(ManifestError, match="expected arrays"):
        read_units(path, 1)
    write_units(path, [spec(0)])
    with pytest.raises(ManifestError, match=r"float16 \(2, frames"):
        read_units(path, 2)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ManifestError, match="expected arrays"):
        read_units(path, 1)
    np.savez(path, units=np.full((1, 2, 3), np.nan, np.float16), names=np.array(["a", "b", "c"]))
    with pytest.raises(ManifestError, match="finite"):
        read_units(path, 1)
