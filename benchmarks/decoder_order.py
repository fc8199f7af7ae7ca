"""Does it matter that the published pre-training gives half of the visible tokens another token's decoder position?

Both orders are pre-trained from the same seeds on the same clips of the synthetic laboratory, then fine-tuned alike.
Reported for each seed: the masked loss on clips that were not trained on, with the same masks for both; the UAR of the
fine-tuned classifier on people it never saw; and the UAR of a linear probe on all local tokens of the pre-trained
encoder, which does not hang on how long fine-tuning goes on. A run that was stopped goes on where it stood.

::

    python benchmarks/decoder_order.py --train lab/manifest.csv --test test/manifest.csv --out runs/order
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import tyro
from torch.utils.data import DataLoader

from maedfer.data.crops import crop_manifest
from maedfer.data.dataset import CachedDataset
from maedfer.data.manifest import Manifest, read_manifest
from maedfer.emotions import LABEL_SETS
from maedfer.evaluate.metrics import score
from maedfer.models import ExpressionClassifier, MaskedAutoencoder
from maedfer.recipes import demo_finetune_short, demo_pretrain
from maedfer.train.batch import Batch, collate
from maedfer.train.finetune import finetune
from maedfer.train.pretrain import pretrain
from maedfer.video.clips import ClipSpec
from maedfer.weights import load_model
from record import circumstances, write

ORDERS = ("own", "published")
PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)  # of the mean eigenvalue
MASKS = 4  # a clip's loss is the mean over this many masks


@dataclass(frozen=True)
class Settings:
    """Settings of the study.

    Attributes:
        train: manifest with the splits train and val.
        test: manifest of other people (split test).
        out: folder of the runs.
        seeds: of weights, order of clips, masks and augmentation.
        pretrain_epochs: passes of masked pre-training.
        finetune_epochs: passes of fine-tuning.
    """

    train: Path
    test: Path
    out: Path
    seeds: tuple[int, ...] = (0, 1, 2)
    pretrain_epochs: int = 6
    finetune_epochs: int = 6


def main(settings: Settings) -> None:
    """Run what is left, print a row a run, write the result after each pair."""
    rows = []
    for seed in settings.seeds:
        for order in ORDERS:
            rows.append(one_run(settings, seed, order))
            print(json.dumps(rows[-1]), flush=True)
        write("decoder_order", summary(rows, settings))


def one_run(settings: Settings, seed: int, order: str) -> dict[str, float | int | str]:
    """Pre-train, fine-tune and score one seed of one order; done parts are kept in the run's folder."""
    folder = settings.out / f"{order}-{seed}"
    done = folder / "row.json"
    if done.exists():
        row: dict[str, float | int | str] = json.loads(done.read_text())
        if "probe_uar" not in row:
            row["probe_uar"] = probe_uar(folder / "pretrain" / "weights", settings)
            done.write_text(json.dumps(row))
        return row
    recipe = demo_pretrain()
    first = pretrain(
        replace(
            recipe,
            model=replace(recipe.model, published_decoder_order=order == "published"),
            data=replace(recipe.data, manifest=settings.train),
            optim=replace(recipe.optim, epochs=settings.pretrain_epochs),
            out=folder / "pretrain",
            seed=seed,
        )
    )
    tuning = demo_finetune_short()
    second = finetune(
        replace(
            tuning,
            init=first,
            data=replace(tuning.data, manifest=settings.train),
            optim=replace(tuning.optim, epochs=settings.finetune_epochs),
            out=folder / "finetune",
            seed=seed,
        )
    )
    train = read_manifest(settings.train)
    row = {
        "seed": seed,
        "order": order,
        "commit": circumstances()["commit"],
        "masked_loss": masked_loss(first, train, train.part("val"), seed),
    }
    classifier = load_model(second)
    assert isinstance(classifier, ExpressionClassifier)
    test = read_manifest(settings.test)
    row |= {"val_uar": uar(classifier, train, train.part("val")), "test_uar": uar(classifier, test, test.part("test"))}
    row["probe_uar"] = probe_uar(first, settings)
    done.write_text(json.dumps(row))
    return row


