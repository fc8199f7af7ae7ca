"""A recipe as text: kept beside the run, and compared when a run is resumed."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from maedfer.output import write_text
from maedfer.recipes import FinetuneRecipe, PretrainRecipe

__all__ = ["run_settings", "write_settings"]


def run_settings(recipe: PretrainRecipe | FinetuneRecipe) -> str:
    """All settings that decide the result, as JSON: not the folder, how often to save or how many workers read."""
    free = replace(recipe, out=Path(), checkpoint_minutes=0.0, data=replace(recipe.data, workers=0))
    return json.dumps(asdict(free), indent=2, default=_plain)


def write_settings(recipe: PretrainRecipe | FinetuneRecipe) -> None:
    """Write ``recipe.json`` into the run's folder.

    Raises:
        OutputError: it cannot be written.
    """
    write_text(recipe.out / "recipe.json", json.dumps(asdict(recipe), indent=2, default=_plain) + "\n")


def _plain(value: Any) -> str:
    return str(value)
