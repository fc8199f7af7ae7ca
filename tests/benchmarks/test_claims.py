"""The study of the paper's claims: what is planned, kept and said of it. No training but in the slow test."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from scipy import stats

import claims
import claims_data
import claims_groups
import claims_plan
import claims_probe
import claims_runs
import claims_table
from claims_groups import COMPARABLE, GROUPS, LOWER, SEES_TIME
from claims_plan import Results, chosen_groups, left, plan, work_through
from claims_runs import Job
from claims_table import Mean, difference, mean_of, verdict
from claims_variants import BASE, LABELS, PRETRAININGS, VARIANTS
from maedfer.errors import ConfigError, ManifestError
from maedfer.models import (
    ExpressionClassifier,
    MaskedAutoencoder,
    RegionGrid,
    draw_mask,
    encoder_state,
    inflate,
    start_from,
)

FACTS: dict[str, Any] = {
    "train": {"clips": 70},
    "test": {"clips": 35},
    "pretrain": {"steps": 3},
    "finetune": {"steps": 2},
}


def row(kind: str, name: str, seed: int, uar: float = 0.5) -> dict[str, Any]:
    job = Job(kind, name, seed)  # type: ignore[arg-type]
    found = {"kind": kind, "name": name, "seed": seed, "uar": uar, "seconds": 10.0, "step_seconds": 0.1}
    return found | {"multiply_adds": 10**8, "config": job.settings()}


def test_every_variant_starts_from_its_pre_training_and_every_mask_can_be_drawn() -> None:
    for name, before in PRETRAININGS.items():
        hidden = draw_mask(RegionGrid.of(before.encoder), before.mask_ratio, 2).hidden.float().mean()
        assert abs(hidden - before.mask_ratio) < 0.1, name
    pairs = set()
    for name, variant in VARIANTS.items():
        assert [len(variant.classifier(kind).labels) for kind in LABELS] == [7, 2, 7, 2], name
        if variant.pretraining is not None:
            pairs.add((PRETRAININGS[variant.pretraining].encoder, variant.classifier("timing")))
    for encoder, config in pairs:
        state = encoder_state(MaskedAutoencoder(replace(BASE, encoder=encoder)).state_dict())
        start_from(ExpressionClassifier(config), inflate(state, encoder, config))


def test_the_published_order_gives_half_of_the_visible_tokens_another_position() -> None:
    own, published = (MaskedAutoencoder(PRETRAININGS[name]) for name in ("base", "published-order"))
    mask = published.draw_mask(3)
    wrong = own.visible_order(mask) != published.visible_order(mask)
    assert wrong.float().mean() == 0.5


def test_pre_trainings_differ_from_the_base_and_from_each_other() -> None:
    assert len(set(PRETRAININGS.values())) == len(PRETRAININGS)
    named = {line.variant for group in GROUPS for line in (group.reference, *group.lines)}
    assert named == set(VARIANTS), "every variant stands in a table, and no other"


def test_the_wide_vit_has_the_proportions_of_videomae() -> None:
    wide, base = PRETRAININGS["vit-wide"].encoder, BASE.encoder
    assert (wide.embed_dim / base.embed_dim, wide.depth / base.depth) == (768 / 512, 12 / 16)
    assert wide.embed_dim // wide.num_heads == base.embed_dim // base.num_heads


def test_multiply_adds_do_not_hang_on_the_batch_and_grow_with_what_is_seen() -> None:
    own = {name: claims_runs.multiply_adds(VARIANTS[name].classifier("expression")) for name in ("base", "vit")}
    assert own["vit"] > own["base"]
    encoded = [claims_runs.multiply_adds(PRETRAININGS[name]) for name in ("mask-0.95", "base", "mask-0.5")]
    assert encoded == sorted(encoded)


def test_intervals_are_those_of_the_t_distribution() -> None:
    values = [0.31, 0.35, 0.36, 0.29]
    found = mean_of(values)
    assert found is not None
    assert found.half is not None
    wanted = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (found.value - found.half, found.value + found.half) == pytest.approx((wanted.low, wanted.high))
    assert mean_of([0.3]) == Mean(0.3, None, 1)
    assert mean_of([]) is None


def test_differences_are_paired_by_seed() -> None:
    found = difference({0: 0.5, 1: 0.7, 3: 0.1}, {0: 0.4, 1: 0.6, 2: 0.9})
    assert found is not None
    assert (found.value, found.seeds) == (pytest.approx(0.1), 2)
    assert found.half == pytest.approx(0.0, abs=1e-9), "what both share is no spread"


@pytest.mark.parametrize(
    ("claim", "mean", "half", "said"),
    [
        (LOWER, -0.1, 0.05, "holds"),
        (LOWER, -0.1, 0.15, "undecided"),
        (LOWER, 0.1, 0.05, "does not hold"),
        (COMPARABLE, 0.01, 0.005, "holds"),
        (COMPARABLE, 0.01, 0.02, "undecided"),
        (COMPARABLE, 0.05, 0.02, "does not hold"),
        (claims_groups.BLIND, 0.51, 0.03, "holds"),
        (claims_groups.BLIND, 0.54, 0.03, "undecided"),
        (claims_groups.BLIND, 0.60, 0.03, "does not hold"),
        (SEES_TIME, 0.95, 0.03, "holds"),
        (SEES_TIME, 0.60, 0.03, "does not hold"),
        (LOWER, -0.9, None, "undecided"),
    ],
)
def test_a_claim_holds_where_its_range_has_the_whole_interval(claim, mean, half, said) -> None:
    assert verdict(claim, Mean(mean, half, 1 if half is None else 3)) == said
    assert verdict(claim, None) == ""


def test_a_plan_has_every_job_once_and_a_pre_training_before_its_variants() -> None:
    jobs = plan(GROUPS, (0, 1))
    assert len(set(jobs)) == len(jobs) == 2 * (len(PRETRAININGS) + 4 * len(VARIANTS))
    probes = [job.kind.startswith("probe") or job.kind == "pretrain" for job in jobs]
    assert probes == sorted(probes, reverse=True), "what takes seconds comes first"
    for position, job in enumerate(jobs):
        if job.kind != "pretrain" and (begin := VARIANTS[job.name].pretraining) is not None:
            assert jobs.index(Job("pretrain", begin, job.seed)) < position
    assert plan(chosen_groups(" g,"), (0,)) == [
        Job("pretrain", "base", 0),
        Job("probe-expression", "base", 0),
        Job("probe-timing", "base", 0),
        Job("pretrain", "published-order", 0),
        Job("probe-expression", "published-order", 0),
        Job("probe-timing", "published-order", 0),
        Job("expression", "base", 0),
        Job("timing", "base", 0),
        Job("expression", "published-order", 0),
        Job("timing", "published-order", 0),
    ]
    assert plan(chosen_groups("g"), (0,), probes_only=True) == plan(chosen_groups("g"), (0,))[:6]
    with pytest.raises(ConfigError, match="letters of a, b"):
        chosen_groups("a,z")


def test_what_is_left_is_what_has_no_run_and_what_that_needs(tmp_path: Path) -> None:
    results = Results(tmp_path / "claims.json")
    results.begin(FACTS)
    jobs = plan(chosen_groups("g"), (0,))
    assert left(jobs, results, lambda job: False) == jobs
    for kind in LABELS:
        results.add(row(kind, "base", 0))
    of_base = [job for job in jobs if job.name == "base"]
    assert left(jobs, results, lambda job: False) == [job for job in jobs if job not in of_base]
    needed = left(jobs, results, lambda job: job.name == "published-order")
    assert needed == [job for job in jobs if job not in of_base and job.kind != "pretrain"]


def test_finished_runs_are_kept_at_once_and_only_of_one_study(tmp_path: Path) -> None:
    path = tmp_path / "results" / "claims.json"
    results = Results(path)
    results.begin(FACTS)
    results.add(row("expression", "base", 0, 0.4))
    results.add(row("expression", "base", 1, 0.6))
    again = Results(path)
    again.begin(FACTS)
    assert again.rows == results.rows
    assert {"commit", "processor", "cores", "torch"} <= again.rows[0].keys()
    assert again.of(Job("timing", "base", 0)) is None
    with pytest.raises(ConfigError, match="its finetune differ"):
        Results(path).begin(FACTS | {"finetune": {"steps": 9}})
    stored = json.loads(path.read_text())
    stored["runs"][0]["config"]["share"] = 0.5
    path.write_text(json.dumps(stored))
    stale = Results(path)
    assert stale.of(Job("expression", "base", 0)) is None, "its settings have changed since"
    stale.add(row("expression", "base", 0, 0.8))
    assert [(found["seed"], found["uar"]) for found in stale.rows] == [(1, 0.6), (0, 0.8)]
    path.write_text("[]")
    with pytest.raises(ManifestError, match="expected the results"):
        Results(path)


def test_processes_that_share_a_file_keep_each_others_runs(tmp_path: Path) -> None:
    one, other = (Results(tmp_path / "claims.json") for _ in range(2))
    one.begin(FACTS)
    other.begin(FACTS)
    one.add(row("expression", "base", 0))
    other.add(row("expression", "base", 1))
    one.add(row("expression", "base", 2))
    assert sorted(found["seed"] for found in Results(tmp_path / "claims.json").rows) == [0, 1, 2]
    stranger = Results(tmp_path / "claims.json")
    stranger.rows, stranger.study = [], FACTS | {"test": {"clips": 36}}
    with pytest.raises(ConfigError, match="test differ"):
        stranger.add(row("expression", "base", 3))


def test_a_budget_ends_before_the_run_that_would_not_fit() -> None:
    jobs, clock, done = plan(chosen_groups("g"), (0,)), [100.0], list[Job]()

    def do(job: Job) -> None:
        done.append(job)
        clock[0] += 30

    rest = work_through(jobs, do, lambda job: 30.0, budget_s=100, now=lambda: clock[0])
    assert (done, rest) == (jobs[:3], jobs[3:])
    assert work_through(rest, do, lambda job: 30.0, budget_s=None, now=lambda: clock[0]) == []
    assert done == jobs


def test_estimates_follow_the_speed_of_finished_runs(tmp_path: Path) -> None:
    nothing = claims_data.Clips("train", tmp_path, [], tmp_path)
    study = claims_runs.Study(nothing, nothing, tmp_path, 3, 2)
    results = Results(tmp_path / "claims.json")
    clock = claims_plan.Clock(study, results)
    before = clock.seconds(Job("timing", "base", 0))
    results.begin(FACTS)
    results.add(row("timing", "base", 0) | {"seconds": 1000.0})
    assert clock.seconds(Job("timing", "base", 1)) == pytest.approx(1000)
    wider = clock.seconds(Job("timing", "vit", 1)) / clock.seconds(Job("timing", "base", 1))
    wanted = claims_runs.multiply_adds(VARIANTS["vit"].classifier("timing")) / 10**8
    assert wider == pytest.approx(wanted)
    assert before < 100


def test_shares_of_the_labels_have_each_class_and_are_parts_of_each_other() -> None:
    rows = [{"path": str(i), "label": ("onset", "offset", "onset")[i % 3]} for i in range(300)]
    shares = [claims_data.label_share(rows, share, seed=1) for share in (0.001, 0.01, 0.1, 1.0)]
    assert [[found["label"] for found in part].count("onset") for part in shares] == [1, 2, 20, 200]
    assert [len(part) for part in shares] == [2, 3, 30, 300]
    paths = [{found["path"] for found in part} for part in shares]
    assert paths[0] <= paths[1] <= paths[2] <= paths[3]
    assert paths[2] != {found["path"] for found in claims_data.label_share(rows, 0.1, seed=2)}
    assert claims_data.visits(shares[1], 7) == [*shares[1], *shares[1], shares[1][0]]


def test_tables_pair_seeds_and_leave_out_stale_runs(tmp_path: Path) -> None:
    results = Results(tmp_path / "claims.json")
    results.begin(FACTS)
    for seed in range(3):
        results.add(row("expression", "base", seed, 0.5 + 0.1 * seed))
        results.add(row("expression", "scratch", seed, 0.3 + 0.1 * seed))
        results.add(row("timing", "base", seed, 0.9))
    group = chosen_groups("a")[0]
    kinds = claims_table.WAYS["Fine-tuned"]
    found = claims_table.cells(results, group, group.lines[0], kinds)
    assert found == ["from scratch, all labels", "40.0 ± 24.8", "-20.0 ± 0.0", "lower: holds", "", "", ""]
    assert claims_table.cells(results, group, group.reference, kinds)[4] == "90.0 ± 0.0"
    text = claims_table.markdown(results, GROUPS)
    assert "### (a)" in text
    assert "### (b)" not in text, "a reference alone is no comparison"
    assert "9 runs" in text
    assert len(claims_table.rich_tables(results, GROUPS)) == 2
    results.rows[1]["config"]["share"] = 0.2
    assert claims_table.cells(results, group, group.lines[0], kinds)[1] == "45.0 ± 63.5"


def test_tables_go_between_the_marks_again_and_again(tmp_path: Path) -> None:
    page = tmp_path / "claims.md"
    page.write_text(f"before\n{claims_table.BEGIN}\nold\n{claims_table.END}\nafter\n")
    for _ in range(2):
        claims_table.insert(page, "new")
    assert page.read_text() == f"before\n{claims_table.BEGIN}\n\nnew\n\n{claims_table.END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(ManifestError, match="expected the marks"):
        claims_table.insert(page, "new")


def test_the_page_has_the_marks_and_the_numbers_of_the_results() -> None:
    page = claims.PAGE.read_text(encoding="utf-8")
    assert page.count(claims_table.BEGIN) == page.count(claims_table.END) == 1
    results = Results(claims.RESULTS / "claims.json")
    assert claims_table.markdown(results, GROUPS) in page, "python benchmarks/claims.py --markdown"


def test_the_probe_reads_what_is_linear_and_nothing_from_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(90) % 3
    directions = torch.randn(3, 200, generator=generator)
    noise = torch.randn(180, 200, generator=generator)
    seen, unseen = directions[targets] + noise[:90], directions[targets] + noise[90:]
    assert (claims_probe.ridge(seen, targets, unseen) == targets).float().mean() > 0.95
    assert (claims_probe.ridge(noise[:90], targets, noise[90:]) == targets).float().mean() < 0.5


@pytest.fixture
def lab(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders of 14 clips of grey frames, which come or go."""
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        lines = ["path,label,label_set,subject,split,timing"]
        for number in range(14):
            clip = tmp_path / split / f"{number:02d}"
            clip.mkdir(parents=True)
            for frame in range(16):
                picture = rng.integers(0, 16 * (frame + 1), (64, 64, 3)).astype(np.uint8)
                cv2.imwrite(str(clip / f"{frame:02d}.png"), picture)
            timing = ("onset", "offset", "")[number % 3]
            lines.append(f"{number:02d},{LABELS['expression'][number % 7]},DFEW,p{number},{split},{timing}")
        (tmp_path / split / "manifest.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "train", tmp_path / "test"


@pytest.mark.slow
def test_a_study_is_run_resumed_and_shown(lab: tuple[Path, Path], tmp_path: Path, capsys) -> None:
    settings = claims.Settings(
        train=lab[0],
        test=lab[1],
        work=tmp_path / "work",
        results=tmp_path / "claims.json",
        seeds=(0,),
        only="h",
        pretrain_steps=1,
        finetune_steps=1,
    )
    before = sorted(path.name for path in lab[0].iterdir())
    claims.main(settings)
    assert "14 runs made, 0 left" in capsys.readouterr().out
    assert before == sorted(path.name for path in lab[0].iterdir()), "the clips' folder is only read"
    first = (tmp_path / "claims.json").read_text()
    claims.main(settings)
    assert "0 runs made, 0 left" in capsys.readouterr().out
    assert (tmp_path / "claims.json").read_text() == first
    rows = json.loads(first)["runs"]
    assert [(found["kind"], found["name"]) for found in rows][:2] == [
        ("pretrain", "base"),
        ("probe-expression", "base"),
    ]
    assert all(0 <= found["uar"] <= 1 for found in rows if found["kind"] != "pretrain")
