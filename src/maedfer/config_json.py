"""Settings of models as JSON text, and back: what lies beside every weight file of ours."""

import dataclasses
import json
from typing import Any

from maedfer.config import (
    AutoencoderConfig,
    ClassifierConfig,
    DecoderConfig,
    LGIFormerConfig,
    ModelConfig,
    ViTConfig,
)
from maedfer.errors import ConfigError

__all__ = ["from_json", "to_json"]

_TYPES = {cls.__name__: cls for cls in (LGIFormerConfig, ViTConfig, DecoderConfig, ClassifierConfig, AutoencoderConfig)}
# Written for, or by, the library transformers, which so reads the same folder (maedfer.transformers_model). They repeat
# what our own settings say, except for what concerns only that library.
_OF_TRANSFORMERS = frozenset(
    {
        "_name_or_path", "architectures", "auto_map", "chunk_size_feed_forward", "dtype", "id2label",
        "is_encoder_decoder", "label2id", "model_type", "output_attentions", "output_hidden_states", "problem_type",
        "return_dict", "torch_dtype", "transformers_version", "use_cache",
    }
)  # fmt: skip


def to_json(config: ModelConfig) -> str:
    """The settings as JSON text; nested settings carry their ``type``, those of a classifier what transformers asks."""
    values = _to_dict(config)
    if isinstance(config, ClassifierConfig):
        names = dict(enumerate(config.labels))
        values |= {"model_type": "maedfer", "dtype": "float32", "id2label": names}
        values |= {"label2id": {label: index for index, label in names.items()}}
    return json.dumps(values, indent=2) + "\n"


def from_json(text: str) -> ModelConfig:
    """Settings from the text of :func:`to_json`.

    Raises:
        ConfigError: not JSON, an unknown type or field, or an impossible value.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"model config: expected JSON, got text that does not parse ({error})") from error
    if isinstance(data, dict):
        data = {name: value for name, value in data.items() if name not in _OF_TRANSFORMERS}
    try:
        config = _from_dict(data)
    except RecursionError as error:
        raise ConfigError("model config: expected a classifier or an autoencoder, got settings without end") from error
    if not isinstance(config, ClassifierConfig | AutoencoderConfig):
        raise ConfigError(f"model config: expected a classifier or an autoencoder, got {type(config).__name__}")
    return config


def _to_dict(config: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"type": type(config).__name__}
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        values[item.name] = _to_dict(value) if dataclasses.is_dataclass(value) else value
    return values


def _from_dict(data: Any) -> Any:
    kind = data.get("type") if isinstance(data, dict) else None
    if not isinstance(kind, str) or kind not in _TYPES:
        raise ConfigError(
            f"model config: expected an object whose type is one of {', '.join(_TYPES)}, got {data!r:.80}"
        )
    cls = _TYPES[kind]
    values: dict[str, Any] = {}
    for name, value in data.items():
        if name == "type":
            continue
        if name not in {item.name for item in dataclasses.fields(cls)}:
            raise ConfigError(f"{cls.__name__}: unknown setting {name!r:.80}; written by a newer maedfer?")
        if isinstance(value, dict):
            value = _from_dict(value)
        values[name] = tuple(value) if isinstance(value, list) else value
    try:
        return cls(**values)
    except TypeError as error:
        raise ConfigError(f"{cls.__name__}: a setting has a value of another kind ({error})") from error
