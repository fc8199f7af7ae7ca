"""Fit a model's batch norm to other faces, without labels (AdaBN: Li et al. 2016, arXiv 1603.04779).

A network with batch norm carries mean and variance of each channel over the faces that it was trained on. Rendered
faces and photographs, or two cameras, differ there first: replacing both numbers by those of the faces that are to be
judged takes that difference away, and no weight changes. It helps as far as the faces show a mixture of expressions: on
faces that all do the same it takes away what they do.
"""

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor, nn

from maedfer import __version__
from maedfer.errors import ConfigError
from maedfer.face_sample import sample_faces
from maedfer.hub import from_pretrained, locate
from maedfer.inference import Device, class_probabilities, resolve_device
from maedfer.models import ExpressionClassifier
from maedfer.models.batch_norm import BatchNorm
from maedfer.output import require_writable, write_text
from maedfer.weights import fingerprint, save_model

__all__ = ["ADAPTATION_FILE", "LEAST_CLIPS", "Adapted", "adapt_normalisation", "adapt_weights"]

#: Lies beside adapted weights and says what they were adapted to.
ADAPTATION_FILE = "adaptation.json"
#: Fewer clips say more of these people than of faces.
LEAST_CLIPS = 32

_BATCH = 16
_Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Adapted:
    """What was written, and what the model says of the clips it was adapted to, before and after.

    Attributes:
        clips: how many faces were found, each of which counts a second time in the mirror.
        answers_before: of each label, how many of the clips were given it.
        answers_after: the same after the adaptation.
        files: the paths, weights first.
    """

    clips: int
    answers_before: dict[str, int]
    answers_after: dict[str, int]
    files: tuple[Path, ...]


def adapt_normalisation(
    model: ExpressionClassifier,
    clips: UInt8[np.ndarray, "N 3 T S S"],
    *,
    progress: _Progress | None = None,
) -> ExpressionClassifier:
    """A copy of a classifier whose batch norms carry mean and variance over these clips and their mirror images.

    Layer by layer, each seeing what the layers before make of the clips once they are adapted, so neither the order of
    the clips nor the size of a batch changes the result. The variance is the one that divides by the count.

    Args:
        model: on any device; left as it is.
        clips: aligned face crops, RGB 0..255, :data:`LEAST_CLIPS` or more.
        progress: is told of each layer: how many are done, of how many.

    Raises:
        ConfigError: too few clips, or the model has no batch norm (the paper's encoder has none).
    """
    if len(clips) < LEAST_CLIPS:
        raise ConfigError(
            f"adaptation: expected at least {LEAST_CLIPS} clips of faces, got {len(clips)}; fewer say more of these "
            "people than of faces"
        )
    adapted = copy.deepcopy(model).eval()
    layers = [layer for layer in adapted.encoder.embed.modules() if isinstance(layer, BatchNorm)]
    if not layers:
        raise ConfigError(
            "adaptation: expected a model with batch norm (stem_width in its config), got one without; fine-tune it "
            "on labelled clips instead: maedfer finetune"
        )
    for done, layer in enumerate(layers):
        mean, variance = _moments(adapted, layer, clips)
        layer.running_mean.copy_(mean)
        layer.running_variance.copy_(variance)
        if progress is not None:
            progress(done + 1, len(layers))
    return adapted


def _moments(
    model: ExpressionClassifier, layer: BatchNorm, clips: UInt8[np.ndarray, "N 3 T S S"]
) -> tuple[Float64[Tensor, " C"], Float64[Tensor, " C"]]:
    """Mean and variance of each channel of what enters a layer."""
    device = layer.running_mean.device
    sums = torch.zeros(2, len(layer.running_mean), dtype=torch.float64, device=device)
    count = 0

    def add(_: nn.Module, inputs: tuple[Tensor]) -> None:
        nonlocal count
        wide = inputs[0].transpose(0, 1).flatten(1).double()  # float32 would lose the difference of large sums
        sums[0] += wide.sum(1)
        sums[1] += wide.square().sum(1)
        count += wide.shape[1]

    hook = layer.register_forward_pre_hook(add)
    try:
        with torch.inference_mode():
            for first in range(0, len(clips), _BATCH):
                pixels = torch.from_numpy(np.ascontiguousarray(clips[first : first + _BATCH])).to(device)
                for view in (pixels, pixels.flip(-1)):
                    model.encoder.embed(model.normalizer(model.normalizer.scale(view)))
    finally:
        hook.remove()
    mean, square = sums / count
    return mean, (square - mean.square()).clamp_min(0)


def adapt_weights(
    model: str,
    sources: Sequence[Path],
    out: Path,
    *,
    most: int = 512,
    device: Device = "auto",
    progress: _Progress | None = None,
) -> Adapted:
    """Adapt named weights to the faces in videos, pictures and manifests, and write them into a folder.

    Args:
        model: a name or path (see :func:`maedfer.hub.from_pretrained`).
        sources: of faces like those that will be judged: many people, many expressions.
        out: the folder: weights, config and :data:`ADAPTATION_FILE`.
        most: clips at most, evenly spread over the sources, up to 512.
        device: where the model runs.
        progress: see :func:`adapt_normalisation`.

    Raises:
        ConfigError: no sources, too few faces, a model without batch norm, or a setting out of range.
        DecodeError, ManifestError: a source cannot be read.
        WeightsError: there is no such model.
        OutputError: the folder cannot be written.
    """
    require_writable(out)
    if not sources:
        raise ConfigError("adaptation: expected videos, pictures or manifests that show faces, got none")
    network = from_pretrained(model, device=str(resolve_device(device)))
    clips = sample_faces(sources, network.config, most=most)
    adapted = adapt_normalisation(network, clips, progress=progress)
    before, after = _answers(network, clips), _answers(adapted, clips)
    facts: dict[str, Any] = {
        "model": model,
        "sha256": fingerprint(locate(model)),
        "maedfer": __version__,
        "sources": [source.name for source in sources],
    }
    folder = save_model(adapted, out)
    notes = out / ADAPTATION_FILE
    found = Adapted(len(clips), before, after, (folder, notes))
    told = {name: value for name, value in asdict(found).items() if name != "files"}
    write_text(notes, json.dumps(facts | told, indent=1, ensure_ascii=False) + "\n")
    return found


def _answers(model: ExpressionClassifier, clips: UInt8[np.ndarray, "N 3 T S S"]) -> dict[str, int]:
    """How many clips are given each label."""
    counts = dict.fromkeys(model.config.labels, 0)
    for first in range(0, len(clips), _BATCH):
        batch = clips[first : first + _BATCH]
        names = [f"clip {first + row}" for row in range(len(batch))]
        for best in class_probabilities(model, batch, names).argmax(axis=1).tolist():
            counts[model.config.labels[best]] += 1
    return counts
