"""Clips a second and core from files to changed clips, against a plain loader; and how long a training step waits.

python benchmarks/loader.py [--clips 24] [--seconds 6] [--passes 15] [--steps 8] [--record loader]

The clips are drawings that move, 224x224, 25 frames a second, encoded with the usual settings of x264 (key frames at
most 250 apart, B-frames). Both sides do all of it on one core: open, decode, crop, resize and change sixteen frames of
each clip, as a batch of floats. The plain loader decodes the whole span of 64 frames to RGB with PyAV from the key
frame before it, and crops, resizes and changes each of its sixteen frames with Pillow. Times are processor time; the
sides take turns, pass by pass, so that what else the machine does meets them alike, and each pass has a ratio of its
own, of which the median counts.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")

import av
import cv2
import numpy as np
import torch

import plain_loader
import record
from maedfer.allocator import keep_freed_memory
from maedfer.data.augment import Augment
from maedfer.data.dataset import DecodedDataset, stacked
from maedfer.data.feed import ClipFeed, DatasetFeed
from maedfer.data.manifest import Manifest, read_manifest, write_manifest
from maedfer.data.pack import pack_manifest
from maedfer.data.shard_clips import ClipReading
from maedfer.data.shard_feed import ShardFeed
from maedfer.data.worker_process import collect_seldom
from maedfer.models import MaskedAutoencoder
from maedfer.models.draws import BatchShare
from maedfer.recipes import AugmentConfig, PretrainRecipe, demo_pretrain, paper_dfew, paper_pretrain

SIDE, FPS, SIZE, BATCH = 224, 25, 160, 8


def draw_clips(folder: Path, clips: int, seconds: float) -> Manifest:
    """Faces of a kind: textured ellipses that turn and open their mouths before a moving background, with noise."""
    rng = np.random.default_rng(0)
    for number in range(clips):
        backdrop = cv2.resize(rng.integers(0, 255, (12, 12, 3), np.uint8), (2 * SIDE, 2 * SIDE))
        skin = cv2.resize(rng.integers(90, 230, (24, 24, 3), np.uint8), (SIDE, SIDE))
        phase = rng.uniform(0, 6.28, 4)
        length = round(FPS * seconds * rng.uniform(0.7, 1.3))
        with av.open(str(folder / f"{number:04d}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=FPS)
            stream.width = stream.height = SIDE
            stream.pix_fmt = "yuv420p"
            for index in range(length):
                image = draw(backdrop, skin, index / FPS, phase)
                noisy = image + rng.normal(0, 3, image.shape)
                frame = av.VideoFrame.from_ndarray(noisy.clip(0, 255).astype(np.uint8), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    rows = [{"path": f"{number:04d}.mp4", "split": "train"} for number in range(clips)]
    write_manifest(folder / "manifest.csv", rows)
    return read_manifest(folder / "manifest.csv")


def draw(backdrop: np.ndarray, skin: np.ndarray, time_s: float, phase: np.ndarray) -> np.ndarray:
    """One frame."""
    swing = np.sin(np.array([1.1, 1.7, 3.9, 0.5]) * time_s + phase)
    top, left = (int(40 + 40 * swing[3]), int(40 + 40 * swing[0]))
    image = backdrop[top : top + SIDE, left : left + SIDE].copy()
    turn = cv2.getRotationMatrix2D((112, 112), float(8 * swing[0]), 1 + 0.05 * float(swing[1]))
    turn[:, 2] += 6 * swing[1:3]
    face = cv2.warpAffine(skin, turn, (SIDE, SIDE))
    mask = np.zeros((SIDE, SIDE), np.uint8)
    centre = (112 + int(6 * swing[1]), 84 + int(4 * swing[2]))
    cv2.ellipse(mask, centre, (52, 70), float(8 * swing[0]), 0, 360, 255, -1)
    image[mask > 0] = face[mask > 0]
    for side in (-20, 20):
        cv2.circle(image, (centre[0] + side, centre[1] - 18), 6, (40, 30, 30), -1)
    cv2.ellipse(image, (centre[0], centre[1] + 32), (18, 3 + int(7 * abs(swing[2]))), 0, 0, 360, (120, 30, 40), -1)
    return image


def timed(works: dict[str, Callable[[int], int]], passes: int) -> dict[str, list[float]]:
    """Clips a second of processor time of each in each pass; they take turns, after one that warms up."""
    for work in works.values():
        work(0)
    rates: dict[str, list[float]] = {name: [] for name in works}
    for number in range(1, passes + 1):
        for name, work in works.items():
            began = time.process_time()
            clips = work(number)
            rates[name].append(clips / (time.process_time() - began))
    return rates


def ours(feed: ClipFeed, augment: Augment | None) -> Callable[[int], int]:
    """One epoch of a feed, changed."""

    def work(epoch: int) -> int:
        clips = 0
        for samples in feed.batches(epoch, 0, BATCH, BatchShare()):
            batch = stacked(samples)
            if augment is not None:
                batch = augment(batch)
            clips += len(batch)
        return clips

    return work


def compare(
    manifest: Manifest, shards: Path, name: str, config: AugmentConfig, crop: str, passes: int
) -> dict[str, float]:
    """Both loaders under one augmentation."""
    data = DecodedDataset(manifest.entries, None, frames=16, size=SIZE, crop=crop, sampling="span", train=True)
    index = pack_manifest(manifest, shards, crop=crop, size=SIZE, workers=1)
    reading = ClipReading(16, SIZE)
    augment = Augment(config, SIZE)
    plain = plain_loader.PlainLoader([entry.path for entry in manifest.entries], config, crop, SIZE)
    compared = {
        "plain": plain.epoch,
        "mp4": ours(DatasetFeed(data), augment),
        "shards": ours(ShardFeed(index, reading), augment),
    }
    alone = {
        "plain, loading alone": plain.loading,
        "mp4, loading alone": ours(DatasetFeed(data), None),
        "mp4, 4 clips a video": ours(DatasetFeed(data, repeats=4), augment),
        "shards, loading alone": ours(ShardFeed(index, reading), None),
        "shards, 4 clips a video": ours(ShardFeed(index, reading, repeats=4), augment),
    }
    rates = timed(compared, passes)
    figures = {key: round(median(own), 2) for key, own in (rates | timed(alone, (passes + 2) // 3)).items()}
    for kind in ("mp4", "shards"):
        ratios = sorted(own / other for own, other in zip(rates[kind], rates["plain"], strict=True))
        figures[f"{kind} against plain"] = round(median(ratios), 2)
        figures |= {f"{kind} against plain, {end}": round(ratios[at], 2) for end, at in (("least", 0), ("most", -1))}
    print(f"{name}: clips a second and core, {crop} crop")
    for key, value in figures.items():
        print(f"  {key:26} {value:8.2f}")
    return figures


def waiting(manifest: Manifest, recipe: PretrainRecipe, batch: int, steps: int) -> dict[str, float]:
    """Share of the time of training steps that is spent waiting for the next batch, one worker beside the training."""
    encoder = recipe.model.encoder
    model = MaskedAutoencoder(recipe.model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    augment = Augment(recipe.augment, encoder.image_size)
    data = DecodedDataset(
        manifest.entries,
        None,
        frames=encoder.num_frames,
        size=encoder.image_size,
        crop="voxceleb2",
        sampling="span",
        train=True,
    )
    feed = DatasetFeed(data, repeats=max(1, 2 + steps * batch // len(manifest.entries)), workers=1)
    batches = feed.batches(0, 0, batch, BatchShare())
    next(batches)
    waited, began = 0.0, time.perf_counter()
    for _ in range(steps):
        asked = time.perf_counter()
        clips = stacked(next(batches))
        waited += time.perf_counter() - asked
        model(augment(clips)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    took = time.perf_counter() - began
    return {"step_s": round(took / steps, 3), "waiting_share": round(waited / took, 4), "batch": batch}


def main() -> None:
    """Measure all, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=6.0, help="mean length of a clip")
    parser.add_argument("--passes", type=int, default=15, help="over the clips, of which the medians count")
    parser.add_argument("--steps", type=int, default=8, help="training steps that are watched for waiting; 0: none")
    parser.add_argument("--record", help="write benchmarks/results/NAME.json")
    arguments = parser.parse_args()
    keep_freed_memory()  # as a training run does; for both sides
    collect_seldom()  # as its loading processes do; for both sides
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    figures: dict[str, object] = {"clips": arguments.clips, "seconds": arguments.seconds, "passes": arguments.passes}
    with TemporaryDirectory() as place:
        folder = Path(place)
        manifest = draw_clips(folder, arguments.clips, arguments.seconds)
        for name, config, crop in (
            ("pretrain", paper_pretrain().augment, "voxceleb2"),
            ("finetune", paper_dfew().augment, "centre"),
        ):
            figures[name] = compare(manifest, folder / crop, name, config, crop, arguments.passes)
        for name, recipe, batch in (("full size", paper_pretrain(), 4), ("demo", demo_pretrain(), 16)):
            if arguments.steps:
                figures[f"step, {name}"] = waiting(manifest, recipe, batch, arguments.steps)
                print(f"{name} pre-training step:", figures[f"step, {name}"])
    if arguments.record:
        print(f"wrote {record.write(arguments.record, figures)}")


if __name__ == "__main__":
    main()
