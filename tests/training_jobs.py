"""Tiny runs of both stages on made-up clips, for the tests of the loop and the processes that they start."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maedfer.config import AutoencoderConfig, ClassifierConfig, DecoderConfig, LGIFormerConfig
from maedfer.data.augment import Augment, mix_clips, smooth_targets
from maedfer.data.dataset import Sample
from maedfer.models import ExpressionClassifier, MaskedAutoencoder
from maedfer.models.draws import BatchShare
from maedfer.recipes import AugmentConfig, ComputeConfig, FinetuneRecipe, OptimConfig, PretrainRecipe
from maedfer.train.batch import Batch
from maedfer.train.loop import Job
from maedfer.train.optim import parameter_groups
from maedfer.train.pretrain import PretrainLoss

SIZE = 32
DECODER = DecoderConfig(embed_dim=16, depth=1, num_heads=2)
AUGMENT = AugmentConfig(resized_crop=(0.5, 1.0), rand_augment=(2, 5.0), jitter=0.1, erasing=0.5, mixup=0.8, cutmix=1.0)


class MadeUpFeed:
    """``clips`` noisy pictures, of seven classes by turns, in an order that depends on the epoch alone."""

    def __init__(self, clips: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.pixels = torch.randint(0, 256, (clips, 3, 4, SIZE, SIZE), dtype=torch.uint8, generator=generator)

    def __len__(self) -> int:
        return len(self.pixels)

    def sample(self, row: int) -> Sample:
        return Sample(self.pixels[row], row % 7, row)

    def batches(self, epoch: int, first: int, size: int, share: BatchShare) -> Iterator[list[Sample]]:
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(epoch)).tolist()
        step = size * share.count
        for start in range(first * step, len(self) - step + 1, step):
            own = start + share.index * size
            yield [self.sample(row) for row in order[own : own + size]]


class FinetuneLoss:
    """Cross-entropy of changed and mixed clips."""

    def __init__(self, augment: AugmentConfig) -> None:
        self.config = augment
        self.augment = Augment(augment, SIZE)

    def __call__(self, model: nn.Module, batch: Batch) -> Tensor:
        soft = smooth_targets(batch.targets, 7, 0.1)
        clips, soft = mix_clips(self.augment(batch.clips, batch.share), soft, self.config, batch.share)
        return F.cross_entropy(model(clips).float(), soft)


def encoder(drop_path: float = 0.2, stem_width: int | None = None) -> LGIFormerConfig:
    return LGIFormerConfig(
        image_size=SIZE,
        num_frames=4,
        embed_dim=24,
        depth=2,
        num_heads=2,
        region_size=(2, 1, 2),
        drop_path=drop_path,
        stem_width=stem_width,
    )


def optim(**changes: object) -> OptimConfig:
    settings: dict[str, object] = {
        "epochs": 2,
        "warmup_epochs": 0.0,
        "batch_size": 4,
        "base_lr": 0.1,
        "clip_grad": 1.0,
    }
    return OptimConfig(**{**settings, **changes})  # type: ignore[arg-type]


def finetune_job(
    out: Path,
    *,
    clips: int = 12,
    loss: Callable[[nn.Module, Batch], Tensor] | None = None,
    minutes: float = 1e9,
    smoothing: float = 0.1,
    drop_path: float = 0.2,
    stem_width: int | None = None,
    compute: ComputeConfig = ComputeConfig(precision="no"),  # noqa: B008 - frozen
    augment: AugmentConfig = AUGMENT,
    **changes: object,
) -> Job:
    """Fine-tuning with all that draws; ``changes`` are settings of the optimiser."""
    torch.manual_seed(0)
    model = ExpressionClassifier(ClassifierConfig(encoder=encoder(drop_path, stem_width)))
    recipe = FinetuneRecipe(
        optim=optim(**changes),
        out=out,
        seed=7,
        compute=compute,
        label_smoothing=smoothing,
        checkpoint_minutes=minutes,
    )
    return Job(
        model=model,
        groups=parameter_groups(model, depth=2, weight_decay=0.05, layer_decay=0.75),
        feed=MadeUpFeed(clips),
        loss=loss or FinetuneLoss(augment),
        recipe=recipe,
    )


def pretrain_job(
    out: Path,
    *,
    clips: int = 12,
    minutes: float = 1e9,
    compute: ComputeConfig = ComputeConfig(precision="no"),  # noqa: B008 - frozen
    **changes: object,
) -> Job:
    """Pre-training with all that draws; ``changes`` are settings of the optimiser."""
    torch.manual_seed(0)
    model = MaskedAutoencoder(AutoencoderConfig(encoder=encoder(), decoder=DECODER, mask_ratio=0.5))
    recipe = PretrainRecipe(optim=optim(**changes), out=out, seed=7, compute=compute, checkpoint_minutes=minutes)
    return Job(
        model=model,
        groups=parameter_groups(model, depth=2, weight_decay=0.05),
        feed=MadeUpFeed(clips),
        loss=PretrainLoss(model, Augment(AUGMENT, SIZE)),
        recipe=recipe,
    )
