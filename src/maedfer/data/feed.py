"""Where the training loop gets its batches from."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from maedfer.data.dataset import ClipDataset, Sample
from maedfer.data.worker_process import clear_garbage, quiet_worker
from maedfer.errors import ConfigError, DecodeError
from maedfer.models.draws import BatchShare

__all__ = ["BrokenClips", "ClipFeed", "DatasetFeed", "Packed"]

_NAMED = 20  # broken clips that a message lists


@runtime_checkable
class ClipFeed(Protocol):
    """Clips of a training run, epoch by epoch, the same whatever process asks and however often it was interrupted."""

    def __len__(self) -> int:
        """Clips that one epoch visits, over all processes."""

    def batches(self, epoch: int, first: int, size: int, share: BatchShare) -> Iterator[list[Sample]]:
        """The batches ``first``, ``first + 1``, ... of one process in one epoch, each of ``size`` samples.

        Global batch g of an epoch is the clips ``g * size * share.count`` up to the next one in the epoch's order;
        process i holds the i-th run of ``size`` of them. The rest that fills no global batch is left out.
        """


@dataclass(frozen=True)
class Packed:
    """A batch on its way between processes: one tensor instead of one a clip, each of which would hold a file open.

    Attributes:
        clips: RGB, 0..255.
        facts: target, row, start and broken clips of each.
    """

    clips: UInt8[Tensor, "B 3 T S S"]
    facts: tuple[tuple[int, int, int, tuple[str, ...]], ...]

    @staticmethod
    def of(samples: Sequence[Sample]) -> "Packed":
        """Samples of one shape as one batch."""
        facts = tuple((sample.target, sample.row, sample.start, sample.broken) for sample in samples)
        return Packed(torch.stack([sample.clip for sample in samples]), facts)

    def samples(self) -> list[Sample]:
        """The samples; their clips share the batch's memory."""
        return [Sample(clip, *facts) for clip, facts in zip(self.clips, self.facts, strict=True)]


