"""What a plain training loader does, as published scripts do it: decode the span, then Pillow, frame by frame."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps

from maedfer.recipes import AugmentConfig

FRAMES, STRIDE, FPS = 16, 4, 25
GREY = (128, 128, 128)


class PlainLoader:
    """Clips decoded with PyAV and changed with Pillow, all frames of a clip alike.

    Args:
        paths: the videos.
        config: which changes: multi-scale crop, or resized crop, mirror, RandAugment and erasing.
        crop: voxceleb2 or centre.
        size: side of the pictures in pixels.
    """

    def __init__(self, paths: list[Path], config: AugmentConfig, crop: str, size: int) -> None:
        self.paths, self.config, self.crop, self.size = paths, config, crop, size

    def epoch(self, number: int) -> int:
        """Load and change every clip; the number of clips."""
        rng = np.random.default_rng(number)
        for path in self.paths:
            frames = [Image.fromarray(frame) for frame in self.frames(path, rng)]
            self.tensor(self.changed(frames, rng), rng)
        return len(self.paths)

    def loading(self, number: int) -> int:
        """Load every clip and resize it, without changes."""
        rng = np.random.default_rng(number)
        for path in self.paths:
            frames = [Image.fromarray(frame) for frame in self.frames(path, rng)]
            np.stack([np.asarray(frame.resize((self.size, self.size), Image.BILINEAR)) for frame in frames])
        return len(self.paths)

    def frames(self, path: Path, rng: np.random.Generator) -> list[np.ndarray]:
        """Sixteen of the 64 frames of a random span, all of which are decoded to RGB; cropped."""
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            span = FRAMES * STRIDE
            start = int(rng.integers(0, max(1, stream.frames - span + 1)))
            container.seek(int(start / FPS / stream.time_base), stream=stream)
            decoded: list[np.ndarray] = []
            for frame in container.decode(stream):
                if round(frame.time * FPS) >= start:
                    decoded.append(frame.to_ndarray(format="rgb24"))
                if len(decoded) == span:
                    break
        video = np.stack(decoded)
        chosen = video[np.minimum(np.arange(0, span, STRIDE), len(video) - 1)]
        if self.crop == "voxceleb2":
            chosen = chosen[:, 0:160, 32:192]
        return list(chosen)

    def changed(self, frames: list[Image.Image], rng: np.random.Generator) -> list[Image.Image]:
        """The recipe's changes before the pixels are numbers."""
        width, height = frames[0].size
        if self.config.rand_augment is not None:
            for change in draw_changes(rng, *self.config.rand_augment):
                frames = [change(frame) for frame in frames]
        left, top, right, bottom = 0, 0, width, height
        if self.config.multi_scale:
            side = round(width * float(rng.choice(self.config.multi_scale)))
            free = width - side
            left, top = ((0, 0), (0, free), (free, 0), (free, free), (free // 2, free // 2))[int(rng.integers(5))]
            right, bottom = left + side, top + side
        elif self.config.resized_crop is not None:
            area = rng.uniform(*self.config.resized_crop) * width * height
            ratio = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
            wide, high = (min(width, round((area * r) ** 0.5)) for r in (ratio, 1 / ratio))
            left, top = int(rng.integers(width - wide + 1)), int(rng.integers(height - high + 1))
            right, bottom = left + wide, top + high
        box = (left, top, right, bottom)
        frames = [frame.crop(box).resize((self.size, self.size), Image.BILINEAR) for frame in frames]
        if rng.random() < self.config.flip:
            frames = [ImageOps.mirror(frame) for frame in frames]
        return frames

    def tensor(self, frames: list[Image.Image], rng: np.random.Generator) -> torch.Tensor:
        """Floats 0..1 of shape (3, T, H, W), with a part erased."""
        pixels = torch.stack([torch.from_numpy(np.array(frame)).permute(2, 0, 1).float() / 255 for frame in frames], 1)
        if rng.random() < self.config.erasing:
            area, ratio = rng.uniform(0.02, 1 / 3) * self.size**2, np.exp(rng.uniform(np.log(0.3), np.log(3.3)))
            high, wide = (min(self.size - 1, round((area * r) ** 0.5)) for r in (ratio, 1 / ratio))
            top, left = int(rng.integers(self.size - high)), int(rng.integers(self.size - wide))
            pixels[:, :, top : top + high, left : left + wide] = torch.randn(3, pixels.shape[1], high, wide)
        return pixels


def draw_changes(
    rng: np.random.Generator, operations: int, magnitude: float
) -> list[Callable[[Image.Image], Image.Image]]:
    """RandAugment's draws for one clip, each applied with probability 0.5."""
    changes = []
    for pick in rng.integers(len(OPERATIONS), size=operations).tolist():
        if rng.random() < 0.5:
            strength = float(np.clip(rng.normal(magnitude, 0.5) / 10, 0, 1))
            changes.append(OPERATIONS[pick](strength, 1.0 if rng.random() < 0.5 else -1.0))
    return changes


Operation = Callable[[float, float], Callable[[Image.Image], Image.Image]]


def enhanced(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> Operation:
    """Pillow's enhancers: 1 is unchanged."""
    return lambda strength, sign: lambda image: kind(image).enhance(1 + sign * strength * 0.9)


def moved(matrix: Callable[[float, float], tuple[float, ...]]) -> Operation:
    """An affine map of (signed strength, side)."""
    return lambda strength, sign: (
        lambda image: image.transform(
            image.size, Image.AFFINE, matrix(sign * strength, image.size[0]), Image.BILINEAR, fillcolor=GREY
        )
    )


OPERATIONS: tuple[Operation, ...] = (
    lambda strength, sign: ImageOps.autocontrast,
    lambda strength, sign: ImageOps.equalize,
    lambda strength, sign: ImageOps.invert,
    lambda strength, sign: lambda image: image.rotate(sign * strength * 30, Image.BILINEAR, fillcolor=GREY),
    lambda strength, sign: lambda image: ImageOps.posterize(image, max(1, 4 - int(strength * 4))),
    lambda strength, sign: lambda image: ImageOps.solarize(image, int(256 - strength * 256)),
    lambda strength, sign: (
        lambda image: image.point([min(255, v + int(strength * 110)) if v < 128 else v for v in range(256)] * 3)
    ),
    enhanced(ImageEnhance.Color),
    enhanced(ImageEnhance.Contrast),
    enhanced(ImageEnhance.Brightness),
    enhanced(ImageEnhance.Sharpness),
    moved(lambda s, _: (1, s * 0.3, 0, 0, 1, 0)),
    moved(lambda s, _: (1, 0, 0, s * 0.3, 1, 0)),
    moved(lambda s, side: (1, 0, s * 0.45 * side, 0, 1, 0)),
    moved(lambda s, side: (1, 0, 0, 0, 1, s * 0.45 * side)),
)
