"""Pictures and numbers of a look into models: what is known of them holds."""

import json

import cv2
import numpy as np
import pytest
import torch

from maedfer.config import AutoencoderConfig, ClassifierConfig, DecoderConfig, LGIFormerConfig, ViTConfig
from maedfer.data.manifest import read_manifest, write_manifest
from maedfer.data.sources import ClipSource
from maedfer.errors import ConfigError, TrainingError
from maedfer.insight import (
    FaceClip,
    attend_faces,
    common_crop,
    draw_attention,
    draw_curves,
    draw_map,
    draw_reconstructions,
    embedding_map,
    face_clips,
    read_curves,
    reconstruct,
    reconstruction,
    thinned,
    write_map,
)
from maedfer.models import ExpressionClassifier, MaskedAutoencoder
from maedfer.models.attention_map import representative_attention
from maedfer.recipes import DataConfig
from maedfer.video import write_video
from maedfer.video.crop import crop_clip

ENCODER = LGIFormerConfig(
    image_size=32, patch_size=8, num_frames=4, embed_dim=24, depth=2, num_heads=2, region_size=(2, 2, 4)
)


@pytest.fixture
def clips():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 32, 32), dtype=np.uint8)
    return [FaceClip(f"{i}.mp4", "sad", own) for i, own in enumerate(pixels)]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    rows = ["path,label,split"]
    for index in range(12):
        shade = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        write_video(folder / f"{index}.mp4", [shade] * 8, 25.0)
        rows.append(f"{index}.mp4,{('happy', 'sad', 'fear')[index % 3]},{'train' if index < 3 else 'test'}")
    path = folder / "m.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def autoencoder(target="joint", group=2):
    decoder = DecoderConfig(embed_dim=16, depth=1, num_heads=2)
    return MaskedAutoencoder(
        AutoencoderConfig(encoder=ENCODER, decoder=decoder, mask_ratio=0.5, target=target, motion_group=group)
    ).eval()


class Oracle(MaskedAutoencoder):
    """Predicts the target."""

    def forward(self, clip, mask=None, generator=None):
        found = super().forward(clip, mask, generator)
        return found._replace(prediction=found.target)


def test_a_map_reads_clips_as_the_manifest_says_of_all_of_them(manifest):
    rows = [{"path": f"{index}.mp4", "label": "sad", "crop": "face"} for index in range(12)]
    said = []
    for faces in (0, 12, 5):
        path = manifest.with_name(f"crop-{faces}.csv")
        write_manifest(path, [row | {"crop": "face" if place < faces else "none"} for place, row in enumerate(rows)])
        if faces == 5:
            with pytest.raises(ConfigError, match=r"crop-5\.csv.*5 of 12.*--crop face"):
                common_crop(read_manifest(path))
        else:
            said.append(common_crop(read_manifest(path)))
    assert said == ["face", "centre"]


@pytest.mark.parametrize("target", ["joint", "appearance"])
def test_a_perfect_prediction_is_drawn_as_the_truth(clips, target):
    model = Oracle(autoencoder(target).config).eval()
    for one in reconstruct(model, clips):
        assert np.abs(one.completed - one.truth).max() < 1e-3
        assert one.loss == 0
        if target == "joint":
            covered = one.hidden[1::2]
            assert np.abs(one.predicted_motion - one.motion)[covered].max() < 1e-3
        else:
            assert one.motion is None


def test_visible_pixels_stay_and_half_is_hidden(clips, tmp_path):
    found = reconstruct(autoencoder(), clips, seed=3)
    for one in found:
        assert one.hidden.mean() == 0.5
        assert np.abs(one.completed - one.truth)[~one.hidden].max() < 1e-6
        assert np.abs(one.completed - one.truth)[one.hidden].max() > 0.01
    again = reconstruct(autoencoder(), clips, seed=4)
    assert not np.array_equal(found[0].hidden, again[0].hidden)
    draw_reconstructions(found, tmp_path / "r.png")
    assert (tmp_path / "r.png").stat().st_size > 5000


