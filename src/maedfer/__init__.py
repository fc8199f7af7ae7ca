"""maedfer: which expression does each face in a video show, and when.

::

    from maedfer import Predictor

    prediction = Predictor().predict("talk.mp4")

Names are loaded when first used, so that ``import maedfer`` does not wait for torch.
"""

import importlib
from typing import TYPE_CHECKING

from maedfer.errors import MaedferError

if TYPE_CHECKING:
    from maedfer.export import export_onnx
    from maedfer.hub import from_pretrained, load_model, push_to_hub
    from maedfer.predict import Prediction, Predictor

__version__ = "0.1.0"

__all__ = [
    "MaedferError",
    "Prediction",
    "Predictor",
    "__version__",
    "export_onnx",
    "from_pretrained",
    "load_model",
    "push_to_hub",
]

_HOMES = {
    "Prediction": "maedfer.predict",
    "Predictor": "maedfer.predict",
    "export_onnx": "maedfer.export",
    "from_pretrained": "maedfer.hub",
    "load_model": "maedfer.hub",
    "push_to_hub": "maedfer.hub",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'maedfer' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
