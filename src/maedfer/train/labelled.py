"""The labelled clips of a fine-tuning run: what is trained on, what is validated on, and never the test part."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from maedfer.data.feed import ClipFeed
from maedfer.data.manifest import Manifest, carve_validation, read_manifest
from maedfer.data.sources import ClipSource, ShardSource
from maedfer.errors import ConfigError, ManifestError, TrainingError
from maedfer.recipes import FinetuneRecipe
from maedfer.train.sampling import class_order, class_visits
from maedfer.train.validation import LabelledClips, Validation

__all__ = ["LabelledParts", "labelled_parts", "train_and_validation"]


@dataclass(frozen=True)
class LabelledParts:
    """What a run learns from.

    Attributes:
        feed: training clips, in the order that the sampling asks for.
        visits: clips of each class that an epoch visits, by class index.
        validation: scores a model after an epoch; ``None``: there is no validation part.
        names: row -> name of a clip; ``None``: rows are all that is known.
    """

    feed: ClipFeed
    visits: Mapping[int, int]
    validation: Validation | None
    names: Callable[[int], str] | None


def labelled_parts(
    recipe: FinetuneRecipe, frames: int, progress: Callable[[int, int], None] | None = None
) -> LabelledParts:
    """The clips that ``recipe.data`` names, from a manifest or from shards.

    Args:
        recipe: data, labels, sampling, validation share, seed.
        frames: frames T of a clip.
        progress: called with (clips done, clips in all) while faces are cropped.

    Raises:
        TrainingError: no clips were given.
        ManifestError: the manifest or the index is malformed, clips are missing or their labels unknown to the model.
        ConfigError: shards are to be visited in an order or carved as they cannot be; ``keep`` is ``"best"`` without a
            validation part; scikit-learn is missing.
    """
    if recipe.data.shards is not None:
        return _of_shards(recipe, frames)
    if recipe.data.manifest is None:
        raise TrainingError(
            "fine-tuning needs labelled clips: give --data.manifest FILE.csv (maedfer prepare writes one), or "
            "--data.shards FOLDER"
        )
    manifest = read_manifest(recipe.data.manifest, recipe.data.root)
    train_part, validation_part = train_and_validation(recipe, manifest)
    targets = train_part.targets(recipe.model.labels)
    held = None if validation_part is None else validation_part.targets(recipe.model.labels)  # before faces are cropped
    size = recipe.model.encoder.image_size
    source = ClipSource(recipe.data, manifest, size=size, frames=frames, seed=recipe.seed, progress=progress)
    sampling = recipe.imbalance.sampling
    return LabelledParts(
        feed=source.feed(
            train_part, targets, train=True, order=lambda epoch: class_order(targets, sampling, recipe.seed, epoch)
        ),
        visits=class_visits(targets, sampling),
        validation=None
        if validation_part is None or held is None
        else _validation(recipe, source.samples(validation_part, held, train=False), held),
        names=lambda row: manifest.entries[row].clip_id,
    )


def train_and_validation(recipe: FinetuneRecipe, manifest: Manifest) -> tuple[Manifest, Manifest | None]:
    """(what is trained on, what is validated on), without a common clip; neither holds one of the test part.

    A manifest without splits and folds has no test part: all of it is for training.

    Raises:
        ManifestError: there is no such fold or split, or too few subjects to carve a validation part.
        ConfigError: ``keep`` is ``"best"`` and nothing is to be validated.
    """
    fold = recipe.data.fold
    if fold is not None:
        train_part, _ = manifest.fold_parts(fold)
    elif manifest.folds() and not any(entry.split for entry in manifest.entries):
        there = ", ".join(map(str, manifest.folds()))
        raise ManifestError(f"{manifest.path}: expected a fold to test, got none; choose of {there} with --data.fold")
    elif not any(entry.split for entry in manifest.entries):  # a set of one's own, undivided
        train_part = manifest
    else:
        train_part = manifest.part("train")
        if any(entry.split == "val" for entry in manifest.entries):
            return train_part, manifest.part("val")
    if recipe.validation_share:
        return carve_validation(train_part, recipe.validation_share, recipe.seed)
    _refuse_best(recipe)
    return train_part, None


def _of_shards(recipe: FinetuneRecipe, frames: int) -> LabelledParts:
    labels = recipe.model.labels
    if recipe.imbalance.sampling != "natural":
        raise ConfigError(
            f"sampling {recipe.imbalance.sampling}: shards are read as they lie; use a manifest, or natural sampling "
            "with --imbalance.logit-adjustment or --imbalance.class-weights"
        )
    source = ShardSource(
        recipe.data, size=recipe.model.encoder.image_size, frames=frames, labels=labels, seed=recipe.seed
    )
    shards = source.index.shards
    undivided = not any(shard.split or shard.fold is not None for shard in shards)
    part = source.part("train", "") if undivided else source.part("train")
    visits = dict(enumerate(part.class_counts(labels)))
    validation = None
    if recipe.data.fold is None and any(shard.split == "val" for shard in shards):
        clips = source.samples(source.index.part("val"))
        validation = _validation(recipe, clips, clips.targets)
    elif recipe.validation_share:
        raise ConfigError(
            f"{recipe.data.shards}: expected shards of split val, for whole shards cannot be carved by subject; pack a "
            "manifest that has this split, or give --validation-share 0"
        )
    else:
        _refuse_best(recipe)
    return LabelledParts(source.feed(part), visits, validation, None)


def _validation(recipe: FinetuneRecipe, clips: LabelledClips, targets: list[int]) -> Validation:
    return Validation(
        clips,
        targets,
        recipe.model.labels,
        batch_size=recipe.optim.batch_size,
        workers=recipe.data.workers,
    )


def _refuse_best(recipe: FinetuneRecipe) -> None:
    if recipe.keep == "best":
        raise ConfigError("keep best: expected a validation part, got validation_share 0; set it, or keep last")
