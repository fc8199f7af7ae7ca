"""Named benchmarks: fixed, disjoint in people, the same prefix whatever is asked for, checked when loaded."""

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import maedfer.synth.benchmark as room
from maedfer.emotions import BASIC_EXPRESSIONS
from maedfer.errors import ConfigError, ManifestError
from maedfer.synth import BENCHMARKS, find_benchmark, load_part, synthesize_part
from maedfer.synth.sequence import PAIRS

#: Of the digests of the first 14 clips of each part. A change here is another benchmark: give it another name.
FROZEN = {"synth-v1": "2e0da93f65d74813", "synth-order-v1": "7b309e65ac8625d4"}


def test_a_named_benchmark_never_changes() -> None:
    assert [b.name for b in BENCHMARKS] == list(FROZEN)
    for whole in BENCHMARKS:
        digests = [spec.digest for part in whole.parts for spec in whole.specs(part, 14)]
        assert hashlib.sha256("".join(digests).encode()).hexdigest()[:16] == FROZEN[whole.name]


def test_parts_share_nobody_and_are_balanced() -> None:
    whole = find_benchmark("synth-v1")
    people: list[set[str]] = []
    for part in whole.parts:
        specs = whole.specs(part, 560)
        assert part.clips % 7 == 0
        assert {spec.split for spec in specs} == {part.split}
        assert Counter(spec.label for spec in specs) == dict.fromkeys(BASIC_EXPRESSIONS, 80)
        assert any(spec.form.held_out for spec in specs) == (part.split == "test")
        people.append({spec.person for spec in specs})
        assert whole.specs(part, 5) == specs[:5]
    assert sum(map(len, people)) == len(set.union(*people))


def test_the_parts_of_two_expressions_share_nobody_either() -> None:
    whole = find_benchmark("synth-order-v1")
    others = {s.person for p in find_benchmark("synth-v1").parts for s in find_benchmark("synth-v1").specs(p, 100)}
    people: list[set[str]] = [others]
    for part in whole.parts:
        specs = whole.specs(part, 300)
        assert part.clips % len(PAIRS) == 0
        assert Counter((s.former.label, s.label) for s in specs if s.former is not None) == dict.fromkeys(PAIRS, 10)
        assert any(s.held_out for s in specs) == (part.split == "test")
        people.append({s.person for s in specs})
    assert sum(map(len, people)) == len(set.union(*people))


def test_wrong_names_counts_and_rigs_are_refused(tmp_path: Path) -> None:
    whole = find_benchmark("synth-v1")
    with pytest.raises(ConfigError, match="known: synth-v1"):
        find_benchmark("synth-v0")
    with pytest.raises(ConfigError, match="parts: train, val, test, shift"):
        whole.part("dev")
    for count in (0, 1401):
        with pytest.raises(ConfigError, match=r"1\.\.1400"):
            whole.specs(whole.part("val"), count)
    with pytest.raises(ConfigError, match="needs the rig ict_facekit"):
        synthesize_part(tmp_path, "synth-v1", "shift", clips=1)
    with pytest.raises(ConfigError, match="leave the path out"):
        synthesize_part(tmp_path, "synth-v1", "val", clips=1, rig_path=tmp_path / "ict_facekit.npz")


def test_a_part_is_rendered_loaded_and_checked(
    egl: None, ict_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(
        find_benchmark("synth-v1"), size=64, parts=(room.BenchmarkPart("test", 70, 9, "test", ict_file.stem),)
    )
    monkeypatch.setattr(room, "BENCHMARKS", (small,))
    synthesize_part(tmp_path / "out", "synth-v1", "test", clips=2, rig_path=ict_file, workers=1)
    part = load_part(tmp_path / "out", "synth-v1", "test")
    specs = small.specs(small.parts[0], 2)
    assert part.labels == tuple(s.label for s in specs)
    assert part.timings == tuple(s.timing for s in specs)
    assert part.firsts == ("", "")
    assert part.units.shape == (2, 16, len(part.unit_names))
    assert all(path.is_file() for path in part.paths)
    assert np.isfinite(part.units).all()

    manifest = tmp_path / "out" / "manifest.csv"
    text = manifest.read_text()
    for changed in (text.replace("-tiny-", "-anny-"), text.splitlines()[0]):
        manifest.write_text(changed)
        with pytest.raises(ManifestError, match="maedfer synth --benchmark synth-v1 --part test"):
            load_part(tmp_path / "out", "synth-v1", "test")
    manifest.write_text(text)
    part.paths[1].unlink()
    with pytest.raises(ManifestError, match="is missing"):
        load_part(tmp_path / "out", "synth-v1", "test")
    with pytest.raises(ManifestError, match=r"expected a manifest\.csv"):
        load_part(tmp_path, "synth-v1", "test")
