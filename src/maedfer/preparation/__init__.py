"""Public sets and folders of one's own into manifests, checked for what breaks reproductions, with faces cut.

Reading order: :mod:`prepare`, :mod:`workshop`, then :mod:`facts`, :mod:`tightness`, :mod:`checks`, :mod:`counts`; how
work is spread and remembered is in :mod:`jobs`, :mod:`pool` and :mod:`journal`. All but the options is loaded when
first asked for, so that ``maedfer --help`` needs no codec.
"""

import importlib
from typing import TYPE_CHECKING

from maedfer.preparation.options import CropChoice, PreparationOptions

if TYPE_CHECKING:
    from maedfer.preparation.prepare import PreparedCorpus, prepare_corpus
    from maedfer.preparation.report import Count, Finding, LeftOut, Look, PreparationReport

__all__ = [
    "Count",
    "CropChoice",
    "Finding",
    "LeftOut",
    "Look",
    "PreparationOptions",
    "PreparationReport",
    "PreparedCorpus",
    "prepare_corpus",
]

_HOMES = {
    "Count": "report",
    "Finding": "report",
    "LeftOut": "report",
    "Look": "report",
    "PreparationReport": "report",
    "PreparedCorpus": "prepare",
    "prepare_corpus": "prepare",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