class BrokenClips:
    """Clips that could not be decoded in this run, named once each, up to a cap.

    Args:
        most: more than these stop the run.

    Attributes:
        names: why each could not be read, with its name, in order of appearance.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.names: list[str] = []

    def add(self, samples: Sequence[Sample]) -> None:
        """Take note of the clips that ``samples`` stand in for.

        Raises:
            DecodeError: they are more than allowed; all are named.
        """
        for sample in samples:
            self.names += [name for name in dict.fromkeys(sample.broken) if name not in self.names]
        if len(self.names) > self.most:
            more = "" if len(self.names) <= _NAMED else f" and {len(self.names) - _NAMED} more"
            raise DecodeError(
                f"expected at most {self.most} clips that cannot be decoded, got {len(self.names)}: "
                f"{'; '.join(self.names[:_NAMED])}{more}; mend them or take them out of the manifest, or allow more "
                "with --data.most-broken"
            )


class DatasetFeed:
    """A map-style data set as a feed: any process can read any clip, so a global batch is the same for any division.

    Args:
        dataset: the clips.
        train: visit them in a new order each epoch; else in their own.
        order: positions visited in an epoch, all of one number; a position may come several times (each with a draw of
            its own). ``None``: a permutation drawn from (seed, epoch).
        repeats: clips drawn from a video at one visit; two videos take turns in the epoch's order, for neighbours are
            mixed by mixup.
        seed: of the permutation.
        workers: processes that read; 0: this one does.
        most_broken: clips that may be replaced by the next one that can be read.

    Attributes:
        broken: names of the clips that could not be read so far, with the reason.

    Raises:
        ConfigError: a count is out of range.
    """

    def __init__(
        self,
        dataset: ClipDataset,
        *,
        train: bool = True,
        order: Callable[[int], list[int]] | None = None,
        repeats: int = 1,
        seed: int = 0,
        workers: int = 0,
        most_broken: int = 0,
    ) -> None:
        if repeats < 1 or workers < 0 or most_broken < 0:
            raise ConfigError("repeats: expected 1 or more; workers and most_broken: 0 or more")
        self._dataset = dataset
        self._train = train
        self._order = order
        self._repeats = repeats
        self._seed = seed
        self._workers = workers
        self._broken = BrokenClips(most_broken)
        self._visits = len(dataset) if order is None else len(order(0))

    def __len__(self) -> int:
        return self._visits * self._repeats

    @property
    def broken(self) -> list[str]:
        """Names of the clips that could not be read so far, with the reason."""
        return self._broken.names

    def batches(self, epoch: int, first: int, size: int, share: BatchShare) -> Iterator[list[Sample]]:
        """See :meth:`ClipFeed.batches`.

        Raises:
            DecodeError: more clips than allowed cannot be read; they are named.
            ConfigError: ``order`` gives another number of positions than for the first epoch.
        """
        draws = self._draws(epoch)
        whole = size * share.count
        mine = [
            draws[start + share.index * size : start + (share.index + 1) * size]
            for start in range(first * whole, len(draws) // whole * whole, whole)
        ]
        reader = _Reader(self._dataset, epoch, mine, self._broken.most)
        loader: DataLoader[Packed | DecodeError] = DataLoader(
            reader,
            batch_size=None,
            shuffle=False,
            num_workers=min(self._workers, len(mine)),
            collate_fn=_same,
            worker_init_fn=quiet_worker,
            generator=torch.Generator(),  # else the global one would be drawn from
        )
        clear_garbage(loader.num_workers)
        for packed in loader:
            if isinstance(packed, DecodeError):
                raise packed
            samples = packed.samples()
            self._broken.add(samples)
            yield samples

    def _draws(self, epoch: int) -> list[tuple[int, int]]:
        """(position, repeat) of each clip of an epoch, in order."""
        if self._order is not None:
            visits = self._order(epoch)
        elif self._train:
            generator = torch.Generator().manual_seed(self._seed * 1_000_003 + epoch)
            visits = torch.randperm(len(self._dataset), generator=generator).tolist()
        else:
            visits = list(range(len(self._dataset)))
        if len(visits) != self._visits:
            raise ConfigError(f"expected an order of {self._visits} clips in epoch {epoch}, got {len(visits)}")
        seen: Counter[int] = Counter()
        draws = []
        for start in range(0, len(visits), 2):
            pair = visits[start : start + 2]
            before = []
            for position in pair:
                before.append(seen[position] * self._repeats)
                seen[position] += 1
            draws += [
                (position, first + repeat)
                for repeat in range(self._repeats)
                for position, first in zip(pair, before, strict=True)
            ]
        return draws


class _Reader(Dataset["Packed | DecodeError"]):
    """Batches by number; what cannot be read comes back as a value, for an exception would lose its message."""

    def __init__(
        self, dataset: ClipDataset, epoch: int, batches: list[list[tuple[int, int]]], most_broken: int
    ) -> None:
        self._dataset = dataset
        self._epoch = epoch
        self._batches = batches
        self._most_broken = most_broken

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, number: int) -> "Packed | DecodeError":
        wanted: dict[int, list[int]] = {}
        for item, repeat in self._batches[number]:
            wanted.setdefault(item, []).append(repeat)
        try:
            read = {item: iter(self._read(item, repeats)) for item, repeats in wanted.items()}
        except DecodeError as error:
            return error
        return Packed.of([next(read[item]) for item, _ in self._batches[number]])

    def _read(self, item: int, repeats: list[int]) -> list[Sample]:
        """Clips of one video, or of the next one that can be read."""
        broken: list[str] = []
        while True:
            try:
                samples = self._dataset.clips(item, self._epoch, repeats)
            except DecodeError as error:
                broken.append(str(error))
                item = (item + 1) % len(self._dataset)
                if len(broken) > self._most_broken or len(broken) == len(self._dataset):
                    raise DecodeError("; ".join(broken)) from error
                continue
            return [replace(sample, broken=tuple(broken)) for sample in samples] if broken else samples


def _same(batch: Any) -> Any:
    return batch
