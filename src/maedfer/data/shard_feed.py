"""Training clips out of shards, streamed in a seeded order."""

import math
import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice
from typing import Any, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from maedfer.data.dataset import Sample
from maedfer.data.feed import BrokenClips, Packed
from maedfer.data.jpeg_clip import PackedClip
from maedfer.data.shard_clips import ClipReading
from maedfer.data.shard_files import ShardPlace
from maedfer.data.shard_index import ShardFacts, ShardIndex
from maedfer.data.worker_process import clear_garbage, quiet_worker
from maedfer.errors import ConfigError, DecodeError, ManifestError
from maedfer.models.draws import BatchShare

__all__ = ["ShardFeed"]

T = TypeVar("T")

_BUFFER = 512  # clips among which the next one is drawn; from elsewhere than a disk, their bytes are in memory
_STREAMED_BUFFER = 64


class ShardFeed:
    """Training clips streamed from shards.

    In each epoch the shards are put in an order drawn from (seed, epoch) and laid end to end; every worker of every
    process reads a stretch of equally many clips and shuffles it in a bounded buffer. So all processes get equally many
    batches whatever the shards hold, no clip comes twice (but with repeats that do not divide a worker's batches, one
    clip a worker may), and a stretch starts inside a shard by passing over headers.
    The stream depends on the number of processes and of workers; a resumed run needs the same of both.

    Args:
        index: the part of a packed set to train on.
        reading: how clips become samples.
        repeats: clips drawn from a packed clip; two of them take turns.
        workers: processes that read; 0: this one does.
        most_broken: damaged clips that may be replaced by the next one.
        buffer: clips among which the next is drawn; ``None``: 512 from a disk, 64 from elsewhere.

    Attributes:
        broken: names of the damaged clips so far, with the reason.

    Raises:
        ConfigError: a count is out of range, or webdataset is missing.
        ManifestError: a label is unknown to the model.
    """

    def __init__(
        self,
        index: ShardIndex,
        reading: ClipReading,
        *,
        repeats: int = 1,
        workers: int = 0,
        most_broken: int = 0,
        buffer: int | None = None,
    ) -> None:
        if repeats < 1 or workers < 0 or most_broken < 0 or (buffer is not None and buffer < 1):
            raise ConfigError("repeats and buffer: expected 1 or more; workers and most_broken: 0 or more")
        if reading.labels is not None:
            index.class_counts(reading.labels)
        local = ShardPlace(index.place).folder is not None
        _shuffled(iter(()), 1, 0)
        self.index = index
        self.reading = reading
        self.repeats = repeats
        self.buffer = buffer or (_BUFFER if local else _STREAMED_BUFFER)
        self._workers = workers
        self._broken = BrokenClips(most_broken)

    def __len__(self) -> int:
        return len(self.index) * self.repeats

    @property
    def broken(self) -> list[str]:
        """Names of the damaged clips so far, with the reason."""
        return self._broken.names

    def batches(self, epoch: int, first: int, size: int, share: BatchShare) -> Iterator[list[Sample]]:
        """The batches ``first``, ``first + 1``, ... of one process in one epoch, each of ``size`` samples.

        Raises:
            ManifestError: a shard is damaged or missing; it is named.
            DecodeError: more clips than allowed are damaged; they are named.
        """
        total = len(self) // (size * share.count)
        lanes = _lanes(total, max(1, self._workers), size, self.repeats, share)
        stream = _Stream(self, epoch, first, size, lanes, self._broken.most)
        loader: DataLoader[Packed | DecodeError | ManifestError] = DataLoader(
            stream,
            batch_size=None,
            num_workers=self._workers,
            collate_fn=_same,
            worker_init_fn=quiet_worker,
            generator=torch.Generator(),  # else the global one would be drawn from
        )
        clear_garbage(self._workers)
        for packed in loader:
            if not isinstance(packed, Packed):
                raise packed
            samples = packed.samples()
            self._broken.add(samples)
            yield samples


@dataclass(frozen=True)
class _Lane:
    """The stretch of an epoch's clips that one worker reads, and the batches it makes of it."""

    start: int
    clips: int
    batches: int


def _lanes(total: int, workers: int, size: int, repeats: int, share: BatchShare) -> list[_Lane]:
    """The lanes of one process: of ``total`` batches, worker w makes w, w + workers, ..."""
    batches = [len(range(worker, total, workers)) for worker in range(workers)]
    clips = [math.ceil(count * size / repeats) for count in batches]
    start = share.index * sum(clips)
    starts = list(accumulate(clips, initial=start))
    return [_Lane(*lane) for lane in zip(starts, clips, batches, strict=False)]


