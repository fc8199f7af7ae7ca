"""The table in memory, in CSV and in Parquet is one table."""

import builtins
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pandas
import pytest
from pyarrow import parquet

from maedfer.errors import ConfigError, OutputError
from maedfer.report import (
    ModelIdentity,
    Prediction,
    Settings,
    WindowPrediction,
    write_csv,
)
from maedfer.report.frames import to_pandas, write_parquet
from maedfer.video.types import VideoInfo, Window

LABELS = ("calm", "glad, very", "label")
COLUMNS = [
    *("track", "start_s", "end_s", "label", "confidence"),
    *("calm", "glad, very", "p_label"),
    *("coverage", "answer", "answer_confidence"),
]
DTYPES = dict.fromkeys(COLUMNS, "float64") | {"track": "Int64", "label": "string", "answer": "string"}


@pytest.fixture
def prediction() -> Prediction:
    return Prediction(
        video=VideoInfo("talk é.mp4", 64, 48, 9.5, 25.0, "h264", 90),
        duration_s=10.0,
        labels=LABELS,
        model=ModelIdentity("tiny", "ab" * 32, "0.1.0"),
        settings=Settings(1.28, 2.56, 0.5, "cpu", "FakeDetector", smoothing_s=1.0),
        windows=(
            WindowPrediction(0, 0.0, 2.56, "glad, very", 0.7123456789, (0.2, 0.7123456789, 0.0876543211), 1.0),
            WindowPrediction(0, 1.28, 3.84, "label", 0.5, (0.25, 0.25, 0.5), 0.875),
            WindowPrediction(1, 0.0, 2.56, "calm", 0.9, (0.9, 0.06, 0.04), 1.0),
        ),
        unseen=(Window(None, 3.84, 6.4, 0.0), Window(1, 2.56, 5.12, 0.25)),
        faces=(),
    )


def test_the_table_has_the_columns_and_types_it_promises(prediction: Prediction) -> None:
    table = prediction.to_pandas()
    assert list(table.columns) == COLUMNS
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == DTYPES
    assert table["track"].tolist()[:4] == [0, 0, 1, 1]
    assert table["track"].isna().tolist() == [False] * 4 + [True]
    assert table["answer"].tolist()[3:] == ["unseen", "unseen"]
    unjudged = ["label", "confidence", *COLUMNS[5:8], "answer_confidence"]
    assert table.loc[3:, unjudged].isna().all(axis=None)
    assert table.loc[:2].notna().all(axis=None)
    assert table.loc[0, "confidence"] == 0.7123456789
    assert table["coverage"].tolist() == [1.0, 0.875, 1.0, 0.25, 0.0]


def test_reading_the_csv_back_gives_the_same_table(prediction: Prediction, tmp_path: Path) -> None:
    read = pandas.read_csv(
        write_csv(prediction, tmp_path / "a.csv"), dtype=DTYPES, keep_default_na=False, na_values=[""]
    )
    pandas.testing.assert_frame_equal(read, to_pandas(prediction), rtol=0, atol=5e-4)
    pandas.testing.assert_frame_equal(read.iloc[:, 4:8], to_pandas(prediction).iloc[:, 4:8], rtol=0, atol=5.1e-7)


def test_parquet_reads_back_exactly_with_what_made_it(prediction: Prediction, tmp_path: Path) -> None:
    path = write_parquet(prediction, tmp_path / "new" / "predictions.parquet")
    pandas.testing.assert_frame_equal(pandas.read_parquet(path), to_pandas(prediction), check_exact=True)
    facts = json.loads(parquet.read_schema(path).metadata[b"maedfer"])
    assert facts["model"] == {"name": "tiny", "sha256": "ab" * 32}
    assert facts["labels"] == list(LABELS)
    assert facts["settings"] == dataclasses.asdict(prediction.settings)
    assert (facts["video"]["source"], facts["maedfer_version"]) == ("talk é.mp4", "0.1.0")
    assert list(path.parent.iterdir()) == [path]


def test_a_video_without_faces_is_an_empty_table_of_the_same_types(prediction: Prediction, tmp_path: Path) -> None:
    empty = dataclasses.replace(prediction, windows=(), unseen=())
    table = to_pandas(empty)
    assert table.shape == (0, len(COLUMNS))
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == DTYPES
    pandas.testing.assert_frame_equal(pandas.read_parquet(write_parquet(empty, tmp_path / "a.parquet")), table)


def test_parquet_is_whole_or_not_there(prediction: Prediction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_parquet(prediction, tmp_path / "predictions.parquet")
    before = path.read_bytes()

    def fail(table: object, where: Path) -> None:
        where.write_bytes(b"PAR1")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet, "write_table", fail)
    with pytest.raises(OutputError, match="No space left"):
        write_parquet(prediction, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("library", ["pandas", "pyarrow", "matplotlib"])
def test_a_missing_library_is_named_with_the_remedy(
    library: str, prediction: Prediction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == library:
            raise ModuleNotFoundError(f"No module named {name!r}", name=library)
        return ordinary(name, *rest)

    for name in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    use = {
        "pandas": prediction.to_pandas,
        "pyarrow": lambda: write_parquet(prediction, tmp_path / "a.parquet"),
        "matplotlib": prediction.plot,
    }[library]
    with monkeypatch.context() as context:
        context.setattr(builtins, "__import__", without)
        with pytest.raises(ConfigError, match=rf"{library}.*pip install 'maedfer\[report\]'"):
            use()
