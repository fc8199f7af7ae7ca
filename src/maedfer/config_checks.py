"""What a value of a setting may be. Settings come from files of strangers, so that types are claims as well.

Each raises :class:`~maedfer.errors.ConfigError`, which names the setting and quotes no more than a line of its value.
"""

import unicodedata

from maedfer.errors import ConfigError

__all__ = [
    "check_choice",
    "check_count",
    "check_divides",
    "check_flag",
    "check_kind",
    "check_mlp_ratio",
    "is_name",
]

_LARGEST = 65_536  # no width, side or count of a sane model is larger; a config file that says so is refused


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """One of some words."""
    if value not in choices:
        raise ConfigError(f"{name}: expected one of {', '.join(choices)}, got {value!r:.80}")


def check_count(name: str, value: object) -> None:
    """A whole number from 1 to 65536."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _LARGEST:
        raise ConfigError(f"{name}: expected a whole number from 1 to {_LARGEST}, got {value!r:.80}")


def check_divides(small: str, divisor: int, large: str, whole: int) -> None:
    """One count divides another."""
    if whole % divisor:
        raise ConfigError(
            f"{small} {divisor} must divide {large} {whole}: {whole} / {divisor} leaves {whole % divisor}"
        )


def check_flag(name: str, value: object) -> None:
    """True or false, and nothing that only counts as one of them."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name}: expected true or false, got {value!r:.80}")


def check_kind(name: str, value: object, kinds: tuple[type, ...]) -> None:
    """A part with settings of its own: JSON can put any other part there, or none."""
    if not isinstance(value, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise ConfigError(f"{name}: expected {wanted}, got {type(value).__name__}")


def check_mlp_ratio(value: object) -> None:
    """Above 0, at most 64."""
    if not (isinstance(value, int | float) and 0 < value <= 64):
        raise ConfigError(f"mlp_ratio: expected a number in (0, 64], got {value!r:.80}")


def is_name(label: object) -> bool:
    """Whether it can be a class's name: names go into tables and pages, so no control characters, no halves of one."""
    return isinstance(label, str) and bool(label.strip()) and not {"Cc", "Cs"} & set(map(unicodedata.category, label))
