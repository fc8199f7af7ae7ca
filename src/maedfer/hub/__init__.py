"""Models by name: the weights in the package, a folder, an official checkpoint, or a repository of a hub.

::

    model = maedfer.load_model("owner/name", revision="v1")  # fetched once, then read from the cache
"""

import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from maedfer.errors import WeightsError
from maedfer.hub.cache import cache_folder
from maedfer.hub.card import ModelCard
from maedfer.hub.fetch import fetch
from maedfer.hub.known import KNOWN_WEIGHTS, KnownWeights, file_of
from maedfer.hub.publish import push_to_hub, write_folder

if TYPE_CHECKING:
    from maedfer.models import ExpressionClassifier
    from maedfer.weights import Model

__all__ = [
    "DEFAULT_MODEL",
    "KNOWN_WEIGHTS",
    "KnownWeights",
    "ModelCard",
    "cache_folder",
    "from_pretrained",
    "load_model",
    "locate",
    "push_to_hub",
    "write_folder",
]

#: The name of the weights that are shipped inside the package.
DEFAULT_MODEL = "default"

_HUB_ID = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*?)(?:@([\w./-]+))?")


def locate(name: str | Path, *, revision: str | None = None, refresh: bool = False) -> Path:
    """The folder or file that ``name`` means; what a hub holds is fetched once and then taken from the cache.

    Args:
        name: ``"default"``, a folder with ``model.safetensors`` and ``config.json``, a ``.pth`` checkpoint, a name of
            :data:`KNOWN_WEIGHTS`, or ``"owner/name"`` or ``"owner/name@revision"`` of a hub. What lies on the disk
            comes before what a hub has.
        revision: branch, tag or commit of the hub's repository; ``main`` when left out.
        refresh: ask the hub where a branch stands now, instead of taking the commit that was fetched before.

    Raises:
        WeightsError: there is no such model, or it cannot be fetched; the message says how to get it by hand.
    """
    if name == DEFAULT_MODEL:
        folder = Path(str(files("maedfer").joinpath("assets", "default")))
        if not (folder / "model.safetensors").is_file():
            raise WeightsError("this build carries no default weights; give --model DIR (or FILE.pth)")
        return folder
    path = Path(name)
    if path.exists():
        return path
    if isinstance(name, str) and name in KNOWN_WEIGHTS:
        return file_of(KNOWN_WEIGHTS[name])
    found = _HUB_ID.fullmatch(name) if isinstance(name, str) else None
    if found is None or path.suffix in (".pth", ".pt", ".safetensors"):
        raise WeightsError(
            f"model {str(name)!r}: expected 'default', a folder, a .pth file, owner/name of a hub, or one of "
            f"{', '.join(KNOWN_WEIGHTS)}, but there is nothing there"
        )
    if found[2] and revision:
        raise WeightsError(f"model {name!r}: two revisions, {found[2]} and {revision}; give one")
    return fetch(found[1], found[2] or revision or "main", refresh=refresh)


def load_model(
    name: str | Path = DEFAULT_MODEL,
    *,
    device: str = "cpu",
    revision: str | None = None,
    sha256: str | None = None,
    label_set: str | None = None,
    refresh: bool = False,
) -> "Model":
    """The model that ``name`` means, a classifier or a masked autoencoder, in evaluation mode.

    Args:
        name: as in :func:`locate`.
        device: ``"cpu"`` or ``"cuda"``.
        revision: as in :func:`locate`.
        sha256: what the weights file must hash to, 64 hexadecimal digits; other files are refused before they are read.
        label_set: label set of an official classifier whose number of classes does not tell it.
        refresh: as in :func:`locate`.

    Raises:
        WeightsError: no such model, an unsafe or damaged file, or one with another hash.
    """
    from maedfer.weights import fingerprint
    from maedfer.weights import load_model as load

    path = locate(name, revision=revision, refresh=refresh)
    if sha256 is not None and (found := fingerprint(path)) != sha256.lower():
        raise WeightsError(f"{path}: expected weights of SHA-256 {sha256.lower()}, got {found}; they are not those")
    known = KNOWN_WEIGHTS.get(str(name))
    return load(path, device=device, label_set=label_set or (known.label_set if known else None))


def from_pretrained(name: str | Path = DEFAULT_MODEL, *, device: str = "cpu") -> "ExpressionClassifier":
    """The classifier that ``name`` means, in evaluation mode.

    Args:
        name: as in :func:`locate`.
        device: ``"cpu"`` or ``"cuda"``.

    Raises:
        WeightsError: no such model, an unsafe or damaged file, or weights of a model without a classifier.
    """
    from maedfer.models import ExpressionClassifier

    model = load_model(name, device=device)
    if not isinstance(model, ExpressionClassifier):
        raise WeightsError(
            f"{name}: expected a classifier, got pre-training weights ({type(model).__name__}); "
            "fine-tune them first: maedfer finetune RECIPE --init PATH"
        )
    return model
