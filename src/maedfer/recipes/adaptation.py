"""Settings for small and uneven sets of labels: what is done about rare classes, and which weights are trained."""

from dataclasses import dataclass
from typing import Literal

from maedfer.errors import ConfigError

__all__ = ["AdaptConfig", "ImbalanceConfig"]


@dataclass(frozen=True, kw_only=True)
class ImbalanceConfig:
    """What is done about classes of unequal size; the published recipe does nothing (docs/imbalance.md).

    Attributes:
        sampling: how often clips are visited: ``"natural"`` (each once an epoch), ``"square_root"`` (classes in
            proportion to the square root of their size), ``"balanced"`` (all classes equally often).
        class_weights: factor of each class in the loss: ``"none"``, ``"inverse"`` (1 / share) or ``"effective"``
            (effective number of samples, Cui et al. 2019), scaled to mean 1 over the clips as sampled.
        effective_beta: beta of ``"effective"``: (1 - beta^n) / (1 - beta) samples count of n; 0 gives equal weights,
            towards 1 it nears ``"inverse"``.
        logit_adjustment: tau of the logit-adjusted loss (Menon et al. 2021): tau * log(class share) is added to the
            logits in training; 0: off, 1 is the paper's value. Shares are those that the loss sees: as sampled, times
            the class weight, so that nothing is corrected twice.

    Raises:
        ConfigError: ``logit_adjustment`` or ``effective_beta`` is out of its range.
    """

    sampling: Literal["natural", "square_root", "balanced"] = "natural"
    class_weights: Literal["none", "inverse", "effective"] = "none"
    effective_beta: float = 0.999
    logit_adjustment: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.logit_adjustment <= 10:
            raise ConfigError(f"logit_adjustment: expected 0 to 10, got {self.logit_adjustment}; 1 is common")
        if not 0 <= self.effective_beta < 1:
            raise ConfigError(f"effective_beta: expected 0 up to 1, got {self.effective_beta}; 0.999 is common")


@dataclass(frozen=True, kw_only=True)
class AdaptConfig:
    """Which weights are trained (docs/imbalance.md).

    Attributes:
        train: ``"all"``, ``"head"`` (linear probe: last norm and head alone) or ``"lora"`` (low-rank additions to the
            encoder's attention and MLP, last norm and head; Hu et al. 2022; merged into the weights at the end).
        freeze_blocks: the embedding, the representative tokens and this many first blocks are left as they are (with
            ``"all"`` and ``"lora"``); 0: nothing is.
        freeze_embedding: the embedding alone is left as it is, a stem's batch norms with it: in small batches of long
            clips those would go by a handful of people (with ``"all"`` and ``"lora"``).
        lora_rank: rank of the additions.
        lora_alpha: they are scaled by ``lora_alpha / lora_rank``.
        lora_dropout: dropout before them; alone among all draws it is not shared out over processes, so with it two
            of them learn something else than one.

    Raises:
        ConfigError: a number is out of its range, or something is frozen twice.
    """

    train: Literal["all", "head", "lora"] = "all"
    freeze_blocks: int = 0
    freeze_embedding: bool = False
    lora_rank: int = 8
    lora_alpha: float = 16.0
    lora_dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.freeze_blocks < 0 or self.lora_rank < 1 or not 0 <= self.lora_dropout < 1 or self.lora_alpha <= 0:
            raise ConfigError(
                "freeze_blocks: expected 0 or more; lora_rank: 1 or more; lora_dropout: 0 up to 1; lora_alpha: above 0"
            )
        if self.train == "head" and (self.freeze_blocks or self.freeze_embedding):
            raise ConfigError("freeze_blocks, freeze_embedding: a linear probe (train head) freezes all; leave them")
