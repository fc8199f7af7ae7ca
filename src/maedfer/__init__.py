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
    from maedfer.hub import from_pretrained
    from maedfer.predict import Prediction, Predictor

__version__ = "0.1.0"

__all__ = ["MaedferError", "Prediction", "Predictor", "__version__", "from_pretrained"]

_HOMES = {
    "Prediction": "maedfer.predict",
    "Predictor": "maedfer.predict",
    "from_pretrained": "maedfer.hub",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'maedfer' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
