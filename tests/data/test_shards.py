import functools
import hashlib
import json
import shutil
import threading
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch

from doubles import Inline
from maedfer.cli import main
from maedfer.data import pack as pack_module
from maedfer.data.feed import ClipFeed
from maedfer.data.jpeg_clip import encode_pictures, read_facts
from maedfer.data.manifest import read_manifest, write_manifest
from maedfer.data.pack import pack_manifest
from maedfer.data.shard_clips import ClipReading, ShardClips
from maedfer.data.shard_feed import ShardFeed
from maedfer.data.shard_files import ShardPlace
from maedfer.data.shard_index import damaged_shards, read_index
from maedfer.data.sources import ShardSource
from maedfer.errors import ConfigError, DecodeError, ManifestError
from maedfer.models.draws import BatchShare
from maedfer.recipes import DataConfig
from maedfer.video.encode import write_video

CLIPS, FRAMES = 23, 40
LABELS = ("happy", "sad")


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Shards of clips whose grey level is 10 * row; rows 0..17 are of split train, the others val."""
    folder = tmp_path_factory.mktemp("clips")
    rows = []
    for row in range(CLIPS):
        write_video(folder / f"{row}.mp4", [np.full((32, 48, 3), 10 * row, np.uint8)] * FRAMES, 25.0)
        split = "train" if row < 18 else "val"
        rows.append({"path": f"{row}.mp4", "label": LABELS[row % 2], "split": split, "fold": str(1 + row % 3)})
    write_manifest(folder / "manifest.csv", rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pack_module, "ProcessPoolExecutor", Inline)
        patch.setattr(pack_module, "_clips_a_shard", lambda *_: 4)
        pack_manifest(read_manifest(folder / "manifest.csv"), folder / "shards", size=32)
    return folder / "shards"


@pytest.fixture
def served(packed):
    """The address of a server of the shards, and the paths it was asked for."""
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *given):
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(packed)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


def feed_of(place, workers=0, **options):
    return ShardFeed(read_index(str(place)), ClipReading(4, 32, labels=LABELS, seed=1), workers=workers, **options)


def told(batches):
    return [[(sample.row, sample.target, int(sample.clip.sum())) for sample in batch] for batch in batches]


def rows_of(batches):
    return [sample.row for batch in batches for sample in batch]


def test_what_comes_out_is_what_was_packed(packed):
    feed = feed_of(packed)
    assert isinstance(feed, ClipFeed)
    seen = [sample for batch in feed.batches(0, 0, 1, BatchShare()) for sample in batch]
    assert sorted(sample.row for sample in seen) == list(range(CLIPS))
    for sample in seen:
        assert sample.clip.shape == (3, 4, 32, 32)
        assert abs(float(sample.clip.float().mean()) - 10 * sample.row) < 3
        assert sample.target == sample.row % 2


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("repeats", [1, 2])
def test_the_stream_from_a_batch_on_is_the_tail_of_the_stream(packed, workers, repeats):
    feed = feed_of(packed, workers, repeats=repeats, buffer=5)
    share = BatchShare(1, 2)
    whole = told(feed.batches(4, 0, 3, share))
    assert len(whole) == CLIPS * repeats // 6
    for first in (1, 2, len(whole)):
        assert told(feed.batches(4, first, 3, share)) == whole[first:]


def test_processes_get_equally_many_batches_and_no_clip_twice(packed):
    for count, workers in ((2, 0), (3, 2), (5, 0)):
        parts = [told(feed_of(packed, workers).batches(0, 0, 2, BatchShare(i, count))) for i in range(count)]
        assert {len(part) for part in parts} == {CLIPS // (2 * count)}
        rows = [row for part in parts for batch in part for row, _, _ in batch]
        assert len(rows) == len(set(rows))


def test_epochs_and_seeds_are_orders_of_their_own(packed):
    feed = feed_of(packed, buffer=6)
    first = rows_of(feed.batches(0, 0, 1, BatchShare()))
    assert first == rows_of(feed.batches(0, 0, 1, BatchShare()))
    assert first != rows_of(feed.batches(1, 0, 1, BatchShare()))
    other = ShardFeed(read_index(str(packed)), ClipReading(4, 32, seed=2), buffer=6)
    assert first != rows_of(other.batches(0, 0, 1, BatchShare()))
    assert set(rows_of(other.batches(0, 0, 1, BatchShare()))) == set(first)


def test_batches_before_the_first_are_not_decoded_and_whole_shards_not_opened(packed, monkeypatch):
    feed = feed_of(packed, buffer=2)
    decoded, opened = [], []
    sample, clips = ClipReading.sample, ShardPlace.clips
    monkeypatch.setattr(ClipReading, "sample", lambda *given: decoded.append(1) or sample(*given))
    monkeypatch.setattr(ShardPlace, "clips", lambda *given: opened.append(given[1]) or clips(*given))
    list(feed.batches(0, 18, 1, BatchShare()))
    assert len(decoded) == CLIPS - 18
    assert 0 < len(opened) <= 4


def test_splits_and_folds_are_shards_of_their_own(packed):
    index = read_index(str(packed))
    reading = ClipReading(4, 32)
    assert set(rows_of(ShardFeed(index.part("val"), reading).batches(0, 0, 1, BatchShare()))) == set(range(18, 23))
    train, test = index.fold_parts(2)
    assert {row % 3 for row in rows_of(ShardFeed(train, reading).batches(0, 0, 1, BatchShare()))} == {0, 2}
    assert {row % 3 for row in rows_of(ShardFeed(test, reading).batches(0, 0, 1, BatchShare()))} == {1}
    assert index.class_counts(LABELS) == [12, 11]
    assert index.class_counts(("sad", "happy")) == [11, 12]
    for wrong in (lambda: index.part("test"), lambda: index.fold_parts(7)):
        with pytest.raises(ManifestError, match="no shard of"):
            wrong()
    with pytest.raises(ManifestError, match="sad"):
        ShardFeed(index, ClipReading(4, 32, labels=("happy", "angry")))


def test_clips_by_position_are_always_the_same(packed):
    clips = ShardClips(read_index(str(packed)).part("val"), ClipReading(4, 32, labels=LABELS))
    assert len(clips) == 5
    assert [clips[item].target for item in range(5)] == clips.targets
    assert sorted(clips[item].row for item in range(5)) == list(range(18, 23))
    assert torch.equal(clips[2].clip, clips[2].clip)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_server_streams_the_same_as_the_folder(packed, served, workers):
    address, asked = served
    local = told(feed_of(packed, workers, buffer=5).batches(2, 1, 2, BatchShare()))
    assert told(feed_of(address, workers, buffer=5).batches(2, 1, 2, BatchShare())) == local
    assert told(feed_of(packed.as_uri(), workers, buffer=5).batches(2, 1, 2, BatchShare())) == local
    assert any(path.endswith(".tar") for path in asked)
    with pytest.raises(ConfigError, match="folder only"):
        ShardClips(read_index(address), ClipReading(4, 32))


def test_a_source_of_shards_follows_the_settings(packed):
    source = ShardSource(DataConfig(shards=str(packed), repeats=2, workers=0), size=32, frames=4, labels=LABELS)
    feed = source.feed(source.part("train"))
    assert len(feed) == 36
    assert set(rows_of(feed.batches(0, 0, 2, BatchShare()))) <= set(range(18))
    fold = ShardSource(DataConfig(shards=str(packed), fold=1), size=32, frames=4)
    assert len(fold.part("train")) == len([row for row in range(CLIPS) if row % 3])
    assert len(source.samples(source.part("val"))) == 5


@pytest.mark.parametrize(
    "place", ["pipe:cat /etc/hostname", "pipe:touch x |", "ftp://host/x", "file://elsewhere/x", "data:text/plain,x"]
)
def test_an_address_that_is_no_place_is_refused(place):
    with pytest.raises(ConfigError, match="expected"):
        read_index(place)


def copy(packed, folder):
    folder.mkdir()
    for path in packed.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.mark.parametrize("over_http", [False, True])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_truncated_shard_is_named(packed, served, over_http, workers):
    address, _ = served
    place = address if over_http else str(packed)
    name = read_index(place).shards[2].name
    whole = (packed / name).read_bytes()
    try:
        (packed / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ManifestError, match=name):
            list(feed_of(place, workers).batches(0, 0, 1, BatchShare()))
    finally:
        (packed / name).write_bytes(whole)


def test_a_missing_shard_is_named(packed, tmp_path):
    folder = copy(packed, tmp_path / "shards")
    name = read_index(str(folder)).shards[0].name
    (folder / name).unlink()
    with pytest.raises(ManifestError, match=name):
        list(feed_of(folder).batches(0, 0, 1, BatchShare()))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_clip_is_replaced_in_training_alone(packed, tmp_path, workers):
    folder = copy(packed, tmp_path / "shards")
    index = read_index(str(folder))
    shard = folder / index.shards[0].name
    data = bytearray(shard.read_bytes())
    start = data.index(b"\xff\xd8\xff")
    data[start + 200 : start + 230] = bytes(30)
    shard.write_bytes(data)
    feed = feed_of(folder, workers, most_broken=1)
    rows = rows_of(feed.batches(0, 0, 1, BatchShare()))
    assert len(rows) == CLIPS - CLIPS % 1
    assert len(set(rows)) == CLIPS - 1
    assert len(feed.broken) == 1
    assert "not as it was packed" in feed.broken[0]
    assert rows_of(feed.batches(0, 7, 1, BatchShare())) == rows[7:]
    with pytest.raises(DecodeError, match="not as it was packed"):
        list(feed_of(folder, workers).batches(0, 0, 1, BatchShare()))
    clips = ShardClips(index, ClipReading(4, 32))
    with pytest.raises(DecodeError, match="not as it was packed"):
        [clips[item] for item in range(len(clips))]


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.update(kind="other"),
        lambda raw: raw.update(clips=5),
        lambda raw: raw["shards"][0].update(name="../x.tar"),
        lambda raw: raw["shards"][0].update(name="/etc/x.tar"),
        lambda raw: raw["shards"][0].update(clips=-3),
        lambda raw: raw["shards"][0].update(clips=1 << 40) or raw.update(clips=(1 << 40) + CLIPS - 4),
        lambda raw: raw["shards"][0].update(clips=1e400),
        lambda raw: raw["shards"][0].update(labels={"happy": 5}),
        lambda raw: raw["shards"][0].update(labels={"happy": -1, "sad": 3}),
        lambda raw: raw.update(shards=[]),
        lambda raw: raw.pop("crop"),
        lambda raw: raw.update(shards="x"),
    ],
)
def test_an_index_that_is_not_ours_is_refused(packed, tmp_path, change):
    raw = json.loads((packed / "index.json").read_text())
    change(raw)
    (tmp_path / "index.json").write_text(json.dumps(raw))
    with pytest.raises(ManifestError, match=r"index\.json"):
        read_index(str(tmp_path))
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(ManifestError, match=r"index\.json"):
        read_index(str(tmp_path))


def test_any_reader_of_shards_reads_them(packed):
    from webdataset.tariterators import group_by_keys, tar_file_expander

    index = read_index(str(packed))
    shard = index.shards[0]
    with (packed / shard.name).open("rb") as stream:
        samples = list(group_by_keys(tar_file_expander([{"url": shard.name, "stream": stream}])))
    assert len(samples) == shard.clips
    facts = json.loads(samples[0]["json"])
    assert facts["clip_id"] == f"{facts['row']}.mp4"
    assert facts["frames"] == FRAMES
    assert len(samples[0]["mjpg"]) == sum(facts["sizes"])
    assert hashlib.sha256((packed / shard.name).read_bytes()).hexdigest() == shard.sha256


def test_a_picture_that_stands_is_stored_once():
    images = [np.full((16, 16, 3), level, np.uint8) for level in (10, 200)]
    data, instants, sizes, sums = encode_pictures([images[0], images[0], images[1], images[1], images[1]], 90)
    assert instants == (0, 0, 1, 1, 1)
    assert len(sizes) == len(sums) == 2
    assert sum(sizes) == len(data)


def test_facts_are_checked():
    good = {"clip_id": "a", "row": 0, "label": "", "label_set": "", "subject": "", "split": "", "fold": None}
    good |= {"sha256": "", "fps": 25.0, "sizes": [5, 6], "sums": [1, 2]}
    facts = read_facts(json.dumps(good).encode(), "here")
    assert read_facts(facts.to_json(), "here") == facts
    assert read_facts(replace(facts, instants=(0, 0, 1)).to_json(), "here").instants == (0, 0, 1)
    for wrong in (
        {"row": -1},
        {"sizes": [5]},
        {"sizes": [5, -6]},
        {"instants": [2]},
        {"instants": []},
        {"sums": "x"},
        {"row": 1e400},
    ):
        with pytest.raises(DecodeError, match="here"):
            read_facts(json.dumps(good | wrong).encode(), "here")
    with pytest.raises(DecodeError, match="here"):
        read_facts(b"[]", "here")


def test_a_single_bit_and_a_missing_shard_are_found(packed, served, tmp_path, capsys):
    index = read_index(str(packed))
    assert not damaged_shards(index)
    assert not damaged_shards(read_index(served[0]))
    assert main(["check-shards", str(packed)]) == 0
    names = [shard.name for shard in index.shards]
    assert f"{len(names)} of {len(names)} shards" in capsys.readouterr().out
    copy = tmp_path / "copy"
    shutil.copytree(packed, copy)
    data = bytearray((copy / names[0]).read_bytes())
    data[-2000] ^= 1
    (copy / names[0]).write_bytes(data)
    (copy / names[1]).unlink()
    (copy / names[2]).write_bytes((copy / names[2]).read_bytes() + b"x")
    counted = []
    damaged = damaged_shards(read_index(str(copy)), lambda done, total: counted.append((done, total)))
    assert list(damaged) == names[:3]
    assert "not those that were packed" in damaged[names[0]]
    assert "more bytes" in damaged[names[2]]
    assert counted == [(done, len(names)) for done in range(1, len(names) + 1)]
    assert main(["check-shards", str(copy)]) == 1
    assert capsys.readouterr().err.count("copy it again") == 3
