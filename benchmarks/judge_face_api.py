"""The expression network of face-api (V. Mühler, MIT) as a judge of single faces.

``npm pack @vladmandic/face-api`` brings ``package/model/face_expression_model-weights_manifest.json`` and the ``.bin``
beside it. The network: four blocks of four convolutions whose outputs are summed, depthwise separable but for the very
first, the first of each block with stride 2, on 112 px RGB.
"""

import json
import math
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from maedfer.video.types import Face

__all__ = ["FaceApi", "same_pad", "square"]

_MEAN = (122.782, 117.001, 104.298)
_SIDE = 112


class FaceApi:
    """Probabilities of seven expressions for a face.

    Args:
        manifest: ``face_expression_model-weights_manifest.json`` of the package.
    """

    name = "face-api"
    labels = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")

    def __init__(self, manifest: Path) -> None:
        self._weights = _read(manifest)

    def crop(self, image: np.ndarray, face: Face) -> np.ndarray:
        """Brows to chin with a tenth around: the box of the package's 68 landmarks, guessed from five."""
        eyes, mouth = face.landmarks[:2].mean(0), face.landmarks[3:].mean(0)
        unit = max(float(np.hypot(*(face.landmarks[1] - face.landmarks[0]))), float(np.hypot(*(mouth - eyes))) * 0.95)
        centre = eyes + 0.62 * (mouth - eyes)
        return square(image, centre, 2.6 * unit, _SIDE)

    @torch.inference_mode()
    def judge(self, crops: np.ndarray) -> np.ndarray:
        """Probabilities (N, 7) in the order of :attr:`labels` of RGB crops (N, 112, 112, 3)."""
        x = (torch.from_numpy(crops).float() - torch.tensor(_MEAN)).permute(0, 3, 1, 2) / 255
        for block in range(4):
            x = self._block(x, f"dense{block}/")
        x = F.avg_pool2d(x, 7, 2).flatten(1)
        return torch.softmax(x @ self._weights["fc/weights"] + self._weights["fc/bias"], 1).numpy()

    def _block(self, x: torch.Tensor, at: str) -> torch.Tensor:
        total = out = torch.relu(self._conv(x, f"{at}conv0", 2))
        for number in (1, 2, 3):
            total = total + self._conv(out, f"{at}conv{number}", 1)
            out = torch.relu(total)
        return out

    def _conv(self, x: torch.Tensor, at: str, stride: int) -> torch.Tensor:
        w, x = self._weights, same_pad(x, 3, stride)
        if f"{at}/filters" in w:
            return F.conv2d(x, w[f"{at}/filters"].permute(3, 2, 0, 1), w[f"{at}/bias"], stride)
        depth = w[f"{at}/depthwise_filter"].permute(2, 3, 0, 1)
        x = F.conv2d(x, depth, None, stride, groups=len(depth))
        return F.conv2d(x, w[f"{at}/pointwise_filter"].permute(3, 2, 0, 1), w[f"{at}/bias"])


def square(image: np.ndarray, centre: np.ndarray, side: float, size: int) -> np.ndarray:
    """A square of the picture, its edge repeated outside, as ``size`` x ``size``."""
    reach = math.ceil(side / 2)
    padded = cv2.copyMakeBorder(image, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    x0, y0 = (round(float(c) - side / 2) + reach for c in centre)
    x0, y0 = max(x0, 0), max(y0, 0)
    part = padded[y0 : y0 + round(side), x0 : x0 + round(side)]
    return cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR)


def same_pad(x: torch.Tensor, kernel: int, stride: int, value: float = 0.0) -> torch.Tensor:
    """TensorFlow's "same" padding: what is uneven goes to the right and the bottom."""
    high, wide = (max((math.ceil(n / stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:])
    return F.pad(x, (wide // 2, wide - wide // 2, high // 2, high - high // 2), value=value)


def _read(manifest: Path) -> dict[str, torch.Tensor]:
    """The weights of a TensorFlow.js manifest, bytes scaled back."""
    found: dict[str, torch.Tensor] = {}
    for group in json.loads(manifest.read_text(encoding="utf-8")):
        data, at = b"".join((manifest.parent / Path(p).name).read_bytes() for p in group["paths"]), 0
        for entry in group["weights"]:
            count, quantised = math.prod(entry["shape"]), entry.get("quantization")
            kind = np.dtype(quantised["dtype"] if quantised else entry["dtype"])
            values = np.frombuffer(data, kind, count, at).astype(np.float32)
            at += count * kind.itemsize
            if quantised:
                values = values * np.float32(quantised["scale"]) + np.float32(quantised["min"])
            found[entry["name"]] = torch.from_numpy(values.reshape(entry["shape"]))
        if at != len(data):
            raise ValueError(f"{manifest}: {at} bytes are described and {len(data)} are there; take the package again")
    return found
