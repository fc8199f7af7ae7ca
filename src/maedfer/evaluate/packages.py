"""Are the packages there that an evaluation ends with? Better asked before an hour's work than after it."""

from importlib.util import find_spec

from maedfer.errors import ConfigError

__all__ = ["require_packages"]

_NAMES = {"sklearn": "scikit-learn"}


def require_packages(*modules: str) -> None:
    """Make sure that ``modules`` can be imported, without importing them.

    Raises:
        ConfigError: some cannot; they are named with the remedy.
    """
    missing = [_NAMES.get(module, module) for module in modules if find_spec(module) is None]
    if missing:
        raise ConfigError(
            f"evaluation needs {' and '.join(missing)}, not installed here; run: pip install 'maedfer[train]'"
        )
