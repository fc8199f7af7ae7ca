"""The runs that make the small default weights, on clips of the synthetic laboratory."""

from dataclasses import replace

from maedfer.config import AutoencoderConfig, ClassifierConfig, DecoderConfig, LGIFormerConfig
from maedfer.recipes.adaptation import AdaptConfig
from maedfer.recipes.settings import AugmentConfig, FinetuneRecipe, OptimConfig, PretrainRecipe

__all__ = ["demo_finetune", "demo_finetune_short", "demo_pretrain", "demo_stem"]

_AS_FOUND_ON_FACES = AugmentConfig(affine=(8.0, 0.06, 0.12), jitter=0.2, erasing=0.1)


def _demo_encoder() -> LGIFormerConfig:
    return LGIFormerConfig(image_size=96, embed_dim=192, depth=2, num_heads=6, region_size=(2, 3, 6), stem_width=24)


def _demo_classifier() -> ClassifierConfig:
    return ClassifierConfig(encoder=_demo_encoder(), pooling="places")


def demo_pretrain() -> PretrainRecipe:
    """Pre-training of the small default model on clips of the synthetic laboratory.

    4-frame clips and mask ratio 0.75: steps are cheap, and a tenth of 36 patches would leave too little to see.
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


def demo_stem() -> FinetuneRecipe:
    """First stage of the small default model: its stem alone, without blocks, on two frames of a clip.

    Small batches, for it is the number of steps that counts; a peak rate of 1.5e-3, at which blocks learn nothing; the
    head by places and the units as a second target, because a mean of tokens has to learn where on the face to look
    (docs/training.md).
    """
    return FinetuneRecipe(
        model=replace(_demo_classifier(), encoder=replace(_demo_encoder(), depth=0, region_size=(1, 3, 6))),
        augment=AugmentConfig(affine=(6.0, 0.04, 0.08), jitter=0.1),
        optim=OptimConfig(
            epochs=20, warmup_epochs=0.2, batch_size=24, base_lr=1.6e-2, final_lr=2e-4, clip_grad=2.0, ema=0.998
        ),
        frames=2,
        label_smoothing=0.05,
        unit_weight=2.0,
    )


def demo_finetune_short() -> FinetuneRecipe:
    """The way from masked pre-training: 4-frame clips, from ``demo_pretrain`` with ``--init``; then ``demo_finetune``.

    A peak rate of 6e-4, for at 1.5e-3 blocks learn nothing (docs/training.md). The default weights took the other way,
    over ``demo_stem``.
    """
    return FinetuneRecipe(
        model=_demo_classifier(),
        augment=_AS_FOUND_ON_FACES,
        optim=OptimConfig(
            epochs=9, warmup_epochs=0.2, batch_size=16, base_lr=9.6e-3, final_lr=2e-4, clip_grad=2.0, ema=0.998
        ),
        frames=4,
        label_smoothing=0.05,
        unit_weight=2.0,
    )


def demo_finetune() -> FinetuneRecipe:
    """Last stage of the small default model, on 16-frame clips; from ``demo_stem`` with ``--init``.

    The stem is left as it is: its batch norms would go by 16 people a step, and without its backward pass a step is
    cheaper. Blocks, for which a rate of 1.5e-3 is too much, have a third of it.
    """
    return FinetuneRecipe(
        model=_demo_classifier(),
        augment=_AS_FOUND_ON_FACES,
        optim=OptimConfig(
            epochs=3, warmup_epochs=0.2, batch_size=16, base_lr=8e-3, final_lr=2e-4, clip_grad=2.0, ema=0.995
        ),
        adapt=AdaptConfig(freeze_embedding=True),
        label_smoothing=0.05,
        unit_weight=1.0,
    )