@torch.no_grad()
def probe_uar(weights: Path, settings: Settings) -> float:
    """UAR on the test clips of a ridge regression to the classes, from all local tokens, fitted on the training clips.

    The penalty is the one of :data:`PENALTIES` that reads the validation clips best.
    """
    model = load_model(weights)
    assert isinstance(model, MaskedAutoencoder)
    train, test = read_manifest(settings.train), read_manifest(settings.test)
    labels = LABEL_SETS["DFEW"].labels
    parts = ((train, train.part("train")), (train, train.part("val")), (test, test.part("test")))
    found = [(tokens(model, whole, part), torch.tensor(part.targets(labels))) for whole, part in parts]
    (inputs, targets), (seen, known), (unseen, truth) = found
    mean, deviation = inputs.mean(0), inputs.std(0) + 1e-6
    inputs, seen, unseen = ((part - mean) / deviation for part in (inputs, seen, unseen))
    values, vectors = torch.linalg.eigh((inputs @ inputs.T).double())
    wanted = vectors.T @ torch.nn.functional.one_hot(targets, len(labels)).double().sub(1 / len(labels))
    best = (0.0, 0.0)
    for penalty in PENALTIES:
        dual = (vectors @ (wanted / (values + penalty * values.mean())[:, None])).float()
        scores = [
            score(right.tolist(), ((part @ inputs.T) @ dual).argmax(1).tolist(), labels).uar
            for part, right in ((seen, known), (unseen, truth))
        ]
        best = max(best, (scores[0], scores[1]))
    return best[1]


def tokens(model: MaskedAutoencoder, whole: Manifest, part: Manifest) -> torch.Tensor:
    """All local tokens of every clip after the encoder's last norm, one row a clip."""
    encoder = model.config.encoder
    rows = []
    for batch in batches(whole, part, encoder.num_frames, encoder.image_size):
        pixels = model.normalizer(model.normalizer.scale(batch.clips))
        rows.append(model.encoder_norm(model.encoder.local_tokens(pixels)).flatten(1))
    return torch.cat(rows)


@torch.no_grad()
def masked_loss(weights: Path, whole: Manifest, part: Manifest, seed: int) -> float:
    """Mean loss over the clips of ``part``; the masks depend on ``seed`` alone."""
    model = load_model(weights)
    assert isinstance(model, MaskedAutoencoder)
    generator = torch.Generator().manual_seed(seed)
    losses, counts = [], []
    for batch in batches(whole, part, model.config.encoder.num_frames, model.config.encoder.image_size):
        for _ in range(MASKS):
            losses.append(float(model(batch.clips, generator=generator).loss))
            counts.append(len(batch.clips))
    return float(np.average(losses, weights=counts))


@torch.no_grad()
def uar(model: ExpressionClassifier, whole: Manifest, part: Manifest) -> float:
    """UAR of the middle frames of every clip."""
    labels = model.config.labels
    found: list[int] = []
    for batch in batches(whole, part, model.config.encoder.num_frames, model.config.encoder.image_size):
        found += model(batch.clips).argmax(1).tolist()
    return score(part.targets(labels), found, labels).uar


def batches(whole: Manifest, part: Manifest, frames: int, size: int) -> Iterable[Batch]:
    """The clips of ``part`` as training crops them, middle frames."""
    crops = crop_manifest(whole, ClipSpec(num_frames=16, size=size))
    rows = [entry.row for entry in part.entries]
    samples = CachedDataset(crops, rows, None, frames, train=False)
    return DataLoader(samples, batch_size=32, collate_fn=collate)


def summary(rows: list[dict[str, float | int | str]], settings: Settings) -> dict[str, object]:
    """Both orders side by side: mean, deviation over seeds, and the paired difference (own - published)."""
    found: dict[str, object] = {
        "pretrain_epochs": settings.pretrain_epochs,
        "finetune_epochs": settings.finetune_epochs,
        "runs": rows,
    }
    for measure in ("masked_loss", "probe_uar", "val_uar", "test_uar"):
        own, published = (np.array([float(row[measure]) for row in rows if row["order"] == order]) for order in ORDERS)
        difference = own - published
        found[measure] = {
            "own": {"mean": own.mean(), "deviation": own.std(ddof=1) if len(own) > 1 else None},
            "published": {"mean": published.mean(), "deviation": published.std(ddof=1) if len(published) > 1 else None},
            "own_minus_published": {
                "mean": difference.mean(),
                "deviation": difference.std(ddof=1) if len(difference) > 1 else None,
                "each": difference.tolist(),
            },
        }
    return found


if __name__ == "__main__":
    main(tyro.cli(Settings))
