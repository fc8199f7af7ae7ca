"""The paper's runs (arXiv 2307.02227, section 4.1): each docstring gives the published score."""

from maedfer.config import AutoencoderConfig, ClassifierConfig, LGIFormerConfig
from maedfer.recipes.settings import AugmentConfig, DataConfig, FinetuneRecipe, OptimConfig, PretrainRecipe

__all__ = ["paper_dfew", "paper_pretrain"]


def paper_pretrain() -> PretrainRecipe:
    """Pre-training on VoxCeleb2 dev, one random clip a video (paper section 4.1).

    1,092,009 videos, 100 epochs, base learning rate 3e-4. The released weights are epoch 50 of this schedule.
    Hardware and hours are not published; unmeasured here.
    """
    return PretrainRecipe(
        model=AutoencoderConfig(),
        data=DataConfig(crop="voxceleb2"),
        augment=AugmentConfig(multi_scale=(1.0, 0.875, 0.75, 0.66), flip=0.0),
        optim=OptimConfig(
            epochs=100, warmup_epochs=5.0, batch_size=128, base_lr=3e-4, final_lr=1e-5, betas=(0.9, 0.95)
        ),
    )


def paper_dfew() -> FinetuneRecipe:
    """Fine-tuning on one fold of DFEW (paper section 4.1); published: UAR 63.41, WAR 74.43, mean of five folds.

    Start from pre-trained weights with ``--init``. Hours unmeasured here.
    """
    return FinetuneRecipe(
        model=ClassifierConfig(encoder=LGIFormerConfig(drop_path=0.1)),
        data=DataConfig(crop="centre"),
        augment=AugmentConfig(resized_crop=(0.08, 1.0), rand_augment=(4, 7.0), erasing=0.25, mixup=0.8, cutmix=1.0),
        optim=OptimConfig(epochs=100, warmup_epochs=5.0, base_lr=1e-3, final_lr=1e-6, layer_decay=0.75),
    )
