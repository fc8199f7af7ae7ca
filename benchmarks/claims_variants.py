"""What the study of the paper's claims trains.

A *pre-training* is an autoencoder's settings; a *variant* is a classifier that starts from one (or from nothing) and
learns from a share of the labels: as a whole (fine-tuning), or as a ridge regression on its tokens, which stay as they
are (a probe). A *kind* of run says which of both, and of which labels.
"""

from dataclasses import dataclass, replace
from typing import Literal

from maedfer.config import AutoencoderConfig, ClassifierConfig, DecoderConfig, EncoderConfig, LGIFormerConfig, ViTConfig
from maedfer.emotions import BASIC_EXPRESSIONS

Kind = Literal["probe-expression", "probe-timing", "expression", "timing"]

_TIMES = ("onset", "offset")

#: The labels of each kind; chance is one over their number.
LABELS: dict[Kind, tuple[str, ...]] = {
    "probe-expression": BASIC_EXPRESSIONS,
    "probe-timing": _TIMES,
    "expression": BASIC_EXPRESSIONS,
    "timing": _TIMES,
}

#: The paper's proportions at a size that learns in a minute: a region has two steps in time, half of the rows and all
#: columns. (With one step the published decoder order would be the right one.) 48 pixels are those of FER2013.
ENCODER = LGIFormerConfig(
    image_size=48,
    patch_size=8,
    num_frames=8,
    embed_dim=64,
    depth=4,
    num_heads=4,
    region_size=(2, 3, 6),
)
BASE = AutoencoderConfig(encoder=ENCODER, decoder=DecoderConfig(embed_dim=64, depth=1, num_heads=4), mask_ratio=0.9)


def _vit(width: int, depth: int) -> ViTConfig:
    """A plain ViT on the same tokens; its heads are as wide as the base's."""
    own = ENCODER.embed_dim // ENCODER.num_heads
    return ViTConfig(
        image_size=ENCODER.image_size,
        patch_size=ENCODER.patch_size,
        num_frames=ENCODER.num_frames,
        embed_dim=width,
        depth=depth,
        num_heads=width // own,
    )


def _with(encoder: EncoderConfig) -> AutoencoderConfig:
    return replace(BASE, encoder=encoder)


def _regions(time: int, rows: int, columns: int) -> AutoencoderConfig:
    return _with(replace(ENCODER, region_size=(time, rows, columns)))


#: VideoMAE's ViT-B is one and a half times as wide as the paper's LGI-Former, and has three quarters of its blocks.
_WIDE = _vit(ENCODER.embed_dim * 3 // 2, ENCODER.depth * 3 // 4)
_ONE_FRAME = replace(ENCODER, num_frames=1, tubelet_size=1, region_size=(1, 3, 6))
_SIXTEEN = replace(ENCODER, num_frames=16)

#: Pre-trainings by name.
PRETRAININGS: dict[str, AutoencoderConfig] = {
    "base": BASE,
    "appearance": replace(BASE, target="appearance"),
    "motion": replace(BASE, motion_weight=1.0),
    "weight-0.25": replace(BASE, motion_weight=0.25),
    "weight-0.75": replace(BASE, motion_weight=0.75),
    "vit": _with(_vit(ENCODER.embed_dim, ENCODER.depth)),
    "vit-wide": _with(_WIDE),
    "no-global": _with(replace(ENCODER, global_step=False)),
    "no-exchange": _with(replace(ENCODER, exchange_step="none")),
    "regions-1x3x6": _regions(1, 3, 6),
    "regions-2x3x3": _regions(2, 3, 3),
    "regions-2x6x6": _regions(2, 6, 6),
    "regions-4x3x6": _regions(4, 3, 6),
    "mask-0.5": replace(BASE, mask_ratio=0.5),
    "mask-0.75": replace(BASE, mask_ratio=0.75),
    "mask-0.95": replace(BASE, mask_ratio=0.95),
    "published-order": replace(BASE, published_decoder_order=True),
    "one-frame": _with(_ONE_FRAME),
}


@dataclass(frozen=True)
class Variant:
    """A classifier.

    Attributes:
        pretraining: name in :data:`PRETRAININGS` whose encoder it starts from; ``None``: from scratch.
        encoder: its encoder, for other frames than the pre-training's as well.
        share: of the labels of each class.
    """

    pretraining: str | None
    encoder: EncoderConfig
    share: float = 1.0

    def classifier(self, kind: Kind) -> ClassifierConfig:
        """Its settings for one kind of labels."""
        return ClassifierConfig(encoder=self.encoder, labels=LABELS[kind], pooling="places")


#: Variants by name: one for each pre-training, and those that differ in labels, start or frames.
VARIANTS: dict[str, Variant] = {
    **{name: Variant(name, config.encoder) for name, config in PRETRAININGS.items()},
    "scratch": Variant(None, ENCODER),
    "base-10%": Variant("base", ENCODER, 0.1),
    "scratch-10%": Variant(None, ENCODER, 0.1),
    "base-1%": Variant("base", ENCODER, 0.01),
    "scratch-1%": Variant(None, ENCODER, 0.01),
    "sixteen-frames": Variant("base", _SIXTEEN),
}
