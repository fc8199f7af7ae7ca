"""A manifest's clips as points in the plane: their embeddings by PCA or t-SNE, coloured by class."""

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch.utils.data import DataLoader

from maedfer.data.manifest import Manifest
from maedfer.data.sources import ClipSource
from maedfer.errors import ConfigError
from maedfer.inference import clip_embeddings
from maedfer.insight.sheet import new_figure, save_figure
from maedfer.models import ExpressionClassifier
from maedfer.output import write_text
from maedfer.report.colours import colour_of

__all__ = ["EmbeddingMap", "common_crop", "draw_map", "embedding_map", "thinned", "write_map"]

_BATCH = 16
_FEWEST = 5  # clips; t-SNE needs neighbours
_PERPLEXITY = 30.0  # scikit-learn's default; lowered for small sets


@dataclass(frozen=True)
class EmbeddingMap:
    """Points of clips.

    Attributes:
        clips: their names.
        labels: their classes, empty when not known.
        points: two coordinates each, without unit.
        method: how they were found.
        silhouette: mean silhouette of the classes in the full space (-1..1; Rousseeuw 1987), ``None`` when fewer than
            two classes are known.
    """

    clips: tuple[str, ...]
    labels: tuple[str, ...]
    points: Float[np.ndarray, "N 2"]
    method: Literal["pca", "tsne"]
    silhouette: float | None


def embedding_map(
    model: ExpressionClassifier,
    source: ClipSource,
    part: Manifest,
    *,
    method: Literal["pca", "tsne"] = "tsne",
    seed: int = 0,
) -> EmbeddingMap:
    """Embed the clips of ``part`` (their middle 2.56 s) and lay them out in the plane.

    Args:
        model: its embedding is the output of the last LayerNorm.
        source: how clips are read, of the model's size.
        part: the clips.
        method: ``"pca"`` keeps distances as well as a plane can; ``"tsne"`` keeps neighbours (van der Maaten and Hinton
            2008): sizes of and distances between its clusters mean nothing.
        seed: of t-SNE.

    Raises:
        ConfigError: fewer than 5 clips, or scikit-learn is not installed.
        DecodeError: a clip cannot be read.
    """
    try:
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE
        from sklearn.metrics import silhouette_score
    except ImportError as error:
        raise ConfigError(
            "a map needs scikit-learn, which is not installed; run: pip install 'maedfer[train]'"
        ) from error
    if len(part.entries) < _FEWEST:
        raise ConfigError(f"map: expected at least {_FEWEST} clips, got {len(part.entries)}")
    vectors = _vectors(model, source, part)
    if method == "pca":
        points = PCA(2, random_state=seed).fit_transform(vectors)
    else:
        nearest = min(_PERPLEXITY, (len(vectors) - 1) / 3)
        points = TSNE(2, perplexity=nearest, init="pca", random_state=seed).fit_transform(vectors)
    labels = tuple(entry.label for entry in part.entries)
    known = len(set(labels)) > 1 and "" not in labels and len(set(labels)) < len(labels)
    score = float(silhouette_score(vectors, np.array(labels))) if known else None
    return EmbeddingMap(
        tuple(entry.clip_id for entry in part.entries), labels, np.asarray(points, np.float64), method, score
    )


def common_crop(part: Manifest) -> Literal["face", "centre"]:
    """How all clips of ``part`` are read: as the face crops that the manifest calls them, or by finding the face.

    Raises:
        ConfigError: some are face crops and some are not.
    """
    faces = sum(entry.crop == "face" for entry in part.entries)
    if 0 < faces < len(part.entries):
        raise ConfigError(
            f"{part.path}: expected clips that are all face crops or all not, got {faces} of {len(part.entries)}; "
            "give --crop face to find the face in each"
        )
    return "centre" if faces else "face"


def thinned(part: Manifest, most: int, seed: int = 0) -> Manifest:
    """At most ``most`` clips at random, in their order, as a table of their own: their rows count from 0.

    Raises:
        ConfigError: ``most`` is below 1.
    """
    if most < 1:
        raise ConfigError(f"most: expected at least one clip, got {most}")
    kept = np.sort(np.random.default_rng(seed).permutation(len(part.entries))[:most]).tolist()
    return replace(part, entries=tuple(replace(part.entries[old], row=new) for new, old in enumerate(kept)))


def write_map(found: EmbeddingMap, path: Path) -> None:
    """The points as CSV: clip, label, x, y.

    Raises:
        OutputError: it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("clip", "label", "x", "y"))
    for clip, label, (x, y) in zip(found.clips, found.labels, found.points.tolist(), strict=True):
        writer.writerow((clip, label, f"{x:.5g}", f"{y:.5g}"))
    write_text(path, text.getvalue())


def draw_map(found: EmbeddingMap, path: Path) -> None:
    """Draw the points, one colour and name a class.

    Raises:
        ConfigError: matplotlib is not installed.
        OutputError: it cannot be written.
    """
    figure = new_figure(7.2, 5.6)
    axes = figure.subplots()
    classes = sorted(set(found.labels))
    for label in classes:
        mine = found.points[[own == label for own in found.labels]]
        colour = colour_of(label, classes) if label else "grey"
        axes.scatter(mine[:, 0], mine[:, 1], s=14, color=colour, alpha=0.75, linewidths=0, label=label or "no label")
    axes.set_xticks([])
    axes.set_yticks([])
    name = {"pca": "PCA", "tsne": "t-SNE"}[found.method]
    score = "" if found.silhouette is None else f", silhouette of the classes {found.silhouette:.2f}"
    axes.set_title(f"{name} of {len(found.clips)} clips{score}", fontsize=10)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    save_figure(figure, path)


def _vectors(model: ExpressionClassifier, source: ClipSource, part: Manifest) -> Float[np.ndarray, "N D"]:
    samples = source.samples(part, None, train=False)
    found = []
    for batch in DataLoader(samples, batch_size=_BATCH, collate_fn=list):
        pixels = torch.stack([sample.clip for sample in batch]).numpy()
        found.append(clip_embeddings(model, pixels, [str(sample.row) for sample in batch]))
    return np.concatenate(found)
