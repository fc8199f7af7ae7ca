"""One colour an expression, the same on the page, in the figure and in the annotated video. Plain Python.

The seven basic expressions have the colours of Okabe and Ito ("Color Universal Design", 2008), chosen so that people
with the common kinds of colour blindness tell them apart; the colours of the further expressions were chosen by their
distance to those in a simulation of colour blindness (Machado, Oliveira and Fernandes 2009).
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import product

from maedfer.emotions import canonical
from maedfer.report.windows import UNSEEN, UNSURE

__all__ = ["colour_of", "ink_on"]

_Channels = tuple[int, int, int]

_NOT_ANSWERED = {UNSURE: "#BDBDBD", UNSEEN: "#E3E3E3"}

_FIXED = {
    "happy": "#F0E442",
    "sad": "#0072B2",
    "neutral": "#56B4E9",
    "angry": "#D55E00",
    "surprise": "#E69F00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "contempt": "#553300",
    "anxiety": "#7766FF",
    "helplessness": "#220088",
    "disappointment": "#882255",
    "calm": "#CCEE99",
}

#: Channel values of the colours that other classes may get.
_LEVELS = range(0, 256, 36)

#: How much a difference of red, green and blue counts for the eye, roughly: the weights of luma.
_WEIGHTS = (0.299, 0.587, 0.114)


def colour_of(label: str, labels: Sequence[str]) -> str:
    """The colour of ``label`` among ``labels``.

    The known expressions keep theirs in any set and any spelling ("anger" is "angry"). Each other class gets, in the
    order of ``labels``, the colour that is furthest from all in use, so the same labels always give the same colours.
    No two of up to 400 labels share one.

    Args:
        label: a class, ``"unsure"`` or ``"unseen"`` (greys); a class that is not in ``labels`` is taken as a last one.
        labels: class names in index order.

    Returns:
        ``"#RRGGBB"``.
    """
    if label in _NOT_ANSWERED:
        return _NOT_ANSWERED[label]
    known = tuple(labels)
    return _palette(known if label in known else (*known, label))[label]


@lru_cache(maxsize=64)
def _palette(labels: tuple[str, ...]) -> dict[str, str]:
    colours: dict[str, str] = {}
    for label in labels:
        fixed = _FIXED.get(canonical(label))
        if fixed is not None and fixed not in colours.values():
            colours[label] = fixed
    others = [label for label in labels if label not in colours]
    if others:
        distances = dict(_free())
        for label in others:
            furthest = max(distances, key=distances.__getitem__)
            colours[label] = "#{:02X}{:02X}{:02X}".format(*furthest)
            _keep_away(distances, furthest)
    return colours


@lru_cache(maxsize=1)
def _free() -> dict[_Channels, float]:
    """Candidates for other classes with their distance to the fixed colours, the greys and the paper."""
    distances = dict.fromkeys(product(_LEVELS, _LEVELS, _LEVELS), float("inf"))
    for used in (*_FIXED.values(), *_NOT_ANSWERED.values(), "#FFFFFF"):
        _keep_away(distances, _channels(used))
    return distances


def _keep_away(distances: dict[_Channels, float], used: _Channels) -> None:
    """Lower each candidate's distance to the nearest colour in use."""
    for colour, distance in distances.items():
        own = sum(w * (a - b) ** 2 for w, a, b in zip(_WEIGHTS, colour, used, strict=True))
        if own < distance:
            distances[colour] = own


def _channels(colour: str) -> _Channels:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def ink_on(colour: str) -> str:
    """Black or white, whichever is read better on ``colour``: a contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3).

    Args:
        colour: ``"#RRGGBB"``.

    Returns:
        ``"#000000"`` or ``"#FFFFFF"``.
    """
    luminance = sum(w * _linear(value) for w, value in zip((0.2126, 0.7152, 0.0722), _channels(colour), strict=True))
    on_black, on_white = (luminance + 0.05) / 0.05, 1.05 / (luminance + 0.05)
    return "#000000" if on_black >= on_white else "#FFFFFF"


def _linear(value: int) -> float:
    """Of an sRGB channel, 0..255, its share of light, 0..1 (WCAG 2.2, relative luminance)."""
    share = value / 255
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)
