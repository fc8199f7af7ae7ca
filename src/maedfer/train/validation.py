"""Scores of a model on the validation part, shared out over the processes; the same with one as with many."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from accelerate import Accelerator
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset

from maedfer.data.dataset import Sample, stacked
from maedfer.data.worker_process import clear_garbage, quiet_worker
from maedfer.evaluate.metrics import score

__all__ = ["LabelledClips", "Validation", "positions_of"]


@runtime_checkable
class LabelledClips(Protocol):
    """Clips by position, with their classes, always the same."""

    def __len__(self) -> int:
        """Number of clips."""

    def __getitem__(self, item: int) -> Sample:
        """One of them."""


class Validation:
    """Scores a classifier after an epoch: ``uar``, ``war`` (0..1, over the classes that occur) and ``loss``.

    Process i of n looks at the clips i, i + n, ... Each writes its logits into its own rows of one table, zero
    elsewhere, and the tables are added up: no clip can count twice or be lost, and every process has the same numbers
    as one alone. ``loss`` is the plain cross-entropy, without weights, adjustment or smoothing, so that runs with
    different ones can be compared.

    Args:
        clips: the validation part.
        targets: class index of each clip.
        labels: class names in index order.
        batch_size: clips that are computed together.
        workers: processes that decode.

    Raises:
        ConfigError: scikit-learn is missing; it is asked for now, not after hours of training.
    """

    def __init__(
        self,
        clips: LabelledClips,
        targets: Sequence[int],
        labels: tuple[str, ...],
        *,
        batch_size: int,
        workers: int = 0,
    ) -> None:
        self.clips = clips
        self.targets = list(targets)
        self.labels = labels
        self.batch_size = batch_size
        self.workers = workers
        score(self.targets, self.targets, labels)

    def __call__(self, model: nn.Module, accelerator: Accelerator) -> dict[str, float]:
        """The scores of ``model``, which is in evaluation mode meanwhile."""
        training = model.training
        model.eval()
        table = self._logits(model, accelerator)
        model.train(training)
        scores = score(self.targets, table.argmax(1).tolist(), self.labels)
        loss = float(F.cross_entropy(table, torch.tensor(self.targets)))
        return {"uar": scores.uar, "war": scores.war, "loss": loss}

    @torch.no_grad()
    def _logits(self, model: nn.Module, accelerator: Accelerator) -> Float[Tensor, "N classes"]:
        own, padded = positions_of(len(self.targets), accelerator.process_index, accelerator.num_processes)
        loader: DataLoader[Tensor] = DataLoader(
            Subset(self.clips, padded),  # type: ignore[arg-type]  # a Dataset is what has these two methods
            batch_size=self.batch_size,
            num_workers=self.workers,
            collate_fn=stacked,
            worker_init_fn=quiet_worker,
            generator=torch.Generator(),  # else the loader draws from the run's own numbers
        )
        clear_garbage(self.workers)
        found = []
        for clips in loader:
            with accelerator.autocast():
                found.append(model(clips.to(accelerator.device)).float())
        table = torch.zeros(len(self.targets), len(self.labels), device=accelerator.device)
        table[own] = torch.cat(found)[: len(own)]
        summed: Tensor = accelerator.reduce(table, "sum")
        return summed.cpu()


def positions_of(clips: int, process: int, processes: int) -> tuple[list[int], list[int]]:
    """(positions of a process's own clips, the same filled up to the length that all processes share).

    The filling is computed and forgotten: where the model's weights are spread over the processes (FSDP), all must
    run it equally often.

    Args:
        clips: number of clips, at least 1.
        process: from 0.
        processes: how many there are.
    """
    own = list(range(process, clips, processes))
    longest = -(-clips // processes)
    return own, own + [clips - 1] * (longest - len(own))
