"""One evaluation by several processes: each judges every n-th clip, and all end up with all answers, each once."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed

from maedfer.errors import MaedferError

__all__ = ["Ranks", "rank_group"]

_T = TypeVar("_T")
# A rank whose clips are longer, or whose disk is slower, may be waited for; one that died is noticed by torchrun.
_PATIENCE = timedelta(hours=12)
_TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Ranks:
    """The processes that evaluate together.

    Attributes:
        index: this one, from 0.
        count: how many.
        group: of torch.distributed, gloo; ``None`` for the default one.
    """

    index: int = 0
    count: int = 1
    group: Any = None

    def own(self, items: Sequence[_T]) -> list[tuple[int, _T]]:
        """(position, item) of every n-th item: those of this process."""
        return list(enumerate(items))[self.index :: self.count]

    def gather(self, work: Callable[[], list[tuple[int, _T]]]) -> list[_T]:
        """Do this process's ``work`` and collect what all did, in order of position.

        An error of one process is raised in all of them, so that none waits for it.

        Args:
            work: gives (position, result); together the processes give every position from 0 once.

        Raises:
            MaedferError: what ``work`` raised here, or in another process.
        """
        if self.count == 1:
            return [result for _, result in sorted(work(), key=_position)]
        mine: list[tuple[int, _T]] | MaedferError
        try:
            mine = work()
        except MaedferError as error:
            mine = error
        parts: list[Any] = [None] * self.count
        distributed.all_gather_object(parts, mine, group=self.group)
        for part in parts:
            if isinstance(part, MaedferError):
                raise part
        found: list[tuple[int, _T]] = sorted((pair for part in parts for pair in part), key=_position)
        if [position for position, _ in found] != list(range(len(found))):
            raise MaedferError(
                "evaluation: the processes did not judge every clip once; give all of them the same manifest"
            )
        return [result for _, result in found]


@contextmanager
def rank_group() -> Iterator[Ranks]:
    """The processes that were started together: by torchrun, or those of a running process group; else this one alone.

    A group that is made here is ended here. Each process of a machine takes its own GPU.
    """
    if distributed.is_available() and distributed.is_initialized():
        group = distributed.new_group(backend="gloo", timeout=_PATIENCE)  # training's may be NCCL, and waits less long
        try:
            yield Ranks(distributed.get_rank(), distributed.get_world_size(), group)
        finally:
            distributed.destroy_process_group(group)
    elif all(name in os.environ for name in _TORCHRUN) and int(os.environ["WORLD_SIZE"]) > 1:
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
        distributed.init_process_group("gloo", timeout=_PATIENCE)
        try:
            yield Ranks(distributed.get_rank(), distributed.get_world_size())
        finally:
            distributed.destroy_process_group()
    else:
        yield Ranks()


def _position(pair: tuple[int, Any]) -> int:
    return pair[0]
