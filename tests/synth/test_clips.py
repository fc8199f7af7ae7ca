"""Clips: drawn from a seed, the same bit for bit, people kept apart."""

from collections import Counter
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import maedfer.synth.filming as filming
import maedfer.synth.render as render_room
from maedfer.emotions import BASIC_EXPRESSIONS
from maedfer.errors import ConfigError, RenderError
from maedfer.synth import ClipSpec, Renderer, draw_spec, render_clip
from maedfer.synth.benchmark import find_benchmark
from maedfer.synth.cameras import CLEAN
from maedfer.synth.clips import head_of, in_studio
from maedfer.synth.dynamics import PLANS, Bout
from maedfer.synth.identity import draw_identity
from maedfer.synth.prototypes import PROTOTYPES
from maedfer.synth.rig import UNITS
from maedfer.synth.sequence import PAIRS, in_sequence

SETTINGS = {"size": 64, "fps": 6.25, "seconds": 2.56, "test_share": 0.2}


def spec(index: int, seed: int = 4, size: int = 64, frames: int = 8) -> ClipSpec:
    return draw_spec(index, seed, size=size, fps=frames / 2.56, seconds=2.56, test_share=0.2)


def test_classes_are_balanced_and_people_kept_apart() -> None:
    specs = [spec(i) for i in range(1400)]
    assert set(Counter(s.label for s in specs).values()) == {200}
    split_of: dict[str, set[str]] = {}
    labels_of: dict[str, list[str]] = {}
    for s in specs:
        split_of.setdefault(s.person, set()).add(s.split)
        labels_of.setdefault(s.person, []).append(s.label)
    assert all(len(splits) == 1 for splits in split_of.values())
    assert all(len(set(labels)) == len(labels) and len(labels) in (3, 4) for labels in labels_of.values())
    shares = Counter(next(iter(splits)) for splits in split_of.values())
    assert shares["test"] / len(split_of) == pytest.approx(0.2, abs=0.01)
    assert shares["val"] / len(split_of) == pytest.approx(0.05, abs=0.01)
    for s in specs:
        assert s.bout.onset_s < s.bout.apex_s <= s.bout.offset_s
        assert (s.intensity == 0) == (s.label == "neutral") == (s.pace == "")
        assert s.intensity == 0 or 0.35 <= s.intensity <= 1.1
    shown = [s for s in specs if s.label != "neutral"]
    counts = Counter((s.label, s.timing, s.pace) for s in shown)
    assert all(counts[label, *plan] == pytest.approx(25 * PLANS.count(tuple(plan)), abs=1) for label, *plan in counts)


def test_held_out_forms_are_for_testing_only_and_all_forms_occur() -> None:
    specs = [spec(i) for i in range(3000)]
    assert {s.split for s in specs if s.form.held_out} == {"test"}
    assert {s.mix for s in specs} == {f"{label}/{f.name}" for label, forms in PROTOTYPES.items() for f in forms}
    test = [s for s in specs if s.split == "test"]
    assert 0.15 < np.mean([s.form.held_out for s in test]) < 0.32
    assert {s.split for s in (draw_spec(i, 4, split="val", **SETTINGS) for i in range(40))} == {"val"}
    with pytest.raises(ConfigError, match="train, val, test"):
        draw_spec(0, 4, split="dev", **SETTINGS)


def test_speech_tells_nothing_about_the_expression() -> None:
    talk: dict[str, list[float]] = {label: [] for label in BASIC_EXPRESSIONS}
    for s in map(spec, range(2800)):
        talk[s.label].append(s.talk)
    shares = [np.mean([t > 0 for t in values]) for values in talk.values()]
    assert max(shares) - min(shares) < 0.12
    loud = [np.mean([t for t in values if t > 0]) for values in talk.values()]
    assert max(loud) - min(loud) < 0.1


def test_another_seed_gives_other_people() -> None:
    assert not {spec(i).person for i in range(50)} & {spec(i, seed=5).person for i in range(50)}


def test_the_digest_tells_every_change() -> None:
    first = spec(3)
    assert first.digest == spec(3).digest
    others = [replace(first, fps=9.0), replace(first, size=66), replace(first, split="val"), spec(3, seed=9)]
    assert len({first.digest, *(s.digest for s in others)}) == 5


def test_impossible_clips_are_refused() -> None:
    for wrong in ({"size": 8}, {"frames": 0}, {"fps": 0.0}):
        with pytest.raises(ConfigError, match="cannot be rendered"):
            replace(spec(0), **wrong)


