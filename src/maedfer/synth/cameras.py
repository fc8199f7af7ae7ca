"""What a camera makes of the light: from a good one to an old telephone on a bad line."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from maedfer.synth.dynamics import Wander

__all__ = ["CLEAN", "STUDIO", "Camera", "Recorder", "draw_camera"]

_GREY = np.array([[0.299], [0.587], [0.114]], np.float32)
#: Lengths in pixels are meant for pictures of this height.
_HEIGHT = 144


@dataclass(frozen=True)
class Camera:
    """What happens between the light and the file. Lengths in pixels are those of a picture 144 pixels high.

    Attributes:
        grey: a picture without colour.
        gain: contrast around mid-grey, per colour.
        gamma: exponent of the tone curve; 1 leaves it.
        blur: standard deviation in pixels; 0 is sharp.
        smear: length of the blur along the camera's motion, in pixels.
        noise: standard deviation in grey levels, of brightness.
        chroma: the same, of colours.
        shrink: resolution as a share of the picture's size, 0..1.
        sharpen: strength of the edges' overshoot.
        jpeg: quality of the pictures before H.264, 1..100; 0 for none.
        interlaced: odd and even lines are of two moments.
        vignette: darkness of the corners, 0..1.
        drift: how much exposure and white balance wander, as a standard deviation of logarithms.
        shake: standard deviation of the motion by hand, as a share of the height.
        zoom: how much closer the picture gets a second, as a logarithm.
        bars: share of the height that black bars take above and below.
        crf: constant rate factor of H.264.
    """

    grey: bool = False
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gamma: float = 1.0
    blur: float = 0.0
    smear: float = 0.0
    noise: float = 0.0
    chroma: float = 0.0
    shrink: float = 1.0
    sharpen: float = 0.0
    jpeg: int = 0
    interlaced: bool = False
    vignette: float = 0.0
    drift: float = 0.0
    shake: float = 0.0
    zoom: float = 0.0
    bars: float = 0.0
    crf: int = 18


#: A good camera on a stand.
CLEAN = Camera(noise=0.8, crf=0)
#: The same one, recording as studios do.
STUDIO = Camera(noise=0.8, crf=18)


def draw_camera(rng: np.random.Generator) -> Camera:
    """One camera: how bad it is decides how much of everything goes wrong."""
    bad = float(rng.beta(1.1, 1.6))

    def sometimes(share: float, low: float, high: float) -> float:
        value = float(rng.uniform(low, high))
        return value if rng.random() < share else 0.0

    gain = np.exp(rng.normal(0.05, 0.09) + rng.normal(0, 0.06, 3) + rng.normal(0, 0.05) * np.array([1.0, 0.0, -1.0]))
    shrink = float(np.exp(rng.uniform(np.log(0.3), np.log(0.9))))
    red, green, blue = (float(g) for g in gain)
    return Camera(
        grey=bool(rng.random() < 0.09),
        gain=(red, green, blue),
        gamma=float(np.exp(np.clip(rng.normal(0, 0.16), -0.4, 0.4))),
        blur=sometimes(0.2 + 0.4 * bad, 0.3, 0.7 + 0.9 * bad),
        smear=sometimes(0.25, 1.0, 4.0),
        noise=0.4 + sometimes(0.6, 0.5, 2.0 + 7.0 * bad),
        chroma=sometimes(0.4, 0.5, 1.0 + 5.0 * bad),
        shrink=shrink if rng.random() < 0.1 + 0.45 * bad else 1.0,
        sharpen=sometimes(0.3, 0.3, 1.4),
        jpeg=round(sometimes(0.15 + 0.4 * bad, 80 - 65 * bad, 92 - 50 * bad)),
        interlaced=bool(rng.random() < 0.04),
        vignette=sometimes(0.3, 0.1, 0.5),
        drift=sometimes(0.35, 0.02, 0.12),
        shake=sometimes(0.4, 0.002, 0.018),
        zoom=sometimes(0.12, -0.04, 0.05),
        bars=sometimes(0.06, 0.05, 0.1),
        crf=int(rng.integers(17, 26 + round(8 * bad))),
    )


class Recorder:
    """A camera at work: its motion and noise in time.

    Args:
        camera: its faults.
        height: of the pictures, in pixels.
        width: in pixels.
        rng: draws motion, drift and noise; the pictures have no influence on what is drawn.
    """

    def __init__(self, camera: Camera, height: int, width: int, rng: np.random.Generator) -> None:
        self._camera, self._rng = camera, rng
        self._shape = (height, width)
        self._motion, self._drift = Wander(rng, 3, 0.15, 1.6), Wander(rng, 3, 0.1, 0.6)
        self._smear = float(rng.uniform(0, np.pi))
        across, down = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
        falloff = 1 - camera.vignette * np.clip((across**2 + down**2) / 2, 0, 1)
        self._falloff = falloff[..., None].astype(np.float32)
        self._before: Float32[np.ndarray, "H W 3"] | None = None

    def shoot(self, image: UInt8[np.ndarray, "H W 3"], at_s: float) -> UInt8[np.ndarray, "H W 3"]:
        """The picture as the camera records it at this second (all but H.264)."""
        camera, unit = self._camera, self._shape[0] / _HEIGHT
        toned = cv2.LUT(self._moved(image, at_s), self._tone(at_s))
        seen = toned.astype(np.float32)
        if camera.vignette > 0:
            seen = seen * self._falloff
        if camera.smear * unit >= 1.0:
            seen = cv2.filter2D(seen, -1, _streak(camera.smear * unit, self._smear), borderType=cv2.BORDER_REPLICATE)
        seen = self._resolved(seen)
        if camera.blur * unit > 0.2:
            seen = cv2.GaussianBlur(seen, (0, 0), camera.blur * unit)
        if camera.sharpen > 0:
            seen = seen + camera.sharpen * (seen - cv2.GaussianBlur(seen, (0, 0), max(0.7, 0.9 * unit)))
        if camera.interlaced:
            before, self._before = seen if self._before is None else self._before, seen.copy()
            seen[1::2] = before[1::2]
        if camera.grey:
            seen = np.repeat(seen @ _GREY, 3, axis=2)
        bar = round(camera.bars * self._shape[0])
        if bar:
            seen[:bar], seen[-bar:] = 0, 0
        return np.asarray(np.clip(seen + 0.5, 0, 255), np.uint8)

    def _moved(self, image: UInt8[np.ndarray, "H W 3"], at_s: float) -> UInt8[np.ndarray, "H W 3"]:
        """The picture as a moving camera frames it."""
        camera, (height, width) = self._camera, self._shape
        if camera.shake == 0 and camera.zoom == 0:
            return image
        dx, dy, roll = (self._motion(np.array([at_s]))[0] * camera.shake * [height, height, 30]).tolist()
        closer = float(np.exp(camera.zoom * at_s + 1.5 * camera.shake))
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), roll, closer)
        turn[:, 2] += (dx, dy)
        moved = cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.uint8)

    def _tone(self, at_s: float) -> UInt8[np.ndarray, "1 256 3"]:
        """Brightness out for each brightness in, per colour, with exposure and white balance where they are now."""
        camera = self._camera
        exposure, warm, _ = (self._drift(np.array([at_s]))[0] * camera.drift).tolist()
        level = np.arange(256, dtype=np.float64)[None, :, None] / 255
        level = level * np.exp(exposure + 0.4 * warm * np.array([1.0, 0.0, -1.0]))
        toned = 255 * np.clip(level, 0, None) ** camera.gamma
        return np.asarray(np.clip((toned - 110) * np.array(camera.gain) + 110 + 0.5, 0, 255), np.uint8)

    def _resolved(self, seen: Float32[np.ndarray, "H W 3"]) -> Float32[np.ndarray, "H W 3"]:
        """At the sensor's resolution, with its noise and its JPEG, and back at the picture's."""
        camera, (height, width) = self._camera, self._shape
        rows, columns = max(16, round(height * camera.shrink)), max(16, round(width * camera.shrink))
        if camera.shrink < 1:
            seen = cv2.resize(seen, (columns, rows), interpolation=cv2.INTER_AREA)
        noise = self._rng.standard_normal((*seen.shape[:2], 1), np.float32) * np.float32(camera.noise)
        if camera.chroma > 0:
            coarse = self._rng.standard_normal((seen.shape[0] // 2 + 1, seen.shape[1] // 2 + 1, 3), np.float32)
            grown = cv2.resize(coarse, seen.shape[1::-1], interpolation=cv2.INTER_LINEAR)
            noise = noise + np.float32(camera.chroma) * grown
        seen = seen + noise
        if camera.jpeg > 0:
            sharp = np.clip(seen[..., ::-1] + 0.5, 0, 255).astype(np.uint8)
            _, code = cv2.imencode(".jpg", sharp, [cv2.IMWRITE_JPEG_QUALITY, camera.jpeg])
            seen = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.float32)[..., ::-1]
        return cv2.resize(seen, (width, height)) if camera.shrink < 1 else seen


def _streak(length: float, angle: float) -> Float32[np.ndarray, "k k"]:
    """A kernel that blurs along one direction."""
    half = int(np.ceil(length / 2))
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    along, off = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    kernel = np.clip(1 - np.abs(off), 0, 1) * (np.abs(along) <= length / 2)
    return np.asarray(kernel / kernel.sum(), np.float32)
