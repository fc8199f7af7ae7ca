"""Masked pre-training (paper sections 3.1 and 3.3)."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from maedfer.data.augment import Augment
from maedfer.data.manifest import read_manifest
from maedfer.data.sources import ClipSource
from maedfer.errors import TrainingError
from maedfer.models import MaskedAutoencoder
from maedfer.recipes import PretrainRecipe
from maedfer.train.batch import Batch
from maedfer.train.loop import Job, train
from maedfer.train.optim import parameter_groups
from maedfer.weights import save_model

__all__ = ["pretrain"]


def pretrain(recipe: PretrainRecipe, progress: Callable[[int, int, dict[str, float]], None] | None = None) -> Path:
    """Run ``recipe`` to its end and write the autoencoder's weights; returns their folder.

    Every clip of the manifest that is not of the split ``test`` or ``val`` is used; labels are not read.

    Args:
        recipe: all settings.
        progress: called with (steps done, steps in all, latest numbers); while faces are cropped, with clips.

    Raises:
        TrainingError: no manifest was given, or see :func:`maedfer.train.loop.train`.
        ManifestError: the manifest is malformed or its clips are missing.
    """
    encoder = replace(recipe.model.encoder, num_frames=recipe.frames or recipe.model.encoder.num_frames)
    torch.manual_seed(recipe.seed)
    model = MaskedAutoencoder(replace(recipe.model, encoder=encoder))
    accelerator = train(_job(recipe, model, progress), progress)
    weights = recipe.out / "weights"
    if accelerator.is_main_process:
        save_model(model, weights)
    return weights


def _job(
    recipe: PretrainRecipe,
    model: MaskedAutoencoder,
    progress: Callable[[int, int, dict[str, float]], None] | None,
) -> Job:
    if recipe.data.manifest is None:
        raise TrainingError("pre-training needs clips: give --data.manifest FILE.csv (maedfer synth writes one)")
    encoder = model.config.encoder
    manifest = read_manifest(recipe.data.manifest)
    source = ClipSource(
        recipe.data,
        manifest,
        size=encoder.image_size,
        frames=encoder.num_frames,
        seed=recipe.seed,
        progress=None if progress is None else lambda done, total: progress(done, total, {}),
    )
    augment = Augment(recipe.augment, encoder.image_size)

    def loss(current: nn.Module, batch: Batch) -> Tensor:
        value: Tensor = current(augment(batch.clips)).loss
        return value

    return Job(
        model=model,
        groups=parameter_groups(
            model,
            depth=encoder.depth,
            weight_decay=recipe.optim.weight_decay,
            layer_decay=recipe.optim.layer_decay,
        ),
        dataset=source.samples(manifest.part("train", ""), None, train=True),
        loss=loss,
        recipe=recipe,
        validate=None,
    )
