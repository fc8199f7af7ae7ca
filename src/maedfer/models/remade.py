"""Intermediate results that the backward pass makes again instead of the forward pass keeping them.

A finer activation checkpointing than that of whole blocks (selective recomputation: Korthikanti et al. 2022, section
5): of a block, autograd keeps most for maps that cost little to repeat, or are wide. :func:`remade` lets it forget
those alone.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

__all__ = ["remade"]

_Step = Callable[[Float[Tensor, "*B I"]], Float[Tensor, "*B O"]]


def remade(
    tokens: Float[Tensor, "*B I"],
    steps: Sequence[_Step],
    read: Callable[[Float[Tensor, "*B O"]], Float[Tensor, "*C D"]],
) -> Float[Tensor, "*C D"]:
    """``read`` of what ``steps`` make of ``tokens``, one after the other, without keeping what any of them makes.

    The backward pass makes it again from ``tokens``, by the same operations in the same order: values and gradients
    are the same, bit by bit (under autocast gradients up to rounding). A compiled model decides by itself what to keep.

    Args:
        tokens: are kept, and must not be written to.
        steps: draw nothing at random and write to nothing. Under autocast each one's result has the lower precision,
            in which the products that read it would take it anyway.
        read: what is done with the last step's result; what it makes itself is kept as usual.
    """
    if torch.is_grad_enabled() and not torch.compiler.is_compiling():
        return _Remaking(tokens, steps).read_by(read)
    for step in steps:
        tokens = step(tokens)
    return read(tokens)


@dataclass(frozen=True)
class _View:
    """Stands for a tensor that autograd wants to keep: a view of what step ``number`` made."""

    number: int
    size: torch.Size
    stride: tuple[int, ...]
    offset: int | torch.SymInt


@dataclass(frozen=True)
class _Kept:
    """A tensor that is kept, as it was."""

    tensor: Tensor
    version: int


class _Remaking:
    """One passage through the steps: which results autograd asked to keep, and which are there again."""

    def __init__(self, tokens: Tensor, steps: Sequence[_Step]) -> None:
        self._tokens, self._steps = tokens, steps
        self._device = tokens.device.type
        lowers = torch.amp.is_autocast_available(self._device) and torch.is_autocast_enabled(self._device)
        self._lower = torch.get_autocast_dtype(self._device) if lowers else None
        self._made: dict[int, tuple[int, Tensor, int]] = {}  # by address: which step's result, itself, its version
        self._awaited = [0] * len(steps)  # how often each result will still be asked for
        self._again: dict[int, Tensor] = {}

    def read_by(self, read: Callable[[Tensor], Tensor]) -> Tensor:
        with saved_tensors_hooks(self._pack, self._unpack):
            results = [self._tokens]
            for number, step in enumerate(self._steps):
                results.append(self._result(step, results[-1]))
                made = results[-1]
                self._made[made.untyped_storage().data_ptr()] = number, made, made._version
            value = read(results[-1])
        self._made.clear()
        return value

    def _result(self, step: _Step, value: Tensor) -> Tensor:
        made = step(value)
        return made if self._lower is None or made.dtype != torch.float32 else made.to(self._lower)

    def _pack(self, kept: Tensor) -> _Kept | _View:
        number, made, version = self._made.get(kept.untyped_storage().data_ptr(), (None, kept, 0))
        if number is None or made._version != version or made.dtype != kept.dtype:
            return _Kept(kept, kept._version)
        self._awaited[number] += 1
        return _View(number, kept.size(), kept.stride(), kept.storage_offset())

    def _unpack(self, kept: _Kept | _View) -> Tensor:
        if isinstance(kept, _Kept):
            if kept.tensor._version != kept.version:  # autograd's own check, which it leaves to hooks
                raise RuntimeError("a tensor that the backward pass needs was modified by an in-place operation")
            return kept.tensor
        value = self._value(kept.number)
        self._awaited[kept.number] -= 1
        if self._awaited[kept.number] <= 0:
            self._again.pop(kept.number, None)
        return value.as_strided(kept.size, kept.stride, kept.offset)

    def _value(self, wanted: int) -> Tensor:
        """A result, from the nearest one that is there; those on the way that will be asked for stay."""
        start = max((number for number in self._again if number <= wanted), default=-1)
        value = self._tokens if start < 0 else self._again[start]
        available = torch.amp.is_autocast_available(self._device)
        as_then = (
            torch.autocast(self._device, self._lower, enabled=self._lower is not None) if available else nullcontext()
        )
        with torch.no_grad(), as_then:
            for number in range(start + 1, wanted + 1):
                value = self._result(self._steps[number], value)
                if self._awaited[number] > 0:
                    self._again[number] = value
        return value
