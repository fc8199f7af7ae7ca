"""The paper's numbers, the published re-runs and ours side by side, and what to make of the difference."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Comparison", "Row", "tolerance"]

#: Points by which two runs of the published recipe may differ for no reason but the seed; ours to set, see tolerance().
_LEAST_TOLERANCE = 1.0


@dataclass(frozen=True)
class Row:
    """One line of the table; rates in percent.

    Attributes:
        what: whose number.
        uar: unweighted average recall.
        war: weighted average recall (accuracy).
    """

    what: str
    uar: float
    war: float


@dataclass(frozen=True)
class Comparison:
    """What came out, beside what was published.

    Attributes:
        name: of the data set.
        paper: the paper's row.
        others: published re-runs and folds.
        ours: ours in the paper's form (mean of folds, or the one split).
        further: other ways to put ours together (pooled, single folds).
        tolerance_uar: points of UAR that count as reproduced.
        tolerance_war: the same of WAR.
        causes: what is known of this run that could explain a difference, then the usual ones.
        complete: whether all folds were run with the published settings, for the published number of epochs.
    """

    name: str
    paper: Row
    others: tuple[Row, ...]
    ours: Row
    further: tuple[Row, ...]
    tolerance_uar: float
    tolerance_war: float
    causes: tuple[str, ...]
    complete: bool

    @property
    def verdict(self) -> str:
        """One sentence."""
        if not self.complete:
            return "not comparable: this was not the whole protocol (see the causes)"
        uar, war = self.ours.uar - self.paper.uar, self.ours.war - self.paper.war
        low = [name for name, gap, limit in self._gaps(uar, war) if gap < -limit]
        high = [name for name, gap, limit in self._gaps(uar, war) if gap > limit]
        if low:
            return f"not reproduced: {' and '.join(low)} below the paper by more than the tolerance"
        if high:
            return (
                f"above the paper by more than the tolerance in {' and '.join(high)}; look for leaks before you rejoice"
            )
        return "reproduced within the tolerance"

    def to_markdown(self) -> str:
        """The table, the verdict and the causes."""
        lines = [
            f"# {self.name}: published and ours",
            "",
            "| | UAR % | WAR % |",
            "| :-- | --: | --: |",
            *(_line(row) for row in (self.paper, *self.others)),
            *(_line(row, strong=row is self.ours) for row in (self.ours, *self.further)),
            f"| ours - paper | {self.ours.uar - self.paper.uar:+.2f} | {self.ours.war - self.paper.war:+.2f} |",
            f"| tolerance | ±{self.tolerance_uar:.2f} | ±{self.tolerance_war:.2f} |",
            "",
            f"**{self.verdict[0].upper()}{self.verdict[1:]}.**",
            "",
            "The tolerance is twice the standard error of each score over the test clips (bootstrap), at least "
            f"{_LEAST_TOLERANCE:g} point.",
        ]
        if self.causes:
            lines += ["", "What could explain a difference:", "", *(f"- {cause}" for cause in self.causes)]
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "set": self.name,
            "verdict": self.verdict,
            "complete": self.complete,
            "rows": [
                {"what": row.what, "uar": row.uar, "war": row.war}
                for row in (self.paper, *self.others, self.ours, *self.further)
            ],
            "tolerance": {"uar": self.tolerance_uar, "war": self.tolerance_war},
            "causes": list(self.causes),
        }

    def _gaps(self, uar: float, war: float) -> Sequence[tuple[str, float, float]]:
        return (("UAR", uar, self.tolerance_uar), ("WAR", war, self.tolerance_war))


def tolerance(low: float, high: float) -> float:
    """Points that count as reproduced: twice the standard error, at least 1.

    A 95 % interval is about four standard errors wide.

    Args:
        low: lower end of the 95 % interval of our score, percent.
        high: upper end.
    """
    return max(_LEAST_TOLERANCE, (high - low) / 2)


def _line(row: Row, *, strong: bool = False) -> str:
    mark = "**" if strong else ""
    return f"| {mark}{row.what}{mark} | {mark}{row.uar:.2f}{mark} | {mark}{row.war:.2f}{mark} |"
