"""Frozen settings of the models: one field per fact, checked when built (as JSON: :mod:`maedfer.config_json`).

Sizes default to the released MAE-DFER model (arXiv 2307.02227, section 4.1).
"""

import math
from dataclasses import dataclass, field
from typing import Literal

from maedfer.config_checks import (
    check_choice,
    check_count,
    check_divides,
    check_flag,
    check_kind,
    check_mlp_ratio,
    is_name,
)
from maedfer.emotions import BASIC_EXPRESSIONS
from maedfer.errors import ConfigError

__all__ = [
    "AutoencoderConfig",
    "ClassifierConfig",
    "DecoderConfig",
    "EncoderConfig",
    "LGIFormerConfig",
    "ModelConfig",
    "TokenConfig",
    "ViTConfig",
]

_STEM_PATCHES = (4, 8, 16, 32)


@dataclass(frozen=True, kw_only=True)
class TokenConfig:
    """How a clip is cut into tokens.

    Attributes:
        image_size: side of the square clip in pixels.
        patch_size: side of a patch in pixels.
        num_frames: frames of a clip.
        tubelet_size: frames of a tubelet.
        embed_dim: width D of a token.
        depth: number of blocks; 0, with ``stem_width``: the stem alone, to which a deeper encoder may add blocks
            (:func:`maedfer.models.start_from`).
        num_heads: attention heads; divides ``embed_dim``.
        mlp_ratio: hidden width of the MLP over ``embed_dim``.
        drop_path: rate of the last block; it grows linearly from 0 over the depth.
        stem_width: ``None``: a linear map of each tubelet (paper); a multiple of 8: tokens come from residual
            convolutions whose first stage has so many channels, for encoders that learn from few clips (ours).
    """

    image_size: int = 160
    patch_size: int = 16
    num_frames: int = 16
    tubelet_size: int = 2
    embed_dim: int = 512
    depth: int = 16
    num_heads: int = 8
    mlp_ratio: float = 4.0
    drop_path: float = 0.0
    stem_width: int | None = None

    def __post_init__(self) -> None:
        for name in ("image_size", "patch_size", "num_frames", "tubelet_size", "embed_dim", "num_heads"):
            check_count(name, getattr(self, name))
        if self.stem_width is None or self.depth != 0:
            check_count("depth", self.depth)
        check_divides("patch_size", self.patch_size, "image_size", self.image_size)
        check_divides("tubelet_size", self.tubelet_size, "num_frames", self.num_frames)
        check_divides("num_heads", self.num_heads, "embed_dim", self.embed_dim)
        check_mlp_ratio(self.mlp_ratio)
        if not (isinstance(self.drop_path, int | float) and 0 <= self.drop_path < 1):
            raise ConfigError(f"drop_path: expected a rate in [0, 1), got {self.drop_path!r:.80}")
        if self.stem_width is not None:
            check_count("stem_width", self.stem_width)
            # Kernels want whole vectors, and torch 2.13's backward pass of a 1x1 convolution of 4 channels crashes.
            check_divides("a kernel's vector of", 8, "stem_width", self.stem_width)
            if self.patch_size not in _STEM_PATCHES:
                raise ConfigError(
                    f"stem_width {self.stem_width}: expected a patch_size of {', '.join(map(str, _STEM_PATCHES))}, for "
                    f"every stage halves the side; got {self.patch_size}"
                )

    @property
    def token_grid(self) -> tuple[int, int, int]:
        """Tokens along (time, rows, columns)."""
        side = self.image_size // self.patch_size
        return self.num_frames // self.tubelet_size, side, side

    @property
    def num_tokens(self) -> int:
        """Local tokens of a clip."""
        return math.prod(self.token_grid)

    @property
    def tubelet_values(self) -> int:
        """Values of one tubelet: tubelet_size * patch_size * patch_size * 3."""
        return self.tubelet_size * self.patch_size**2 * 3


@dataclass(frozen=True, kw_only=True)
class LGIFormerConfig(TokenConfig):
    """LGI-Former (paper section 3.2). The last four fields are the paper's ablations (table 6 and 7).

    Attributes:
        region_size: tokens of a region along (time, rows, columns); divides the token grid.
        local_step: ``"self"`` (default) or ``"representative"``: local attention updates only the representative token.
        global_step: whether the representative tokens attend to each other.
        exchange_step: ``"cross"`` (default), ``"self"`` (self-attention inside the region) or ``"none"``.
        share_local_exchange: whether exchange attention uses the parameters of local attention.
    """

    region_size: tuple[int, int, int] = (2, 5, 10)
    local_step: Literal["self", "representative"] = "self"
    global_step: bool = True
    exchange_step: Literal["cross", "self", "none"] = "cross"
    share_local_exchange: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.region_size) != 3:
            raise ConfigError(f"region_size: expected (time, rows, columns), got {self.region_size!r:.80}")
        object.__setattr__(self, "region_size", tuple(self.region_size))
        for axis, part, whole in zip(("time", "rows", "columns"), self.region_size, self.token_grid, strict=True):
            check_count("region_size", part)
            check_divides(f"region_size ({axis})", part, "token grid", whole)
        check_choice("local_step", self.local_step, ("self", "representative"))
        check_choice("exchange_step", self.exchange_step, ("cross", "self", "none"))
        check_flag("global_step", self.global_step)
        check_flag("share_local_exchange", self.share_local_exchange)

    @property
    def num_regions(self) -> int:
        """Regions of the token grid, each with one representative token."""
        return self.num_tokens // math.prod(self.region_size)


