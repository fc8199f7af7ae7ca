"""The published code's names: state-dict keys, config words, and what they mean in ours. Dicts in, dicts out.

Published ``first_attn`` is our local attention, ``second_attn`` global, ``third_attn`` exchange and
``lg_region_tokens`` the representative tokens. A model whose exchange shares the parameters of local attention lists
them twice there.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from maedfer.config import (
    AutoencoderConfig,
    ClassifierConfig,
    DecoderConfig,
    EncoderConfig,
    LGIFormerConfig,
    ModelConfig,
    ViTConfig,
)
from maedfer.errors import ConfigError

__all__ = ["config_from_shapes", "config_from_words", "from_published", "to_published"]

_BLOCK = {
    "first_attn": "local_attention",
    "first_attn_norm0": "local_norm",
    "first_attn_norm1": "local_context_norm",
    "second_attn": "global_attention",
    "second_attn_norm0": "global_norm",
    "third_attn": "exchange_attention",
    "third_attn_norm0": "exchange_norm",
    "third_attn_norm1": "exchange_context_norm",
    "attn": "attention",
    "norm1": "attention_norm",
    "norm2": "mlp_norm",
    "mlp": "mlp",
}
_ENCODER = {"lg_region_tokens": "representative_tokens", "patch_embed.proj": "embed"}
_CLASSIFIER = {"fc_norm": "norm", "head": "head"}
_AUTOENCODER = {
    "encoder.norm": "encoder_norm",
    "encoder_to_decoder": "to_decoder",
    "decoder.norm": "decoder.norm",
    "decoder.head": "decoder.head",
    "mask_token": "mask_token",
}
_HEAD = 64  # width of an attention head in every published model
_POOLING: dict[str, Literal["representative", "local", "all"]] = {
    "region": "representative",
    "org": "local",
    "all": "all",
}


def _pairs(autoencoder: bool) -> dict[str, str]:
    """Published prefix -> our prefix, blocks written with ``*`` for their number."""
    stem = "encoder." if autoencoder else ""
    pairs = {f"{stem}{theirs}": f"encoder.{ours}" for theirs, ours in _ENCODER.items()}
    pairs |= {f"{stem}blocks.*.{theirs}": f"encoder.blocks.*.{ours}" for theirs, ours in _BLOCK.items()}
    if autoencoder:
        pairs |= {f"decoder.blocks.*.{theirs}": f"decoder.blocks.*.{ours}" for theirs, ours in _BLOCK.items()}
    return pairs | (_AUTOENCODER if autoencoder else _CLASSIFIER)


def _rename(name: str, pairs: Mapping[str, str]) -> str | None:
    number = re.search(r"(?<=blocks\.)\d{1,5}(?=\.)", name)
    pattern = name if number is None else f"{name[: number.start()]}*{name[number.end() :]}"
    prefix = pattern
    while prefix not in pairs:
        prefix, dot, _ = prefix.rpartition(".")
        if not dot:
            return None
    renamed = pairs[prefix] + pattern[len(prefix) :]
    return renamed if number is None else renamed.replace("*", number[0])


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under our names; names that mean nothing to us are kept, so that loading names them.

    Exchange attention that repeats local attention in every block (shared parameters) is listed once.
    """
    pairs = _pairs(_is_autoencoder(state))
    renamed = {_rename(name, pairs) or name: tensor for name, tensor in state.items()}
    copies = [name for name in renamed if ".exchange_attention." in name]
    twins = [renamed.get(name.replace(".exchange_attention.", ".local_attention.")) for name in copies]
    if all(twin is not None and _same(renamed[name], twin) for name, twin in zip(copies, twins, strict=True)):
        return {name: tensor for name, tensor in renamed.items() if name not in copies}
    return renamed


