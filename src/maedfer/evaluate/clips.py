"""Labelled views of the clips of a manifest, and a model's evaluation on them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

import numpy as np

from maedfer.data.crops import crop_manifest
from maedfer.data.manifest import Manifest
from maedfer.errors import DecodeError
from maedfer.evaluate.evaluation import Evaluation, LabelledViews, evaluate_model
from maedfer.evaluate.views import end_views
from maedfer.models import ExpressionClassifier
from maedfer.video.align import middle_square
from maedfer.video.clips import ClipSpec
from maedfer.video.decode import read_frames

__all__ = ["evaluate_manifest", "face_views", "whole_views"]


def evaluate_manifest(
    model: ExpressionClassifier,
    manifest: Manifest,
    *,
    crop: Literal["face", "centre"] = "face",
    batch_size: int = 16,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score ``model`` on every clip of ``manifest``; none is skipped, those without a face are named.

    Args:
        model: on any device.
        manifest: labelled clips, usually the ``test`` part.
        crop: ``"face"``: :func:`face_views`; ``"centre"``: :func:`whole_views`.
        batch_size: views that are classified together, at least.
        workers: processes that find faces.
        progress: is called with (clips done, clips in all), for faces and then for judgements.

    Raises:
        ManifestError: a clip has no label, or one that the model does not know.
        DecodeError: a clip cannot be read.
        MaedferError: the model gave a number that is not finite.
    """
    encoder, labels = model.config.encoder, model.config.labels
    spec = ClipSpec(num_frames=encoder.num_frames, size=encoder.image_size)
    views = (
        face_views(manifest, labels, spec, workers=workers, progress=progress)
        if crop == "face"
        else whole_views(manifest, labels, spec)
    )
    total = len(manifest.entries)
    judged = None if progress is None else lambda done: progress(done, total)
    evaluation = evaluate_model(model, views, batch_size=batch_size, progress=judged)
    if crop != "face":
        return evaluation
    seen = crop_manifest(manifest, spec, workers=workers).coverage  # made by the views already
    names = (entry.clip_id for entry, share in zip(manifest.entries, seen, strict=True) if share == 0)
    return replace(evaluation, faceless=tuple(names))


def face_views(
    manifest: Manifest,
    labels: tuple[str, ...],
    spec: ClipSpec,
    *,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[LabelledViews]:
    """One view a clip: the aligned main face during the middle 2.56 s, aligned as in prediction.

    Args:
        manifest: labelled clips.
        labels: the model's classes; other sets' spellings are understood.
        spec: the shape of the model's clips.
        workers: processes that detect and crop; what they made is kept beside the manifest.
        progress: is called with (clips cropped, clips in all).

    Raises:
        ManifestError: a clip has no label, or one that the model does not know.
        DecodeError: a clip cannot be read.
    """
    targets = manifest.targets(labels)
    crops = crop_manifest(manifest, spec, workers=workers, progress=progress)
    for entry, target, pixels in zip(manifest.entries, targets, crops.pixels, strict=True):
        yield entry.clip_id, np.array(pixels)[None], target


def whole_views(manifest: Manifest, labels: tuple[str, ...], spec: ClipSpec) -> Iterator[LabelledViews]:
    """The paper's views of clips that are face crops already: the middle square, first and last window of the clip.

    Args:
        manifest: labelled clips.
        labels: the model's classes; other sets' spellings are understood.
        spec: the shape of the model's clips.

    Raises:
        ManifestError: a clip has no label, or one that the model does not know.
        DecodeError: a clip cannot be read; it is named.
    """
    for entry, target in zip(manifest.entries, manifest.targets(labels), strict=True):
        frames = read_frames(entry.path, rate=spec.rate)
        try:
            views = end_views((middle_square(frame.image, spec.size) for frame in frames), spec.num_frames)
        except DecodeError as error:
            raise DecodeError(f"{entry.clip_id}: {error}") from error
        yield entry.clip_id, views, target
