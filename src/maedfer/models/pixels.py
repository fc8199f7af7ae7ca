"""Pixels to network input: the models own scaling and normalising, so clips travel as uint8."""

import torch
from einops import rearrange
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from maedfer.config import TokenConfig
from maedfer.errors import ConfigError

__all__ = ["PixelNormalizer"]

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


class PixelNormalizer(nn.Module):
    """Scales a clip to 0..1 and normalises it by ImageNet's mean and deviation, which are buffers."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: TokenConfig) -> None:
        super().__init__()
        self.clip_shape = (3, config.num_frames, config.image_size, config.image_size)
        for name, values in (("mean", _IMAGENET_MEAN), ("deviation", _IMAGENET_DEVIATION)):
            buffer = torch.tensor(values, dtype=torch.float32, device="cpu")
            self.register_buffer(name, rearrange(buffer, "c -> c 1 1 1"), persistent=False)

    def scale(self, clip: UInt8[Tensor, "B 3 T H W"] | Float[Tensor, "B 3 T H W"]) -> Float32[Tensor, "B 3 T H W"]:
        """RGB in 0..1: uint8 is divided by 255, floating point is in 0..1 already.

        Raises:
            ConfigError: frames or pixels differ from the model's.
        """
        if clip.shape[1:] != self.clip_shape:
            raise ConfigError(
                f"clip: expected (B, {', '.join(map(str, self.clip_shape))}) for (batch, RGB, frames, height, width), "
                f"got {tuple(clip.shape)}; resample the clip or use a model of that size"
            )
        return clip.float().div_(255) if clip.dtype == torch.uint8 else clip.float()

    def forward(self, unit: Float[Tensor, "B 3 T H W"]) -> Float32[Tensor, "B 3 T H W"]:
        """Normalised pixels of a clip in 0..1."""
        return (unit.float() - self.mean) / self.deviation
