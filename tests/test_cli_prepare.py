"""``maedfer prepare``: what it says, what it writes and how it ends."""

from pathlib import Path

import pytest

from maedfer.cli.prepare import prepare
from maedfer.data.manifest import read_manifest
from maedfer.preparation import PreparationOptions
from raw_sets import enterface05, video

PLAIN = PreparationOptions(crop="none", sample=0, workers=0)


def test_missing_clips_make_the_command_fail_but_the_manifest_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = tmp_path / "set", tmp_path / "lists" / "enterface.csv"
    expected = enterface05(root)
    assert prepare("enterface05", root, out, options=PLAIN) == 1
    said = capsys.readouterr().out
    assert "INCOMPLETE: 6 clips of eNTERFACE05" in said.splitlines()[-1]
    assert f"--data.root {root}" in said
    assert "published" in said
    assert len(read_manifest(out, root).entries) == len(expected)


def test_a_clean_set_ends_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, label in enumerate(("one", "two")):
        video(tmp_path / f"own/{label}/[red]{seed}.mp4", seed)
    assert prepare("folder", tmp_path / "own", tmp_path / "own.csv", options=PLAIN) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1].startswith("READY: 2 clips of own")
    assert "--data.root" not in said