@dataclass(frozen=True, kw_only=True)
class ViTConfig(TokenConfig):
    """The plain ViT of VideoMAE: joint attention over all tokens. ``ViTConfig()`` is VideoMAE ViT-B at 160 pixels."""

    embed_dim: int = 768
    depth: int = 12
    num_heads: int = 12


EncoderConfig = LGIFormerConfig | ViTConfig


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """The light ViT decoder of pre-training (paper section 3.1)."""

    embed_dim: int = 384
    depth: int = 4
    num_heads: int = 6
    mlp_ratio: float = 4.0

    def __post_init__(self) -> None:
        for name in ("embed_dim", "depth", "num_heads"):
            check_count(name, getattr(self, name))
        check_divides("num_heads", self.num_heads, "embed_dim", self.embed_dim)
        check_mlp_ratio(self.mlp_ratio)


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """An encoder with a head (fine-tuning, paper section 3.4).

    Attributes:
        encoder: the encoder's settings.
        labels: class names in index order.
        pooling: tokens whose mean is classified; a ViT has no ``"representative"`` tokens (it uses ``"local"`` for them
            and for ``"all"``). ``"places"``: local tokens are averaged over time alone, and the head has weights of its
            own for each place (row, column): for aligned faces, where a place is the same part of every face.
        temperature: logits are divided by it before the softmax (calibration; 1 = uncalibrated).
    """

    encoder: EncoderConfig = field(default_factory=LGIFormerConfig)
    labels: tuple[str, ...] = BASIC_EXPRESSIONS
    pooling: Literal["representative", "local", "all", "places"] = "representative"
    temperature: float = 1.0

    def __post_init__(self) -> None:
        check_kind("encoder", self.encoder, (LGIFormerConfig, ViTConfig))
        object.__setattr__(self, "labels", tuple(self.labels))
        if not self.labels or len(set(self.labels)) != len(self.labels) or not all(map(is_name, self.labels)):
            raise ConfigError(f"labels: expected distinct class names of one line each, got {self.labels!r:.200}")
        check_choice("pooling", self.pooling, ("representative", "local", "all", "places"))
        if not isinstance(self.encoder, LGIFormerConfig) and self.pooling != "places":
            object.__setattr__(self, "pooling", "local")
        if not self.encoder.depth and self.pooling not in ("local", "places"):
            raise ConfigError(
                f'depth 0 has no block that reads: expected pooling "local" or "places", got "{self.pooling}"'
            )
        if not (isinstance(self.temperature, int | float) and 0.01 <= self.temperature <= 100):
            raise ConfigError(f"temperature: expected a number in [0.01, 100], got {self.temperature!r:.80}")

    @property
    def head_width(self) -> int:
        """Values of a clip that the head reads: D, or D for each place."""
        _, rows, columns = self.encoder.token_grid
        return self.encoder.embed_dim * (rows * columns if self.pooling == "places" else 1)


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig:
    """A masked autoencoder (pre-training, paper sections 3.1 and 3.3).

    Attributes:
        encoder: the encoder's settings.
        decoder: the decoder's settings.
        mask_ratio: share of tokens hidden from the encoder.
        target: ``"joint"`` (appearance and motion) or ``"appearance"`` (every frame as it is).
        motion_group: frames of a group inside a tubelet: the first is appearance, the others differences.
        motion_weight: w in (1-w)*appearance + w*motion; ``None``: one mean over all values.
        published_decoder_order: give visible tokens the decoder positions that the published code gives them (a
            defect: about half of them get another token's position). Only for official pre-trained weights.
    """

    encoder: EncoderConfig = field(default_factory=LGIFormerConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    mask_ratio: float = 0.9
    target: Literal["joint", "appearance"] = "joint"
    motion_group: int = 2
    motion_weight: float | None = None
    published_decoder_order: bool = False

    def __post_init__(self) -> None:
        check_kind("encoder", self.encoder, (LGIFormerConfig, ViTConfig))
        check_kind("decoder", self.decoder, (DecoderConfig,))
        check_count("encoder.depth", self.encoder.depth)
        check_flag("published_decoder_order", self.published_decoder_order)
        if not (isinstance(self.mask_ratio, int | float) and 0 < self.mask_ratio < 1):
            raise ConfigError(f"mask_ratio: expected a share in (0, 1), got {self.mask_ratio!r:.80}")
        check_choice("target", self.target, ("joint", "appearance"))
        check_count("motion_group", self.motion_group)
        if self.motion_weight is not None and not 0 <= self.motion_weight <= 1:
            raise ConfigError(f"motion_weight: expected None or a number in [0, 1], got {self.motion_weight!r:.80}")


ModelConfig = ClassifierConfig | AutoencoderConfig
