"""What could explain a difference to the paper: first what this very run did, then what usually does it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from maedfer.data.manifest import Manifest
from maedfer.recipes import FinetuneRecipe

__all__ = ["PAPER_EPOCHS", "causes_of", "departures", "whole_protocol"]

#: Epochs of the paper's fine-tuning.
PAPER_EPOCHS = 100

_USUAL = (
    "The published scripts choose the best epoch on the test part; here the last epoch counts. Their logs therefore "
    "lie a little higher than any honest run.",
    "The released pre-trained weights are epoch 50 of a 100-epoch schedule.",
    "Crops: the paper's sets were cropped with tools that are not published for all sets; ours are cut by another "
    "detector and aligned, which shifts faces by some pixels.",
    "In a small class (disgust in DFEW) a handful of clips moves UAR by a point; compare pooled and per-fold numbers, "
    "and more than one seed.",
    "The learning rate is given for a global batch of 256 and scales with yours; very small batches train differently.",
)


# Settings that say where things lie or how the same mathematics is computed, and those that have a sentence of their
# own; of the batch the learning rate takes account.
_FREE = (
    *("out", "init", "seed", "validation_share", "checkpoint_minutes", "compute"),
    *("data.manifest", "data.root", "data.fold", "data.workers", "data.most_broken"),
    *("optim.epochs", "optim.batch_size", "optim.accumulate", "optim.most_skipped"),
)


def departures(recipe: FinetuneRecipe, paper: FinetuneRecipe) -> tuple[str, ...]:
    """Settings that make another experiment of the paper's, as ``optim.base_lr 0.002 (paper 0.001)``.

    Args:
        recipe: what is run.
        paper: the paper's recipe for the same set.
    """
    ours, theirs = dict(_flat(asdict(recipe))), dict(_flat(asdict(paper)))
    return tuple(
        f"{name} {ours.get(name, 'left out')} (paper {theirs.get(name, 'left out')})"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name) and not any(name == free or name.startswith(f"{free}.") for free in _FREE)
    )


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def causes_of(
    recipe: FinetuneRecipe,
    folds: Sequence[int | None],
    manifest: Manifest,
    findings: Sequence[str],
    changed: Sequence[str] = (),
) -> tuple[str, ...]:
    """Sentences, the particular ones first.

    Args:
        recipe: what was run.
        folds: which of them.
        manifest: the whole set.
        findings: what its preparation found.
        changed: what :func:`departures` gave.
    """
    own: list[str] = []
    if recipe.init is None:
        own.append("Trained from scratch: no pre-trained weights were given.")
    if recipe.optim.epochs != PAPER_EPOCHS:
        own.append(f"{recipe.optim.epochs} epochs instead of the paper's {PAPER_EPOCHS}.")
    if len(folds) < len(manifest.folds()):
        named = f"fold{'s' if len(folds) > 1 else ''} {', '.join(str(fold) for fold in folds)}"
        own.append(f"Only {named} of {len(manifest.folds())}; single folds differ by several points.")
    if recipe.validation_share:
        own.append(f"{recipe.validation_share:.0%} of the training part was kept for validation.")
    own += [f"Another setting than the paper's: {change}." for change in changed]
    if recipe.compute.precision == "fp16":
        own.append("fp16: steps that overflow are left out; bf16 or float32 avoid that.")
    own += [f"The set as prepared: {finding}" for finding in findings]
    return (*own, *_USUAL)


def whole_protocol(recipe: FinetuneRecipe, folds: Sequence[int | None], manifest: Manifest) -> bool:
    """Whether all folds were run, from pre-trained weights, for the published number of epochs."""
    return (
        len(folds) == max(1, len(manifest.folds())) and recipe.optim.epochs >= PAPER_EPOCHS and recipe.init is not None
    )
