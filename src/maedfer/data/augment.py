"""Random changes of training clips, in batches, on the training device; all frames of a clip are changed alike.

Every draw comes from torch's global generator, on the CPU and for the whole global batch: the training loop seeds it at
each step from (seed, step), which makes a resumed run equal to one that was not stopped, and a run of many processes
equal to a run of one.
"""

import torch
from jaxtyping import Float, Float32, Float64, Int, UInt8
from torch import Tensor
from torch.nn import functional as F

from maedfer.data.blurring import blur
from maedfer.data.clip_geometry import (
    TRIES,
    affine_matrices,
    corner_boxes,
    drawn_box,
    mirror_matrices,
    stretch_matrices,
    view_matrices,
    whole_boxes,
)
from maedfer.data.colour_changes import jitter
from maedfer.data.erasing import erase_boxes
from maedfer.data.opencv_changes import to_unit
from maedfer.data.rand_augment import FILL, draw_changes
from maedfer.data.warp_clips import warp_clips
from maedfer.models.draws import BatchShare
from maedfer.recipes import AugmentConfig

__all__ = ["Augment", "mix_clips", "smooth_targets"]

_CROP_ASPECT = (3 / 4, 4 / 3)
_ALONE = BatchShare()


class Augment:
    """The random changes of one recipe.

    All that moves pixels (crop, turn, stretch, mirror, RandAugment's moves) is one matrix a clip and one resampling;
    then RandAugment's changes of colour, jitter, blur and erasing, on bytes; at last the bytes become floats.

    Args:
        config: which changes, how strong.
        size: side H of the pictures that the model reads, in pixels.
    """

    def __init__(self, config: AugmentConfig, size: int) -> None:
        self.config = config
        self.size = size

    def __call__(self, clips: UInt8[Tensor, "B 3 T S S"], share: BatchShare = _ALONE) -> Float32[Tensor, "B 3 T H H"]:
        """Changed clips, values 0..1.

        Args:
            clips: the clips of this process, on any device; not changed.
            share: which part of the global batch they are; all processes hold as many.
        """
        config = self.config
        batch, side = len(clips), clips.shape[-1]
        changes = None if config.rand_augment is None else draw_changes(batch, *config.rand_augment, share)
        matrices = self._views(batch, side, share)
        if changes is not None:
            matrices = changes.matrices(side) @ matrices
        pixels = warp_clips(clips, matrices, self.size, None if changes is None else FILL)
        if changes is not None:
            pixels = changes.recolour(pixels)
        if config.jitter:
            signed = (2 * share.uniform(batch, 2) - 1).to(clips.device) * config.jitter
            pixels = jitter(pixels, 1 + signed[:, 0], signed[:, 1])
        if config.blur:
            pixels = blur(pixels, share.uniform(batch).to(clips.device) * config.blur, config.blur)
        if config.erasing:
            pixels = erase_boxes(pixels, config.erasing, share)
        return _as_floats(pixels)

    def _views(self, batch: int, side: int, share: BatchShare) -> Float64[Tensor, "B 3 3"]:
        config, size = self.config, self.size
        boxes = whole_boxes(batch, side)
        if config.multi_scale:
            boxes = corner_boxes(share.uniform(batch, 2), side, config.multi_scale)
        if config.resized_crop is not None:
            boxes, _ = drawn_box(share.uniform(batch, TRIES + 1, 2), boxes, config.resized_crop, _CROP_ASPECT)
        matrices = view_matrices(boxes, size)
        if config.affine is not None:
            matrices = matrices @ affine_matrices(share.uniform(batch, 4), size, config.affine)
        if config.stretch:
            matrices = matrices @ stretch_matrices(share.uniform(batch), size, config.stretch)
        if config.flip:
            matrices = matrices @ mirror_matrices(share.uniform(batch) < config.flip, size)
        return matrices


def _as_floats(pixels: UInt8[Tensor, "B 3 T H H"]) -> Float32[Tensor, "B 3 T H H"]:
    if pixels.device.type != "cpu":
        return pixels.float().div_(255)
    return to_unit(pixels)


def mix_clips(
    clips: Float[Tensor, "B 3 T H W"],
    targets: Float[Tensor, "B classes"],
    config: AugmentConfig,
    share: BatchShare = _ALONE,
) -> tuple[Float[Tensor, "B 3 T H W"], Float[Tensor, "B classes"]]:
    """Mixup or cutmix of neighbours (Zhang et al. 2018; Yun et al. 2019), one draw a batch, the same in all processes.

    Clips 0 and 1, 2 and 3, ... are mixed with each other; a last odd clip stays as it is. The published code mixes the
    batch with its reverse; batches are in random order, so both pair strangers. With neighbours no pair lies across
    two processes as long as each holds an even number of clips; with an odd number each process keeps one clip
    unmixed, where one process alone would pair them. Kornia's versions draw the part of each clip uniformly; the
    paper's recipe draws it from a Beta distribution.

    Args:
        clips: of this process.
        targets: a distribution over the classes for each.
        config: ``mixup`` and ``cutmix``; with neither all is returned as it came.
        share: which part of the global batch they are. The draws do not depend on it.
    """
    if not config.mixup and not config.cutmix:
        return clips, targets
    use_cutmix = bool(config.cutmix) and (not config.mixup or float(torch.rand(())) < 0.5)
    concentration = config.cutmix if use_cutmix else config.mixup
    kept = float(torch.distributions.Beta(concentration, concentration).sample())
    partners = torch.arange(len(clips)) ^ 1
    partners[partners == len(clips)] -= 1
    partners = partners.to(clips.device)
    if use_cutmix:
        height, width = clips.shape[-2:]
        cut_h, cut_w = int(height * (1 - kept) ** 0.5), int(width * (1 - kept) ** 0.5)
        top = int(torch.randint(height - cut_h + 1, ()))
        left = int(torch.randint(width - cut_w + 1, ()))
        mixed = clips.clone()
        mixed[..., top : top + cut_h, left : left + cut_w] = clips[
            partners, :, :, top : top + cut_h, left : left + cut_w
        ]
        kept = 1 - cut_h * cut_w / (height * width)
    else:
        mixed = torch.lerp(clips.index_select(0, partners), clips, kept)
    return mixed, torch.lerp(targets[partners], targets, kept)


def smooth_targets(targets: Int[Tensor, " B"], num_classes: int, smoothing: float) -> Float[Tensor, "B classes"]:
    """One-hot rows with ``smoothing`` of the mass spread evenly over all classes."""
    return F.one_hot(targets, num_classes) * (1 - smoothing) + smoothing / num_classes
