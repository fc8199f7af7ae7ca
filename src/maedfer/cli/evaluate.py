"""``maedfer evaluate``, ``aggregate`` (folds) and ``compare`` (two models on the same clips)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from maedfer.cli.console import progress_bar
from maedfer.cli.labelled import JudgeOptions, Split, open_labelled
from maedfer.errors import ConfigError

if TYPE_CHECKING:
    from maedfer.evaluate.evaluation import Evaluation
    from maedfer.evaluate.stored import Facts

__all__ = ["aggregate", "compare", "evaluate"]


def evaluate(
    manifest: Path,
    options: Annotated[JudgeOptions, arg(name="")] = JudgeOptions(),  # noqa: B008 - frozen
    root: Path | None = None,
    fold: int | None = None,
    split: Split = "test",
    out: Path = Path("maedfer-evaluation"),
    cross: Literal["auto", "off", "drop", "keep"] = "auto",
    merge: tuple[str, ...] = (),
    resamples: int = 1000,
) -> int:
    """Score a model on labelled clips: WAR, UAR, F1, recalls with intervals, confusion matrix, calibration.

    Writes evaluation.json, .md and .png and predictions.csv into OUT. Processes that torchrun starts share the clips.

    Args:
        manifest: CSV of labelled clips.
        options: which model, and how clips are looked at.
        root: folder at which the manifest's paths start; its own when left out.
        fold: judge the test part of this fold, whatever split says.
        split: which rows of the manifest.
        out: folder for the report.
        cross: clips of another label set. drop: common classes are judged, others left out; keep: others stay, and such
            answers are wrong; off: the model's classes; auto: drop where the label set differs.
        merge: expressions taken for others, in cross-set evaluation: calm:neutral.
        resamples: draws of the bootstrap intervals.
    """
    from maedfer.evaluate.clips import evaluate_manifest
    from maedfer.evaluate.packages import require_packages
    from maedfer.evaluate.ranks import rank_group

    require_packages("sklearn", "matplotlib")
    with rank_group() as ranks, progress_bar("evaluating") as bar:
        given = open_labelled(manifest, split, options, out, root=root, fold=fold)
        evaluation = evaluate_manifest(
            given.network,
            given.part,
            cross=cross,
            merges=_merges(merge),
            progress=bar if ranks.index == 0 else None,
            **options.reading(),
        )
    if ranks.index == 0:
        _publish(evaluation, out, given.facts, resamples)
    return 0


def _publish(evaluation: "Evaluation", out: Path, facts: "Facts", resamples: int) -> None:
    from maedfer.evaluate.report import write_evaluation

    _say(evaluation, resamples)
    _name(write_evaluation(evaluation, out, facts, resamples=resamples))


def aggregate(folders: Positional[tuple[Path, ...]], out: Path, resamples: int = 1000) -> int:
    """Take the evaluations of several folds together: mean over folds with deviation, and all clips pooled.

    Prints a table and writes folds.json, folds.md, predictions.csv and folds.png into OUT.

    Args:
        folders: one a fold, where maedfer evaluate --fold wrote its report.
        out: folder for the report.
        resamples: draws of the bootstrap intervals of the pooled scores.
    """
    from maedfer.evaluate.folds import aggregate as together
    from maedfer.evaluate.packages import require_packages
    from maedfer.evaluate.report import intervals_table, known_intervals, write_folds
    from maedfer.evaluate.stored import read_evaluation
    from maedfer.output import require_writable

    require_packages("sklearn", "matplotlib")
    if not folders:
        raise ConfigError("aggregate: expected folders of evaluations, got none; write them with maedfer evaluate")
    require_writable(out)
    folds = together([read_evaluation(folder) for folder in folders])
    facts = {f"fold {name}": str(folder) for name, folder in zip(folds.names, folders, strict=True)}
    written = write_folds(folds, out, facts, resamples=resamples)
    print(folds.to_markdown())
    print(intervals_table(known_intervals(folds.pooled, resamples)))
    _name(written)
    return 0


def compare(first: Positional[Path], second: Positional[Path], resamples: int = 1000) -> int:
    """Is the second of two models better, judged on the same clips? Differences with intervals, and McNemar's test.

    Args:
        first: folder of the evaluation of the model to be beaten.
        second: folder of the other one's.
        resamples: draws of the bootstrap intervals.
    """
    from maedfer.evaluate.comparison import compare as compared
    from maedfer.evaluate.packages import require_packages
    from maedfer.evaluate.stored import read_evaluation

    require_packages("sklearn")
    print(compared(read_evaluation(first), read_evaluation(second), resamples=resamples).to_markdown())
    return 0


def _merges(pairs: Sequence[str]) -> dict[str, str]:
    merges = {}
    for pair in pairs:
        own, colon, to = pair.partition(":")
        if not (own and colon and to):
            raise ConfigError(f"merge: expected one expression for another, as calm:neutral, got {pair!r}")
        merges[own] = to
    return merges


def _say(evaluation: "Evaluation", resamples: int) -> None:
    from maedfer.evaluate.report import classes_table, intervals_table, known_intervals

    intervals = known_intervals(evaluation, resamples)
    print(evaluation.scores.to_markdown())
    print(intervals_table(intervals))
    print(classes_table(evaluation, intervals[-1]))
    print(evaluation.confidence.to_markdown())
    if evaluation.crossing is not None:
        print(evaluation.crossing.to_markdown())
    for label, count in evaluation.left_out:
        print(f"Left out: {count} clips of {label}, which the model does not have.")
    if evaluation.faceless:
        print(f"No face was found in {len(evaluation.faceless)} clips; their middle square was judged.")


def _name(written: Sequence[Path]) -> None:
    for path in written:
        print(f"wrote {path}")
