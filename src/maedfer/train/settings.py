"""A recipe as text: kept beside the run, and compared when a run is resumed."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

from maedfer.output import write_text
from maedfer.recipes import ComputeConfig, FinetuneRecipe, PretrainRecipe

__all__ = ["settings_hash", "write_settings"]

# Of how things are computed; as the first runs wrote it, so that they can be resumed.
_NOT_COMPARED = {"compile": False, "checkpoint_activations": False, "fsdp": False}


def settings_hash(recipe: PretrainRecipe | FinetuneRecipe, processes: int) -> str:
    """Fingerprint of all settings that decide the result.

    Not of the folder, how often to save, or how the same mathematics is computed (but for the precision). Of batch
    size, accumulation and processes only the product decides, which the checkpoint holds, and nothing hangs on the
    workers; but a stream of shards is dealt out to processes and workers.
    """
    free = replace(recipe, out=Path(), checkpoint_minutes=0.0, compute=ComputeConfig())
    if recipe.data.shards is None:
        data, optim = replace(recipe.data, workers=0), replace(recipe.optim, batch_size=1, accumulate=1)
        free, processes = replace(free, data=data, optim=optim), 1
    settings = asdict(free) | {"compute": {"precision": recipe.compute.precision} | _NOT_COMPARED}
    text = json.dumps([processes, settings], default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_settings(recipe: PretrainRecipe | FinetuneRecipe) -> None:
    """Write ``recipe.json`` into the run's folder.

    Raises:
        OutputError: it cannot be written.
    """
    write_text(recipe.out / "recipe.json", json.dumps(asdict(recipe), indent=2, default=str) + "\n")