def test_motion_stands_below_the_frame_it_starts_from_and_pictures_stay_small(clips, tmp_path):
    (one, _) = reconstruct(autoencoder(), clips)
    rows = reconstruction._strips(one, 8)
    assert [row.title for row in rows] == ["truth", "input", "completed", "motion", "predicted\nmotion"]
    assert [len(row.pictures) for row in rows] == [2] * 5
    shown = (255 * one.truth).round()
    assert np.array_equal(rows[0].pictures, shown[[0, 2]])
    inside = np.abs(shown[[1, 3]] - shown[[0, 2]]) < 120  # half of full scale becomes full
    assert np.abs(rows[3].pictures - (127.5 + shown[[1, 3]] - shown[[0, 2]]))[inside].max() <= 1
    draw_reconstructions([one], tmp_path / "r.png", frames=1)
    height, width, _ = cv2.imread(str(tmp_path / "r.png")).shape
    assert height < 1.5 * width
    with pytest.raises(ConfigError, match="frames"):
        draw_reconstructions([one], tmp_path / "r.png", frames=0)


@pytest.mark.parametrize(("group", "target"), [(3, "joint"), (4, "joint"), (4, "appearance"), (1, "joint")])
def test_motion_that_reaches_beyond_a_tubelet_is_refused(clips, group, target):
    model = Oracle(autoencoder(target, group).config).eval()
    if group > 2 and target == "joint":
        with pytest.raises(ConfigError, match="tubelet"):
            reconstruct(model, clips)
    else:
        assert np.abs(reconstruct(model, clips)[0].completed - reconstruct(model, clips)[0].truth).max() < 1e-3


@pytest.mark.parametrize("published", [False, True])
def test_a_plain_encoder_and_the_published_order_are_drawn_too(clips, published):
    encoder = (
        ENCODER
        if published
        else ViTConfig(image_size=32, patch_size=8, num_frames=4, embed_dim=24, depth=1, num_heads=2)
    )
    decoder = DecoderConfig(embed_dim=16, depth=1, num_heads=2)
    config = AutoencoderConfig(encoder=encoder, decoder=decoder, mask_ratio=0.5, published_decoder_order=published)
    for one in reconstruct(Oracle(config).eval(), clips):
        assert np.abs(one.completed - one.truth).max() < 1e-3


@pytest.mark.parametrize("step", ["self", "representative"])
def test_attention_is_a_share_and_follows_the_patch_it_reads(clips, step, tmp_path):
    torch.manual_seed(0)
    config = LGIFormerConfig(**{**vars(ENCODER), "local_step": step})
    model = ExpressionClassifier(ClassifierConfig(encoder=config)).eval()
    pixels = torch.from_numpy(clips[0].pixels)[None]
    plain = representative_attention(model, pixels)
    assert plain.shape == (1, 2, 4, 4)
    assert torch.allclose(plain.sum(dim=(1, 2, 3)), torch.ones(1))
    found = attend_faces(model, clips, block=0)
    assert found[0].label in model.config.labels
    draw_attention(found, tmp_path / "a.png")
    assert plain[0, :, :2].std() > 0
    with torch.no_grad():  # a query that likes no key more than another spreads its attention evenly over the region
        model.encoder.blocks[0].local_attention.q.weight.zero_()
        model.encoder.blocks[0].local_attention.q_bias.zero_()
    even = representative_attention(model, pixels, 0)
    for region in (even[0, :, :2], even[0, :, 2:]):
        assert torch.allclose(region, region.mean().expand_as(region))
    with pytest.raises(ConfigError, match="block"):
        representative_attention(model, pixels, 2)
    plain_vit = ViTConfig(image_size=32, num_frames=4, embed_dim=24, depth=1, num_heads=2)
    with pytest.raises(ConfigError, match="LGI-Former"):
        representative_attention(ExpressionClassifier(ClassifierConfig(encoder=plain_vit)), pixels)


def test_clips_are_drawn_class_by_class_from_the_test_part(manifest):
    drawn = face_clips(manifest, ENCODER, crop="centre", count=6)
    assert sorted(one.label for one in drawn) == ["fear", "fear", "happy", "happy", "sad", "sad"]
    assert {one.name for one in drawn}.isdisjoint({"0.mp4", "1.mp4", "2.mp4"})
    assert len(face_clips(manifest, ENCODER, crop="centre", count=50)) == 9
    (video,) = face_clips(manifest.with_name("0.mp4"), ENCODER, crop="centre")
    assert video.pixels.shape == (3, 4, 32, 32)
    with pytest.raises(ConfigError, match="at least one"):
        face_clips(manifest, ENCODER, count=0)


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_a_map_has_a_point_a_clip_and_keeps_apart_what_is_apart(manifest, method, tmp_path):
    whole = read_manifest(manifest)
    model = ExpressionClassifier(ClassifierConfig(encoder=ENCODER)).eval()
    source = ClipSource(DataConfig(crop="centre", workers=0), whole, size=32, frames=4)
    found = embedding_map(model, source, whole, method=method)
    assert found.points.shape == (12, 2)
    assert -1 <= found.silhouette <= 1
    write_map(found, tmp_path / "m.csv")
    lines = (tmp_path / "m.csv").read_text().splitlines()
    assert lines[0] == "clip,label,x,y"
    assert [line.split(",")[0] for line in lines[1:]] == list(found.clips)
    draw_map(found, tmp_path / "m.png")
    with pytest.raises(ConfigError, match="at least 5"):
        embedding_map(model, source, thinned(whole, 3))


