import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from doubles import Blind, Inline
from maedfer.cli.pack import pack
from maedfer.data import pack as pack_module
from maedfer.data import packing
from maedfer.data.manifest import read_manifest, write_manifest
from maedfer.data.pack import pack_manifest
from maedfer.data.shard_clips import ClipReading, ShardClips
from maedfer.data.shard_files import ShardPlace
from maedfer.data.shard_index import read_index
from maedfer.errors import ConfigError, DecodeError, ManifestError
from maedfer.video.encode import write_video


@pytest.fixture(autouse=True)
def inline(monkeypatch):
    monkeypatch.setattr(pack_module, "ProcessPoolExecutor", Inline)
    monkeypatch.setattr(packing, "_detector", Blind())


def table(folder, count=6, size=(48, 32), **more):
    rows = []
    for row in range(count):
        frames = [np.full((size[1], size[0], 3), 20 * row % 240 + index % 9, np.uint8) for index in range(30)]
        write_video(folder / f"{row}.mp4", frames, 25.0)
        rows.append({"path": f"{row}.mp4", "split": "train", "label": "happy"} | more)
    write_manifest(folder / "manifest.csv", rows)
    return read_manifest(folder / "manifest.csv")


def clips_of(index, size=32):
    return ShardClips(index, ClipReading(16, size))


