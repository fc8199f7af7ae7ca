"""The whole way from a video file to spans, with a detector and a model whose right answer is known."""

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from jaxtyping import UInt8
from torch import Tensor

import maedfer
from discs import DiscFinder
from maedfer.config import ClassifierConfig, LGIFormerConfig
from maedfer.errors import ConfigError, DecodeError, MaedferError, WeightsError
from maedfer.hub import from_pretrained, locate
from maedfer.models import ExpressionClassifier, MaskedAutoencoder
from maedfer.predict import Predictor
from maedfer.report import Prediction, WindowPrediction
from maedfer.report.portraits import Album
from maedfer.video.encode import write_video
from maedfer.video.types import Clip, Frame, Window
from maedfer.weights import fingerprint, save_model

LABELS = ("red", "green", "blue")
TINY = LGIFormerConfig(image_size=32, embed_dim=16, depth=1, num_heads=2, region_size=(2, 1, 2))
COLOURS = {"red": (230, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 230)}
FPS = 12.5

Picture = UInt8[np.ndarray, "H W 3"]


class ColourModel(ExpressionClassifier):
    """Answers with the colour of the clip's middle, averaged over its frames."""

    largest_batch = 0

    def forward(self, clip: Tensor) -> Tensor:
        self.largest_batch = max(self.largest_batch, len(clip))
        side = clip.shape[-1] // 4
        middle = clip[..., side:-side, side:-side].float()
        return middle.mean(dim=(2, 3, 4)) / 20


def scene(
    seconds: float, left: Callable[[float], str | None], right: Callable[[float], str | None]
) -> Iterator[Picture]:
    """Frames with up to two discs; each function tells the disc's colour at a time, or None when it is away."""
    for index in range(round(seconds * FPS)):
        image = np.full((96, 192, 3), 90, np.uint8)
        for shown, centre in ((left(index / FPS), (50, 48)), (right(index / FPS), (140, 48))):
            if shown is not None:
                cv2.circle(image, centre, 24, COLOURS[shown], -1)
        yield image


