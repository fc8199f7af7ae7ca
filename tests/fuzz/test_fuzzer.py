"""The fuzzer itself: it breaks files the same way again, finds their numbers, and notices every kind of failure."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from fuzzing import watch
from fuzzing.bases import BASES
from fuzzing.boxes import parts_of
from fuzzing.campaign import Campaign, Case, Plan, cases
from fuzzing.mutate import MUTATIONS, mutate
from fuzzing.watch import BAD, Limits, Reader, Verdict

SMALL = ("speck.mkv", "one.mp4", "raw.avi", "still.png", "sound.wav", "empty.mp4")


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("bases")
    for name in SMALL:
        BASES[name](folder / name)
    return {name: (folder / name).read_bytes() for name in SMALL}


def test_the_same_seed_breaks_a_file_the_same_way(bases: dict[str, bytes]) -> None:
    others = list(bases.values())
    seen = set()
    for name, data in bases.items():
        made = [mutate(data, f"{name}:{number}", others) for number in range(40)]
        assert made == [mutate(data, f"{name}:{number}", others) for number in range(40)]
        if data:
            assert sum(broken != data for broken, _ in made) > 20
        seen |= {word for _, done in made for word in done.split("+")}
    assert seen == set(MUTATIONS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("one.mp4", {"moov", "mvhd", "tkhd", "mdhd", "stts", "stsz", "stsd", "avc1", "avcC"}),
        ("speck.mkv", {"1549A966", "2AD7B1", "4489", "B0", "BA", "63A2", "A3"}),
        ("raw.avi", {"avih", "strh", "strf", "idx1"}),
        ("still.png", {"IHDR", "IDAT", "IEND"}),
    ],
)
def test_the_numbers_of_a_header_are_found(bases: dict[str, bytes], name: str, expected: set[str]) -> None:
    data, parts = bases[name], parts_of(bases[name])
    assert expected <= {part.name for part in parts}
    for part in parts:
        assert 0 <= part.start <= part.body <= part.stop <= len(data)
    if name == "one.mp4":
        box = next(part for part in parts if part.name == "tkhd")
        sides = data[box.stop - 8 : box.stop]
        assert (int.from_bytes(sides[:4], "big") >> 16, int.from_bytes(sides[4:], "big") >> 16) == (160, 120)


def test_structure_without_end_is_left(bases: dict[str, bytes]) -> None:
    for name, data in bases.items():
        for number in range(60):
            assert len(parts_of(mutate(data, f"{name}:{number}", [])[0])) <= 2000


# The worker of these tests speaks the protocol and misbehaves as its task asks.
_WORKER = """
import faulthandler, json, os, signal, sys, time
faulthandler.enable(open({1!r}, "w"))
say = lambda event, **facts: print(json.dumps({{**facts, "event": event}}), flush=True)
say("ready")
for line in sys.stdin:
    task = json.loads(line)
    if task["step"] == "segfault": os.kill(os.getpid(), signal.SIGSEGV)
    if task["step"] == "eat": hold = bytearray(300 << 20); time.sleep(60)
    if task["step"] == "spin":
        while True: pass
    if task["step"] == "raise": say("crashed", kind="KeyError", message="x", where=["a.py:1"], grown_mb=1)
    if task["step"] == "lines": say("failed", kind="DecodeError", message="a", one_line=False, grown_mb=1)
    if task["step"] == "refuse": say("failed", kind="DecodeError", message="a", one_line=True, grown_mb=1)
    if task["step"] == "grow": say("done", message="", grown_mb=900)
    if task["step"] == "read": say("done", message="12 pictures", grown_mb=1)
"""


def test_every_kind_of_failure_is_noticed_and_the_next_file_is_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(watch, "_CODE", _WORKER)
    expected = {
        "segfault": "signal", "eat": "memory", "spin": "hang", "raise": "foreign", "lines": "message",
        "refuse": "refused", "grow": "memory",
    }  # fmt: skip
    assert set(BAD) <= set(expected.values())

    async def go() -> dict[str, tuple[str, str]]:
        reader = Reader(tmp_path / "reader", Limits(memory_mb=200, seconds=1.0))
        found = {}
        for step in expected:
            found[step] = (
                await reader.read(tmp_path / "x", step, tmp_path),
                await reader.read(tmp_path / "x", "read", tmp_path),
            )
        await reader.close()
        return found

    found = asyncio.run(go())
    assert {step: first.verdict for step, (first, _) in found.items()} == expected
    assert {after.message for _, after in found.values()} == {"12 pictures"}
    assert "Segmentation fault" in found["segfault"][0].message
    assert found["raise"][0].message == "KeyError: x"


def test_all_bases_come_whole_first_and_every_one_is_broken() -> None:
    plan = Plan(weights_every=4)
    drawn = cases(plan, ["a", "b", "c"], ["w", "x"])
    first = [next(drawn) for _ in range(5)]
    assert first == [Case(name, 0) for name in "abcwx"]
    later = [next(drawn) for _ in range(40)]
    assert {case.base for case in later} == set("abcwx")
    assert len({case.seed for case in later}) == 40


def test_failures_are_counted_by_what_happened() -> None:
    found = Campaign()
    good, bad = Verdict("result", "read", "12"), Verdict("foreign", "grid", "KeyError: 'x'", ("a.py:1", "b.py:2"))
    assert not found.add(Case("a", 0), "none", [good])
    assert found.add(Case("a", 1), "flip+cut", [good, bad]) == [bad]
    assert found.add(Case("b", 2), "flip", [Verdict("refused", "read", "DecodeError: no"), bad]) == [bad]
    told: dict[str, Any] = json.loads(json.dumps(found.as_json()))
    assert (told["files"], told["mutated"]) == (3, 2)
    assert told["steps"] == {"grid": {"foreign": 2}, "read": {"refused": 1, "result": 2}}
    assert told["mutations"]["flip"] == {"foreign": 2}
    assert [(each["what"], each["count"]) for each in told["failures"]] == [("foreign grid b.py:2 KeyError", 2)]
    assert told["failures"][0]["examples"][0]["seed"] == "a:1"
