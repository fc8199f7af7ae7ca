"""Settings of runs: one frozen dataclass a matter, each default with one home."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from maedfer.config import AutoencoderConfig, ClassifierConfig
from maedfer.errors import ConfigError
from maedfer.recipes.adaptation import AdaptConfig, ImbalanceConfig
from maedfer.recipes.data import DataConfig

__all__ = [
    "AugmentConfig",
    "ComputeConfig",
    "FinetuneRecipe",
    "OptimConfig",
    "PretrainRecipe",
]


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Random changes of a training clip; every frame of a clip is changed alike.

    Attributes:
        resized_crop: area range of a random resized crop, ``None`` for none.
        multi_scale: sides, as shares of the picture, of a random corner or centre crop; empty for none.
        affine: (degrees, share of the side, zoom): a random rotation, translation and scale up to these, as if the face
            had been aligned less well; ``None`` for none.
        stretch: how much longer or shorter a face may become against its width, as a share; 0 for none.
        blur: largest standard deviation of a Gaussian blur in pixels of the picture, up to 3; 0 for none. It is drawn
            evenly from 0 up.
        flip: probability of a horizontal mirror image.
        jitter: strength of brightness and contrast changes; 0 for none.
        rand_augment: (operations, magnitude of 10), ``None`` for none.
        erasing: probability that a box of noise covers a part of the picture.
        mixup: Beta parameter of mixup, 0 for none.
        cutmix: Beta parameter of cutmix, 0 for none; with both, each batch uses one at random.

    Raises:
        ConfigError: a value is out of its range.
    """

    resized_crop: tuple[float, float] | None = None
    multi_scale: tuple[float, ...] = ()
    affine: tuple[float, float, float] | None = None
    stretch: float = 0.0
    blur: float = 0.0
    flip: float = 0.5
    jitter: float = 0.0
    rand_augment: tuple[int, float] | None = None
    erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        if not all(0 <= value <= 1 for value in (self.flip, self.jitter, self.erasing)):
            raise ConfigError("flip, jitter and erasing: expected 0 to 1")
        if not all(0 < share <= 1 for share in self.multi_scale):
            raise ConfigError(f"multi_scale: expected shares of the side, above 0 to 1, got {self.multi_scale}")
        if self.resized_crop is not None and not 0 < self.resized_crop[0] <= self.resized_crop[1] <= 1:
            raise ConfigError(f"resized_crop: expected (least, most) area, above 0 to 1, got {self.resized_crop}")
        if self.affine is not None and not (min(self.affine) >= 0 and max(self.affine[1:]) < 1):
            raise ConfigError(f"affine: expected (degrees, shift, zoom), the last two 0 up to 1, got {self.affine}")
        if not (0 <= self.stretch < 1 and 0 <= self.blur <= 3):
            raise ConfigError(
                f"stretch and blur: expected 0 up to 1 and 0 to 3 (pixels), got {self.stretch} and {self.blur}"
            )
        if self.rand_augment is not None and not (self.rand_augment[0] >= 1 and 0 <= self.rand_augment[1] <= 10):
            raise ConfigError(
                f"rand_augment: expected (1 or more, 0 to 10), got {self.rand_augment}; (4, 7.0) is common"
            )
        if self.mixup < 0 or self.cutmix < 0:
            raise ConfigError("mixup and cutmix: expected 0 (off) or a Beta parameter above it")


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """AdamW with linear warm-up and a cosine; learning rates scale with global batch / 256.

    Attributes:
        epochs: passes over the training part.
        warmup_epochs: of them, the linear warm-up.
        batch_size: clips that a process computes together.
        accumulate: batches of each process whose gradients are summed for one step. A step's clips and draws hang on
            ``batch_size`` x ``accumulate`` x processes alone, and a run may be resumed with another division of it
            (mixup and cutmix pair neighbours: keep ``batch_size`` even).
        base_lr: learning rate for a global batch of 256.
        final_lr: learning rate at the end, for a global batch of 256.
        betas: AdamW's.
        weight_decay: on matrices only.
        layer_decay: factor of the learning rate per layer towards the input (1 = none).
        clip_grad: largest gradient norm; ``None``: no clipping.
        ema: decay of an exponential moving average of the weights, per step (0.999 is common); the averaged weights
            are validated and published. ``None``: no average.
        most_skipped: steps without a finite loss or gradient that are left out and counted; at the next one the run
            stops and names its clips.
    """

    epochs: int = 100
    warmup_epochs: float = 5.0
    batch_size: int = 32
    accumulate: int = 1
    base_lr: float = 1e-3
    final_lr: float = 1e-6
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.05
    layer_decay: float = 1.0
    clip_grad: float | None = None
    ema: float | None = None
    most_skipped: int = 20

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1 or self.accumulate < 1:
            raise ConfigError("epochs, batch_size and accumulate: expected whole numbers from 1")
        if not 0 <= self.warmup_epochs <= self.epochs:
            raise ConfigError(f"warmup_epochs: expected 0 to {self.epochs} (epochs), got {self.warmup_epochs}")
        if self.ema is not None and not 0 < self.ema < 1:
            raise ConfigError(f"ema: expected None or a decay between 0 and 1, got {self.ema}; 0.999 is common")


