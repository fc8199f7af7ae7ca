"""A small convolutional net on three frames of each clip: how readable are the labels without this project's model?

    python benchmarks/control.py --train-manifest LAB/manifest.csv --test-manifest TEST/manifest.csv

Prints WAR and UAR on the test clips as one JSON line. It sees the same face crops as the demo recipes.
"""

import json
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
import tyro
from einops import rearrange
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from torch import Tensor, nn
from torch.nn import functional as F

from maedfer.data.augment import Augment
from maedfer.data.crops import CroppedClips, crop_manifest
from maedfer.data.manifest import Manifest, read_manifest
from maedfer.emotions import BASIC_EXPRESSIONS
from maedfer.recipes import AugmentConfig
from maedfer.video.clips import ClipSpec

FRAMES = (3, 7, 11)
SIZE = 128


@dataclass(frozen=True)
class Settings:
    """Settings of the control.

    Attributes:
        train_manifest: rendered clips to train on (split train).
        test_manifest: rendered clips of other identities (all rows).
        epochs: passes over the training clips.
        seed: of weights, order and augmentation.
    """

    train_manifest: Path
    test_manifest: Path
    epochs: int = 8
    seed: int = 0


class Control(nn.Module):
    """Five strided convolutions over three stacked frames; 0.4 M parameters."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        widths = (9, 24, 48, 96, 128, 160)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, frames: Tensor) -> Tensor:
        """Logits of (B, 3, 3, H, W) pixels in 0..1."""
        features = self.body(rearrange(frames, "b c t h w -> b (t c) h w") - 0.5)
        logits: Tensor = self.head(features.mean((2, 3)))
        return logits


def frames_of(clips: CroppedClips, rows: list[int]) -> Tensor:
    """Three frames of each clip as uint8."""
    return torch.stack([torch.from_numpy(clips.pixels[row][:, list(FRAMES)].copy()) for row in rows])


def rows_of(manifest: Manifest, *splits: str) -> list[int]:
    """Row numbers of these splits."""
    return [entry.row for entry in manifest.part(*splits).entries]


def main(settings: Settings) -> None:
    """Train, test, print."""
    torch.manual_seed(settings.seed)
    spec = ClipSpec(num_frames=16, size=SIZE)
    train, test = read_manifest(settings.train_manifest), read_manifest(settings.test_manifest)
    crops, test_crops = crop_manifest(train, spec), crop_manifest(test, spec)
    rows = rows_of(train, "train")
    targets = torch.tensor(train.targets(BASIC_EXPRESSIONS))
    truth = test.targets(BASIC_EXPRESSIONS)
    model = Control(len(BASIC_EXPRESSIONS)).to(memory_format=torch.channels_last)
    steps = settings.epochs * (len(rows) // 64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps, pct_start=0.1)
    augment = Augment(AugmentConfig(affine=(5.0, 0.05, 0.08), jitter=0.2), SIZE)
    start = time.monotonic()
    for _ in range(settings.epochs):
        order = torch.tensor(rows)[torch.randperm(len(rows))].tolist()
        for first in range(0, len(order) - 63, 64):
            chosen = order[first : first + 64]
            loss = F.cross_entropy(model(augment(frames_of(crops, chosen))), targets[chosen], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()
    found: list[int] = []
    with torch.no_grad():
        for first in range(0, len(truth), 64):
            batch = frames_of(test_crops, list(range(first, min(first + 64, len(truth)))))
            found += model(batch.float() / 255).argmax(1).tolist()
    result = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "train_clips": len(rows),
        "test_clips": len(truth),
        "epochs": settings.epochs,
        "seed": settings.seed,
        "seconds": round(time.monotonic() - start, 1),
        "war": round(accuracy_score(truth, found), 4),
        "uar": round(balanced_accuracy_score(truth, found), 4),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(tyro.cli(Settings))
