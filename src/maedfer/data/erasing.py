"""Random erasing (Zhong et al. 2020) of clips: one box of noise, at the same place in all frames."""

import torch
from jaxtyping import UInt8
from torch import Tensor

from maedfer.config import TokenConfig
from maedfer.data.clip_geometry import TRIES, drawn_box, whole_boxes
from maedfer.models.draws import BatchShare
from maedfer.models.pixels import PixelNormalizer

__all__ = ["erase_boxes"]

_AREA = (0.02, 1 / 3)
_ASPECT = (0.3, 1 / 0.3)


def erase_boxes(clips: UInt8[Tensor, "B 3 T H H"], probability: float, share: BatchShare) -> UInt8[Tensor, "B 3 T H H"]:
    """Noise over a box of 2 to 33 % of the picture in some of the clips; changes ``clips``.

    As published, the noise is normal with mean 0 and deviation 1 after the model's normalisation (cut at black and
    white, since clips are bytes). Published noise is drawn anew for every frame; here a box is the same in all frames,
    as everything that is done to a clip. One sheet of noise a step serves all clips, each showing what lies under its
    box: nobody learns more from other noise, and the draws do not grow with the number of processes.
    """
    size = clips.shape[-1]
    draws = share.uniform(len(clips), TRIES + 2, 2)
    sheet = _noise(size)
    boxes, fits = drawn_box(draws[:, 1:], whole_boxes(len(clips), size), _AREA, _ASPECT)
    rows = ((draws[:, 0, 0] < probability) & fits).nonzero().flatten()
    sheet = sheet.to(clips.device)
    for row, (left, top, width, height) in zip(rows.tolist(), boxes[rows].long().tolist(), strict=True):
        place = (..., slice(top, top + height), slice(left, left + width))
        clips[row][place] = sheet[place]
    return clips


def _noise(size: int) -> UInt8[Tensor, "3 1 H H"]:
    normalizer = PixelNormalizer(TokenConfig())
    unit = normalizer.mean + normalizer.deviation * torch.randn(3, 1, size, size)
    return (unit * 255).clamp(0, 255).round().byte()