@dataclass(frozen=True, kw_only=True)
class ComputeConfig:
    """How the same mathematics is computed; nothing here changes what is learnt, beyond rounding.

    Attributes:
        precision: ``"no"`` is float32; ``"auto"`` is bf16 where the machine multiplies it by itself, else float32: a
            processor that has to imitate it takes some fifty times as long.
        compile: compile the model with torch.compile (5-8 % on a CPU for half a minute of compilation); not with
            ``fsdp``.
        checkpoint_activations: what of the blocks the backward pass computes again instead of keeping it, for less
            memory and more time (prices in docs/performance.md): ``"none"``; ``"light"``: norms and GELU;
            ``"selective"``: the hidden values of the MLPs too; ``"full"``: everything. With ``compile`` the compiler
            decides between the first three by itself.
        fsdp: shard weights, gradients and moments over the processes (FSDP2), for encoders that do not fit one device;
            nothing is sharded by one process alone.

    Raises:
        ConfigError: both ``compile`` and ``fsdp``.
    """

    precision: Literal["auto", "no", "bf16", "fp16"] = "auto"
    compile: bool = False
    checkpoint_activations: Literal["none", "light", "selective", "full"] = "none"
    fsdp: bool = False

    def __post_init__(self) -> None:
        if self.compile and self.fsdp:
            raise ConfigError("compute: expected compile or fsdp, got both; leave compile out")

    @property
    def gives_back_memory(self) -> bool:
        """Whether freed memory goes back to the kernel at once, which costs time (docs/performance.md)."""
        return self.checkpoint_activations in ("selective", "full")


@dataclass(frozen=True, kw_only=True)
class PretrainRecipe:
    """A pre-training run.

    Attributes:
        out: folder of checkpoints, logs and final weights; an unfinished run in it is resumed.
        frames: train on clips of this many frames, spread over the whole span, instead of the model's number
            (cheaper steps; the weights fit any number of frames).
        checkpoint_minutes: time between resumable checkpoints.
    """

    model: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    out: Path = Path("maedfer-pretrain")
    frames: int | None = None
    seed: int = 0
    checkpoint_minutes: float = 10.0


@dataclass(frozen=True, kw_only=True)
class FinetuneRecipe:
    """A fine-tuning run.

    Attributes:
        init: weights to start from: a folder of ours, an official .pth, ``default`` (those inside the package), or a
            name that a hub knows; ``None``: from scratch.
        out: folder of checkpoints, logs and final weights; an unfinished run in it is resumed.
        frames: as in :class:`PretrainRecipe`.
        label_smoothing: share of the target spread over all classes.
        unit_weight: weight of a second target: what the laboratory knows of the face's units in each tubelet of time
            (``units.npz`` beside its manifest), with pooling ``"places"``; 0: the class alone.
        validation_share: part of the training identities kept for validation when the manifest has no ``val`` split
            (with ``data.fold``: always); 0: no validation, everything is trained on, as the paper does.
        keep: which weights are published: ``"last"`` (the paper) or ``"best"`` (highest validation UAR).
        representative_layer: learning-rate layer of the representative tokens under ``layer_decay``: ``"first"``
            (ours) or ``"head"`` (the published code).
        checkpoint_minutes: time between resumable checkpoints.

    Raises:
        ConfigError: a share is out of its range, more blocks are frozen than the encoder has (with LoRA: all), or what
            is computed again would be drawn anew.
    """

    model: ClassifierConfig = field(default_factory=ClassifierConfig)
    init: Path | None = None
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    imbalance: ImbalanceConfig = field(default_factory=ImbalanceConfig)
    adapt: AdaptConfig = field(default_factory=AdaptConfig)
    out: Path = Path("maedfer-finetune")
    frames: int | None = None
    label_smoothing: float = 0.1
    unit_weight: float = 0.0
    validation_share: float = 0.05
    keep: Literal["last", "best"] = "last"
    representative_layer: Literal["first", "head"] = "first"
    seed: int = 0
    checkpoint_minutes: float = 10.0

    def __post_init__(self) -> None:
        if not (0 <= self.label_smoothing < 1 and 0 <= self.validation_share < 1):
            raise ConfigError(
                f"label_smoothing and validation_share: expected 0 up to 1, got {self.label_smoothing} and "
                f"{self.validation_share}"
            )
        if self.unit_weight < 0 or (
            self.unit_weight and (self.augment.mixup or self.augment.cutmix or self.adapt.train != "all")
        ):
            raise ConfigError(
                f"unit_weight: expected 0 (off), or more without mixup, cutmix and adapt.train, for the units are "
                f"those of whole clips; got {self.unit_weight}"
            )
        if self.unit_weight and self.data.crop != "face":
            raise ConfigError(
                "unit_weight: expected data.crop face, whose crops are taken at the known frames; got "
                f"{self.data.crop}; give --unit-weight 0 where no action units are known"
            )
        depth, frozen = self.model.encoder.depth, self.adapt.freeze_blocks
        if frozen > depth or (self.adapt.train == "lora" and frozen == depth):
            raise ConfigError(
                f"freeze_blocks: the encoder has {depth} blocks, got {frozen}; freeze fewer, or train the head alone"
            )
        if (
            self.compute.checkpoint_activations == "selective"
            and self.adapt.train == "lora"
            and self.adapt.lora_dropout
        ):
            raise ConfigError(
                "checkpoint_activations: expected none, light or full with lora_dropout, whose draws selective would "
                "not repeat; got selective"
            )
