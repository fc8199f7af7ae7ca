"""Do these weights fit this model? Checks that come before memory is taken, and the model built from what passes."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from maedfer.config import AutoencoderConfig, ClassifierConfig, ModelConfig
from maedfer.errors import ConfigError, WeightsError
from maedfer.models.autoencoder import MaskedAutoencoder
from maedfer.models.classifier import ExpressionClassifier

__all__ = ["build_model", "refuse_not_finite"]

_Shapes = dict[str, tuple[int, ...]]

_MOST_TENSORS = 20_000  # the largest official checkpoint has 575
_LEAST_OF_BLOCK = 8  # tensors; both kinds of blocks have more
_FREE_POSITIONS = 1 << 24  # values; a clip of 64 frames at 224 pixels and width 1024 has 6.4 million
_NAMED = 80  # characters of a weight's name, which is the file's own word


def build_model(
    config: ModelConfig, state: Mapping[str, Tensor], source: str
) -> ExpressionClassifier | MaskedAutoencoder:
    """The model of ``config`` with the weights ``state``, which must fit exactly.

    Args:
        config: its settings.
        state: every weight under our names.
        source: what errors call the weights.

    Raises:
        WeightsError: a weight is missing, unexpected, of another shape, or not finite.
    """
    found: _Shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    _refuse_sizes_not_in_file(config, found, source)
    try:
        with torch.device("meta"):  # no memory for weights that the file brings
            model = ExpressionClassifier(config) if isinstance(config, ClassifierConfig) else MaskedAutoencoder(config)
    except ConfigError as error:
        raise WeightsError(f"{source}: its settings are impossible: {error}") from error
    _refuse_misfit({name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}, found, source)
    _refuse_not_floating(state, source)
    owned = {name: tensor.detach().to(torch.float32, copy=True).contiguous() for name, tensor in state.items()}
    refuse_not_finite(owned, source)  # float64 holds numbers that float32 does not
    model.load_state_dict(owned, assign=True)
    return model


def refuse_not_finite(state: Mapping[str, Tensor], source: str) -> None:
    """Raises WeightsError for weights that are NaN, infinite or not floating point."""
    _refuse_not_floating(state, source)
    for name, tensor in state.items():
        if not bool(torch.isfinite(tensor).all()):
            raise WeightsError(
                f"{source}: {_quoted(name)}: expected finite floating-point weights, got {tensor.dtype} with others; "
                "the training run diverged or the file is damaged: take an earlier checkpoint"
            )


def _refuse_not_floating(state: Mapping[str, Tensor], source: str) -> None:
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            raise WeightsError(
                f"{source}: {_quoted(name)}: expected floating-point weights, got {tensor.dtype}; the file is damaged "
                "or of another kind of model"
            )


def _quoted(name: str) -> str:
    """A name from a file as part of one line."""
    return repr(name)[1:-1][:_NAMED]


def _refuse_sizes_not_in_file(config: ModelConfig, found: _Shapes, source: str) -> None:
    """Before anything is built: settings whose cost to build the file's own size does not cover."""
    if len(found) > _MOST_TENSORS:
        raise WeightsError(f"{source}: expected at most {_MOST_TENSORS} weights, found {len(found)}; not a model")
    encoder = config.encoder
    expected: _Shapes = {}
    if encoder.stem_width is None:
        sides = (encoder.tubelet_size, encoder.patch_size, encoder.patch_size)
        expected["encoder.embed.weight"] = (encoder.embed_dim, 3, *sides)
    else:
        expected["encoder.embed.first.weight"] = (encoder.stem_width, 3, 3, 3)
        expected["encoder.embed.join_norm.weight"] = (encoder.embed_dim,)
    depth, widest = encoder.depth, encoder.embed_dim
    if isinstance(config, AutoencoderConfig):
        expected["to_decoder.weight"] = (config.decoder.embed_dim, encoder.embed_dim)
        depth, widest = depth + config.decoder.depth, max(widest, config.decoder.embed_dim)
    for name, shape in expected.items():
        if found.get(name) != shape:
            raise WeightsError(
                f"{source}: {name}: expected shape {shape} by the settings, found {found.get(name, 'no such weight')}; "
                "the weights and the settings belong to different models"
            )
    if _LEAST_OF_BLOCK * depth > len(found):
        raise WeightsError(
            f"{source}: settings of {depth} blocks for {len(found)} weights; they do not belong together"
        )
    # Positions are computed, not stored: the one thing that can be large without a large file.
    held, needed = sum(map(math.prod, found.values())), encoder.num_tokens * widest
    if needed > max(_FREE_POSITIONS, held):
        raise WeightsError(
            f"{source}: settings of {encoder.num_tokens} tokens of width {widest} for {held} values of weights; they "
            "do not belong together"
        )


def _refuse_misfit(expected: _Shapes, found: _Shapes, source: str) -> None:
    missing = [name for name in expected if name not in found]
    unexpected = [_quoted(name) for name in found if name not in expected]
    shapes = [
        f"{name} (expected {shape}, found {found[name]})"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    ]
    if missing or unexpected or shapes:
        parts = (("missing", missing), ("unexpected", unexpected), ("other shapes", shapes))
        told = "; ".join(f"{len(names)} {what}: {', '.join(names[:3])}" for what, names in parts if names)
        raise WeightsError(
            f"{source}: the weights do not fit the model: {told}. Load them with the config they belong to"
        )
