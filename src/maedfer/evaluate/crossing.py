"""A model with the classes of one set judged on clips of another: which are common, and what becomes of the rest.

Spellings are compared by :func:`maedfer.emotions.canonical` ("anger" is "angry"). Whoever takes one expression for
another says so by a merge: RAVDESS' "calm" has no counterpart elsewhere and is often read as neutral
(:data:`CALM_IS_NEUTRAL`); the compound classes of MAFW (anxiety, helplessness, disappointment, contempt) have none that
is agreed on, so they are left out unless a merge says otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from maedfer.data.manifest import Manifest
from maedfer.emotions import canonical
from maedfer.errors import ConfigError, ManifestError
from maedfer.evaluate.confidence import SMALLEST

__all__ = ["CALM_IS_NEUTRAL", "Cross", "Crossing", "cross_labels", "crossing_for"]

Cross = Literal["auto", "off", "drop", "keep"]

#: The merge that judges RAVDESS' calm clips as neutral ones.
CALM_IS_NEUTRAL: Mapping[str, str] = {"calm": "neutral"}


@dataclass(frozen=True)
class Crossing:
    """From a model's classes and a set's classes to those that are judged.

    Attributes:
        labels: the judged classes: the common ones in the model's order, then those of the model alone where kept.
        of_model: (class of the model, judged class or ``None`` where its probability is left out), in index order.
        of_set: (class of the set, judged class or ``None`` where its clips are left out).
    """

    labels: tuple[str, ...]
    of_model: tuple[tuple[str, str | None], ...]
    of_set: tuple[tuple[str, str | None], ...]

    def truth(self, label: str) -> str | None:
        """The judged class of a clip's label; ``None`` when such clips are left out.

        Raises:
            ConfigError: the set has no such class.
        """
        for own, judged in self.of_set:
            if canonical(own) == canonical(label):
                return judged
        raise ConfigError(f"cross-set: expected one of {', '.join(own for own, _ in self.of_set)}, got {label!r}")

    def project(self, probabilities: Float[np.ndarray, " C"]) -> Float[np.ndarray, " K"]:
        """Probabilities of the judged classes: merged ones added up, left-out ones gone, the rest made to sum to 1.

        All the same where the model gave every judged class nothing.
        """
        added = np.zeros(len(self.labels))
        for value, (_, judged) in zip(probabilities.tolist(), self.of_model, strict=True):
            if judged is not None:
                added[self.labels.index(judged)] += value
        total = added.sum()
        return added / total if total > SMALLEST else np.full(len(added), 1 / len(added))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"labels": list(self.labels), "of_model": dict(self.of_model), "of_set": dict(self.of_set)}

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> "Crossing":
        """What :meth:`to_dict` gave."""
        pairs = [tuple((str(a), b) for a, b in content[key].items()) for key in ("of_model", "of_set")]
        return Crossing(tuple(content["labels"]), pairs[0], pairs[1])

    def to_markdown(self) -> str:
        """Two tables: what became of the model's classes, and of the set's."""
        lines = []
        for whose, pairs, gone in (
            ("model", self.of_model, "left out, the others renormalised"),
            ("clips", self.of_set, "clips left out"),
        ):
            lines += [f"| class of the {whose} | judged as |", "| :-- | :-- |"]
            lines += [f"| {own} | {judged or f'– ({gone})'} |" for own, judged in pairs]
            lines.append("")
        return "\n".join(lines)


def cross_labels(
    model: Sequence[str], clips: Sequence[str], *, merges: Mapping[str, str] | None = None, keep: bool = False
) -> Crossing:
    """Match two label sets.

    Args:
        model: classes of the model, in index order.
        clips: classes of the set.
        merges: expressions taken for others, in both sets, in any spelling: ``{"calm": "neutral"}``.
        keep: keep the classes that only the model has, so that answering with one of them is an error; by default
            their probability is left out and the others are renormalised.

    Raises:
        ConfigError: fewer than two common classes, or a merge of a class that neither has.
    """
    renamed = {canonical(own): canonical(to) for own, to in (merges or {}).items()}
    unknown = set(renamed) - {canonical(label) for label in (*model, *clips)}
    if unknown:
        raise ConfigError(f"merge: neither the model nor the clips have {', '.join(sorted(unknown))}; drop that merge")

    def judged(label: str) -> str:
        return renamed.get(canonical(label), canonical(label))

    there = {judged(label) for label in clips}
    names: dict[str, str] = {}
    for wanted in (True, False):
        for label in model:
            key = judged(label)
            if (key in there) is wanted and (wanted or keep):
                names[key] = label if canonical(label) == key else names.get(key, key)
    if len(there & set(names)) < 2:
        raise ConfigError(
            f"cross-set: expected at least two common classes, the model has {', '.join(model)} and the clips have "
            f"{', '.join(clips)}; --merge says which to take for which"
        )
    return Crossing(
        tuple(names.values()),
        tuple((label, names.get(judged(label))) for label in model),
        tuple((label, names.get(judged(label))) for label in clips),
    )


def crossing_for(
    manifest: Manifest, model: Sequence[str], cross: Cross, merges: Mapping[str, str] | None = None
) -> Crossing | None:
    """The crossing that evaluating on ``manifest`` needs; ``None`` when the model's own classes are judged.

    Args:
        manifest: its label set decides, or, where it names none, the labels that occur.
        model: classes of the model.
        cross: ``"off"``: never; ``"drop"`` and ``"keep"``: always (see :func:`cross_labels`); ``"auto"``: as
            ``"drop"`` where the manifest names a label set of other classes than the model's, or merges are given.
        merges: as for :func:`cross_labels`.

    Raises:
        ConfigError: as :func:`cross_labels`, or merges with ``"off"``.
        ManifestError: a clip without a label, or with one outside its label set.
    """
    if cross == "off":
        if merges:
            raise ConfigError("merge: with --cross off nothing is merged; leave out one of them")
        return None
    occurring = list(dict.fromkeys(entry.label for entry in manifest.entries))
    known = manifest.labels.labels if manifest.labels is not None else tuple(occurring)
    if cross == "auto" and not merges:
        different = {canonical(label) for label in known} != {canonical(label) for label in model}
        if manifest.labels is None or not different:
            return None
    spelt = {canonical(label) for label in known}
    for entry in manifest.entries:
        if not entry.label or canonical(entry.label) not in spelt:
            raise ManifestError(
                f"{manifest.path}: {entry.clip_id}: expected a label of {', '.join(known)}, got {entry.label!r}"
            )
    return cross_labels(model, known, merges=merges, keep=cross == "keep")
