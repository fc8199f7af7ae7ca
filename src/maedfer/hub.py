"""Models by name: the weights inside the package, a folder, or an official checkpoint file."""

import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from maedfer.errors import WeightsError

if TYPE_CHECKING:
    from maedfer.models import ExpressionClassifier

__all__ = ["DEFAULT_MODEL", "from_pretrained", "locate"]

#: The name of the weights that are shipped inside the package.
DEFAULT_MODEL = "default"

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def locate(name: str | Path) -> Path:
    """The folder or file that ``name`` means.

    Args:
        name: ``"default"``, a folder with ``model.safetensors`` and ``config.json``, or a ``.pth`` checkpoint.

    Raises:
        WeightsError: there is no such model here.
    """
    if name == DEFAULT_MODEL:
        folder = Path(str(files("maedfer").joinpath("assets", "default")))
        if not (folder / "model.safetensors").is_file():
            raise WeightsError("this build carries no default weights; give --model DIR (or FILE.pth)")
        return folder
    path = Path(name)
    if path.exists():
        return path
    if isinstance(name, str) and _HUB_ID.fullmatch(name) and not path.suffix:
        raise WeightsError(
            f"model {name!r}: expected 'default', a folder or a .pth file, got what looks like a hub id; "
            "download its files and give their folder"
        )
    raise WeightsError(f"model {str(name)!r}: expected 'default', a folder or a .pth file, but there is nothing there")


def from_pretrained(name: str | Path = DEFAULT_MODEL, *, device: str = "cpu") -> "ExpressionClassifier":
    """The classifier that ``name`` means, in evaluation mode.

    Args:
        name: as in :func:`locate`.
        device: ``"cpu"`` or ``"cuda"``.

    Raises:
        WeightsError: no such model, an unsafe or damaged file, or weights of a model without a classifier.
    """
    from maedfer.models import ExpressionClassifier
    from maedfer.weights import load_model

    path = locate(name)
    model = load_model(path, device=device)
    if not isinstance(model, ExpressionClassifier):
        raise WeightsError(
            f"{path}: expected a classifier, got pre-training weights ({type(model).__name__}); "
            "fine-tune them first: maedfer finetune RECIPE --init PATH"
        )
    return model.eval()