def to_published(state: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """The same tensors under the published names, shared parameters listed twice; inverse of :func:`from_published`."""
    pairs = {ours: theirs for theirs, ours in _pairs(isinstance(config, AutoencoderConfig)).items()}
    full = dict(state)
    encoder = config.encoder
    if isinstance(encoder, LGIFormerConfig) and encoder.share_local_exchange and encoder.exchange_step != "none":
        for name, tensor in state.items():
            full[name.replace(".local_attention.", ".exchange_attention.")] = tensor
    return {_rename(name, pairs) or name: tensor for name, tensor in full.items()}


def _is_autoencoder(state: Mapping[str, Tensor]) -> bool:
    return any(name.startswith("encoder.") for name in state)


def _same(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and bool(torch.equal(first, second))


def config_from_words(words: Mapping[str, Any]) -> ModelConfig:
    """Our config of the published settings, as the reference files' metadata write them.

    Raises:
        ConfigError: a setting is unknown, missing or impossible.
    """
    given = dict(words)
    kind = given.pop("kind", None)
    if kind not in ("finetune", "pretrain"):
        raise ConfigError(f"published config: expected kind finetune or pretrain, got {kind!r}")
    try:
        config = _classifier(given) if kind == "finetune" else _autoencoder(given)
    except KeyError as error:
        raise ConfigError(f"published config: the setting {error} is missing") from error
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"published config: a setting has the wrong type ({error})") from error
    unknown = sorted(name for name, value in given.items() if value)  # a switch that is off changes nothing
    if unknown:
        raise ConfigError(f"published config: unknown settings {', '.join(unknown)}; update config_from_words")
    return config


def config_from_shapes(shapes: Mapping[str, tuple[int, ...]], labels: tuple[str, ...] | None) -> ModelConfig:
    """Our config of an official checkpoint, from its shapes under our names.

    What shapes do not tell takes the published values: heads of 64, clips of 16 frames and 160 pixels, regions of
    (2, 5, 10), joint target, representative pooling, and the published decoder order.

    Args:
        shapes: shape of every tensor.
        labels: class names of a classifier; their number is the head's.

    Raises:
        ConfigError: a tensor that tells a size is absent, or the sizes are not those of the published models.
    """
    try:
        dim, _, tubelet_size, patch_size, _ = shapes["encoder.embed.weight"]
        hidden, _ = shapes["encoder.blocks.0.mlp.fc1.weight"]
        sizes: dict[str, Any] = {"embed_dim": dim, "tubelet_size": tubelet_size, "patch_size": patch_size}
        sizes |= {"depth": _depth(shapes, "encoder."), "num_heads": max(dim // _HEAD, 1), "mlp_ratio": hidden / dim}
        encoder: EncoderConfig = _encoder_of_shapes(shapes, sizes)
        if "head.weight" in shapes:
            return ClassifierConfig(encoder=encoder, labels=labels or ())
        width, _ = shapes["to_decoder.weight"]
        hidden, _ = shapes["decoder.blocks.0.mlp.fc1.weight"]
    except (KeyError, ValueError, ZeroDivisionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(
            f"not a published model: the tensor that tells its size is absent or odd ({error})"
        ) from error
    decoder = DecoderConfig(
        embed_dim=width,
        depth=_depth(shapes, "decoder."),
        num_heads=max(width // _HEAD, 1),
        mlp_ratio=hidden / width,
    )
    return AutoencoderConfig(encoder=encoder, decoder=decoder, published_decoder_order=True)


def _encoder_of_shapes(shapes: Mapping[str, tuple[int, ...]], sizes: dict[str, Any]) -> EncoderConfig:
    if "encoder.representative_tokens" not in shapes:
        return ViTConfig(**sizes)
    block = {name.removeprefix("encoder.blocks.0.").partition(".")[0] for name in shapes if ".blocks.0." in name}
    exchange: Literal["cross", "self", "none"] = (
        "cross" if "exchange_context_norm" in block else "self" if "exchange_norm" in block else "none"
    )
    return LGIFormerConfig(
        **sizes,
        local_step="representative" if "local_context_norm" in block else "self",
        global_step="global_norm" in block,
        exchange_step=exchange,
        share_local_exchange=exchange != "none" and "exchange_attention" not in block,
    )


def _depth(shapes: Mapping[str, tuple[int, ...]], stem: str) -> int:
    found = (re.match(re.escape(stem) + r"blocks\.(\d{1,5})\.", name) for name in shapes)
    return len({match[1] for match in found if match is not None})


def _classifier(given: dict[str, Any]) -> ClassifierConfig:
    encoder = _encoder(given)
    pooling = given.pop("classify_token", "region")
    if pooling not in _POOLING:
        raise ConfigError(f"published config: expected classify_token among {', '.join(_POOLING)}, got {pooling!r}")
    labels = tuple(f"class {index}" for index in range(given.pop("num_classes")))
    return ClassifierConfig(encoder=encoder, labels=labels, pooling=_POOLING[pooling])


def _autoencoder(given: dict[str, Any]) -> AutoencoderConfig:
    encoder = _encoder(given)
    weight = given.pop("motion_weight", None)
    decoder = DecoderConfig(
        embed_dim=given.pop("decoder_embed_dim"),
        depth=given.pop("decoder_depth"),
        num_heads=given.pop("decoder_num_heads"),
        mlp_ratio=encoder.mlp_ratio,
    )
    return AutoencoderConfig(
        encoder=encoder,
        decoder=decoder,
        mask_ratio=float(given.pop("mask_ratio")),
        target="joint" if given.pop("motion_target", False) else "appearance",
        motion_group=given.pop("motion_group_size", 2),
        motion_weight=None if weight is None else float(weight),
        published_decoder_order=True,
    )


def _encoder(given: dict[str, Any]) -> LGIFormerConfig | ViTConfig:
    names = ("image_size", "patch_size", "num_frames", "tubelet_size", "embed_dim", "depth", "num_heads")
    sizes = {name: given.pop(name) for name in names} | {"mlp_ratio": float(given.pop("mlp_ratio"))}
    attention = given.pop("attention", "local_global")
    region = given.pop("region_size", None)
    local = given.pop("lg_first_attn_type", "self")
    exchange = given.pop("lg_third_attn_type", "cross")
    no_global, no_exchange = given.pop("lg_no_second", False), given.pop("lg_no_third", False)
    shared = given.pop("lg_attn_param_sharing_first_third", False)
    if attention == "joint":
        return ViTConfig(**sizes)
    if attention != "local_global" or local not in ("self", "cross") or region is None:
        raise ConfigError(
            "published config: expected attention local_global (with region_size, lg_first_attn_type self or cross) or "
            f"joint, got {attention!r}, {region!r}, {local!r}"
        )
    return LGIFormerConfig(
        **sizes,
        region_size=tuple(region),
        local_step="self" if local == "self" else "representative",
        global_step=not no_global,
        exchange_step="none" if no_exchange else exchange,
        share_local_exchange=shared,
    )