def test_skin_tones_cover_the_range(anny_renderer: Renderer) -> None:
    people = [draw_identity(anny_renderer.rig, np.random.default_rng(k)) for k in range(300)]
    dark = np.log([float(p.skin.mean()) for p in people])
    counts, _ = np.histogram(dark, bins=4, range=(np.log(0.05), np.log(0.55)))
    assert counts.min() > 40
    assert 0.4 < np.mean([p.male > 0.5 for p in people]) < 0.6
    assert np.mean([p.hair.thickness > 0 for p in people]) > 0.8


def test_a_head_poses_with_unit_normals(anny_renderer: Renderer) -> None:
    head = head_of(anny_renderer.rig, 0, 0)
    posed = head.pose(np.random.default_rng(0).uniform(0, 1, (3, len(UNITS))).astype(np.float32))
    used = np.unique(head.triangles)
    np.testing.assert_allclose(np.linalg.norm(posed[:, used, 3:], axis=2), 1, atol=1e-3)
    rest = head.pose(np.zeros((1, len(UNITS)), np.float32))[0]
    np.testing.assert_array_equal(rest[:, :3], head.base)
    assert rest[head.marks[0], 5] > 0.5, "the nose points at the viewer"


def test_the_same_spec_is_the_same_picture(tiny_renderer: Renderer) -> None:
    one, two = render_clip(spec(2), tiny_renderer), render_clip(spec(2), tiny_renderer)
    np.testing.assert_array_equal(one, two)
    between = render_clip(spec(3), tiny_renderer)
    assert (between != one).mean() > 0.5
    fresh = Renderer(tiny_renderer.rig, 64, 64)
    np.testing.assert_array_equal(render_clip(spec(2), fresh), one)
    np.testing.assert_array_equal(render_clip(spec(3), tiny_renderer), between, "two renderers disturb each other")
    np.testing.assert_array_equal(render_clip(spec(2), fresh), one)
    fresh.close()
    np.testing.assert_array_equal(render_clip(spec(2), tiny_renderer), one)


def test_frames_differ_in_time_and_show_a_face(anny_renderer: Renderer) -> None:
    for index in range(4):
        clip = render_clip(spec(index, size=96), anny_renderer).astype(np.float32)
        assert clip.shape == (8, 96, 96, 3)
        assert np.abs(np.diff(clip, axis=0)).mean(axis=(1, 2, 3)).min() > 0.2
        assert clip[:, 30:70, 30:70].std() > 8


def test_only_the_expression_tells_labels_apart(anny_renderer: Renderer) -> None:
    base = next(s for s in map(partial(spec, size=96, frames=12), range(50)) if s.talk == 0)
    base = replace(base, bout=Bout(0.5, 0.9, 4.0, 0.5), timing="onset", pace="posed")
    clips = {
        label: render_clip(replace(base, label=label, variant=0, intensity=float(label != "neutral")), anny_renderer)
        for label in BASIC_EXPRESSIONS
    }
    neutral = clips.pop("neutral").astype(np.float32)
    apex = int(base.bout.apex_s * base.fps) + 1
    for label, clip in clips.items():
        np.testing.assert_array_equal(clip[0], neutral[0], err_msg=f"{label} before its onset")
        assert np.abs(clip[apex] - neutral[apex]).max() > 30, label
        assert np.abs(clip[apex] - neutral[apex]).mean() > 0.3, label


