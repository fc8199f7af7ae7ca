"""Weights from one model to the next: pre-training to fine-tuning, and small clips to larger ones. State dicts only."""

import re

import torch
from einops import rearrange
from torch import Tensor

from maedfer.config import AutoencoderConfig, ClassifierConfig, EncoderConfig, LGIFormerConfig, ModelConfig
from maedfer.errors import ConfigError, WeightsError
from maedfer.models.classifier import ExpressionClassifier
from maedfer.models.encoder import LGIBlock
from maedfer.models.grid import RegionGrid
from maedfer.models.vit import ViTBlock

__all__ = ["encoder_state", "inflate", "start_from"]

_REPRESENTATIVE = "representative_tokens"
_SAME = ("embed_dim", "mlp_ratio", "patch_size", "tubelet_size", "stem_width")
_SAME_LGI = ("local_step", "global_step", "exchange_step", "share_local_exchange")


def encoder_state(autoencoder_state: dict[str, Tensor], *, keep_norm: bool = False) -> dict[str, Tensor]:
    """The part of a pre-trained autoencoder that a classifier starts from, under the classifier's names.

    Args:
        autoencoder_state: state dict of a ``MaskedAutoencoder``.
        keep_norm: let the classifier's last LayerNorm start from the encoder's final one (which normalised local
            tokens); by default it starts fresh, as in the published code.
    """
    state = {name: tensor for name, tensor in autoencoder_state.items() if name.startswith("encoder.")}
    if keep_norm:
        state |= {f"norm.{part}": autoencoder_state[f"encoder_norm.{part}"] for part in ("weight", "bias")}
    return state


def start_from(classifier: ExpressionClassifier, state: dict[str, Tensor]) -> None:
    """Puts the weights of :func:`encoder_state`, or those of another classifier, into a classifier.

    Head and last norm may be missing; a head for another number of classes is left out: the classifier's stays fresh.
    Blocks beyond those that ``state`` has begin as the identity, so that a deeper classifier first says what the
    shallower one said.

    Raises:
        WeightsError: an encoder weight is missing, unknown or of another shape.
    """
    own = classifier.state_dict()
    state = {
        name: tensor
        for name, tensor in state.items()
        if not name.startswith("head.") or own[name].shape == tensor.shape
    }
    held = {_block(name) for name in state} - {None}
    fresh = [index for index in range(len(classifier.encoder.blocks)) if index >= len(held)]
    missing = [name for name in own if name.startswith("encoder.") and name not in state and _block(name) not in fresh]
    unknown = [name for name in state if name not in own]
    shapes = [
        f"{name} {tuple(own[name].shape)} <- {tuple(tensor.shape)}"
        for name, tensor in state.items()
        if name in own and own[name].shape != tensor.shape
    ]
    if missing or unknown or shapes:
        raise WeightsError(
            f"these weights do not fit the classifier's encoder: missing {missing[:3]}, unexpected {unknown[:3]}, "
            f"other shapes {shapes[:3]}; build it from the config they were made with, or inflate() them first"
        )
    classifier.load_state_dict(state, strict=False)
    for index in fresh:
        block = classifier.encoder.blocks[index]
        assert isinstance(block, LGIBlock | ViTBlock)
        block.begin_as_identity()


def inflate(
    state: dict[str, Tensor], from_config: ModelConfig | EncoderConfig, to_config: ModelConfig | EncoderConfig
) -> dict[str, Tensor]:
    """The same weights for a model with another number of frames, image size or region shape, or more blocks.

    Positions are computed, so only the table of representative tokens changes: every new region takes the token of the
    old region at the same relative place (from one region in time to four: repeated). Further blocks are left to
    :func:`start_from`.

    Raises:
        ConfigError: the two models differ in more than that.
    """
    old, new = _encoder(from_config), _encoder(to_config)
    names = _SAME + (_SAME_LGI if isinstance(old, LGIFormerConfig) else ())
    differ = any(getattr(old, name) != getattr(new, name) for name in names)
    if type(old) is not type(new) or differ or new.depth < old.depth:
        raise ConfigError(
            f"inflate: expected encoders that agree in {', '.join(names)} and no fewer blocks, got {old} and {new}"
        )
    inflated = dict(state)
    for name, tensor in state.items():
        if name.rpartition(".")[2] == _REPRESENTATIVE:
            inflated[name] = _spread(tensor, RegionGrid.of(old), RegionGrid.of(new))
    return inflated


def _block(name: str) -> int | None:
    """Which block of the encoder a tensor belongs to."""
    found = re.match(r"encoder\.blocks\.(\d+)\.", name)
    return int(found[1]) if found else None


def _spread(table: Tensor, old: RegionGrid, new: RegionGrid) -> Tensor:
    nt, nh, nw = old.regions
    grid = rearrange(table, "(nt nh nw) d -> nt nh nw d", nt=nt, nh=nh, nw=nw)
    for axis, (before, after) in enumerate(zip(old.regions, new.regions, strict=True)):
        grid = grid.index_select(axis, torch.arange(after, device=table.device) * before // after)
    return rearrange(grid, "nt nh nw d -> (nt nh nw) d")


def _encoder(config: ModelConfig | EncoderConfig) -> EncoderConfig:
    return config.encoder if isinstance(config, ClassifierConfig | AutoencoderConfig) else config
