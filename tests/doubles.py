"""Stand-ins for what is slow or needs more than a test: a pool of processes, a detector, a judged video."""

import cv2
import numpy as np

from maedfer.report import ModelIdentity, Portrait, Prediction, Settings, WindowPrediction
from maedfer.video.types import VideoInfo, Window

__all__ = ["LABELS", "Blind", "Inline", "synthetic"]

LABELS = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")
SPAN_S = 2.56


class Blind:
    """A detector that sees nothing."""

    def detect(self, image):
        return []


class Inline:
    """A pool of processes without processes."""

    def __init__(self, *given, **named):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    map = staticmethod(map)


def _noisy_jpegs(count: int) -> list[bytes]:
    """Pictures of 72 pixels and about 2 kB, as portraits of real faces have."""
    random = np.random.default_rng(3)
    pictures = []
    for _ in range(count):
        smooth = cv2.resize(random.integers(0, 256, (9, 9, 3), dtype=np.uint8), (72, 72))
        noise = random.normal(0, 7, (72, 72, 3))
        done, data = cv2.imencode(
            ".jpg", np.clip(smooth + noise, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 80]
        )
        assert done
        pictures.append(bytes(data))
    return pictures


def synthetic(seconds: float, faces: int, *, hop_s: float = 1.28, pictures_every: int = 1) -> Prediction:
    """Faces that change their expression now and then, go away once, and were once seen too rarely."""
    random, jpegs = np.random.default_rng(5), _noisy_jpegs(16)
    count = int((seconds - SPAN_S) / hop_s) + 1
    windows, unseen, portraits = list[WindowPrediction](), list[Window](), list[Portrait]()
    for track in range(faces):
        kinds = np.repeat(random.integers(0, len(LABELS), count // 5 + 1), 5)[:count]
        weights = random.uniform(0, 1, (count, len(LABELS)))
        weights[np.arange(count), kinds] += random.uniform(1, 8, count)
        for i, row in enumerate(weights / weights.sum(axis=1, keepdims=True)):
            start = round(i * hop_s, 3)
            end = min(seconds, round(start + SPAN_S, 3))
            if count > 8 and count // 2 <= i < count // 2 + 4:
                unseen.append(Window(track, start, end, 0.2))
                continue
            best = int(row.argmax())
            windows.append(
                WindowPrediction(track, start, end, LABELS[best], float(row[best]), tuple(row.tolist()), 1.0)
            )
            if i % pictures_every == 0:
                portraits.append(Portrait(track, (start + end) / 2, jpegs[i % len(jpegs)]))
    return Prediction(
        video=VideoInfo("interviews/talk.mp4", 1280, 720, seconds, 25.0, "h264", 0),
        duration_s=seconds,
        labels=LABELS,
        model=ModelIdentity("default", "ab" * 32, "0.1"),
        settings=Settings(hop_s, SPAN_S, 0.5, "cpu", "CenterFace"),
        windows=tuple(windows),
        unseen=tuple(sorted(unseen, key=lambda window: window.start_s)),
        faces=(),
        portraits=tuple(portraits),
    )
