"""The paper's protocol from a data set as distributed to a table beside the published numbers."""

from maedfer.reproduction.run import REPRODUCED_SETS, ReproducedSet, reproduce
from maedfer.reproduction.table import Comparison, Row, tolerance

__all__ = ["REPRODUCED_SETS", "Comparison", "ReproducedSet", "Row", "reproduce", "tolerance"]