class _Stream(IterableDataset["Packed | DecodeError | ManifestError"]):
    """What one worker makes; what goes wrong comes back as a value, for an exception would lose its message."""

    def __init__(
        self, feed: ShardFeed, epoch: int, first: int, size: int, lanes: list[_Lane], most_broken: int
    ) -> None:
        self._index, self._reading = feed.index, feed.reading
        self._repeats, self._buffer = feed.repeats, feed.buffer
        self._epoch, self._first, self._size, self._lanes = epoch, first, size, lanes
        self._most_broken = most_broken

    def __iter__(self) -> "Iterator[Packed | DecodeError | ManifestError]":
        worker = get_worker_info()
        number = (self._first + (0 if worker is None else worker.id)) % len(self._lanes)
        made = len(range(number, self._first, len(self._lanes)))  # batches of this lane before the first wanted
        try:
            draws = self._draws(self._lanes[number], made * self._size)
            for _ in range(made, self._lanes[number].batches):
                yield Packed.of(list(islice(draws, self._size)))
        except (DecodeError, ManifestError) as error:
            yield error

    def _draws(self, lane: _Lane, skipped: int) -> Iterator[Sample]:
        seed = self._reading.seed * 1_000_003 + self._epoch
        plan = list(_shuffled(iter(range(lane.clips)), self._buffer, seed))
        pairs, inside = divmod(skipped, 2 * self._repeats)
        done = set(plan[: 2 * pairs])
        clips = islice(_shuffled(self._clips(lane, done), self._buffer, seed), len(done), None)
        place = len(done)
        while pair := list(islice(clips, 2)):  # two clips take turns, for neighbours are mixed by mixup
            turns = [(repeat, number) for repeat in range(self._repeats) for number in range(len(pair))]
            for repeat, number in turns[inside:]:
                clip = pair[number][1]
                assert clip is not None
                yield self._sample(clip, repeat, lane, plan, place + number)
            place, inside = place + len(pair), 0

    def _sample(self, clip: PackedClip, repeat: int, lane: _Lane, plan: list[int], place: int) -> Sample:
        """A draw of a clip, or of the next one of the lane that is whole."""
        broken: list[str] = []
        while True:
            try:
                sample = self._reading.sample(clip, self._epoch, repeat)
            except DecodeError as error:
                broken.append(str(error))
                if len(broken) > self._most_broken or len(broken) == len(plan):
                    raise DecodeError("; ".join(broken)) from error
                wanted = plan[(place + len(broken)) % len(plan)]
                others = set(range(lane.clips)) - {wanted}
                clip = next(found for _, found in self._clips(lane, others) if found is not None)
                continue
            return replace(sample, broken=tuple(broken)) if broken else sample

    def _clips(self, lane: _Lane, done: set[int]) -> Iterator[tuple[int, PackedClip | None]]:
        """The clips of a lane in the order of the shards; ``None`` for those that are done and not looked at."""
        files = ShardPlace(self._index.place)
        shards = _epoch_order(self._index.shards, self._reading.seed, self._epoch)
        number = 0
        while number < lane.clips:
            shard, inside = _located(shards, lane.start + number)
            count = min(shard.clips - inside, lane.clips - number)
            wanted = {inside + step: number + step for step in range(count) if number + step not in done}
            skipped = set(range(shard.clips)) - set(wanted)
            walk = files.clips(shard.name, shard.size, shard.clips, skipped) if wanted else iter(())
            for position in range(inside, inside + count):
                if position in wanted:
                    at, clip = next(walk, (None, None))
                    if at != position:
                        raise ManifestError(f"{files.place}/{shard.name}: clip {position} is missing; copy it again")
                    yield number, clip
                else:
                    yield number, None
                number += 1
            if inside + count == shard.clips:
                for _ in walk:  # to its end, where it is seen whether all is there
                    pass


def _epoch_order(shards: Sequence[ShardFacts], seed: int, epoch: int) -> list[ShardFacts]:
    return [shards[number] for number in np.random.default_rng((seed, epoch)).permutation(len(shards))]


def _located(shards: list[ShardFacts], place: int) -> tuple[ShardFacts, int]:
    """The shard that has the clip at ``place`` of all laid end to end, again from the start after the last."""
    ends = list(accumulate(shard.clips for shard in shards))
    place %= ends[-1]
    number = bisect_right(ends, place)
    return shards[number], place - (ends[number] - shards[number].clips)


def _shuffled(items: Iterator[T], buffer: int, seed: int) -> Iterator[T]:
    try:
        from webdataset.filters import shuffle
    except ImportError as error:
        raise ConfigError("shards need webdataset; run: pip install 'maedfer[train]'") from error
    mixed: Iterator[T] = shuffle(buffer, initial=buffer, rng=random.Random(seed))(items)
    return mixed


def _same(batch: Any) -> Any:
    return batch
