"""People and their surroundings: looks by seed, creases, shadows, places, cameras, things before the face."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from maedfer.synth.accessories import LENS
from maedfer.synth.backdrops import backdrop
from maedfer.synth.cameras import CLEAN, Camera, Recorder, draw_camera
from maedfer.synth.creases import crease_strengths
from maedfer.synth.expressions import au_weights
from maedfer.synth.head import build_head
from maedfer.synth.ict import load_ict
from maedfer.synth.identity import Identity, draw_identity
from maedfer.synth.occluders import Occluder, draw_occluder
from maedfer.synth.rig import UNITS, Rig
from maedfer.synth.scene import draw_lighting
from maedfer.synth.skin import LIT, hollows, visible_from
from maedfer.synth.style import Glasses, Headwear

PLAIN = Camera()
BOX = np.array([24.0, 16.0, 72.0, 80.0])


@pytest.fixture(scope="module")
def rig(ict_file: Path) -> Rig:
    return load_ict(ict_file)


def person(rig: Rig, seed: int) -> Identity:
    return draw_identity(rig, np.random.default_rng(seed))


def picture(seed: int = 0, side: int = 96) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)


def test_tones_are_even_and_independent_of_the_rest(rig: Rig) -> None:
    people = [person(rig, k) for k in range(600)]
    tones = np.array([p.tone for p in people])
    assert np.histogram(tones, bins=4, range=(0, 1))[0].min() > 110
    assert np.corrcoef(tones, [p.skin.mean() for p in people])[0, 1] < -0.8
    for other in ("age", "male", "oily", "brow_width", "brow_height"):
        assert abs(np.corrcoef(tones, [getattr(p, other) for p in people])[0, 1]) < 0.15, other
    assert 0.1 < np.mean([p.glasses is not None for p in people]) < 0.24
    assert 0.02 < np.mean([p.headwear.kind != "none" for p in people]) < 0.12
    assert {p.beard.kind for p in people} == {"none", "stubble", "full", "moustache", "goatee"}
    assert all(p.beard.kind == "none" for p in people if p.male < 0.5)


@pytest.mark.parametrize("kind", ["none", "beanie", "cap", "scarf"])
def test_every_look_is_a_sound_mesh(rig: Rig, kind: str) -> None:
    plain = person(rig, 3)
    black = np.full(3, 0.01, np.float32)
    worn = Glasses("aviator", black, 0.03, 0.36, 0.27, 0.8)
    hair = replace(plain.hair, thickness=0.2, length=1.0, fringe=0.3, curl=1.0)
    dressed = replace(plain, hair=hair, headwear=Headwear(kind, black), glasses=worn)
    head = build_head(rig, dressed, masked=True)
    assert np.isfinite(head.base).all()
    assert np.isfinite(head.fixed).all()
    assert head.triangles.max() < len(head.base) == len(head.fixed)
    lenses = head.fixed[head.triangles, 6].max(1) == LENS
    assert lenses.any()
    assert lenses[lenses.argmax() :].all(), "lenses are drawn over everything, so last"
    posed = head.pose(np.ones((1, len(UNITS)), np.float32))
    n = len(rig.rest)
    np.testing.assert_array_equal(posed[0, n:, :3], head.base[n:], "no expression moves what is worn")


@pytest.mark.parametrize(
    ("units", "crease"),
    [
        ({2: 1.0}, 0),
        ({1: 1.0}, 1),
        ({4: 1.0}, 2),
        ({9: 1.0}, 3),
        ({12: 1.0}, 4),
        ({6: 1.0}, 5),
        ({17: 1.0}, 6),
        ({15: 1.0}, 7),
    ],
)
def test_creases_deepen_with_their_action_unit_and_with_age(units: dict[int, float], crease: int) -> None:
    rest = np.zeros((1, len(UNITS)), np.float32)
    young = crease_strengths(rest, 0.0)[0]
    np.testing.assert_array_equal(young, 0)
    folded = crease_strengths(au_weights(units)[None], 0.0)[0]
    assert folded[crease] > 0.4
    assert folded.argmax() == crease
    assert (crease_strengths(au_weights(units)[None], 1.0)[0] > folded).all()


def test_a_shadow_falls_behind_what_is_nearer_to_the_light() -> None:
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 41), np.linspace(-1, 1, 41)), -1).reshape(-1, 2)
    wall = np.concatenate([grid, np.zeros((len(grid), 1))], 1)
    board = np.concatenate([0.3 * grid, np.ones((len(grid), 1))], 1)
    points = np.concatenate([wall, board]).astype(np.float32)
    lit = visible_from(points, np.ones(len(points), bool), np.array([0.0, 0.0, 1.0]))
    middle = np.abs(wall[:, :2]).max(1) < 0.2
    aside = np.abs(wall[:, :2]).max(1) > 0.5
    assert lit[: len(wall)][middle].max() < 0.1
    assert lit[: len(wall)][aside].min() > 0.9
    assert lit[len(wall) :].min() > 0.9


def test_shadows_are_as_hard_as_asked_for(rig: Rig) -> None:
    head = build_head(rig, person(rig, 1))
    side = np.array([0.9, 0.1, np.sqrt(1 - 0.82)])
    assert head.shadowed(side, 0.0) is head
    half, full = (head.shadowed(side, hardness).fixed[:, LIT] for hardness in (0.5, 1.0))
    assert full.min() < 0.5
    np.testing.assert_allclose(1 - half, (1 - full) / 2, atol=1e-6)
    assert 0 <= hollows(rig).min() <= hollows(rig).max() <= 0.6


def test_light_is_metered_and_varied() -> None:
    lights = [draw_lighting(np.random.default_rng(k), 0.3) for k in range(200)]
    for light in lights:
        np.testing.assert_allclose(np.linalg.norm(light.toward, axis=1), 1, atol=1e-5)
        assert light.exposure > 0
        assert 0 <= light.hardness <= 1
    assert np.std([light.toward[0, 0] for light in lights]) > 0.4
    darker = draw_lighting(np.random.default_rng(0), 0.05)
    assert darker.exposure > lights[0].exposure, "a camera opens for dark skin"


def test_places_are_made_by_seed_for_any_size() -> None:
    made = [backdrop(np.random.default_rng(k), 40, 64) for k in range(40)]
    assert all(image.shape == (40, 64, 3) for image in made)
    np.testing.assert_array_equal(made[7], backdrop(np.random.default_rng(7), 40, 64))
    assert np.std([image.mean() for image in made]) > 25
    assert max(image.std() for image in made) > 40 > 8 > min(image.std() for image in made)


def test_a_perfect_camera_changes_nothing_and_each_fault_something() -> None:
    image = picture()

    def shot(camera: Camera, at_s: float = 0.7) -> np.ndarray:
        return Recorder(camera, 96, 96, np.random.default_rng(1)).shoot(image, at_s)

    np.testing.assert_array_equal(shot(PLAIN), image)
    np.testing.assert_array_equal(shot(CLEAN), shot(CLEAN))
    grey = shot(replace(PLAIN, grey=True))
    assert (grey == grey[..., :1]).all()
    for soft in (replace(PLAIN, blur=1.0), replace(PLAIN, shrink=0.3), replace(PLAIN, smear=4.0)):
        assert shot(soft).std() < 0.8 * image.std()
    faults = {"gamma": 1.4, "chroma": 4.0, "jpeg": 20, "vignette": 0.5, "drift": 0.2, "shake": 0.02, "zoom": 0.1}
    for name, value in {**faults, "bars": 0.1, "sharpen": 1.0, "noise": 5.0}.items():
        assert (shot(replace(PLAIN, **{name: value})) != image).mean() > 0.15, name
    assert not shot(replace(PLAIN, bars=0.1))[:9].any()


def test_interlaced_lines_are_of_two_moments() -> None:
    recorder = Recorder(replace(PLAIN, interlaced=True), 96, 96, np.random.default_rng(0))
    first, second = picture(1), picture(2)
    np.testing.assert_array_equal(recorder.shoot(first, 0.0), first)
    mixed = recorder.shoot(second, 0.2)
    np.testing.assert_array_equal(mixed[::2], second[::2])
    np.testing.assert_array_equal(mixed[1::2], first[1::2])


def test_cameras_range_from_good_to_bad() -> None:
    cameras = [draw_camera(np.random.default_rng(k)) for k in range(400)]
    assert 0.04 < np.mean([c.grey for c in cameras]) < 0.16
    assert min(c.shrink for c in cameras) < 0.4
    assert np.mean([c.shrink == 1 for c in cameras]) > 0.5
    assert all(c.jpeg == 0 or 10 <= c.jpeg <= 95 for c in cameras)
    assert all(17 <= c.crf < 34 for c in cameras)


def drawn(seed: int) -> Occluder | None:
    times = (np.arange(16) + 0.5) / 6.25
    return draw_occluder(np.random.default_rng(seed), np.tile(BOX, (16, 1)), (200.0, 150.0, 120.0), times)


def test_few_clips_are_occluded_and_none_mostly_and_always() -> None:
    things = [drawn(seed) for seed in range(1500)]
    shown = [thing for thing in things if thing is not None]
    assert 0.06 < len(shown) / len(things) < 0.14
    assert {thing.kind for thing in shown} == {"hand", "microphone", "phone", "caption", "border"}
    blank = np.zeros((96, 96, 3), np.uint8)
    x0, y0, x1, y1 = BOX.astype(int)
    for thing in shown[:60]:
        covered = [(thing.over(blank, t)[y0:y1, x0:x1] > 20).any(2).mean() for t in (0, 5, 10, 15)]
        assert min(covered) < 0.5, thing
        np.testing.assert_array_equal(thing.over(blank, 3), thing.over(blank, 3))
    assert not blank.any(), "the picture given is left alone"
