"""The benchmarks of speed, memory and growth: what they compute beside the clock."""

import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from maedfer.config import ClassifierConfig, LGIFormerConfig
from maedfer.models import ExpressionClassifier

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import of a benchmark; all of them are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    names = [path.stem for path in BENCHMARKS.glob("*.py")]
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)

    def module(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield module
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.parametrize("region", [(2, 1, 2), (1, 2, 1)])
def test_the_textbook_gives_our_logits_with_our_weights(load: Any, region: tuple[int, int, int]) -> None:
    config = ClassifierConfig(
        encoder=LGIFormerConfig(
            image_size=16, patch_size=4, num_frames=8, embed_dim=24, depth=2, num_heads=3, region_size=region
        )
    )
    ours = ExpressionClassifier(config).eval()
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.normal_(0.0, 0.3)
    textbook = load("encoder_textbook").TextbookClassifier(config).eval()
    textbook.load_state_dict(ours.state_dict())
    clips = torch.randint(0, 256, (2, 3, 8, 16, 16), dtype=torch.uint8)
    torch.testing.assert_close(textbook(clips), ours(clips), atol=1e-4, rtol=1e-4)


def test_every_side_of_the_encoder_benchmark_can_be_counted(load: Any) -> None:
    pytest.importorskip("transformers")
    encoder = load("encoder")
    giga = {name: encoder.multiply_adds(side) for name, side in encoder.sides(quick=True).items()}
    # The textbook does what ours skips or folds.
    assert 0 < giga["maedfer"] < giga["textbook"]
    assert giga["VideoMAE-B"] > 0


def test_the_share_of_the_machines_rate(load: Any) -> None:
    encoder = load("encoder")
    # 4 clips of 3 G each in 2 s are 6 G a second, half of 12.
    figures = encoder.figures_of(4, {"a side": 3.0}, {"a side": [1.0, 2.0, 4.0]}, 12.0)
    assert figures == {"a side": {"clips_per_s": 2.0, "fewest": 1.0, "most": 4.0, "share_of_products": 0.5}}


def found(ours: float, share: float) -> dict[str, Any]:
    own = {"maedfer": {"clips_per_s": ours, "share_of_products": share}, "VideoMAE-B": {"clips_per_s": 1.0}}
    return {"batch 4, float32": own, "batch 4, bfloat16": own}


@pytest.mark.parametrize(("ours", "share", "verdict"), [(1.7, 0.9, "met"), (1.5, 0.8, "MISSED")])
def test_targets_are_judged(load: Any, ours: float, share: float, verdict: str) -> None:
    lines = load("encoder").verdicts(found(ours, share), "float32", 4, None)
    assert len(lines) == 2
    assert all(line.endswith(verdict) for line in lines)


def test_what_was_not_fair_is_not_judged(load: Any) -> None:
    lines = load("encoder").verdicts(found(9.0, 0.99), "bfloat16", 4, "imitated here")
    assert [line.endswith("not judged, imitated here") for line in lines] == [True, True]


def test_resident_memory_is_read_in_megabytes(load: Any) -> None:
    memory = load("memory")
    assert memory.resident_mb("VmHWM", "Name:\tpython\nVmHWM:\t    2048 kB\nVmRSS:\t 1024 kB\n") == 2.0


def test_ratios_of_memory(load: Any) -> None:
    peaks = {"none": 5.0, "light": 4.0, "selective": 3.0, "full": 2.0}
    figures = {f"maedfer, {way}": {"peak_mb": peak, "seconds_per_step": 6 - peak} for way, peak in peaks.items()}
    figures["transformers, none"] = {"peak_mb": 10.0, "seconds_per_step": 8.0}
    figures["transformers, full"] = {"peak_mb": 4.0, "seconds_per_step": 16.0}
    assert list(load("memory").ratios(figures).values()) == [0.5, 0.4, 0.3, 0.2, 0.125, 0.25, 0.375, 0.5, 0.5]


@pytest.mark.parametrize(
    ("precisions", "expected"),
    [
        (["float32"], {"float32 over float32": 2.0}),
        (
            ["float32", "bfloat16"],
            {"float32 over float32": 2.0, "bfloat16 over float32": 4.0, "bfloat16 over bfloat16": 3.0},
        ),
    ],
)
def test_steps_are_compared_in_the_precisions_measured(
    load: Any, monkeypatch: pytest.MonkeyPatch, precisions: list[str], expected: dict[str, float]
) -> None:
    steps = load("train_step")
    seconds = {"maedfer": {"float32": 2.0, "bfloat16": 1.0}, "transformers": {"float32": 4.0, "bfloat16": 3.0}}

    def measured(_: object, side: str, __: str, precision: str) -> dict[str, Any]:
        return {"seconds": [seconds[side][precision]], "peak_mb": 1.0}

    monkeypatch.setattr(steps, "in_own_process", measured)
    asked = SimpleNamespace(precisions=precisions, rounds=1)
    assert steps.compare(asked, "pre-train", SimpleNamespace(print=print))["times_as_fast"] == expected


def test_encoders_of_all_sizes_of_the_growth_can_be_built(load: Any) -> None:
    growth = load("growth")
    size = {"embed_dim": 16, "depth": 1, "num_heads": 2}
    for side in growth.RESOLUTIONS:
        for config in growth.encoders(size, 16, side).values():
            ExpressionClassifier(ClassifierConfig(encoder=config))
    assert growth.exponent([{"at": 1, "s": 9}, {"at": 2, "s": 3}, {"at": 4, "s": 12}], "s") == pytest.approx(2.0)


def test_growth_draws_what_was_recorded(load: Any, tmp_path: Path) -> None:
    growth = load("growth")
    (tmp_path / "made.json").write_text(
        '{"run": {"processor": "some", "cores": 2}, "remark": "made up", '
        '"axes": {"faces": {"predictor": [{"at": 1, "seconds": 1, "mb": 5}, {"at": 2, "seconds": 2, "mb": 6}]}}}'
    )
    growth.draw(tmp_path / "made.json", tmp_path / "made.png")
    assert (tmp_path / "made.png").read_bytes().startswith(b"\x89PNG")
