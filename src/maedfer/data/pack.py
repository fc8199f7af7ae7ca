"""Cropped clips of a manifest packed into tar shards that stream from a disk, a web server or an object store.

Every shard is a task of its own and appears whole or not at all, so packing runs in parallel and goes on where it
stopped. The clips of each split and fold have shards of their own, in a shuffled order, and any reader of webdataset
shards can read them.
"""

import hashlib
import io
import json
import multiprocessing
import shutil
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from maedfer.data.crop_store import alone
from maedfer.data.jpeg_clip import ClipFacts
from maedfer.data.manifest import ClipEntry, Manifest
from maedfer.data.pack_state import finished_index, source_mark
from maedfer.data.packing import PackedBytes, PackSpec, pack_clip
from maedfer.data.shard_files import CLIP_SUFFIX, FACTS_SUFFIX
from maedfer.data.shard_index import INDEX_NAME, ShardFacts, ShardIndex
from maedfer.data.worker_process import begin_worker
from maedfer.errors import ConfigError, DecodeError, ManifestError
from maedfer.output import require_writable, write_text, write_whole

__all__ = ["pack_manifest"]

_SAMPLED = 8  # clips from which the bytes of one are estimated
_NOTES = ".maedfer-pack"  # what is known of the shards that are done, until the index is written


@dataclass(frozen=True)
class _Task:
    """One shard to be written."""

    out: Path
    name: str
    spec: PackSpec
    label_set: str
    entries: tuple[ClipEntry, ...]


@dataclass(frozen=True)
class _Done:
    """A shard as written, and the clips that are special; without a clip there is no shard."""

    shard: ShardFacts
    faceless: tuple[str, ...]
    broken: tuple[str, ...]
    shortened: tuple[str, ...]


