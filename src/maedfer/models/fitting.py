"""Do these weights fit this model? Checks that come before memory is taken, and the model built from what passes."""

from collections.abc import Mapping

import torch
from torch import Tensor

from maedfer.config import AutoencoderConfig, ClassifierConfig, ModelConfig
from maedfer.errors import ConfigError, WeightsError
from maedfer.models.autoencoder import MaskedAutoencoder
from maedfer.models.classifier import ExpressionClassifier

__all__ = ["build_model", "refuse_not_finite"]

_Shapes = dict[str, tuple[int, ...]]


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
    refuse_not_finite(state, source)
    owned = {name: tensor.detach().to(torch.float32, copy=True).contiguous() for name, tensor in state.items()}
    model.load_state_dict(owned, assign=True)
    return model


def refuse_not_finite(state: Mapping[str, Tensor], source: str) -> None:
    """Raises WeightsError for weights that are NaN, infinite or not floating point."""
    for name, tensor in state.items():
        if not tensor.is_floating_point() or not bool(torch.isfinite(tensor).all()):
            raise WeightsError(
                f"{source}: {name}: expected finite floating-point weights, got {tensor.dtype} with others; the "
                "training run diverged or the file is damaged: take an earlier checkpoint"
            )


def _refuse_sizes_not_in_file(config: ModelConfig, found: _Shapes, source: str) -> None:
    """Before anything is built: settings whose cost to build the file's own size does not cover."""
    encoder = config.encoder
    expected: _Shapes = {}
    if encoder.stem_width is None:
        sides = (encoder.tubelet_size, encoder.patch_size, encoder.patch_size)
        expected["encoder.embed.weight"] = (encoder.embed_dim, 3, *sides)
    else:
        expected["encoder.embed.first.weight"] = (encoder.stem_width, 3, 3, 3)
        expected["encoder.embed.join_norm.weight"] = (encoder.embed_dim,)
    depth = encoder.depth
    if isinstance(config, AutoencoderConfig):
        expected["to_decoder.weight"] = (config.decoder.embed_dim, encoder.embed_dim)
        depth += config.decoder.depth
    for name, shape in expected.items():
        if found.get(name) != shape:
            raise WeightsError(
                f"{source}: {name}: expected shape {shape} by the settings, found {found.get(name, 'no such weight')}; "
                "the weights and the settings belong to different models"
            )
    if depth > len(found):
        raise WeightsError(
            f"{source}: settings of {depth} blocks for {len(found)} weights; they do not belong together"
        )


def _refuse_misfit(expected: _Shapes, found: _Shapes, source: str) -> None:
    missing = [name for name in expected if name not in found]
    unexpected = [name for name in found if name not in expected]
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
