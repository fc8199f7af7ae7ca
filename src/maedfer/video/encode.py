"""Frames out: an H.264 file that every player and browser opens."""

import math
import os
import secrets
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8

from maedfer.errors import ConfigError, OutputError

__all__ = ["write_video"]


def write_video(path: Path, frames: Iterable[UInt8[np.ndarray, "H W 3"]], fps: float, *, crf: int = 23) -> None:
    """Write RGB frames as H.264 in mp4 (yuv420p), streaming, complete or not at all.

    The file appears under its name only when all frames are in it. Odd sizes gain one row or column, a copy of the
    last, because yuv420p shares colours between 2x2 pixels.

    Args:
        path: ends in ``.mp4``; its folder exists.
        frames: RGB, all of one size; a generator is consumed one by one.
        fps: frames per second.
        crf: quality from 0 (lossless) to 51 (worst).

    Raises:
        ConfigError: ``fps`` or ``crf`` is out of range.
        OutputError: no frame came, the frames are not of one size, or the place cannot be written.
    """
    path = Path(path)
    if not (math.isfinite(fps) and 0 < fps <= 1000):
        raise ConfigError(f"expected fps between 0 and 1000, got {fps}; 25 is common")
    if not 0 <= crf <= 51:
        raise ConfigError(f"expected crf between 0 (lossless) and 51 (worst), got {crf}; 23 is common")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: expected an existing folder, there is no {path.parent}; make it first")
    part = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part.mp4")
    try:
        _encode(part, path, frames, Fraction(fps).limit_denominator(1001), crf)
        os.replace(part, path)
    except (av.error.FFmpegError, OSError) as error:
        raise OutputError(f"{path}: the video cannot be written ({error.strerror}); check space and rights") from error
    finally:
        part.unlink(missing_ok=True)


def _encode(part: Path, path: Path, frames: Iterable[UInt8[np.ndarray, "H W 3"]], rate: Fraction, crf: int) -> None:
    size = None
    with av.open(str(part), "w", format="mp4") as container:
        for image in frames:
            if size is None:
                size = image.shape
                stream = container.add_stream("libx264", rate=rate, options={"crf": str(crf)})
                stream.width, stream.height = size[1] + size[1] % 2, size[0] + size[0] % 2
                stream.pix_fmt = "yuv420p"
                stream.codec_context.thread_count = min(4, os.cpu_count() or 1)
            if image.shape != size:
                raise OutputError(f"{path}: expected frames of shape {size}, got {image.shape}; resize them first")
            even = np.pad(image, ((0, size[0] % 2), (0, size[1] % 2), (0, 0)), mode="edge")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        if size is None:
            raise OutputError(f"{path}: expected at least one frame, got none; nothing was written")
        container.mux(stream.encode())