def test_the_index_comes_last_and_again_changes_nothing(tmp_path, monkeypatch):
    manifest, out = table(tmp_path), tmp_path / "out"
    seen = []
    index = pack_manifest(manifest, out, size=32, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (6, 6)
    assert sorted(path.name for path in out.iterdir()) == ["index.json", *[shard.name for shard in index.shards]]
    assert read_index(str(out)) == index
    monkeypatch.setattr(pack_module, "_run", None)
    assert pack_manifest(manifest, out, size=32) == index
    with pytest.raises(ConfigError, match="other clips or settings"):
        pack_manifest(manifest, out, size=48)


def test_other_labels_are_other_shards_and_a_lost_shard_is_missed(tmp_path):
    manifest, out = table(tmp_path), tmp_path / "out"
    index = pack_manifest(manifest, out, size=32)
    rows = [{"path": entry.clip_id, "split": "train", "label": "sad"} for entry in manifest.entries]
    write_manifest(manifest.path, rows)
    corrected = read_manifest(manifest.path)
    assert corrected.digest() == manifest.digest()  # the same files
    with pytest.raises(ConfigError, match="other clips or settings"):
        pack_manifest(corrected, out, size=32)
    again = pack_manifest(corrected, tmp_path / "again", size=32)
    (tmp_path / "again" / again.shards[0].name).unlink()
    with pytest.raises(ManifestError, match=r"no file.*pack again"):
        pack_manifest(corrected, tmp_path / "again", size=32)
    assert read_index(str(out)) == index


def test_shards_are_as_large_as_asked_and_mixed(tmp_path, monkeypatch):
    manifest = table(tmp_path, 12)
    monkeypatch.setattr(pack_module, "_clips_a_shard", lambda *_: 5)
    index = pack_manifest(manifest, tmp_path / "out", size=32)
    assert [shard.clips for shard in index.shards] == [5, 5, 2]
    clips = clips_of(index)
    rows = [clips[item].row for item in range(12)]
    assert sorted(rows) == list(range(12))
    assert rows != sorted(rows)


def test_the_size_of_a_shard_is_estimated(tmp_path):
    manifest = table(tmp_path)
    count = pack_module._clips_a_shard(manifest, tmp_path, packing.PackSpec("centre", 32, 90), "x", 100_000)
    size = len(packing.pack_clip(manifest.entries[0], packing.PackSpec("centre", 32, 90)).data)
    assert 0.5 < count * size / 100_000 < 2
    assert pack_module._clips_a_shard(manifest, tmp_path, packing.PackSpec("centre", 32, 90), "x", 1) == count
    with pytest.raises(ConfigError, match="unfinished"):
        pack_module._clips_a_shard(manifest, tmp_path, packing.PackSpec("centre", 32, 90), "y", 1)


def test_an_interrupted_run_goes_on_and_gives_the_same_bytes(tmp_path, monkeypatch):
    manifest = table(tmp_path, 8)
    monkeypatch.setattr(pack_module, "_clips_a_shard", lambda *_: 3)
    whole = pack_manifest(manifest, tmp_path / "whole", size=32)
    original, written = pack_module._write, []

    def stops(path, task):
        if len(written) == 2:
            path.write_bytes(b"half")
            raise KeyboardInterrupt
        written.append(task.name)
        return original(path, task)

    monkeypatch.setattr(pack_module, "_write", stops)
    with pytest.raises(KeyboardInterrupt):
        pack_manifest(manifest, tmp_path / "parts", size=32)
    left = {path.name for path in (tmp_path / "parts").iterdir()}
    assert left == {".maedfer-pack", *written}
    monkeypatch.setattr(pack_module, "_write", lambda path, task: written.append(task.name) or original(path, task))
    index = pack_manifest(manifest, tmp_path / "parts", size=32)
    assert written == [shard.name for shard in whole.shards]  # each once
    assert [shard.sha256 for shard in index.shards] == [shard.sha256 for shard in whole.shards]


def test_what_is_special_is_listed(tmp_path, capsys):
    manifest = table(tmp_path)
    (tmp_path / "3.mp4").write_bytes(b"nothing")
    assert pack(manifest.path, tmp_path / "out", crop="face", size=32) == 1
    index = read_index(str(tmp_path / "out"))
    assert len(index) == 5
    assert [name.split(":")[0] for name in index.broken] == ["3.mp4"]
    assert set(index.faceless) == {"0.mp4", "1.mp4", "2.mp4", "4.mp4", "5.mp4"}
    shown = capsys.readouterr().out
    assert "wrote 5 clips in 1 shards" in shown
    assert "5 clips without a face" in shown
    assert "1 clips that could not be read" in shown


def test_a_manifest_of_broken_clips_is_refused(tmp_path):
    manifest = table(tmp_path, 2)
    for row in range(2):
        (tmp_path / f"{row}.mp4").write_bytes(b"nothing")
    with pytest.raises(DecodeError, match=r"0\.mp4"):
        pack_manifest(manifest, tmp_path / "out", size=32)


def test_a_long_clip_keeps_its_middle_minute(tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "MOST_INSTANTS", 10)
    manifest = table(tmp_path, 1)
    index = pack_manifest(manifest, tmp_path / "out", size=32)
    assert index.shortened == ("0.mp4",)
    shard = index.shards[0]
    ((_, clip),) = ShardPlace(index.place).clips(shard.name, shard.size, shard.clips)
    assert len(clip.facts.instants) == 10
    assert abs(int(clip.frames([0], 32)[0].mean()) - 10 % 9) <= 3


def test_the_voxceleb2_crop_is_the_papers_and_the_pictures_are_true(tmp_path):
    rng = np.random.default_rng(0)
    base = cv2.resize(rng.integers(0, 255, (14, 14, 3), np.uint8), (224, 224))
    write_video(tmp_path / "a.mp4", [np.roll(base, 2 * index, 1) for index in range(20)], 25.0, crf=10)
    write_manifest(tmp_path / "manifest.csv", [{"path": "a.mp4"}])
    index = pack_manifest(read_manifest(tmp_path / "manifest.csv"), tmp_path / "out", crop="voxceleb2")
    shard = index.shards[0]
    ((_, clip),) = ShardPlace(index.place).clips(shard.name, shard.size, shard.clips)
    for instant, image in zip((0, 7, 19, 60), clip.frames((0, 7, 19, 60), 160), strict=True):
        truth = np.roll(base, 2 * min(instant, 19), 1)[0:160, 32:192]
        assert np.abs(image.astype(int) - truth).mean() < 5
    assert clip.frames((3,), 80)[0].shape == (80, 80, 3)


def test_a_folder_of_frames_is_packed_at_its_rate(tmp_path):
    (tmp_path / "a").mkdir()
    for index in range(10):
        cv2.imwrite(str(tmp_path / "a" / f"{index}.png"), np.full((40, 40, 3), 20 * index, np.uint8))
    write_manifest(tmp_path / "manifest.csv", [{"path": "a", "fps": "5"}])
    index = pack_manifest(read_manifest(tmp_path / "manifest.csv"), tmp_path / "out", size=40)
    shard = index.shards[0]
    ((_, clip),) = ShardPlace(index.place).clips(shard.name, shard.size, shard.clips)
    assert len(clip.facts.instants) == 50
    assert len(clip.facts.sizes) == 10  # each picture once
    assert abs(int(clip.frames([27], 40)[0].mean()) - 100) < 4


@pytest.mark.slow
def test_packing_in_processes_survives_being_killed(tmp_path):
    manifest = table(tmp_path, 40)
    code = (
        "import sys\nfrom maedfer.cli.pack import pack\nfrom pathlib import Path\n"
        "from maedfer.data import pack as module\nmodule._clips_a_shard = lambda *_: 2\n"
        "if __name__ == '__main__':\n    sys.exit(pack(Path(sys.argv[1]), Path(sys.argv[2]), size=32))\n"
    )
    script = tmp_path / "run.py"
    script.write_text(code)
    command = [sys.executable, str(script), str(manifest.path), str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    started = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        while not list((tmp_path / "out").glob("*.tar")) and started.poll() is None:
            time.sleep(0.05)
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()
    subprocess.run(command, env=environment, check=True, timeout=120)
    index = read_index(str(tmp_path / "out"))
    assert len(index) == 40
    assert json.loads((tmp_path / "out" / "index.json").read_text())["clips"] == 40
    assert sorted(clips_of(index)[item].row for item in range(40)) == list(range(40))