def test_a_thinned_table_is_a_choice_in_order_whose_rows_count_anew(manifest):
    whole = read_manifest(manifest)
    few = thinned(whole, 8, seed=1)
    names = [entry.clip_id for entry in whole.entries]
    places = [names.index(entry.clip_id) for entry in few.entries]
    assert places == sorted(set(places))
    assert [entry.row for entry in few.entries] == list(range(8))
    assert thinned(whole, 50).entries == whole.entries


def test_auto_reads_the_middle_square_of_face_crops_alone(clips_of_both_kinds):
    manifest, asked = clips_of_both_kinds
    drawn = face_clips(manifest, ENCODER, count=2)
    assert {one.name for one in drawn} == {"crop.mp4", "frames"}
    assert asked == [("frames", 10.0)]


@pytest.fixture
def clips_of_both_kinds(tmp_path, monkeypatch):
    """A face crop, and a folder of frames at 10 a second that is none; and what was looked through for faces."""
    grey = [np.full((32, 32, 3), 9 * index, np.uint8) for index in range(20)]
    write_video(tmp_path / "crop.mp4", grey, 25.0)
    (tmp_path / "frames").mkdir()
    for index, image in enumerate(grey):
        cv2.imwrite(str(tmp_path / "frames" / f"{index}.png"), image)
    rows = [{"path": "crop.mp4", "crop": "face"}, {"path": "frames", "crop": "none", "fps": "10"}]
    write_manifest(tmp_path / "m.csv", rows)
    asked = []

    def crop(path, *given, folder_fps, **named):
        asked.append((path.name, folder_fps))
        return crop_clip(path, *given, folder_fps=folder_fps, **named)

    monkeypatch.setattr("maedfer.insight.clips.crop_clip", crop)
    return tmp_path / "m.csv", asked


def test_curves_leave_out_half_a_line_and_draw_runs_together(tmp_path):
    for name in ("a", "b"):
        lines = [{"kind": "train", "step": i, "epoch": i / 4, "lr": 0.1, "loss": 1 / (i + 1)} for i in range(40)]
        lines.append({"kind": "train", "step": 40, "epoch": 10.0, "lr": 0.1, "loss": float("nan")})
        lines += [{"kind": "validation", "step": 4 * i, "epoch": i, "uar": 0.1 * i} for i in range(1, 5)]
        text = "\n".join(map(json.dumps, lines)) + '\n{"kind": "tra'
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.jsonl").write_text(text)
    runs = [read_curves(tmp_path / name) for name in ("a", "b")]
    assert runs[0].name == f"{tmp_path.name}/a"
    assert runs[0].validation["uar"][1].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert len(runs[0].train["loss"][0]) == 41
    draw_curves(runs, tmp_path / "c.png")
    assert (tmp_path / "c.png").stat().st_size > 5000
    damaged = ['{"kind": ["train"]}', '{"kind": "train", "epoch": "x", "loss": 1}', '{"kind": "train", "epoch": 1}']
    damaged += [
        '{"kind": "train", "epoch": 1e999, "loss": 1}',
        '{"kind": "train", "epoch": 2, "loss": 1' + "0" * 400 + "}",
    ]
    (tmp_path / "a" / "metrics.jsonl").write_text("\n".join(damaged))
    epochs, values = read_curves(tmp_path / "a").train["loss"]
    assert epochs.tolist() == [2.0]
    assert np.isnan(values).all()
    with pytest.raises(ConfigError, match="picture"):
        draw_curves(runs, tmp_path / "c.txt")
    (tmp_path / "a" / "metrics.jsonl").write_text("")
    with pytest.raises(TrainingError, match="no"):
        read_curves(tmp_path / "a")
    with pytest.raises(TrainingError, match="folder"):
        read_curves(tmp_path / "none")
