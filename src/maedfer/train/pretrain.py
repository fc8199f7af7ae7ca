"""Masked pre-training (paper sections 3.1 and 3.3)."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from maedfer.config import EncoderConfig
from maedfer.data.augment import Augment
from maedfer.data.feed import ClipFeed
from maedfer.data.manifest import read_manifest
from maedfer.data.sources import ClipSource, ShardSource
from maedfer.errors import TrainingError
from maedfer.models import MaskedAutoencoder, TokenMask
from maedfer.recipes import PretrainRecipe
from maedfer.train.batch import Batch
from maedfer.train.loop import Job, Progress, train
from maedfer.train.optim import parameter_groups
from maedfer.train.processes import settled, start_processes
from maedfer.weights import save_model

__all__ = ["PretrainLoss", "pretrain"]


def pretrain(recipe: PretrainRecipe, progress: Progress | None = None) -> Path:
    """Run ``recipe`` to its end and write the autoencoder's weights; returns their folder.

    Every clip that is not of the split ``test`` or ``val``, or not of the tested fold, is used; labels are not read.

    Args:
        recipe: all settings.
        progress: called with (steps done, steps in all, latest numbers); while faces are cropped, with clips.

    Raises:
        TrainingError: no clips were given, or see :func:`maedfer.train.loop.train`.
        ManifestError: the manifest or the shards' index is malformed, or clips are missing.
        DecodeError: a clip cannot be read.
    """
    encoder = replace(recipe.model.encoder, num_frames=recipe.frames or recipe.model.encoder.num_frames)
    config = replace(recipe.model, encoder=encoder)
    recipe = replace(recipe, compute=settled(recipe.compute))
    accelerator = start_processes(recipe.compute)
    progress = progress if accelerator.is_main_process else None
    torch.manual_seed(recipe.seed)
    model = MaskedAutoencoder(config)
    with accelerator.main_process_first():  # it fills the cache of crops, the others read it
        job = _job(recipe, model, progress)
    finished = train(job, progress)
    weights = recipe.out / "weights"
    if accelerator.is_main_process:
        published = MaskedAutoencoder(config)  # the trained one may be in shards
        published.load_state_dict(finished.weights)
        save_model(published, weights)
    accelerator.wait_for_everyone()
    return weights


class PretrainLoss:
    """The autoencoder's loss on changed clips, with masks that do not depend on how the global batch is divided.

    Args:
        autoencoder: draws the masks.
        augment: changes the clips.
    """

    def __init__(self, autoencoder: MaskedAutoencoder, augment: Augment) -> None:
        self.autoencoder = autoencoder
        self.augment = augment

    def __call__(self, model: nn.Module, batch: Batch) -> Tensor:
        """Mean over the clips of ``batch``; ``model`` is the autoencoder as it is trained."""
        clips = self.augment(batch.clips, batch.share)
        drawn = self.autoencoder.draw_mask(len(clips) * batch.share.count, device=clips.device)
        mask = TokenMask(keep=batch.share.own(drawn.keep), drop=batch.share.own(drawn.drop))
        value: Tensor = model(clips, mask).loss
        return value


def _job(
    recipe: PretrainRecipe,
    model: MaskedAutoencoder,
    progress: Progress | None,
) -> Job:
    encoder = model.config.encoder
    feed, names = _feed(recipe, encoder, progress)
    return Job(
        model=model,
        groups=parameter_groups(
            model,
            depth=encoder.depth,
            weight_decay=recipe.optim.weight_decay,
            layer_decay=recipe.optim.layer_decay,
        ),
        feed=feed,
        loss=PretrainLoss(model, Augment(recipe.augment, encoder.image_size)),
        recipe=recipe,
        names=names,
    )


def _feed(
    recipe: PretrainRecipe, encoder: EncoderConfig, progress: Progress | None
) -> tuple[ClipFeed, Callable[[int], str] | None]:
    data, seed = recipe.data, recipe.seed
    if data.shards is not None:
        shards = ShardSource(data, size=encoder.image_size, frames=encoder.num_frames, seed=seed)
        return shards.feed(shards.part("train", "")), None
    if data.manifest is None:
        raise TrainingError("pre-training needs clips: give --data.manifest FILE.csv, or --data.shards FOLDER")
    manifest = read_manifest(data.manifest, data.root)
    part = manifest.part("train", "") if data.fold is None else manifest.fold_parts(data.fold)[0]
    source = ClipSource(
        data,
        manifest,
        size=encoder.image_size,
        frames=encoder.num_frames,
        seed=seed,
        progress=None if progress is None else lambda done, total: progress(done, total, {}),
    )
    return source.feed(part, None, train=True), lambda row: manifest.entries[row].clip_id
