"""Fine-tuning of a classifier (paper section 3.4, method section 6)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maedfer.data.augment import Augment, mix_clips
from maedfer.data.manifest import read_manifest
from maedfer.errors import ConfigError
from maedfer.hub import load_model
from maedfer.models import ExpressionClassifier, MaskedAutoencoder, encoder_state, inflate, start_from
from maedfer.recipes import FinetuneRecipe
from maedfer.train.adapt import adapt, merged, trainable_parameters
from maedfer.train.batch import Batch
from maedfer.train.labelled import labelled_parts, train_and_validation
from maedfer.train.loop import Job, Progress, train
from maedfer.train.objective import Objective
from maedfer.train.optim import parameter_groups
from maedfer.train.processes import settled, start_processes
from maedfer.train.units import UNIT_HEAD, ClassAndUnits, TwoTargetClassifier, UnitTargets
from maedfer.weights import save_model

__all__ = ["finetune"]


def finetune(recipe: FinetuneRecipe, progress: Progress | None = None) -> Path:
    """Run ``recipe`` to its end and write the classifier's weights; returns their folder.

    The test part (split ``test``, or the fold ``data.fold``) is never trained on or scored. The validation part (split
    ``val``, or carved from the training part by subject) is scored after every epoch; it chooses nothing unless
    ``keep`` is ``"best"``: then the weights with its highest UAR are written.

    What is written is a plain classifier, whatever was trained: low-rank additions are multiplied out, the head of the
    units is dropped.

    Args:
        recipe: all settings.
        progress: called with (steps done, steps in all, latest numbers): first, once, with the numbers of trained and
            of all parameters; while faces are cropped, with clips.

    Raises:
        TrainingError: no clips were given, or see :func:`maedfer.train.loop.train`.
        ManifestError: the manifest is malformed, its clips are missing or their labels unknown to the model.
        WeightsError: the initial weights cannot be read, or those that were trained cannot be read back.
        ConfigError: the initial weights belong to another model, or settings contradict each other.
        DecodeError: a clip cannot be read.
    """
    recipe = replace(recipe, compute=settled(recipe.compute))
    accelerator = start_processes(recipe.compute)
    progress = progress if accelerator.is_main_process else None
    units = _units(recipe)
    model = _model(recipe, units)
    if progress is not None:
        trained, whole = trainable_parameters(model), sum(parameter.numel() for parameter in model.parameters())
        progress(0, 1, {"trained parameters": float(trained), "of": float(whole)})
    with accelerator.main_process_first():  # it fills the cache of crops, the others read it
        job = _job(recipe, model, units, progress)
    finished = train(job, progress)
    weights = recipe.out / "weights"
    if accelerator.is_main_process:
        state = finished.weights if finished.best is None else finished.best
        state = {name: tensor for name, tensor in state.items() if not name.startswith(UNIT_HEAD)}
        save_model(merged(model, recipe.adapt, state), weights)
        load_model(weights)  # a run must not end with a file that only later turns out to be damaged
    accelerator.wait_for_everyone()
    return weights


def _job(
    recipe: FinetuneRecipe, model: ExpressionClassifier, units: UnitTargets | None, progress: Progress | None
) -> Job:
    encoder = model.config.encoder
    parts = labelled_parts(
        recipe, encoder.num_frames, None if progress is None else lambda done, total: progress(done, total, {})
    )
    return Job(
        model=model,
        groups=parameter_groups(
            model,
            depth=encoder.depth,
            weight_decay=recipe.optim.weight_decay,
            layer_decay=recipe.optim.layer_decay,
            representative_layer=recipe.representative_layer,
        ),
        feed=parts.feed,
        loss=_loss(recipe, encoder.image_size, parts.visits, units),
        recipe=recipe,
        validate=parts.validation,
        better="uar" if recipe.keep == "best" else None,
        names=parts.names,
    )


def _units(recipe: FinetuneRecipe) -> UnitTargets | None:
    """The second target, where the recipe asks for one."""
    if not recipe.unit_weight:
        return None
    if recipe.data.manifest is None:
        raise ConfigError("unit_weight: expected a manifest of the laboratory, got none; give --data.manifest")
    manifest = read_manifest(recipe.data.manifest, recipe.data.root)
    trained, _ = train_and_validation(recipe, manifest)
    path = recipe.data.manifest.parent / "units.npz"
    return UnitTargets(path, len(manifest.entries), [entry.row for entry in trained.entries])


def _model(recipe: FinetuneRecipe, units: UnitTargets | None) -> ExpressionClassifier:
    frozen = recipe.adapt.freeze_blocks or recipe.adapt.freeze_embedding
    if recipe.init is None and (recipe.adapt.train != "all" or frozen):
        raise ConfigError(
            f"adapt.train {recipe.adapt.train} with {recipe.adapt.freeze_blocks} frozen blocks, freeze_embedding "
            f"{recipe.adapt.freeze_embedding}: expected weights worth leaving as they are, got none; give --init"
        )
    encoder = replace(recipe.model.encoder, num_frames=recipe.frames or recipe.model.encoder.num_frames)
    torch.manual_seed(recipe.seed)
    config = replace(recipe.model, encoder=encoder)
    model = ExpressionClassifier(config) if units is None else TwoTargetClassifier(config, units.units)
    if recipe.init is not None:
        _start(model, recipe.init)
    return adapt(model, recipe.adapt)


def _start(model: ExpressionClassifier, init: Path) -> None:
    before = load_model(init.as_posix())  # maybe a name, not a path
    state = before.state_dict()
    if isinstance(before, MaskedAutoencoder):
        state = encoder_state(state)
    elif before.config.labels != model.config.labels:  # as many classes in another order would pass for the same
        state = {name: value for name, value in state.items() if not name.startswith("head.")}
    start_from(model, inflate(state, before.config, model.config))


def _loss(
    recipe: FinetuneRecipe, size: int, visits: Mapping[int, int], units: UnitTargets | None
) -> Callable[[nn.Module, Batch], Tensor]:
    augment = Augment(recipe.augment, size)
    classes = len(recipe.model.labels)
    objective = Objective(recipe.imbalance, visits, classes, recipe.label_smoothing)

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        hard = F.one_hot(batch.targets, classes).float()
        clips, soft = mix_clips(augment(batch.clips, batch.share), hard, recipe.augment, batch.share)
        found = model(clips)
        if units is None:
            return objective(found, soft)
        assert isinstance(found, ClassAndUnits)
        told = units.loss(found.units, batch.rows, batch.starts, clips.shape[2])
        return objective(found.logits, soft) + recipe.unit_weight * told

    return loss
