"""How a packed clip may be kept: JPEG pictures, or H.264 with key frames close together; bytes, speed and likeness.

python benchmarks/clip_formats.py VIDEO ... [--size 160] [--record clip_formats]

Each video's middle square is kept in each way, and sixteen frames of a random span of 64 are read back the way training
reads them: bytes of a clip of 195 frames (7.8 s, the mean of VoxCeleb2), clips a second of processor time, and the
signal-to-noise ratio of the pictures (dB) against the crops that were kept.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")

import av
import cv2
import numpy as np

import record
from maedfer.allocator import keep_freed_memory
from maedfer.data.clip_frames import crop_square
from maedfer.data.jpeg_clip import ClipFacts, PackedClip, encode_pictures
from maedfer.video.decode import read_frames
from maedfer.video.frames_at import opened_grid

FRAMES, SPAN, CLIP, VISITS = 16, 64, 195, 60
Reading = Callable[[list[int]], list[np.ndarray]]


def as_jpeg(images: list[np.ndarray], quality: int) -> tuple[int, Reading]:
    """Bytes, and a function that reads frames."""
    data, instants, sizes, sums = encode_pictures(images, quality)
    facts = ClipFacts("clip", 0, "", "", "", "", None, "", 25.0, instants, sizes, sums)
    packed = PackedClip(facts, lambda start, end: data[start:end])
    return len(data), lambda wanted: packed.frames(wanted, images[0].shape[0])


def as_video(images: list[np.ndarray], path: Path, crf: int, group: int) -> tuple[int, Reading]:
    """Bytes, and a function that reads frames."""
    with av.open(str(path), "w") as container:
        options = {"crf": str(crf), "g": str(group), "bf": "0", "preset": "medium"}
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width = stream.height = images[0].shape[0]
        stream.pix_fmt = "yuv420p"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())

    def read(wanted: list[int]) -> list[np.ndarray]:
        with opened_grid(path, 25.0) as video:
            return video.at(wanted, lambda image: image)

    return path.stat().st_size, read


def measured(images: list[np.ndarray], size: int, read: Reading) -> dict[str, float]:
    """Kilobytes a clip, clips a second, likeness."""
    rng = np.random.default_rng(0)
    error = np.mean([(a.astype(float) - b) ** 2 for a, b in zip(images, read(list(range(len(images)))), strict=True)])
    began = time.process_time()
    for _ in range(VISITS):
        start = int(rng.integers(0, max(1, len(images) - SPAN + 1)))
        read([start + SPAN // FRAMES * step for step in range(FRAMES)])
    took = time.process_time() - began
    return {
        "kB a clip": round(size / len(images) * CLIP / 1000, 1),
        "clips a second": round(VISITS / took, 1),
        "PSNR dB": round(float(10 * np.log10(255**2 / error)), 2),
    }


def main() -> None:
    """Measure each way on each video."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--record", help="write benchmarks/results/NAME.json")
    arguments = parser.parse_args()
    keep_freed_memory()
    cv2.setNumThreads(1)
    figures: dict[str, object] = {}
    for video in arguments.videos:
        frames = read_frames(video, rate=25.0, end_s=CLIP / 25)
        images = [crop_square(frame.image, "centre", arguments.size) for frame in frames]
        rows = {}
        with TemporaryDirectory() as folder:
            for quality in (80, 90, 95):
                rows[f"JPEG, quality {quality}"] = measured(images, *as_jpeg(images, quality))
            for crf in (18, 23):
                for group in (4, 16):
                    path = Path(folder) / f"{crf}-{group}.mp4"
                    rows[f"H.264, crf {crf}, key frame every {group}"] = measured(
                        images, *as_video(images, path, crf, group)
                    )
        figures[video.name] = rows
        print(f"{video.name}: {len(images)} frames of {arguments.size} pixels")
        for name, row in rows.items():
            print(f"  {name:34} {row}")
    if arguments.record:
        print(f"wrote {record.write(arguments.record, figures)}")


if __name__ == "__main__":
    main()
