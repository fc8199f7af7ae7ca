"""Encounters: their truth agrees with itself and with the pixels."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from maedfer.errors import ConfigError
from maedfer.synth import Encounter, EncounterKind, render_encounter

KINDS = get_args(EncounterKind)


def plan(kind: EncounterKind, seed: int, rig: Path, fps: float = 25.0) -> Encounter:
    """The truth alone: no frame is asked for."""
    return render_encounter(kind, seed, rig=str(rig), width=320, height=180, fps=fps, seconds=5.0)


@pytest.mark.parametrize("kind", KINDS)
def test_truth_has_a_box_per_person_and_frame(ict_file: Path, kind: EncounterKind) -> None:
    for seed in range(2):
        made = plan(kind, seed, ict_file)
        people = 4 if kind == "cut" else 2
        assert made.boxes.shape == (people, 125, 4)
        assert made.hidden.shape == (people, 125)
        there = made.boxes[np.isfinite(made.boxes[..., 0])]
        assert (there[:, 2:] - there[:, :2] > 10).all()
        assert not made.hidden[np.isnan(made.boxes[..., 0])].any()
        assert made.cut == (62 if kind == "cut" else None)


def test_crossings_hide_one_for_less_than_a_second_and_change_or_keep_the_order(ict_file: Path) -> None:
    for seed in range(6):
        made = plan("crossing", seed, ict_file)
        assert 0.1 <= made.hidden.sum() / made.fps < 1.0
        assert made.hidden.any(axis=1).sum() == 1
        order = np.sign(made.boxes[0, :, 0] - made.boxes[1, :, 0])
        assert order[0] == (order[-1] if seed % 3 == 2 else -order[-1])


def test_covers_exits_cuts_and_turns_last_as_they_are_said_to(ict_file: Path) -> None:
    for seed in range(3):
        covered = plan("occlusion", seed, ict_file).hidden.sum(axis=1) / 25
        assert covered[1 - seed % 2] == 0
        assert 0.55 <= covered[seed % 2] <= 0.95
        away = np.isnan(plan("exit", seed, ict_file).boxes[..., 0]).sum(axis=1) / 25
        assert away == pytest.approx([0.8, 3.0], abs=0.2)
        cut = plan("cut", seed, ict_file)
        assert np.isfinite(cut.boxes[:2, :62]).all()
        assert np.isnan(cut.boxes[:2, 62:]).all()
        assert np.isfinite(cut.boxes[2:, 62:]).all()
        same_place = np.abs(cut.boxes[:2, 61] - cut.boxes[2:, 62]).max(axis=1)
        assert (same_place < 0.6 * (cut.boxes[:2, 61, 3] - cut.boxes[:2, 61, 1])).all()


def test_any_frame_rate_samples_the_same_motion(ict_file: Path) -> None:
    fine, coarse = plan("crossing", 4, ict_file), plan("crossing", 4, ict_file, fps=5.0)
    # Frames are taken in the middle of their time: the third of five is in the middle of the coarse one.
    assert fine.boxes[:, 2::5] == pytest.approx(coarse.boxes, abs=1.0)


def test_settings_that_cannot_be_are_refused(ict_file: Path) -> None:
    for wrong in ({"width": 321}, {"height": 32}, {"fps": 0.0}, {"seconds": 3.0}):
        with pytest.raises(ConfigError):
            render_encounter("exit", 0, rig=str(ict_file), **wrong)
    with pytest.raises(ConfigError):
        render_encounter("exit", -1, rig=str(ict_file))


def test_the_nearer_hides_the_farther_and_pictures_are_the_same_twice(egl: None, ict_file: Path) -> None:
    def frames() -> list[np.ndarray]:
        made = render_encounter("crossing", 0, rig=str(ict_file), width=160, height=90, fps=5.0, seconds=4.0)
        return list(made.frames)

    one, two = frames(), frames()
    assert len(one) == 20
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    made = render_encounter("crossing", 0, rig=str(ict_file), width=160, height=90, fps=5.0, seconds=4.0)
    front = int(~made.hidden.any(axis=1).argmax()) % 2
    frame = int((made.hidden.any(axis=0)).argmax())

    def inner(k: int) -> np.ndarray:
        x0, y0, x1, y1 = made.boxes[front, k].round().astype(int)
        return one[k][(y0 + y1) // 2 - 3 : (y0 + y1) // 2 + 3, (x0 + x1) // 2 - 3 : (x0 + x1) // 2 + 3]

    alone = inner(0).reshape(-1, 3).mean(0)
    assert np.abs(inner(frame).reshape(-1, 3).mean(0) - alone).max() < 60


def test_the_covering_thing_is_drawn_over_the_face(egl: None, ict_file: Path) -> None:
    made = render_encounter("occlusion", 0, rig=str(ict_file), width=160, height=90, fps=12.5, seconds=4.0)
    frames = list(made.frames)
    covered = np.flatnonzero(made.hidden[0])
    middle = int(covered[len(covered) // 2])
    x0, y0, x1, y1 = made.boxes[0, middle].round().astype(int)
    face = frames[middle][y0 + 2 : y1 - 2, x0 + 2 : x1 - 2].reshape(-1, 3)
    assert face.std(axis=0).max() < 6
    before = frames[0][y0 + 2 : y1 - 2, x0 + 2 : x1 - 2].reshape(-1, 3)
    assert before.std(axis=0).max() > 12
