import collections
import gc
import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from doubles import Blind, Inline
from maedfer.data import crops as crops_module
from maedfer.data import feed as feed_module
from maedfer.data.crops import crop_manifest
from maedfer.data.dataset import DecodedDataset, Sample, stacked
from maedfer.data.feed import ClipFeed, DatasetFeed
from maedfer.data.manifest import Manifest, read_manifest, write_manifest
from maedfer.data.sources import ClipSource
from maedfer.errors import ConfigError, DecodeError
from maedfer.models.draws import BatchShare
from maedfer.recipes import DataConfig
from maedfer.video.clips import ClipSpec
from maedfer.video.encode import write_video

ALONE = BatchShare()


class Clips:
    """Clips that say which they are; some are broken. Reads are counted."""

    def __init__(self, count, broken=()):
        self.count, self.broken, self.reads = count, set(broken), []

    def __len__(self):
        return self.count

    def clips(self, item, epoch, repeats):
        self.reads.append(item)
        if item in self.broken:
            raise DecodeError(f"clip-{item}: is broken")
        clip = torch.full((3, 2, 4, 4), item, dtype=torch.uint8)
        return [Sample(clip + repeat * 30, 10 * item, item) for repeat in repeats]


class Collecting(Clips):
    """Looks for garbage at each read, as Python may at any time."""

    def clips(self, item, epoch, repeats):
        gc.collect()
        return super().clips(item, epoch, repeats)


def told(batches):
    return [[(sample.row, int(sample.clip[0, 0, 0, 0]), sample.target) for sample in batch] for batch in batches]


def test_it_is_a_feed():
    assert isinstance(DatasetFeed(Clips(3)), ClipFeed)


@pytest.mark.parametrize(("repeats", "size"), [(1, 2), (3, 2), (2, 3)])
def test_processes_together_see_the_batches_of_one(repeats, size):
    feed = DatasetFeed(Clips(23), repeats=repeats, seed=4)
    alone = told(feed.batches(2, 0, 2 * size, ALONE))
    shares = [told(feed.batches(2, 0, size, BatchShare(index, 2))) for index in range(2)]
    assert [left + right for left, right in zip(*shares, strict=True)] == alone
    assert len(alone) == 23 * repeats // (2 * size)


def test_an_epoch_visits_every_clip_as_often_as_repeats_say():
    clips = Clips(12)
    feed = DatasetFeed(clips, repeats=4, seed=1)
    assert len(feed) == 48
    seen = [sample for batch in told(feed.batches(0, 0, 8, ALONE)) for sample in batch]
    assert collections.Counter(row for row, _, _ in seen) == dict.fromkeys(range(12), 4)
    assert len(set(seen)) == 48
    assert len(clips.reads) == 12  # each video was read once
    assert told(feed.batches(1, 0, 8, ALONE)) != told(feed.batches(0, 0, 8, ALONE))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_epoch_is_the_tail_and_reads_nothing_before(workers):
    clips = Clips(20)
    feed = DatasetFeed(clips, seed=9, workers=workers)
    whole = told(feed.batches(3, 0, 3, ALONE))
    clips.reads.clear()
    assert told(feed.batches(3, 4, 3, ALONE)) == whole[4:]
    assert len(clips.reads) == (0 if workers else 6)
    assert whole == told(DatasetFeed(clips, seed=9).batches(3, 0, 3, ALONE))


