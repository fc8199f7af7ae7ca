"""Fine-tuning of a classifier (paper section 3.4, method section 6)."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from maedfer.data.augment import Augment, mix_clips, smooth_targets
from maedfer.data.dataset import CachedDataset, DecodedDataset
from maedfer.data.manifest import Manifest, carve_validation, read_manifest
from maedfer.data.sources import ClipSource
from maedfer.errors import TrainingError
from maedfer.evaluate.metrics import score
from maedfer.models import ExpressionClassifier, MaskedAutoencoder, encoder_state, inflate, start_from
from maedfer.recipes import FinetuneRecipe
from maedfer.train.batch import Batch, collate
from maedfer.train.loop import Job, train
from maedfer.train.optim import parameter_groups
from maedfer.weights import load_model, save_model

__all__ = ["finetune"]


def finetune(recipe: FinetuneRecipe, progress: Callable[[int, int, dict[str, float]], None] | None = None) -> Path:
    """Run ``recipe`` to its end and write the classifier's weights; returns their folder.

    The manifest's ``test`` split is never trained on. The validation part (split ``val``, or carved from ``train`` by
    subject) chooses nothing: its score is logged after every epoch.

    Args:
        recipe: all settings.
        progress: called with (steps done, steps in all, latest numbers); while faces are cropped, with clips.

    Raises:
        TrainingError: no manifest was given, or see :func:`maedfer.train.loop.train`.
        ManifestError: the manifest is malformed, its clips are missing or their labels unknown to the model.
        WeightsError, ConfigError: the initial weights cannot be read or belong to another model.
    """
    model = _model(recipe)
    job = _job(recipe, model, progress)
    accelerator = train(job, progress)
    weights = recipe.out / "weights"
    if accelerator.is_main_process:
        save_model(model, weights)
    return weights


def _job(
    recipe: FinetuneRecipe,
    model: ExpressionClassifier,
    progress: Callable[[int, int, dict[str, float]], None] | None,
) -> Job:
    if recipe.data.manifest is None:
        raise TrainingError("fine-tuning needs labelled clips: give --data.manifest FILE.csv (see maedfer synth)")
    encoder = model.config.encoder
    manifest = read_manifest(recipe.data.manifest)
    train_part, validation_part = _parts(recipe, manifest)
    source = ClipSource(
        recipe.data,
        manifest,
        size=encoder.image_size,
        frames=encoder.num_frames,
        seed=recipe.seed,
        progress=None if progress is None else lambda done, total: progress(done, total, {}),
    )
    labels = recipe.model.labels
    validation = source.samples(validation_part, validation_part.targets(labels), train=False)
    return Job(
        model=model,
        groups=parameter_groups(
            model,
            depth=encoder.depth,
            weight_decay=recipe.optim.weight_decay,
            layer_decay=recipe.optim.layer_decay,
            representative_layer=recipe.representative_layer,
        ),
        dataset=source.samples(train_part, train_part.targets(labels), train=True),
        loss=_loss(recipe, encoder.image_size),
        recipe=recipe,
        validate=lambda current: _validate(current, labels, validation),
    )


def _model(recipe: FinetuneRecipe) -> ExpressionClassifier:
    encoder = replace(recipe.model.encoder, num_frames=recipe.frames or recipe.model.encoder.num_frames)
    torch.manual_seed(recipe.seed)
    model = ExpressionClassifier(replace(recipe.model, encoder=encoder))
    if recipe.init is not None:
        _start(model, recipe.init)
    return model


def _start(model: ExpressionClassifier, init: Path) -> None:
    before = load_model(init)
    state = before.state_dict()
    if isinstance(before, MaskedAutoencoder):
        state = encoder_state(state)
    elif before.config.labels != model.config.labels:  # as many classes in another order would pass for the same
        state = {name: value for name, value in state.items() if not name.startswith("head.")}
    start_from(model, inflate(state, before.config, model.config))


def _parts(recipe: FinetuneRecipe, manifest: Manifest) -> tuple[Manifest, Manifest]:
    train_part = manifest.part("train")
    if any(entry.split == "val" for entry in manifest.entries):
        return train_part, manifest.part("val")
    return carve_validation(train_part, recipe.validation_share, recipe.seed)


def _loss(recipe: FinetuneRecipe, size: int) -> Callable[[nn.Module, Batch], Tensor]:
    augment = Augment(recipe.augment, size)
    classes = len(recipe.model.labels)

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        soft = smooth_targets(batch.targets, classes, recipe.label_smoothing)
        clips, soft = mix_clips(augment(batch.clips), soft, recipe.augment)
        return F.cross_entropy(model(clips).float(), soft)

    return loss


@torch.no_grad()
def _validate(model: nn.Module, labels: tuple[str, ...], samples: CachedDataset | DecodedDataset) -> dict[str, float]:
    model.eval()
    device = next(model.parameters()).device
    truth: list[int] = []
    found: list[int] = []
    for batch in DataLoader(samples, batch_size=32, collate_fn=collate):
        logits = model(batch.clips.to(device))
        found += logits.argmax(1).tolist()
        truth += batch.targets.tolist()
    scores = score(truth, found, labels)
    return {"war": scores.war, "uar": scores.uar}
