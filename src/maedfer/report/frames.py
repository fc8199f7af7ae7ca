"""A prediction for data analysis: a pandas table, a Parquet file. Both libraries are an extra."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from maedfer.errors import ConfigError
from maedfer.output import write_whole
from maedfer.report.prediction import Prediction
from maedfer.report.rows import Row, columns, rows

if TYPE_CHECKING:
    import pandas

__all__ = ["to_pandas", "write_parquet"]


def to_pandas(prediction: Prediction) -> "pandas.DataFrame":
    """The rows and columns of ``predictions.csv`` (see :func:`maedfer.report.rows.columns`), numbers not rounded.

    ``track`` is ``Int64``; ``label`` and ``answer`` are ``string``; the rest is ``float64``. Where a window was not
    judged, label, confidence, probabilities and answer_confidence are missing and the answer is ``"unseen"``; where
    there was no face at all, track is missing too.

    Raises:
        ConfigError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise ConfigError("a table needs pandas, which is not installed: pip install 'maedfer[report]'") from error
    table = list(rows(prediction))
    numbers = _numbers(table, len(prediction.labels))
    values = [
        pandas.array([row.track for row in table], dtype="Int64"),
        *numbers[:2],
        pandas.array([row.label for row in table], dtype="string"),
        *numbers[2:-1],
        pandas.array([row.answer for row in table], dtype="string"),
        numbers[-1],
    ]
    return pandas.DataFrame(dict(zip(columns(prediction.labels), values, strict=True)))


def _numbers(table: list[Row], classes: int) -> Float64[np.ndarray, "columns N"]:
    """start, end, confidence, the classes, coverage and answer's confidence; NaN where nothing is known."""
    unjudged = (None,) * classes
    lines = [
        (
            *(row.start_s, row.end_s, row.confidence),
            *(row.probabilities or unjudged),
            *(row.coverage, row.answer_confidence),
        )
        for row in table
    ]
    return np.ascontiguousarray(np.array(lines, dtype=np.float64).reshape(-1, classes + 5).T)


def write_parquet(prediction: Prediction, path: Path) -> Path:
    """Write the table of :func:`to_pandas` as Parquet.

    The key ``maedfer`` of the file's metadata holds JSON: ``maedfer_version``, ``model`` (name, sha256), ``labels``,
    ``settings`` and ``video``, as in ``predictions.json``.

    Raises:
        ConfigError: pandas or pyarrow is not installed.
        OutputError: the folder cannot be made or written.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigError(
            f"{path}: Parquet needs pyarrow, which is not installed: pip install 'maedfer[report]'"
        ) from error
    model = prediction.model
    facts = {
        "maedfer_version": model.maedfer_version,
        "model": {"name": model.name, "sha256": model.sha256},
        "labels": prediction.labels,
        "settings": asdict(prediction.settings),
        "video": {**asdict(prediction.video), "duration_s": prediction.duration_s},
    }
    table = pyarrow.Table.from_pandas(to_pandas(prediction), preserve_index=False)
    described = table.replace_schema_metadata({**(table.schema.metadata or {}), "maedfer": json.dumps(facts)})
    write_whole(path, lambda temporary: parquet.write_table(described, temporary))
    return path