def test_neutral_stays_nearest_to_its_start(anny_renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    # A camera on a stand and a head held still: both move more of the picture than any face does.
    placements = filming._placements
    monkeypatch.setattr(filming, "clip_camera", lambda spec: CLEAN)
    monkeypatch.setattr(filming, "_placements", lambda head, motion, rng: placements(head, 0 * motion, rng))
    moved: dict[str, float] = dict.fromkeys(BASIC_EXPRESSIONS, 0.0)
    for index in (0, 1, 2):
        base = replace(spec(index, size=96, frames=12), bout=Bout(0.5, 0.9, 4.0, 0.5), talk=0.0)
        for label in BASIC_EXPRESSIONS:
            shown = replace(base, label=label, variant=0, intensity=float(label != "neutral"))
            clip = render_clip(shown, anny_renderer).astype(np.float32)
            apex = int(base.bout.apex_s * base.fps) + 1
            moved[label] += float(np.abs(clip[apex] - clip[0]).mean())
    assert min(moved, key=lambda label: moved[label]) == "neutral", moved


def test_a_renderer_of_another_size_is_refused(tiny_renderer: Renderer) -> None:
    with pytest.raises(ConfigError, match="96x96 and the renderer 64x64"):
        render_clip(spec(0, size=96), tiny_renderer)


def test_without_a_driver_the_error_says_what_to_install(
    egl: None, tiny_renderer: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import moderngl

    def no_driver(**settings: object) -> None:
        raise Exception("libEGL.so.1: cannot open shared object file")

    monkeypatch.setattr(moderngl, "create_context", no_driver)
    with pytest.raises(RenderError, match="apt-get install libegl1 libgl1"):
        render_room.Renderer(tiny_renderer.rig, 64, 64)
    monkeypatch.setitem(__import__("sys").modules, "moderngl", None)
    with pytest.raises(RenderError, match=r"pip install \"maedfer\[synth\]\""):
        render_room.Renderer(tiny_renderer.rig, 64, 64)


def test_clips_of_the_benchmark_keep_their_names() -> None:
    """A new field of a spec must not make the clips of everybody stale."""
    benchmark = find_benchmark("synth-v1")
    assert benchmark.specs(benchmark.part("shift"), 1)[0].digest == "1e1f1b33"


def test_features_are_another_clip_and_have_a_range() -> None:
    plain = spec(3)
    assert replace(plain, features=0.25).digest not in (plain.digest, replace(plain, features=0.2).digest)
    with pytest.raises(ConfigError, match="features"):
        replace(plain, features=0.6)


def test_a_studio_shows_every_expression_clearly_and_in_silence() -> None:
    specs = [in_studio(spec(i)) for i in range(140)]
    assert all(s.talk == 0 for s in specs)
    assert all(s.intensity >= 0.8 for s in specs if s.label != "neutral")
    assert all(s.intensity == 0 for s in specs if s.label == "neutral")
    assert all(replace(s, setting="wild").digest != s.digest for s in specs)
    assert [(s.label, s.mix, s.timing, s.split) for s in specs] == [
        (s.label, s.mix, s.timing, s.split) for s in (spec(i) for i in range(140))
    ]


def test_a_studio_has_a_grey_wall_and_people_in_the_middle(anny_renderer: Renderer) -> None:
    for index in range(6):
        seen = render_clip(in_studio(spec(index, size=96, frames=2)), anny_renderer).astype(float)
        corners = np.concatenate([seen[:, :9, :9], seen[:, :9, -9:]])
        assert np.abs(corners - 128).mean() < 2
        face = np.abs(seen[:, 30:66] - 128).max(-1) > 12
        assert abs(face.nonzero()[2].mean() - 47.5) < 4


def test_two_expressions_are_balanced_in_both_orders_and_change_nothing_else() -> None:
    plain = [spec(i) for i in range(600)]
    specs = [in_sequence(s) for s in plain]
    pairs = Counter((s.former.label, s.label) for s in specs if s.former is not None)
    assert pairs == dict.fromkeys(PAIRS, 20)
    assert not {s.digest for s in specs} & {s.digest for s in plain}
    for before, s in zip(plain, specs, strict=True):
        assert s.former is not None
        assert s.former.label != s.label
        assert s.former.bout.onset_s < s.former.bout.apex_s < 0 < s.former.bout.offset_s
        assert 0 < s.bout.onset_s < s.bout.apex_s < 2.56 < s.bout.offset_s
        assert s.timing == ""
        assert (s.person, s.split, s.talk, s.setting) == (before.person, before.split, before.talk, before.setting)
        assert not s.held_out or s.split == "test"
    assert any(s.held_out and not s.form.held_out for s in specs), "the first one's form counts too"
    former, other = specs[0].former, specs[1].former
    assert former is not None
    assert replace(specs[0], former=replace(former, intensity=0.7)).digest != specs[0].digest
    assert other != former


def test_a_studio_shows_both_expressions_clearly() -> None:
    for s in (in_studio(in_sequence(spec(i))) for i in range(40)):
        assert s.former is not None
        assert min(s.intensity, s.former.intensity) >= 0.8


def test_two_expressions_are_seen_one_after_the_other(anny_renderer: Renderer) -> None:
    one = next(in_studio(in_sequence(spec(i, size=96, frames=12))) for i in range(60))
    assert one.former is not None
    clip = render_clip(one, anny_renderer).astype(np.float32)
    last = render_clip(replace(one, former=None), anny_renderer).astype(np.float32)
    np.testing.assert_array_equal(clip[-1], last[-1], "only the last expression is left")
    assert np.abs(clip[0] - last[0]).max() > 30
