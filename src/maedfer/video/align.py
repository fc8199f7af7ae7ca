"""Eyes, nose and mouth on the same pixels in every frame of every clip: similarity alignment to one template.

A similarity (scale, rotation, shift; no shear) keeps the shape of the face, which is what the expression is made of.
"""

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from scipy.ndimage import gaussian_filter1d

from maedfer.errors import ConfigError

__all__ = ["TEMPLATE", "clip_transforms", "middle_square", "similarity", "warp"]

# Where eyes, nose tip and mouth corners belong, in units of the crop's side; order of ``Face.landmarks``.
TEMPLATE: Float[np.ndarray, "5 2"] = np.array([[0.33, 0.40], [0.67, 0.40], [0.50, 0.58], [0.37, 0.76], [0.63, 0.76]])
# The mouth moves with the expression and must not drag the crop along.
_WEIGHTS: Float[np.ndarray, "5"] = np.array([1.0, 1.0, 0.5, 0.25, 0.25])
_SHARES: Float[np.ndarray, "5"] = _WEIGHTS / _WEIGHTS.sum()
# In sampled instants. On talking heads the least change from crop to crop is between 0.4 and 0.6: less leaves the
# detector's shiver in, more lags behind a nod.
_SMOOTHING = 0.5
# A still head is smoothed over a third of a second. What the lighter smoothing says differently counts by its size: far
# less than a pixel of a 160-pixel crop is shiver and is left out, far more is a movement and is followed. So the crop
# is never farther than half of that from the lighter answer. On talking heads one pixel gives the least change from
# crop to crop, between 0 and 3.
_STILL_SMOOTHING, _MOVEMENT = 2.0, 1 / 160
# Distance of the eyes from the middle in sides of the crop: what makes an angle comparable to a distance.
_LEVER = 0.25
_MAX_SUPERSAMPLING = 8


def similarity(landmarks: Float[np.ndarray, "5 2"], size: int) -> Float[np.ndarray, "2 3"]:
    """The similarity that brings five landmarks closest to the template, weighted least squares (Umeyama 1991).

    Args:
        landmarks: pixels of the image, order of ``Face.landmarks``.
        size: side of the square crop in pixels.

    Returns:
        Matrix that maps (x, y, 1) of the image to (x, y) of the crop.

    Raises:
        ConfigError: the landmarks are not finite or fall on one point.
    """
    scale, angle, centre = _fit(landmarks[None], size)
    matrix: Float[np.ndarray, "2 3"] = _matrices(scale, angle, centre, size)[0]
    return matrix


def clip_transforms(landmarks: Float[np.ndarray, "T 5 2"], size: int) -> Float[np.ndarray, "T 2 3"]:
    """Steady alignment of a whole clip: one scale (the median), angle and place smoothed over time.

    One scale, because a scale that follows the landmarks of each frame pumps when the mouth opens.

    Args:
        landmarks: pixels of each frame, evenly spaced instants.
        size: side of the square crop in pixels.

    Returns:
        One matrix a frame, as :func:`similarity`.

    Raises:
        ConfigError: the landmarks of some frame are not finite or fall on one point.
    """
    scale, angle, centre = _fit(landmarks, size)
    steady = float(np.median(scale))
    angle = _smoothed(np.unwrap(angle)[:, None], _MOVEMENT / _LEVER)[:, 0]
    centre = _smoothed(centre, _MOVEMENT * size / steady)
    return _matrices(np.full_like(scale, steady), angle, centre, size)


def warp(
    image: UInt8[np.ndarray, "H W 3"], transform: Float[np.ndarray, "2 3"], size: int
) -> UInt8[np.ndarray, "size size 3"]:
    """Cut the crop out of the image; what lies outside the image mirrors its border.

    Shrinking would alias with plain interpolation, so the crop is taken at a multiple of its size and averaged down.
    """
    scale = float(np.sqrt(abs(np.linalg.det(transform[:, :2]))))
    multiple = int(np.clip(np.ceil(1 / max(scale, 1e-6) - 0.2), 1, _MAX_SUPERSAMPLING))
    # Pixel centres: the crop's pixel i covers the fine pixels multiple * i .. multiple * i + multiple - 1.
    fine = transform * multiple
    fine[:, 2] += (multiple - 1) / 2
    side = size * multiple
    crop = cv2.warpAffine(image, fine, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    if multiple > 1:
        crop = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
    out: UInt8[np.ndarray, "size size 3"] = crop
    return out


def middle_square(image: UInt8[np.ndarray, "H W 3"], size: int) -> UInt8[np.ndarray, "size size 3"]:
    """The largest centred square of a picture, resized: what is read of clips that are face crops already."""
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    square = np.ascontiguousarray(image[top : top + side, left : left + side])
    return np.asarray(cv2.resize(square, (size, size), interpolation=method), dtype=np.uint8)


def _fit(
    landmarks: Float[np.ndarray, "T 5 2"], size: int
) -> tuple[Float[np.ndarray, " T"], Float[np.ndarray, " T"], Float[np.ndarray, "T 2"]]:
    """Scale, angle in radians and weighted centre (image pixels) of each frame.

    In the plane the closed form is short: written as complex numbers, ``sum w conj(p) q / sum w |p|^2`` is scale times
    rotation.
    """
    points = landmarks.astype(np.float64)
    centre = np.einsum("tkd,k->td", points, _SHARES)
    target = TEMPLATE - _SHARES @ TEMPLATE
    p = (points - centre[:, None]) @ np.array([1, 1j])
    q = target @ np.array([1, 1j]) * size
    spread = (np.abs(p) ** 2) @ _SHARES
    if not np.all(np.isfinite(spread)) or np.any(spread < 1e-6):
        raise ConfigError("expected five finite landmarks apart from each other, got some on one point; drop that face")
    turn = (np.conj(p) * q) @ _SHARES / spread
    return np.abs(turn), np.angle(turn), centre


def _smoothed(path: Float[np.ndarray, "T d"], movement: float) -> Float[np.ndarray, "T d"]:
    """Shiver taken out, movements of more than ``movement`` kept."""
    light = gaussian_filter1d(path, _SMOOTHING, axis=0, mode="nearest")
    heavy = gaussian_filter1d(path, _STILL_SMOOTHING, axis=0, mode="nearest")
    apart = ((light - heavy) ** 2).sum(axis=1, keepdims=True)
    out: Float[np.ndarray, "T d"] = heavy + (light - heavy) * (apart / (apart + movement**2))
    return out


def _matrices(
    scale: Float[np.ndarray, " T"], angle: Float[np.ndarray, " T"], centre: Float[np.ndarray, "T 2"], size: int
) -> Float[np.ndarray, "T 2 3"]:
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], axis=1)
    shift = _SHARES @ TEMPLATE * size - np.einsum("tij,tj->ti", linear, centre)
    return np.concatenate([linear, shift[..., None]], axis=2)