@pytest.mark.parametrize("count", [6, 7])
def test_with_repeats_two_videos_take_turns(count):
    feed = DatasetFeed(Clips(count), train=False, repeats=3)
    seen = [(row, level // 30) for batch in told(feed.batches(0, 0, 1, ALONE)) for row, level, _ in batch]
    assert [row for row, _ in seen[:12]] == [0, 1] * 3 + [2, 3] * 3
    assert sorted(seen) == [(row, repeat) for row in range(count) for repeat in range(3)]


@pytest.mark.parametrize("size", [1, 3, 4])
def test_processes_agree_with_one_past_broken_clips_and_a_given_order(size):
    def feed():
        return DatasetFeed(
            Clips(7, broken=[2, 5]), order=lambda epoch: [0, 2, 2, 6, 5, 1, 1, 3, 2], repeats=3, most_broken=2
        )

    alone = told(feed().batches(1, 0, 2 * size, ALONE))
    shares = [told(feed().batches(1, 0, size, BatchShare(index, 2))) for index in range(2)]
    assert [left + right for left, right in zip(*shares, strict=True)] == alone
    assert told(feed().batches(1, 2, 2 * size, ALONE)) == alone[2:]


def test_an_order_with_repetitions_draws_anew_for_each():
    feed = DatasetFeed(Clips(4), order=lambda epoch: [0, 1, 0, 0, 2 + epoch % 2], repeats=2)
    assert len(feed) == 10
    seen = told(feed.batches(1, 0, 10, ALONE))[0]
    assert len({level for row, level, _ in seen if row == 0}) == 6
    assert {row for row, _, _ in seen} == {0, 1, 3}
    with pytest.raises(ConfigError, match="order of 2"):
        list(DatasetFeed(Clips(4), order=lambda epoch: [0] * (2 + epoch)).batches(1, 0, 1, ALONE))


def test_the_global_generator_is_left_alone():
    feed = DatasetFeed(Clips(8), workers=1)
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    list(feed.batches(0, 0, 2, ALONE))
    assert torch.equal(torch.rand(3), wanted)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_clip_is_replaced_by_the_next_and_named(workers):
    feed = DatasetFeed(Clips(6, broken=[2, 3]), seed=2, workers=workers, most_broken=2)
    seen = [sample for batch in told(feed.batches(0, 0, 3, ALONE)) for sample in batch]
    assert collections.Counter(row for row, _, _ in seen) == {0: 1, 1: 1, 4: 3, 5: 1}
    assert all(target == 10 * row for row, _, target in seen)
    assert sorted(feed.broken) == ["clip-2: is broken", "clip-3: is broken"]
    list(feed.batches(1, 0, 3, ALONE))
    assert len(feed.broken) == 2


@pytest.mark.parametrize("workers", [0, 1])
def test_beyond_the_cap_the_broken_clips_are_listed(workers):
    feed = DatasetFeed(Clips(9, broken=[1, 5]), workers=workers, most_broken=1)
    with pytest.raises(DecodeError, match=r"clip-[15].*clip-[15].*most-broken"):
        list(feed.batches(0, 0, 3, ALONE))
    with pytest.raises(DecodeError, match="clip-1: is broken"):
        list(DatasetFeed(Clips(9, broken=[1]), workers=workers).batches(0, 0, 9, ALONE))


def table(tmp_path, count=5):
    rng = np.random.default_rng(0)
    for number in range(count):
        frames = [np.full((48, 48, 3), 20 * number + index % 20, np.uint8) for index in range(70)]
        frames[0][:4, :4] = rng.integers(0, 255, (4, 4, 3), np.uint8)
        write_video(tmp_path / f"{number}.mp4", frames, 25.0)
    rows = [{"path": f"{number}.mp4", "split": "train" if number < 4 else "test"} for number in range(count)]
    write_manifest(tmp_path / "manifest.csv", rows)
    return read_manifest(tmp_path / "manifest.csv")


def test_a_source_feeds_decoded_clips_in_processes_of_their_own(tmp_path):
    manifest = table(tmp_path)
    config = DataConfig(manifest=manifest.path, crop="centre", repeats=2, workers=2)
    source = ClipSource(config, manifest, size=32, frames=4, seed=3)
    feed = source.feed(manifest.part("train"), [3, 2, 1, 0], train=True)
    seen = [sample for batch in feed.batches(0, 0, 2, ALONE) for sample in batch]
    assert sorted((sample.row, sample.target) for sample in seen) == [(r, 3 - r) for r in range(4) for _ in range(2)]
    data = source.samples(manifest.part("train"), None, train=True)
    assert isinstance(data, DecodedDataset)
    for sample in seen:
        assert any(torch.equal(sample.clip, data.clips(sample.row, 0, (repeat,))[0].clip) for repeat in range(2))
    quiet = source.feed(manifest.part("test"), None, train=False)
    assert [len(batch) for batch in quiet.batches(0, 0, 1, ALONE)] == [1]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_feeds_batch_is_put_together_once(workers):
    samples = next(DatasetFeed(Clips(6), train=False, workers=workers).batches(0, 0, 3, ALONE))
    batch = stacked(samples)
    assert torch.equal(batch, torch.stack([sample.clip for sample in samples]))
    assert batch.data_ptr() == samples[0].clip.data_ptr()
    for others in (samples[::-1], samples[:2], [samples[0], samples[0], samples[2]], [samples[1]]):
        assert torch.equal(stacked(others), torch.stack([sample.clip for sample in others]))
    turned = [replace(sample, clip=sample.clip.transpose(2, 3)) for sample in samples]
    assert torch.equal(stacked(turned), torch.stack([sample.clip for sample in turned]))


class Finalised:
    """Notes the process in which it is freed."""

    def __init__(self, notes):
        self.notes, self.me = notes, self

    def __del__(self):
        (self.notes / str(os.getpid())).touch()


def test_a_loading_process_leaves_its_parents_garbage_alone(tmp_path):
    """An encoder with threads would hang there."""
    gc.disable()
    try:
        Finalised(tmp_path)
        feed = DatasetFeed(Collecting(4), workers=1)
        batches = feed.batches(0, 0, 2, ALONE)
        assert len(next(batches)) == 2
        assert [path.name for path in tmp_path.iterdir()] == [str(os.getpid())]  # before the fork
        assert len(list(batches)) == 1
        assert [path.name for path in tmp_path.iterdir()] == [str(os.getpid())]
    finally:
        gc.enable()


def test_a_loading_process_never_looks_at_what_it_was_born_with(tmp_path, monkeypatch):
    monkeypatch.setattr(feed_module, "clear_garbage", lambda workers: None)
    gc.disable()
    try:
        Finalised(tmp_path)
        assert len(list(DatasetFeed(Collecting(4), workers=1).batches(0, 0, 2, ALONE))) == 2
        gc.collect()
        assert [path.name for path in tmp_path.iterdir()] == [str(os.getpid())]
    finally:
        gc.enable()


@pytest.fixture
def inline(monkeypatch):
    monkeypatch.setattr(crops_module, "ProcessPoolExecutor", Inline)
    monkeypatch.setattr(crops_module, "_detector", Blind())


@pytest.mark.usefixtures("inline")
def test_a_clip_that_cannot_be_cropped_stops_neither_the_others_nor_a_tolerant_training(tmp_path):
    manifest = table(tmp_path)
    (tmp_path / "2.mp4").write_bytes(b"nothing")
    config = DataConfig(manifest=manifest.path, most_broken=1, workers=1)
    source = ClipSource(config, manifest, size=32, frames=16)
    feed = source.feed(manifest.part("train"), None, train=True)
    rows = [sample.row for batch in feed.batches(0, 0, 4, ALONE) for sample in batch]
    assert sorted(rows) == [0, 1, 3, 3]
    assert source.faceless == ["0.mp4", "1.mp4", "3.mp4", "4.mp4"]
    with pytest.raises(DecodeError, match=r"2\.mp4"):
        source.samples(manifest.part("train"), None, train=False)[2]


@pytest.mark.usefixtures("inline")
def test_a_line_cut_off_when_the_run_was_killed_costs_nothing_else(tmp_path):
    manifest = table(tmp_path, 3)
    (tmp_path / "1.mp4").write_bytes(b"nothing")
    spec = ClipSpec(num_frames=4, size=32)
    crop_manifest(manifest, spec)
    notes = next((tmp_path / ".maedfer-crops").glob("*/broken.jsonl"))
    notes.write_text('[0, "0.mp4: half a li' + notes.read_text())
    assert list(crop_manifest(manifest, spec).broken) == [1]


@pytest.mark.usefixtures("inline")
def test_a_part_finds_its_crops_in_the_cache_of_the_whole(tmp_path, monkeypatch):
    manifest = table(tmp_path)
    spec = ClipSpec(num_frames=4, size=32)
    (tmp_path / "1.mp4").write_bytes(b"nothing")
    whole = crop_manifest(manifest, spec)
    monkeypatch.setattr(crops_module, "ProcessPoolExecutor", None)  # nothing is cropped from here on
    part = Manifest(manifest.path, None, (manifest.entries[4], manifest.entries[1]))
    crops = crop_manifest(part, spec)
    assert np.array_equal(crops.clip(0), whole.clip(4))
    assert len(crops) == 2
    with pytest.raises(DecodeError, match=r"1\.mp4"):
        crops.clip(1)
    assert len(list((tmp_path / ".maedfer-crops").iterdir())) == 1
    monkeypatch.setattr(crops_module, "ProcessPoolExecutor", Inline)
    write_video(tmp_path / "4.mp4", [np.full((48, 48, 3), 200, np.uint8)] * 30, 25.0)  # another clip by that name
    assert crop_manifest(part, spec).clip(0).mean() > 150
