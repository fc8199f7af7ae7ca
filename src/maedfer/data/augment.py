"""Random changes of training clips, in batches, on the training device; all frames of a clip are changed alike.

Every draw comes from torch's global generator: the training loop seeds it at each step from (seed, step), which makes a
resumed run equal to one that was not stopped.
"""

from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F

from maedfer.data.rand_augment import rand_augment
from maedfer.recipes import AugmentConfig

__all__ = ["Augment", "mix_clips", "smooth_targets"]


class Augment:
    """The random changes of one recipe.

    Args:
        config: which changes, how strong.
        size: side of the pictures that the model reads, in pixels.
    """

    def __init__(self, config: AugmentConfig, size: int) -> None:
        self.config = config
        self.size = size
        self._changes = _kornia_changes(config, size)

    def __call__(self, clips: UInt8[Tensor, "B 3 T S S"]) -> Float[Tensor, "B 3 T H H"]:
        """Changed clips, values 0..1."""
        pixels = self._multi_scale(clips) if self.config.multi_scale else clips.float() / 255
        if self.config.flip:
            mirror = torch.rand(len(pixels)) < self.config.flip
            pixels[mirror] = pixels[mirror].flip(-1)
        pixels = rearrange(pixels, "b c t h w -> b t c h w")
        if self.config.rand_augment is not None:
            operations, magnitude = self.config.rand_augment
            pixels = torch.stack([rand_augment(clip, operations, magnitude) for clip in pixels])
        if self._changes is not None:
            pixels = self._changes(pixels)
        return rearrange(pixels, "b t c h w -> b c t h w").clamp(0, 1)

    def _multi_scale(self, clips: UInt8[Tensor, "B 3 T S S"]) -> Float[Tensor, "B 3 T H H"]:
        whole = clips.shape[-1]
        views = []
        for clip in clips:
            side = round(whole * self.config.multi_scale[int(torch.randint(len(self.config.multi_scale), ()))])
            free = whole - side
            corners = ((0, 0), (0, free), (free, 0), (free, free), (free // 2, free // 2))
            top, left = corners[int(torch.randint(5, ()))]
            view = rearrange(clip[..., top : top + side, left : left + side].float() / 255, "c t h w -> t c h w")
            view = F.interpolate(view, (self.size, self.size), mode="bilinear", antialias=side > self.size)
            views.append(rearrange(view, "t c h w -> c t h w"))
        return torch.stack(views)


def mix_clips(
    clips: Float[Tensor, "B 3 T H W"], targets: Float[Tensor, "B classes"], config: AugmentConfig
) -> tuple[Float[Tensor, "B 3 T H W"], Float[Tensor, "B classes"]]:
    """Mixup or cutmix with the batch in reverse order (Zhang et al. 2018; Yun et al. 2019), one draw a batch.

    Kornia's versions draw the share uniformly; the paper's recipe draws it from a Beta distribution.
    """
    if not config.mixup and not config.cutmix:
        return clips, targets
    use_cutmix = bool(config.cutmix) and (not config.mixup or float(torch.rand(())) < 0.5)
    concentration = config.cutmix if use_cutmix else config.mixup
    share = float(torch.distributions.Beta(concentration, concentration).sample())
    other = clips.flip(0)
    if use_cutmix:
        height, width = clips.shape[-2:]
        cut_h, cut_w = int(height * (1 - share) ** 0.5), int(width * (1 - share) ** 0.5)
        top = int(torch.randint(height - cut_h + 1, ()))
        left = int(torch.randint(width - cut_w + 1, ()))
        mixed = clips.clone()
        mixed[..., top : top + cut_h, left : left + cut_w] = other[..., top : top + cut_h, left : left + cut_w]
        share = 1 - cut_h * cut_w / (height * width)
    else:
        mixed = share * clips + (1 - share) * other
    return mixed, share * targets + (1 - share) * targets.flip(0)


def smooth_targets(targets: Int[Tensor, " B"], num_classes: int, smoothing: float) -> Float[Tensor, "B classes"]:
    """One-hot rows with ``smoothing`` of the mass spread evenly over all classes."""
    return F.one_hot(targets, num_classes) * (1 - smoothing) + smoothing / num_classes


def _kornia_changes(config: AugmentConfig, size: int) -> Any | None:
    import kornia.augmentation as changes

    chain: list[Any] = []
    if config.resized_crop is not None:
        chain.append(changes.RandomResizedCrop((size, size), scale=config.resized_crop, ratio=(3 / 4, 4 / 3)))
    if config.affine is not None:
        degrees, shift, zoom = config.affine
        scale = (1 - zoom, 1 + zoom)
        chain.append(changes.RandomAffine(degrees, (shift, shift), scale, p=1.0, padding_mode="reflection"))
    if config.jitter:
        low, high = 1 - config.jitter, 1 + config.jitter
        chain.append(changes.RandomContrast((low, high), p=1.0))
        chain.append(changes.RandomBrightness((low, high), p=1.0))
    if config.erasing:
        chain.append(changes.RandomErasing(p=config.erasing, scale=(0.02, 1 / 3), ratio=(0.3, 3.3)))
    return changes.VideoSequential(*chain, data_format="BTCHW", same_on_frame=True) if chain else None
