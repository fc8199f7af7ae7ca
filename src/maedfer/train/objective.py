"""The fine-tuning loss: cross-entropy of soft targets, with class weights, logit adjustment and label smoothing."""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn import functional as F

from maedfer.recipes import ImbalanceConfig

__all__ = ["Objective", "class_weights"]


class Objective:
    """Mean over the clips of weight x cross-entropy(logits + tau * log share, smoothed target).

    A clip is weighted by its class. A mixed clip (mixup, cutmix) counts as its two clips in their shares, each with
    the weight of its own class; a target's smoothed-off part keeps the weight of the clip, so that a rare class with
    a large weight does not draw in everybody's smoothing.

    The sum is divided by the number of clips, and weights and shares are constants of the training part. Nothing is
    divided by the batch's own sum of weights: so the mean of the losses of two halves of a batch is the loss of the
    whole, and several processes, or accumulated steps, learn what one process with one large batch learns.

    With weights w and no adjustment the best logits are those of classes as frequent as w makes them. With adjustment
    (Menon et al. 2021) training divides the shares out: at tau 1 the softmax of the bare logits, as
    validation and prediction take it, is the best answer where all classes are equally frequent.

    Args:
        config: weights and adjustment.
        visits: clips of each class that an epoch visits, by class index (see
            :func:`maedfer.train.sampling.class_visits`).
        classes: number of classes C.
        smoothing: share of each target that is spread over all classes.
    """

    def __init__(self, config: ImbalanceConfig, visits: Mapping[int, int], classes: int, smoothing: float) -> None:
        self.smoothing = smoothing
        counts = torch.tensor([visits.get(index, 0) for index in range(classes)], dtype=torch.float64)
        weights = class_weights(config, counts)
        # log 0 would give the target's smoothed part an infinite loss: a class without clips counts as one clip.
        seen = counts.clamp(min=1) * weights
        self.weights = weights.float()
        self.adjustment = (config.logit_adjustment * (seen / seen.sum()).log()).float()

    def __call__(self, logits: Float[Tensor, "B C"], targets: Float[Tensor, "B C"]) -> Float[Tensor, ""]:
        """The loss, in float32.

        Args:
            logits: the model's.
            targets: class shares of each clip, each row of sum 1, not smoothed yet.
        """
        weighted = targets.float() * self.weights.to(targets.device)
        smoothed = weighted * (1 - self.smoothing) + weighted.sum(1, keepdim=True) * self.smoothing / logits.shape[1]
        return F.cross_entropy(logits.float() + self.adjustment.to(logits.device), smoothed)


def class_weights(config: ImbalanceConfig, counts: Float64[Tensor, " C"]) -> Float64[Tensor, " C"]:
    """Factor of each class, its mean over the clips 1.

    ``"inverse"``: 1 / n. ``"effective"``: (1 - beta) / (1 - beta^n) (Cui et al. 2019). A class without
    clips gets the factor that one clip would have.

    Args:
        config: the kind, and beta.
        counts: n, clips of each class.
    """
    present = counts.clamp(min=1)
    if config.class_weights == "none":
        return torch.ones_like(counts)
    if config.class_weights == "inverse":
        weights = 1 / present
    else:
        weights = (1 - config.effective_beta) / (1 - config.effective_beta**present)
    return weights * counts.sum() / (weights * counts).sum()
