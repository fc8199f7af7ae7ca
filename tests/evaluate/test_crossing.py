"""Models and clips of different label sets: what is common is judged, what is left out is counted and told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from maedfer.config import ClassifierConfig, LGIFormerConfig
from maedfer.data.manifest import ClipEntry, Manifest
from maedfer.emotions import LABEL_SETS
from maedfer.errors import ConfigError, ManifestError
from maedfer.evaluate.clips import evaluate_manifest
from maedfer.evaluate.crossing import CALM_IS_NEUTRAL, Crossing, cross_labels, crossing_for
from maedfer.evaluate.report import write_evaluation
from maedfer.evaluate.stored import read_evaluation
from maedfer.models import ExpressionClassifier
from maedfer.video.encode import write_video

DFEW, MAFW, RAVDESS = (LABEL_SETS[name].labels for name in ("DFEW", "MAFW", "RAVDESS"))
TINY = LGIFormerConfig(image_size=32, num_frames=4, embed_dim=16, depth=1, num_heads=2, region_size=(1, 1, 2))


def table(labels: list[str], name: str | None) -> Manifest:
    entries = tuple(
        ClipEntry(i, f"{i}.mp4", Path(f"{i}.mp4"), label, f"s{i}", "test") for i, label in enumerate(labels)
    )
    return Manifest(Path("manifest.csv"), LABEL_SETS[name] if name else None, entries)


def test_every_pair_of_sets_matches_by_meaning() -> None:
    for model in LABEL_SETS.values():
        for clips in LABEL_SETS.values():
            found = cross_labels(model.labels, clips.labels)
            assert len(found.labels) >= 5
            assert {judged for _, judged in found.of_model} - {None} == set(found.labels)
            assert {judged for _, judged in found.of_set} - {None} == set(found.labels)
            for own in clips.labels:
                judged = found.truth(own)
                assert judged is None or LABEL_SETS[model.name].index(own) == model.labels.index(judged)


def test_left_out_probability_is_shared_by_the_rest() -> None:
    found = cross_labels(MAFW, DFEW)
    assert found.labels == ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
    given = np.array([0.3, 0, 0, 0.1, 0, 0, 0, 0.6, 0, 0, 0])
    assert found.project(given) == pytest.approx([0.75, 0, 0, 0.25, 0, 0, 0])
    assert found.project(np.eye(11)[7]) == pytest.approx([1 / 7] * 7)  # nothing for any of them


def test_kept_probability_makes_a_wrong_answer() -> None:
    found = cross_labels(MAFW, DFEW, keep=True)
    assert found.labels[:7] == cross_labels(MAFW, DFEW).labels
    assert found.labels[7:] == ("contempt", "anxiety", "helplessness", "disappointment")
    given = np.random.default_rng(1).dirichlet(np.ones(11))
    assert found.project(given) == pytest.approx(given[[MAFW.index(label) for label in found.labels]])


def test_merges_add_up_and_rename() -> None:
    plain, merged = cross_labels(RAVDESS, DFEW), cross_labels(RAVDESS, DFEW, merges=CALM_IS_NEUTRAL)
    given = np.array([0.2, 0.3, 0.5, 0, 0, 0, 0, 0])  # neutral, calm, happy
    assert plain.project(given)[plain.labels.index("neutral")] == pytest.approx(0.2 / 0.7)
    assert merged.project(given)[merged.labels.index("neutral")] == pytest.approx(0.5)
    other = cross_labels(DFEW, RAVDESS, merges={"Calm": "neutral"})
    assert other.truth("calm") == "neutral"
    assert cross_labels(DFEW, RAVDESS).truth("calm") is None
    with pytest.raises(ConfigError, match="neither"):
        cross_labels(DFEW, DFEW, merges=CALM_IS_NEUTRAL)


def test_what_has_nothing_in_common_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least two common"):
        cross_labels(("happy", "sad"), ("happy", "bored"))


def test_automatic_only_where_a_named_set_differs() -> None:
    assert crossing_for(table(["happy"], "FERV39k"), DFEW, "auto") is None
    assert crossing_for(table(["happy"], None), MAFW, "auto") is None
    assert crossing_for(table(["calm"], "RAVDESS"), DFEW, "off") is None
    found = crossing_for(table(["happy"], "DFEW"), MAFW, "auto")
    assert found is not None
    assert found == cross_labels(MAFW, DFEW)
    with pytest.raises(ManifestError, match="hapy"):
        crossing_for(table(["hapy"], "DFEW"), MAFW, "auto")
    with pytest.raises(ConfigError, match="off"):
        crossing_for(table(["calm"], "RAVDESS"), DFEW, "off", CALM_IS_NEUTRAL)


def test_dict_gives_the_crossing_back() -> None:
    found = cross_labels(RAVDESS, MAFW, merges=CALM_IS_NEUTRAL)
    assert Crossing.from_dict(found.to_dict()) == found


def test_clips_of_unknown_classes_are_left_out_and_counted(tmp_path: Path) -> None:
    labels = ["neutral", "calm", "happy", "calm", "fearful", "surprised"]
    entries = []
    rng = np.random.default_rng(2)
    for entry in table(labels, "RAVDESS").entries:
        path = tmp_path / entry.clip_id
        write_video(path, list(rng.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)), 6.25)
        entries.append(replace(entry, path=path, crop="face"))
    manifest = Manifest(tmp_path / "manifest.csv", LABEL_SETS["RAVDESS"], tuple(entries))
    model = ExpressionClassifier(ClassifierConfig(encoder=TINY, labels=DFEW))
    found = evaluate_manifest(model, manifest, workers=0)
    assert [result.truth for result in found.clips] == ["neutral", "happy", "fear", "surprise"]
    assert found.left_out == (("calm", 2),)
    written = write_evaluation(found, tmp_path / "out", {})
    assert "Clips left out: 2 of calm." in written[1].read_text()
    assert "| calm | – (clips left out) |" in written[1].read_text()
    assert read_evaluation(tmp_path / "out") == found

    merged = evaluate_manifest(model, manifest, merges=CALM_IS_NEUTRAL, workers=0)
    assert [result.truth for result in merged.clips].count("neutral") == 3
    assert merged.left_out == ()
    with pytest.raises(ManifestError, match="calm"):
        evaluate_manifest(model, manifest, cross="off", workers=0)
