"""From a manifest of labelled clips to a model's evaluation, by one process or by several."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from maedfer.data.manifest import ClipEntry, Manifest
from maedfer.errors import ConfigError
from maedfer.evaluate.crossing import Cross, Crossing, crossing_for
from maedfer.evaluate.evaluation import ClipResult, Evaluation, LabelledViews, judge_views, scored
from maedfer.evaluate.packages import require_packages
from maedfer.evaluate.ranks import rank_group
from maedfer.evaluate.reading import ClipReader, ClipTask
from maedfer.evaluate.views import SOURCE_RATE, Sampling, ViewPlan, Views, average_views
from maedfer.inference import Precision
from maedfer.models import ExpressionClassifier

__all__ = ["Crop", "clip_tasks", "evaluate_manifest"]

Crop = Literal["auto", "face", "centre"]


def evaluate_manifest(
    model: ExpressionClassifier,
    manifest: Manifest,
    *,
    crop: Crop = "auto",
    views: Views = "ends",
    sampling: Sampling = "span",
    hop_s: float | None = None,
    cross: Cross = "auto",
    merges: Mapping[str, str] | None = None,
    precision: Precision = "float32",
    batch_size: int = 16,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score ``model`` on every clip of ``manifest``; none is skipped, those without a face are named.

    Processes started together (torchrun, or a running process group) share the clips; each gets the whole evaluation.

    Args:
        model: on any device, the same in every process.
        manifest: labelled clips, usually the ``test`` part, the same in every process.
        crop: see :func:`clip_tasks`.
        views, hop_s: see :class:`ViewPlan`; ``"ends"`` as in the paper.
        sampling: ``"span"`` (the paper) or ``"every"`` (FERV39k), see :meth:`ViewPlan.of`.
        cross, merges: classes that only the model or only the set has, see :func:`crossing_for`.
        precision, batch_size: see :func:`maedfer.evaluate.evaluate_model`.
        workers: processes that read clips, for each process that judges; 0 reads in that one.
        progress: is called with (clips done, clips in all) of this process, as clips are looked at, then as judged.

    Raises:
        ManifestError: a clip has no label, or one that is not known.
        DecodeError: clips cannot be read; the first three are named.
        ConfigError: settings that do not fit, or scikit-learn is missing.
        MaedferError: the model gave a number that is not finite.
    """
    require_packages("sklearn")
    encoder, classes = model.config.encoder, model.config.labels
    plan = ViewPlan.of(encoder.num_frames, encoder.image_size, views=views, sampling=sampling, hop_s=hop_s)
    crossing = crossing_for(manifest, classes, cross, merges)
    entries, truths, left_out = _judged(manifest, classes, crossing)
    tasks = clip_tasks(entries, crop)
    with rank_group() as ranks:
        own = ranks.own(tasks)
        answers = ranks.gather(lambda: _answers(model, plan, own, precision, batch_size, workers, progress))
    labels = classes if crossing is None else crossing.labels
    rows = list(zip(entries, truths, answers, strict=True))
    results = [_result(entry, truth, answer, labels, crossing) for entry, truth, answer in rows]
    faceless = [entry.clip_id for entry, _, answer in rows if answer.faceless]
    return scored(results, labels, faceless=faceless, crossing=crossing, left_out=left_out)


def clip_tasks(entries: Sequence[ClipEntry], crop: Crop) -> list[ClipTask]:
    """How each clip is read.

    Args:
        entries: the clips.
        crop: ``"face"``: the face is found, followed and aligned as in prediction; ``"centre"``: the clips are face
            crops already, their middle square is read; ``"auto"``: as the manifest says of each clip, ``"centre"`` for
            those it calls face crops and ``"face"`` for the others.

    Raises:
        ConfigError: an unknown word.
    """
    if crop not in ("auto", "face", "centre"):
        raise ConfigError(f"crop: expected auto, face or centre, got {crop!r}")
    return [
        ClipTask(
            clip=entry.clip_id,
            path=entry.path,
            face=crop == "face" or (crop == "auto" and entry.crop != "face"),
            fps=entry.fps or SOURCE_RATE,
        )
        for entry in entries
    ]


@dataclass(frozen=True)
class _Answer:
    """What travels between processes about one clip."""

    probabilities: tuple[float, ...]
    views: int
    faceless: bool


def _judged(
    manifest: Manifest, classes: tuple[str, ...], crossing: Crossing | None
) -> tuple[list[ClipEntry], list[str], list[tuple[str, int]]]:
    """The clips that are judged, their classes, and how many clips of which classes are left out."""
    if crossing is None:
        return list(manifest.entries), [classes[index] for index in manifest.targets(classes)], []
    pairs = [(entry, crossing.truth(entry.label)) for entry in manifest.entries]
    kept = [(entry, truth) for entry, truth in pairs if truth is not None]
    if not kept:
        raise ConfigError(f"{manifest.path}: expected clips of {', '.join(crossing.labels)}, there is none")
    gone = Counter(entry.label for entry, truth in pairs if truth is None)
    return [entry for entry, _ in kept], [truth for _, truth in kept], sorted(gone.items())


def _answers(
    model: ExpressionClassifier,
    plan: ViewPlan,
    own: list[tuple[int, ClipTask]],
    precision: Precision,
    batch_size: int,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> list[tuple[int, _Answer]]:
    tasks = [task for _, task in own]
    faceless: list[bool] = []

    def read(reader: ClipReader) -> Iterator[LabelledViews]:
        for (position, task), clip in zip(own, reader.read(tasks), strict=True):
            faceless.append(clip.faceless)
            yield task.clip, clip.views, position

    def count(done: int) -> None:
        if progress is not None:
            progress(done, len(tasks))

    answers: list[tuple[int, _Answer]] = []
    with ClipReader(plan, workers) as reader:
        reader.check(tasks, count)
        for _, rows, position in judge_views(model, read(reader), precision=precision, batch_size=batch_size):
            mean = tuple(map(float, average_views(rows)))
            answers.append((position, _Answer(mean, len(rows), faceless[len(answers)])))
            count(len(answers))
    return answers


def _result(
    entry: ClipEntry, truth: str, answer: _Answer, labels: tuple[str, ...], crossing: Crossing | None
) -> ClipResult:
    values = np.array(answer.probabilities)
    if crossing is not None:
        values = crossing.project(values)
    return ClipResult(
        clip=entry.clip_id,
        truth=truth,
        predicted=labels[int(values.argmax())],
        probabilities=tuple(map(float, values)),
        views=answer.views,
        subject=entry.subject,
        fold=entry.fold,
    )
