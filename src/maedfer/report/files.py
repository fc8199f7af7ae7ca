"""A prediction as files, each whole or not at all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from maedfer.errors import ConfigError
from maedfer.report.prediction import Prediction
from maedfer.report.tables import write_csv, write_json

__all__ = ["FILE_NAMES", "Format", "save"]

Format = Literal["csv", "json", "parquet", "html", "mp4"]

#: The name under which each format appears.
FILE_NAMES: dict[Format, str] = {
    "csv": "predictions.csv",
    "json": "predictions.json",
    "parquet": "predictions.parquet",
    "html": "report.html",
    "mp4": "annotated.mp4",
}


def save(prediction: Prediction, folder: Path, formats: Sequence[Format]) -> tuple[Path, ...]:
    """Write ``formats`` of a prediction into ``folder``; see :meth:`maedfer.report.Prediction.save`."""
    unknown = [name for name in formats if name not in FILE_NAMES]
    if unknown:
        raise ConfigError(f"formats: expected some of {', '.join(FILE_NAMES)}, got {', '.join(unknown)}")
    return tuple(_write(prediction, name, folder / FILE_NAMES[name]) for name in formats)


def _write(prediction: Prediction, name: Format, path: Path) -> Path:
    match name:
        case "csv":
            return write_csv(prediction, path)
        case "json":
            return write_json(prediction, path)
        case "parquet":
            from maedfer.report.frames import write_parquet  # pyarrow is an extra

            return write_parquet(prediction, path)
        case "html":
            from maedfer.report.page import write_page

            return write_page(prediction, path)
        case "mp4":
            from maedfer.report.annotate import write_annotated

            return write_annotated(prediction, path)
