"""What the study of the paper's claims compares, and what is claimed of it.

A *group* is a table: its lines compare variants with the group's reference.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

from claims_variants import LABELS, Kind

MARGIN = 0.02  # of UAR: what counts as "comparable"


@dataclass(frozen=True)
class Claim:
    """That a number lies in a range.

    Attributes:
        words: as the tables show it.
        of: the UAR itself, or its difference to the reference's, 0..1.
        low, high: the range.
        kinds: labels that it speaks of.
    """

    words: str
    of: Literal["uar", "difference"] = "difference"
    low: float = -math.inf
    high: float = math.inf
    kinds: tuple[Kind, ...] = tuple(LABELS)


LOWER = Claim("lower", high=0.0)
COMPARABLE = Claim(f"not higher by {100 * MARGIN:g} points", high=MARGIN)
BLIND = Claim("45 to 55 %", "uar", 0.45, 0.55, ("probe-timing", "timing"))
SEES_TIME = Claim("above 85 %", "uar", 0.85, kinds=("probe-timing", "timing"))


@dataclass(frozen=True)
class Line:
    """A line of a table.

    Attributes:
        variant: name in :data:`VARIANTS`.
        words: what the reader sees.
        claim: what is said of it; ``None``: nothing.
        reference: another variant to compare with than the group's.
    """

    variant: str
    words: str
    claim: Claim | None = None
    reference: str | None = None


@dataclass(frozen=True)
class Group:
    """A table.

    Attributes:
        letter: by which ``--only`` names it.
        title: heading.
        says: what is claimed, and by whom.
        lines: below the reference.
        reference: name of the variant that the lines are compared with.
    """

    letter: str
    title: str
    says: str
    lines: tuple[Line, ...]
    reference: Line = field(default_factory=lambda: Line("base", "base"))

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of all variants, the reference first."""
        return tuple(dict.fromkeys(line.variant for line in (self.reference, *self.lines)))

    def compared(self, line: Line) -> str | None:
        """The variant that a line is compared with; ``None`` for the reference itself."""
        other = line.reference or self.reference.variant
        return None if other == line.variant else other


GROUPS = (
    Group(
        "a",
        "Pre-training",
        "The paper: pre-training without labels beats training from scratch. Here also with few labels.",
        (
            Line("scratch", "from scratch, all labels", LOWER),
            Line("base-10%", "pre-trained, 10 % of the labels"),
            Line("scratch-10%", "from scratch, 10 % (against pre-trained, 10 %)", LOWER, "base-10%"),
            Line("base-1%", "pre-trained, 1 % of the labels"),
            Line("scratch-1%", "from scratch, 1 % (against pre-trained, 1 %)", LOWER, "base-1%"),
        ),
        Line("base", "pre-trained, all labels"),
    ),
    Group(
        "b",
        "What is predicted",
        "The paper: appearance and motion together are the better target. Its weights are equal.",
        (
            Line("appearance", "appearance only", LOWER),
            Line("motion", "motion only", LOWER),
            Line("weight-0.25", "both, motion weighs 0.25", LOWER),
            Line("weight-0.75", "both, motion weighs 0.75", LOWER),
        ),
        Line("base", "both, each weighs 0.5"),
    ),
    Group(
        "c",
        "LGI-Former and the plain ViT",
        "The paper: LGI-Former does as well as VideoMAE or better, for 38 % fewer multiply-adds.",
        (
            Line("vit", "ViT, as wide and as deep", COMPARABLE),
            Line("vit-wide", "ViT of VideoMAE's proportions (1.5 x the width, 0.75 x the blocks)", COMPARABLE),
        ),
        Line("base", "LGI-Former"),
    ),
    Group(
        "d",
        "Steps of a block",
        "The paper: without the global step, or without the exchange step, results are worse.",
        (
            Line("no-global", "without the global step", LOWER),
            Line("no-exchange", "without the exchange step", LOWER),
        ),
    ),
    Group(
        "e",
        "Shape of the regions",
        "The paper's choice: two steps in time, half of the rows, all columns.",
        (
            Line("regions-1x3x6", "1 x 3 x 6", LOWER),
            Line("regions-2x3x3", "2 x 3 x 3", LOWER),
            Line("regions-2x6x6", "2 x 6 x 6", LOWER),
            Line("regions-4x3x6", "4 x 3 x 6", LOWER),
        ),
        Line("base", "2 x 3 x 6 of 4 x 6 x 6 tokens"),
    ),
    Group(
        "f",
        "Mask ratio",
        "The paper's choice: 90 %.",
        (
            Line("mask-0.5", "50 %", LOWER),
            Line("mask-0.75", "75 %", LOWER),
            Line("mask-0.95", "95 %", LOWER),
        ),
        Line("base", "90 %"),
    ),
    Group(
        "g",
        "Decoder positions",
        "Ours: visible tokens need their own positions in the decoder; the published ones are wrong for half of them.",
        (Line("published-order", "the published order", LOWER),),
        Line("base", "their own"),
    ),
    Group(
        "h",
        "Time",
        "Ours: one frame says nothing of the label of time (within 5 points of chance), several do (above 85 %).",
        (
            Line("one-frame", "one frame", BLIND),
            Line("sixteen-frames", "16 frames, pre-trained on 8", SEES_TIME),
        ),
        Line("base", "8 frames", SEES_TIME),
    ),
)