@pytest.fixture
def model() -> ColourModel:
    return ColourModel(ClassifierConfig(encoder=TINY, labels=LABELS))


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 s: the left face red, from 4 s on blue; the right face green, away from 4.5 s on."""
    path = tmp_path_factory.mktemp("video") / "talk.mp4"
    write_video(
        path,
        scene(8.0, lambda now: "red" if now < 4 else "blue", lambda now: "green" if now < 4.5 else None),
        FPS,
        crf=12,
    )
    return path


@pytest.fixture
def prediction(model: ColourModel, talk: Path) -> Prediction:
    return Predictor(model, device="cpu", detector=DiscFinder()).predict(talk)


def test_each_face_has_its_own_track_and_spans(prediction: Prediction) -> None:
    assert prediction.tracks() == (0, 1)
    first, second = prediction.segments(0), prediction.segments(1)
    assert [segment.label for segment in first] == ["red", "blue"]
    assert first[0].start_s == pytest.approx(0.0)
    assert first[0].end_s == first[1].start_s == pytest.approx(4.0, abs=1.28)
    assert first[1].end_s == pytest.approx(8.0, abs=0.2)
    assert [segment.label for segment in second] == ["green"]
    assert second[0].end_s == pytest.approx(4.5, abs=1.28)


def test_windows_are_probabilities_in_order(prediction: Prediction) -> None:
    keys = [(window.track, window.start_s) for window in prediction.windows]
    assert keys == sorted(keys)
    for window in prediction.windows:
        assert sum(window.probabilities) == pytest.approx(1.0, abs=1e-5)
        assert window.confidence == max(window.probabilities)
        assert prediction.labels[window.probabilities.index(window.confidence)] == window.label
        assert 0 <= window.start_s < window.end_s <= prediction.duration_s + 1e-6
        assert window.coverage >= prediction.settings.min_coverage


def test_no_gap_is_longer_than_a_hop(prediction: Prediction) -> None:
    spans = prediction.segments(0)
    for before, after in itertools.pairwise(spans):
        assert after.start_s - before.end_s <= prediction.settings.hop_s


def test_a_face_that_leaves_is_reported_as_unseen(prediction: Prediction) -> None:
    gone = [window for window in prediction.unseen if window.track == 1]
    assert gone
    assert all(window.coverage < 0.5 and window.end_s > 4.5 for window in gone)


def test_boxes_lie_on_the_discs_over_time(prediction: Prediction) -> None:
    assert {face.track for face in prediction.faces} == {0, 1}
    for face in prediction.faces:
        x0, y0, x1, y1 = face.box
        expected = 50 if face.track == 0 else 140
        assert (x0 + x1) / 2 == pytest.approx(expected, abs=2)
        assert (y0 + y1) / 2 == pytest.approx(48, abs=2)
        assert x1 - x0 == pytest.approx(48, abs=4)
    times = [face.time_s for face in prediction.faces if face.track == 0]
    assert times == sorted(times)
    assert max(np.diff(times)) < 0.33


def test_facts_of_video_and_model_are_told(prediction: Prediction, talk: Path) -> None:
    assert prediction.video.source == str(talk)
    assert (prediction.video.width, prediction.video.height) == (192, 96)
    assert prediction.duration_s == pytest.approx(8.0, abs=0.17)
    assert prediction.model.maedfer_version == maedfer.__version__
    assert prediction.model.sha256 is None
    assert prediction.settings.detector == "DiscFinder"


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_the_batch_changes_nothing_but_its_size(
    model: ColourModel, talk: Path, prediction: Prediction, batch_size: int
) -> None:
    model.largest_batch = 0
    predictor = Predictor(model, device="cpu", detector=DiscFinder(), batch_size=batch_size)
    again = predictor.predict(talk)
    assert again.windows == prediction.windows
    assert again.unseen == prediction.unseen
    assert again.faces == prediction.faces
    assert model.largest_batch <= batch_size


def test_a_stream_answers_the_same_in_order_of_time(model: ColourModel, talk: Path, prediction: Prediction) -> None:
    predictor = Predictor(model, device="cpu", detector=DiscFinder(), batch_size=2)
    answers = list(predictor.stream(talk))
    starts = [answer.start_s for answer in answers]
    assert starts == sorted(starts)
    windows = [answer for answer in answers if isinstance(answer, WindowPrediction)]
    assert sorted(windows, key=lambda w: (w.track, w.start_s)) == list(prediction.windows)
    assert {answer for answer in answers if isinstance(answer, Window)} == set(prediction.unseen)


def test_a_stream_of_frames_answers_before_it_ends(model: ColourModel) -> None:
    """A camera never ends: answers must not wait for the last frame."""
    read = 0

    def camera() -> Iterator[Frame]:
        nonlocal read
        for read, image in enumerate(scene(60.0, lambda _: "blue", lambda _: None)):
            yield Frame(read / FPS, image)

    predictor = Predictor(model, device="cpu", detector=DiscFinder(), batch_size=1)
    first = next(predictor.stream(camera()))
    assert isinstance(first, WindowPrediction)
    assert first.label == "blue"
    # One window and its lookahead, and the few windows that may wait for the model; this camera films without delay.
    assert read / FPS < 12.0


def test_a_faceless_video_has_only_unseen_windows(model: ColourModel, tmp_path: Path) -> None:
    path = tmp_path / "wall.mp4"
    write_video(path, scene(4.0, lambda _: None, lambda _: None), FPS)
    found = Predictor(model, device="cpu", detector=DiscFinder()).predict(path)
    assert found.windows == ()
    assert found.faces == ()
    assert found.tracks() == ()
    assert {window.track for window in found.unseen} == {None}
    assert min(w.start_s for w in found.unseen) == 0
    assert max(w.end_s for w in found.unseen) == pytest.approx(found.duration_s, abs=0.17)


def test_progress_grows_to_the_end(model: ColourModel, talk: Path) -> None:
    seen: list[tuple[float, float | None]] = []
    Predictor(model, device="cpu", detector=DiscFinder()).predict(
        talk, progress=lambda done, total: seen.append((done, total))
    )
    done = [entry[0] for entry in seen]
    assert done == sorted(done)
    assert done[-1] == pytest.approx(8.0, abs=0.2)
    assert all(total == pytest.approx(8.0, abs=0.1) for _, total in seen)


def test_nan_names_the_clip_and_is_not_reported_as_a_probability(talk: Path) -> None:
    broken = ExpressionClassifier(ClassifierConfig(encoder=TINY, labels=LABELS))
    torch.nn.init.constant_(broken.head.bias, float("nan"))
    with pytest.raises(MaedferError, match=r"talk\.mp4: face 0 at 0\.00 s"):
        Predictor(broken, device="cpu", detector=DiscFinder()).predict(talk)


def test_weights_of_a_folder_are_identified(talk: Path, tmp_path: Path) -> None:
    folder = save_model(ExpressionClassifier(ClassifierConfig(encoder=TINY, labels=LABELS)), tmp_path / "weights")
    predictor = Predictor(folder, device="cpu", detector=DiscFinder())
    assert predictor.labels == LABELS
    assert predictor.judge.identity.sha256 == fingerprint(folder)
    written = predictor.predict(talk).save(tmp_path / "out")
    content = json.loads(written[1].read_text())
    assert content["model"] == {"name": str(folder), "sha256": fingerprint(folder)}
    rows = len(written[0].read_text().splitlines()) - 1
    assert rows == len(content["windows"]) + len(content["unseen"])


def test_answers_in_bfloat16_are_close_to_those_in_float32_and_told(talk: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = ExpressionClassifier(ClassifierConfig(encoder=TINY, labels=LABELS))
    torch.nn.init.normal_(model.head.weight)
    folder = save_model(model, tmp_path / "weights")
    whole, rounded = (
        Predictor(folder, device="cpu", detector=DiscFinder(), precision=precision).predict(talk)
        for precision in ("float32", "bf16")
    )
    assert (whole.settings.precision, rounded.settings.precision) == ("float32", "bf16")
    pairs = [
        (one.probabilities, other.probabilities) for one, other in zip(whole.windows, rounded.windows, strict=True)
    ]
    assert pairs
    assert any(one != other for one, other in pairs)
    for one, other in pairs:
        assert other == pytest.approx(one, abs=0.02)
        assert sum(other) == pytest.approx(1, abs=1e-6)
    shared, _ = (Predictor(model, device="cpu", detector=DiscFinder(), precision=name) for name in ("bf16", "float32"))
    again = shared.predict(talk)
    assert again.settings.precision == "bf16"
    for one, other, exact in zip(rounded.windows, again.windows, whole.windows, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=0.01)
        assert other.probabilities != exact.probabilities, "another predictor of the same model is not asked"


def test_what_is_no_video_is_refused(model: ColourModel, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    predictor = Predictor(model, device="cpu", detector=DiscFinder())
    for path in (text, tmp_path / "nothing.mp4"):
        with pytest.raises(DecodeError, match=path.name):
            predictor.predict(path)


@pytest.mark.parametrize("hop_s", [0.0, -1.0, 2.57, float("nan")])
def test_an_impossible_hop_is_refused(model: ColourModel, hop_s: float) -> None:
    with pytest.raises(ConfigError, match="hop_s"):
        Predictor(model, device="cpu", detector=DiscFinder(), hop_s=hop_s)


def test_an_impossible_batch_is_refused(model: ColourModel) -> None:
    with pytest.raises(ConfigError, match="batch_size"):
        Predictor(model, device="cpu", detector=DiscFinder(), batch_size=0)


def test_names_that_mean_no_model_say_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="nothing there"):
        locate(tmp_path / "absent")
    with pytest.raises(WeightsError, match="nothing there"):
        locate("absent.pth")


def test_a_build_without_default_weights_says_what_to_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maedfer.hub.files", lambda _: tmp_path)
    with pytest.raises(WeightsError, match="no default weights; give --model"):
        Predictor(device="cpu", detector=DiscFinder())


def test_default_weights_are_those_inside_the_package(
    talk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ExpressionClassifier(ClassifierConfig(encoder=TINY, labels=LABELS))
    folder = save_model(made, tmp_path / "assets" / "default", half=True)
    monkeypatch.setattr("maedfer.hub.files", lambda _: tmp_path)
    predictor = Predictor(device="cpu", detector=DiscFinder())
    assert (predictor.judge.identity.name, predictor.judge.identity.sha256) == ("default", fingerprint(folder))
    assert predictor.predict(talk).tracks() == (0, 1)


def test_only_the_default_weights_are_read_against_the_person_unasked(model: ColourModel) -> None:
    assert Predictor(device="cpu", detector=DiscFinder()).settings.baseline == "person"
    assert Predictor("default", device="cpu", detector=DiscFinder(), baseline="none").settings.baseline == "none"
    assert Predictor(model, device="cpu", detector=DiscFinder()).settings.baseline == "none"
    folder = locate("default")
    assert Predictor(folder, device="cpu", detector=DiscFinder()).settings.baseline == "none"
    assert Predictor(folder, device="cpu", detector=DiscFinder(), baseline="person").settings.baseline == "person"


def test_pretraining_weights_are_not_taken_for_a_classifier(tmp_path: Path) -> None:
    from maedfer.config import AutoencoderConfig, DecoderConfig

    decoder = DecoderConfig(embed_dim=16, depth=1, num_heads=2)
    folder = save_model(MaskedAutoencoder(AutoencoderConfig(encoder=TINY, decoder=decoder, mask_ratio=0.5)), tmp_path)
    with pytest.raises(WeightsError, match="fine-tune"):
        from_pretrained(folder)


def test_pictures_in_memory_say_the_same_as_frames(model: ColourModel) -> None:
    pictures = np.stack(list(scene(4.0, lambda now: "red" if now < 2 else "blue", lambda _: "green")))
    predictor = Predictor(model, device="cpu", detector=DiscFinder())
    from_array = predictor.predict(pictures, fps=FPS)
    from_frames = predictor.predict(Frame(index / FPS, picture) for index, picture in enumerate(pictures))
    assert from_array.windows == from_frames.windows
    assert (from_array.video.width, from_array.video.height, from_array.video.duration_s) == (192, 96, 4.0)
    assert from_frames.video.duration_s is None


@pytest.mark.parametrize(
    ("picture", "fps", "expected"),
    [
        (np.zeros((4, 32, 32, 3), np.uint8), None, "fps"),
        (np.zeros((4, 32, 32, 3), np.float32), 25.0, "uint8"),
        (np.zeros((4, 3, 32, 32), np.uint8), 25.0, "3"),
    ],
)
def test_other_arrays_are_refused(model: ColourModel, picture: np.ndarray, fps: float | None, expected: str) -> None:
    with pytest.raises((ConfigError, DecodeError), match=expected):
        Predictor(model, device="cpu", detector=DiscFinder()).predict(picture, fps=fps)


def test_embeddings_are_what_the_head_reads(talk: Path, tmp_path: Path) -> None:
    plain = ExpressionClassifier(ClassifierConfig(encoder=TINY, labels=LABELS))
    torch.nn.init.normal_(plain.head.weight, std=3.0)
    predictor = Predictor(plain, device="cpu", detector=DiscFinder())
    found, prediction = predictor.embed(talk), predictor.predict(talk)
    assert found.vectors.shape == (len(prediction.windows), TINY.embed_dim)
    assert [(w.track, w.start_s) for w in prediction.windows] == list(
        zip(found.tracks.tolist(), found.starts_s.tolist(), strict=True)
    )
    with torch.inference_mode():
        again = torch.softmax(plain.head(torch.from_numpy(found.vectors)), dim=1).numpy()
    np.testing.assert_allclose(again, [w.probabilities for w in prediction.windows], atol=1e-5)


def test_each_window_has_a_portrait_of_its_face(prediction: Prediction) -> None:
    assert [(p.track, p.time_s) for p in prediction.portraits] == [
        (w.track, (w.start_s + w.end_s) / 2) for w in prediction.windows
    ]
    for portrait, window in zip(prediction.portraits, prediction.windows, strict=True):
        picture = cv2.imdecode(np.frombuffer(portrait.jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (72, 72, 3)
        middle = picture[24:48, 24:48, ::-1].reshape(-1, 3).mean(0)
        # A window across the change of colour may show either.
        if not window.start_s < 4 < window.end_s:
            assert LABELS[int(middle.argmax())] == window.label


def test_an_album_is_thinned_evenly_and_keeps_the_strongest_moments() -> None:
    album = Album(limit=40)
    pixels = np.zeros((3, 2, 8, 8), np.uint8)
    for index in range(500):
        for track in range(3) if index < 100 else range(1):
            clip = Clip(track, float(index), index + 2.0, pixels, 1.0)
            sure = 0.9 if index == 333 else 0.8
            album.add(clip, WindowPrediction(track, clip.start_s, clip.end_s, "red", sure, (sure, 1 - sure), 1.0))
    kept = album.portraits()
    assert 20 <= len(kept) <= 43
    assert {portrait.track for portrait in kept} == {0, 1, 2}
    times = [portrait.time_s for portrait in kept if portrait.track == 0]
    assert 334.0 in times
    times.remove(334.0)
    assert len({round(step, 6) for step in np.diff(times).tolist()}) == 1
    assert times[0] == 1.0
    assert times[-1] > 400


def test_a_file_that_breaks_off_is_refused_unless_salvaged(model: ColourModel, tmp_path: Path) -> None:
    whole = tmp_path / "whole.mkv"
    with av.open(str(whole), "w") as container:
        stream = container.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = 192, 96, "yuv420p"
        for picture in scene(12.0, lambda _: "red", lambda _: None):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    predictor = Predictor(model, device="cpu", detector=DiscFinder())
    assert predictor.predict(whole).duration_s == pytest.approx(12.5, abs=0.2)
    with pytest.raises(DecodeError, match=r"breaks off after .* --salvage"):
        predictor.predict(cut)
    with pytest.raises(DecodeError, match="breaks off"):
        list(predictor.stream(cut))
    assert 2 < predictor.predict(cut, salvage=True).duration_s < 10


def test_leaving_a_stream_early_ends_its_threads(model: ColourModel, talk: Path) -> None:
    before = threading.active_count()
    stream = Predictor(model, device="cpu", detector=DiscFinder(), batch_size=1).stream(talk)
    next(stream)
    stream.close()
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_smoothing_and_threshold_change_answers_and_no_window(model: ColourModel, talk: Path) -> None:
    plain = Predictor(model, device="cpu", detector=DiscFinder()).predict(talk)
    read = Predictor(model, device="cpu", detector=DiscFinder(), smoothing_s=1.0, min_confidence=1.0).predict(talk)
    assert read.windows == plain.windows
    assert {answer.label for answer in read.answers(0)} == {"unsure"}
    assert read.answers(0) == plain.reread(smoothing_s=1.0, min_confidence=1.0).answers(0)


def test_a_folder_of_frames_has_the_rate_that_is_given(model: ColourModel, tmp_path: Path) -> None:
    for index, picture in enumerate(scene(4.0, lambda _: "red", lambda _: None)):
        cv2.imwrite(str(tmp_path / f"{index}.png"), picture[..., ::-1])
    predictor = Predictor(model, device="cpu", detector=DiscFinder())
    assert predictor.predict(tmp_path, fps=10.0).duration_s == pytest.approx(5.0)
    assert predictor.predict(tmp_path).duration_s == pytest.approx(2.0)
    with pytest.raises(ConfigError, match="files carry their own times"):
        predictor.predict(tmp_path / "0.png", fps=10.0)


def test_no_window_ends_after_the_pictures(model: ColourModel) -> None:
    pictures = np.stack(list(scene(3.0, lambda _: "red", lambda _: None)))
    prediction = Predictor(model, device="cpu", detector=DiscFinder()).predict(pictures, fps=FPS)
    assert prediction.duration_s == pytest.approx(len(pictures) / FPS)
    assert max(window.end_s for window in prediction.windows) <= prediction.duration_s + 1e-9


def test_smaller_faces_are_searched_for_on_request(model: ColourModel, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    class Noting(DiscFinder):
        def __init__(self, *, min_face: float, max_side: int) -> None:
            asked.append(min_face)

    monkeypatch.setattr("maedfer.predict.CenterFace", Noting)
    assert Predictor(model, min_face=0.05).settings.min_face == 0.05
    assert Predictor(model).settings.min_face == 0.1
    assert asked == [0.05, 0.1]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([np.zeros((8, 8, 3), np.uint8)], r"np\.stack"),
        ([Frame(0.0, np.zeros((8, 8, 3), np.uint8)), Frame(0.0, np.zeros((8, 8, 3), np.uint8))], "later than"),
        ([Frame(float("nan"), np.zeros((8, 8, 3), np.uint8))], "later than"),
        ([], "at least one frame"),
    ],
)
def test_what_is_no_row_of_frames_is_refused(model: ColourModel, frames: list[Frame], expected: str) -> None:
    with pytest.raises((ConfigError, DecodeError), match=expected):
        Predictor(model, device="cpu", detector=DiscFinder()).predict(iter(frames))
