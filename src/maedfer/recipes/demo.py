"""The runs that made the small default weights, on clips of the synthetic laboratory."""

from maedfer.config import AutoencoderConfig, ClassifierConfig, DecoderConfig, LGIFormerConfig
from maedfer.recipes.settings import AugmentConfig, FinetuneRecipe, OptimConfig, PretrainRecipe

__all__ = ["demo_finetune", "demo_finetune_short", "demo_pretrain"]


def _demo_encoder() -> LGIFormerConfig:
    return LGIFormerConfig(image_size=128, embed_dim=192, depth=6, num_heads=6, region_size=(2, 4, 8))


def _demo_classifier() -> ClassifierConfig:
    return ClassifierConfig(encoder=_demo_encoder(), pooling="places")


def demo_pretrain() -> PretrainRecipe:
    """Pre-training of the small default model (4.8 M parameters) on clips of the synthetic laboratory.

    4-frame clips and mask ratio 0.75: steps are cheap, and a tenth of 64 patches would leave too little to see.
    """
    return PretrainRecipe(
        model=AutoencoderConfig(
            encoder=_demo_encoder(), decoder=DecoderConfig(embed_dim=96, depth=2, num_heads=3), mask_ratio=0.75
        ),
        augment=AugmentConfig(affine=(5.0, 0.05, 0.08)),
        optim=OptimConfig(
            epochs=8, warmup_epochs=1.0, batch_size=48, base_lr=6e-3, final_lr=1e-5, betas=(0.9, 0.95), clip_grad=1.0
        ),
        frames=4,
    )


def demo_finetune_short() -> FinetuneRecipe:
    """Fine-tuning of the small default model on 4-frame clips; start from ``demo_pretrain`` with ``--init``.

    The head by places and the units as a second target are there because a mean of tokens has to learn where on the
    face to look, which took a whole run (docs/training.md).
    """
    return FinetuneRecipe(
        model=_demo_classifier(),
        augment=AugmentConfig(affine=(8.0, 0.06, 0.12), jitter=0.25, erasing=0.2),
        optim=OptimConfig(epochs=8, warmup_epochs=0.5, batch_size=32, base_lr=4e-3, layer_decay=0.8, clip_grad=1.0),
        frames=4,
        label_smoothing=0.05,
        unit_weight=1.0,
    )


def demo_finetune() -> FinetuneRecipe:
    """Last stage of the small default model, on 16-frame clips; start from ``demo_finetune_short`` with ``--init``."""
    return FinetuneRecipe(
        model=_demo_classifier(),
        augment=AugmentConfig(affine=(8.0, 0.06, 0.12), jitter=0.25, erasing=0.2),
        optim=OptimConfig(epochs=1, warmup_epochs=0.1, batch_size=16, base_lr=4e-3, layer_decay=0.8, clip_grad=1.0),
        label_smoothing=0.05,
        unit_weight=0.5,
    )