def pack_manifest(
    manifest: Manifest,
    out: Path,
    *,
    crop: Literal["centre", "face", "voxceleb2"] = "centre",
    size: int = 160,
    quality: int = 90,
    shard_mb: int = 256,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> ShardIndex:
    """Write the clips of ``manifest`` into shards below ``out``, and ``index.json`` last of all.

    Args:
        manifest: the clips.
        out: folder of the shards; an unfinished one is gone on with, a finished one is left as it is.
        crop: ``"centre"``: the middle square; ``"face"``: the main face, found, followed and aligned through the whole
            clip; ``"voxceleb2"``: rows 0..160 and columns 32..192 of the 224-pixel video.
        size: side of the packed pictures in pixels.
        quality: of JPEG, 1 to 100.
        shard_mb: bytes of a shard in millions, about.
        workers: processes.
        progress: called with (clips done, clips in all).

    Raises:
        ConfigError: a setting is out of range, or ``out`` holds shards of other clips or settings.
        DecodeError: no clip at all can be read.
        OutputError: ``out`` cannot be written.
        ManifestError: a process was ended from outside.
    """
    if not (16 <= size <= 1024 and 1 <= quality <= 100 and 1 <= shard_mb <= 100_000):
        raise ConfigError("pack: expected a size in 16..1024, a quality in 1..100 and shards of 1 MB or more")
    spec = PackSpec(crop, size, quality)
    source = source_mark(manifest, spec, shard_mb)
    require_writable(out)
    if not (out / INDEX_NAME).exists():
        with alone(out / _NOTES):
            if not (out / INDEX_NAME).exists():  # a second run waited, and finds the index of the first
                tasks = _tasks(manifest, out, spec, _clips_a_shard(manifest, out, spec, source, shard_mb * 1_000_000))
                index = _index(manifest, out, spec, source, _run(tasks, workers, progress))
                write_text(out / INDEX_NAME, index.to_json())
            shutil.rmtree(out / _NOTES, ignore_errors=True)
    return finished_index(out, source)


def _clips_a_shard(manifest: Manifest, out: Path, spec: PackSpec, source: str, wanted: int) -> int:
    """Estimated from some clips at the first start, and kept, so that a resumed run cuts at the same places."""
    plan = out / _NOTES / "plan.json"
    if plan.exists():
        try:
            facts = json.loads(plan.read_text(encoding="utf-8"))
            known, count = str(facts["source"]), int(facts["clips"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{plan}: is damaged ({error}); delete {out / _NOTES}") from error
        if known != source or count < 1:
            raise ConfigError(
                f"{out}: holds unfinished shards of other clips or settings; give another --out, or delete "
                f"{out / _NOTES}"
            )
        return count
    sizes, broken = [], []
    for row in np.linspace(0, len(manifest.entries) - 1, min(_SAMPLED, len(manifest.entries))).astype(int).tolist():
        try:
            sizes.append(len(pack_clip(manifest.entries[row], spec).data))
        except DecodeError as error:
            broken.append(f"{manifest.entries[row].clip_id}: {error}")
    if not sizes:
        raise DecodeError(f"not one of {len(broken)} clips can be read: {'; '.join(broken)}")
    count = max(1, int(wanted / (sum(sizes) / len(sizes))))
    write_text(plan, json.dumps({"source": source, "clips": count}))
    return count


def _tasks(manifest: Manifest, out: Path, spec: PackSpec, count: int) -> list[_Task]:
    groups: dict[tuple[str, int], list[ClipEntry]] = {}
    for entry in manifest.entries:
        groups.setdefault((entry.split, entry.fold or 0), []).append(entry)
    tasks = []
    for (split, fold), entries in sorted(groups.items()):
        stem = (split or "clips") + (f"-fold{fold}" if fold else "")
        order = np.random.default_rng(0).permutation(len(entries)).tolist()
        for number, start in enumerate(range(0, len(entries), count)):
            chosen = tuple(entries[place] for place in order[start : start + count])
            labels = manifest.labels.name if manifest.labels is not None else ""
            tasks.append(_Task(out, f"{stem}-{number:06d}.tar", spec, labels, chosen))
    return tasks


def _run(tasks: list[_Task], workers: int, progress: Callable[[int, int], None] | None) -> list[_Done]:
    total, ready = sum(len(task.entries) for task in tasks), 0
    done: list[_Done] = []
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(max(1, workers), mp_context=context, initializer=begin_worker) as pool:
            for task, found in zip(tasks, pool.map(_shard, tasks), strict=True):
                done.append(found)
                ready += len(task.entries)
                if progress is not None:
                    progress(ready, total)
    except BrokenProcessPool as error:
        raise ManifestError(
            f"{tasks[0].out}: a process that packs ended early, perhaps for want of memory; the same command goes on "
            "where it stopped, with fewer workers it needs less"
        ) from error
    return done


def _shard(task: _Task) -> _Done:
    """Write one shard, unless it is there."""
    notes = task.out / _NOTES / f"{task.name}.json"
    try:
        raw = json.loads(notes.read_text(encoding="utf-8"))
        shard = ShardFacts(**raw.pop("shard"))
        known = _Done(shard, **{name: tuple(value) for name, value in raw.items()})
        if not shard.clips or (task.out / task.name).stat().st_size == shard.size:
            return known
    except (OSError, ValueError, TypeError, KeyError):  # not written yet, or not to its end
        pass
    made: list[_Done] = []
    write_whole(task.out / task.name, lambda path: made.append(_write(path, task)))
    if not made[0].shard.clips:
        (task.out / task.name).unlink()
    write_text(notes, json.dumps(asdict(made[0])))
    return made[0]


def _write(path: Path, task: _Task) -> _Done:
    labels: Counter[str] = Counter()
    faceless, broken, shortened = list[str](), list[str](), list[str]()
    clips = 0
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for entry in task.entries:
            try:
                packed = pack_clip(entry, task.spec)
            except DecodeError as error:
                broken.append(f"{entry.clip_id}: {error}")
                continue
            for suffix, data in _members(entry, packed, task.label_set):
                member = tarfile.TarInfo(f"{entry.row:08d}{suffix}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
            clips += 1
            labels[entry.label] += 1
            faceless += [entry.clip_id] if packed.coverage == 0 else []
            shortened += [entry.clip_id] if packed.shortened else []
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    del labels[""]
    first = task.entries[0]
    known = dict(sorted(labels.items()))
    shard = ShardFacts(task.name, clips, path.stat().st_size, digest, first.split, first.fold, known)
    return _Done(shard, tuple(faceless), tuple(broken), tuple(shortened))


def _members(entry: ClipEntry, packed: PackedBytes, label_set: str) -> Iterator[tuple[str, bytes]]:
    facts = ClipFacts(
        clip_id=entry.clip_id,
        row=entry.row,
        label=entry.label,
        label_set=label_set,
        subject=entry.subject,
        split=entry.split,
        fold=entry.fold,
        sha256=entry.sha256,
        fps=packed.fps,
        instants=packed.instants,
        sizes=packed.sizes,
        sums=packed.sums,
    )
    yield FACTS_SUFFIX, facts.to_json()
    yield CLIP_SUFFIX, packed.data


def _index(manifest: Manifest, out: Path, spec: PackSpec, source: str, done: list[_Done]) -> ShardIndex:
    shards = tuple(one.shard for one in done if one.shard.clips)
    broken = tuple(name for one in done for name in one.broken)
    if not shards:
        raise DecodeError(f"no clip can be read: {'; '.join(broken[:_SAMPLED])}")
    return ShardIndex(
        place=str(out),
        label_set=manifest.labels.name if manifest.labels is not None else "",
        crop=spec.crop,
        size=spec.size,
        quality=spec.quality,
        shards=shards,
        source=source,
        faceless=tuple(name for one in done for name in one.faceless),
        broken=broken,
        shortened=tuple(name for one in done for name in one.shortened),
    )
