"""The small picture beside a face in an annotated video: who, what, how sure, and the most probable classes as bars."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import UInt8

from maedfer.report.colours import colour_of, ink_on
from maedfer.report.page_words import confidence_percent
from maedfer.report.windows import UNSEEN

__all__ = ["UNJUDGED", "CardMaker", "Mark", "printable"]

#: Stands in the place of a label where a face is there but was not judged.
UNJUDGED = "?"

_DARK = (24, 24, 28)
_LIGHT = (240, 240, 240)
_BARS = 3
_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True)
class Mark:
    """What is said of one face at one instant.

    Attributes:
        track: identity of the face.
        box: x0, y0, x1, y1 in pixels of the picture that is painted.
        label: an expression, ``"unsure"``, or ``"?"`` where the face was not judged.
        confidence: probability of the most probable class, 0..1; ``None`` where the face was not judged.
        probabilities: of every class in index order, after smoothing; empty where the face was not judged.
    """

    track: int
    box: tuple[float, float, float, float]
    label: str
    confidence: float | None
    probabilities: tuple[float, ...]


class CardMaker:
    """Makes the cards of one video; those with bars are all of one width, so that nothing moves but the bars.

    Args:
        labels: class names in index order.
        unit: pixels of one unit; letters are about 10 units high.
        room: most pixels that a card may be wide.
    """

    def __init__(self, labels: Sequence[str], unit: float, room: int) -> None:
        self._labels, self._unit = tuple(labels), unit
        self._names = {label: printable(label, f"class {index}") for index, label in enumerate(labels)}
        self._pad, self._line = self._px(4), self._px(15)
        self._percent = self._wide("100%")
        names = max((self._wide(name) for name in self._names.values()), default=0)
        title = self._wide("#00 ") + names + self._percent + 3 * self._pad
        bars = names + self._px(40) + self._percent + 4 * self._pad
        self._width = max(self._px(20), min(room, max(title, bars)))
        self._column = max(1, min(names, self._width - self._px(20) - self._percent - 4 * self._pad))
        self._made: dict[tuple[int, bool], tuple[Mark, UInt8[np.ndarray, "h w 3"]]] = {}

    def colour(self, label: str) -> tuple[int, int, int]:
        """RGB of a label; grey for "unsure" and for a face that was not judged."""
        return _rgb(colour_of(UNSEEN if label == UNJUDGED else label, self._labels))

    def card(self, mark: Mark, full: bool) -> UInt8[np.ndarray, "h w 3"]:
        """The card of a face, with the bars (``full``) or without; drawn only when what it says has changed."""
        key, said = (mark.track, full), replace(mark, box=(0.0, 0.0, 0.0, 0.0))
        if key not in self._made or self._made[key][0] != said:
            self._made[key] = said, self._drawn(mark, full)
        return self._made[key][1]

    def forget(self, track: int) -> None:
        """Drop the cards of a face that has gone."""
        for full in (True, False):
            self._made.pop((track, full), None)

    def _drawn(self, mark: Mark, full: bool) -> UInt8[np.ndarray, "h w 3"]:
        title = f"#{mark.track} {self._names.get(mark.label, mark.label)}"
        sure = "" if mark.confidence is None else f"{confidence_percent(mark.label, mark.confidence)}%"
        short = 3 * self._pad + self._wide(title) + self._wide(sure)
        head = self._line + self._pad // 2
        best = sorted(zip(self._labels, mark.probabilities, strict=False), key=lambda pair: -pair[1])[:_BARS]
        width, bars = self._width if full else min(short, self._width), len(best) * self._line + self._pad
        card = np.full((head + bars if full else head, width, 3), _DARK, np.uint8)
        card[:head] = self.colour(mark.label)
        ink = _rgb(ink_on(colour_of(UNSEEN if mark.label == UNJUDGED else mark.label, self._labels)))
        right = width - self._pad - self._wide(sure)
        self._write(card, title, self._pad, head, ink, right - 2 * self._pad)
        self._write(card, sure, right, head, ink, width)
        if full:
            for row, (label, value) in enumerate(best):
                sure = f"{confidence_percent(mark.label, value)}%"
                self._draw_bar(card, head + self._pad // 2 + row * self._line, label, value, sure)
        return card

    def _draw_bar(self, card: UInt8[np.ndarray, "h w 3"], top: int, label: str, value: float, sure: str) -> None:
        width, low = card.shape[1], top + self._line
        self._write(card, self._names[label], self._pad, low, _LIGHT, self._column)
        self._write(card, sure, width - self._pad - self._wide(sure), low, _LIGHT, self._percent)
        x0, x1 = 2 * self._pad + self._column, width - 2 * self._pad - self._percent
        y0, y1 = top + self._px(4), low - self._px(3)
        if x1 > x0:
            end = x0 + round(min(max(value, 0.0), 1.0) * (x1 - x0))
            cv2.rectangle(card, (x0, y0), (end, y1), self.colour(label), -1)
            cv2.rectangle(card, (x0, y0), (x1, y1), _LIGHT, max(1, round(self._unit / 2)))

    def _write(
        self, card: UInt8[np.ndarray, "h w 3"], text: str, x: int, low: int, ink: tuple[int, int, int], room: int
    ) -> None:
        """Text whose line ends at ``low``, cut to ``room`` pixels."""
        if self._wide(text) > room:
            while text and self._wide(text + "..") > room:
                text = text[:-1]
            text += ".."
        cv2.putText(card, text, (x, low - self._px(4)), _FONT, self._scale, ink, self._thick, cv2.LINE_AA)

    @property
    def _scale(self) -> float:
        return 0.4 * self._unit

    @property
    def _thick(self) -> int:
        return max(1, round(0.9 * self._unit))

    def _wide(self, text: str) -> int:
        return int(cv2.getTextSize(text, _FONT, self._scale, self._thick)[0][0])

    def _px(self, units: int) -> int:
        return max(1, round(units * self._unit))


def printable(text: str, otherwise: str) -> str:
    """``text`` in the characters that OpenCV draws (ASCII): accents fall away, what is left over becomes ``?``.

    Args:
        text: a label from anywhere.
        otherwise: is given instead when nothing readable is left.
    """
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    kept = "".join(letter for letter in plain if not unicodedata.combining(letter))
    shown = "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in kept).strip()
    return shown if any(letter.isalnum() for letter in shown) else otherwise


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
