"""Evaluations of the folds and the published result as one comparison."""

from collections.abc import Mapping

from maedfer.data.published import PublishedResult
from maedfer.evaluate.evaluation import Evaluation
from maedfer.evaluate.folds import aggregate
from maedfer.evaluate.report import known_intervals
from maedfer.reproduction.table import Comparison, Row, tolerance

__all__ = ["compare_with_paper"]


def compare_with_paper(
    published: PublishedResult,
    evaluations: Mapping[int | None, Evaluation],
    causes: tuple[str, ...],
    *,
    complete: bool,
) -> Comparison:
    """Ours in the paper's form: the mean over folds, or the one split.

    Args:
        published: the paper's numbers of this set.
        evaluations: of the test part of each fold; ``None`` is the one split.
        causes: what could explain a difference.
        complete: whether the whole protocol was run.
    """
    names = [f"fold {fold}" for fold in evaluations if fold is not None]
    folds = aggregate(list(evaluations.values()), names or ["the split"])
    interval = known_intervals(folds.pooled)[0]
    single = len(folds.each) == 1
    ours = Row("ours" if single else "ours, mean of folds", 100 * folds.mean.uar, 100 * folds.mean.war)
    further = [] if single else [Row("ours, pooled", 100 * folds.pooled.scores.uar, 100 * folds.pooled.scores.war)]
    if not single or names:
        further += [
            Row(f"ours, {name}", 100 * one.scores.uar, 100 * one.scores.war)
            for name, one in zip(folds.names, folds.each, strict=True)
        ]
    others = [
        Row(f"paper, fold {number}", one.uar, one.war)
        for number, one in enumerate(published.folds, start=1)
        if number in evaluations
    ]
    if published.videomae is not None:
        others.append(Row("VideoMAE, same pre-training videos (paper)", published.videomae.uar, published.videomae.war))
    return Comparison(
        name=published.name,
        paper=Row("MAE-DFER (paper)", published.paper.uar, published.paper.war),
        others=tuple(others),
        ours=ours,
        further=tuple(further),
        tolerance_uar=tolerance(100 * interval.uar[0], 100 * interval.uar[1]),
        tolerance_war=tolerance(100 * interval.war[0], 100 * interval.war[1]),
        causes=causes,
        complete=complete,
    )
