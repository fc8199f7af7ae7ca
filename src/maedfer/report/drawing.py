"""What is painted on one frame of an annotated video: a box and a card for each face, a strip of time.

All sizes follow the picture's shorter side, so that a person reads the same at 360 lines and at 2160.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import UInt8

from maedfer.report.answers import Segment
from maedfer.report.cards import CardMaker, Mark
from maedfer.video.types import Frame

__all__ = ["Painter"]

_Box = tuple[float, float, float, float]

_DARK = (24, 24, 28)
_LIGHT = (255, 255, 255)
_CARD_OPACITY = 0.85
_STRIP_ROWS = 4
# A place that was good is kept until another is better by this much: cards that hop cannot be read.
_LOYALTY = 0.15
# How bad it is to hide the whole of a card that is already there, of another face, of the own face.
_OVER_CARD, _OVER_OTHER, _OVER_OWN = 20.0, 3.0, 1.5
# Where the best place is worse than this (a third of the own face hidden), the bars are left out.
_CROWDED = 0.5
# The order in which equally good places are tried: with bars beside the face first, without them above it.
_FULL_ORDER = (0, 1, 2, 3, 4, 5, 6, 7)
_SHORT_ORDER = (3, 2, 0, 1, 7, 6, 4, 5)


class Painter:
    """Paints the frames of one video, all of one size, in order of time.

    Args:
        labels: class names in index order.
        width: of the frames, pixels.
        height: of the frames, pixels.
        segments: what is said of each face, for the strip at the lower edge: one row a face, shared by faces that are
            never there together; beyond four rows the later faces have none.
        duration_s: what the strip spans, seconds.
    """

    def __init__(
        self,
        labels: Sequence[str],
        width: int,
        height: int,
        segments: Sequence[Sequence[Segment]] = (),
        duration_s: float = 0.0,
    ) -> None:
        self._width, self._height, self._duration_s = width, height, duration_s
        self._unit = max(0.8, min(width, height) / 360)
        self._maker = CardMaker(labels, self._unit, room=max(1, width // 2))
        self._strip = self._drawn_strip(segments)
        self._places: dict[int, tuple[bool, int]] = {}

    def paint(self, frame: Frame, marks: Sequence[Mark]) -> UInt8[np.ndarray, "H W 3"]:
        """A painted copy of a frame.

        Args:
            frame: of the painter's size.
            marks: one a face, boxes in pixels of the frame.
        """
        image = frame.image.copy()
        for mark in marks:
            self._draw_box(image, mark)
        cards: list[_Box] = []
        for mark in marks:
            cards.append(self._draw_card(image, mark, [other.box for other in marks if other is not mark], cards))
        self._draw_strip(image, frame.time_s)
        for track in set(self._places) - {mark.track for mark in marks}:
            del self._places[track]
            self._maker.forget(track)
        return image

    def _draw_box(self, image: UInt8[np.ndarray, "H W 3"], mark: Mark) -> None:
        x0, y0, x1, y1 = (round(value) for value in mark.box)
        thick = max(2, self._px(2))
        cv2.rectangle(image, (x0, y0), (x1, y1), _DARK, thick + 2 * self._px(1))
        cv2.rectangle(image, (x0, y0), (x1, y1), self._maker.colour(mark.label), thick)

    def _draw_card(
        self, image: UInt8[np.ndarray, "H W 3"], mark: Mark, others: Sequence[_Box], cards: Sequence[_Box]
    ) -> _Box:
        """Paint a card where it hides least, without its bars where that is still too much; where it went."""
        was_full, was_side = self._places.get(mark.track, (True, -1))
        full = bool(mark.probabilities)
        card = self._maker.card(mark, full)
        cost, side, place = self._best(mark.box, card.shape, full, others, cards, was_side)
        if full and cost > _CROWDED + (_LOYALTY if was_full else -_LOYALTY):
            full, card = False, self._maker.card(mark, False)
            _, side, place = self._best(mark.box, card.shape, full, others, cards, was_side)
        self._places[mark.track] = full, side
        x0, y0, x1, y1 = (int(value) for value in place)
        part = image[y0:y1, x0:x1]
        seen = np.ascontiguousarray(card[: y1 - y0, : x1 - x0])
        image[y0:y1, x0:x1] = cv2.addWeighted(seen, _CARD_OPACITY, part, 1 - _CARD_OPACITY, 0.0)
        return place

    def _best(
        self,
        box: _Box,
        shape: tuple[int, ...],
        full: bool,
        others: Sequence[_Box],
        cards: Sequence[_Box],
        was_side: int,
    ) -> tuple[float, int, _Box]:
        """(how much it hides, number of the place, the place) for a card of ``shape``."""
        places = self._candidates(box, shape)
        costs = [
            _OVER_CARD * sum(_hidden(card, place) for card in cards)
            + _OVER_OTHER * sum(_hidden(other, place) for other in others)
            + _OVER_OWN * _hidden(box, place)
            for place in places
        ]
        order = _FULL_ORDER if full else _SHORT_ORDER
        ranks = {side: costs[side] + 0.02 * rank - _LOYALTY * (side == was_side) for rank, side in enumerate(order)}
        best = min(ranks, key=ranks.__getitem__)
        return costs[best], best, places[best]

    def _candidates(self, box: _Box, shape: tuple[int, ...]) -> list[_Box]:
        """Places for a card, moved into the picture: right, left, below, above the face; see ``_FULL_ORDER``."""
        height, width = shape[:2]
        gap, middle = self._px(4), (box[0] + box[2] - width) / 2
        x0, y0, x1, y1 = box
        right, left, below, above = x1 + gap, x0 - gap - width, y1 + gap, y0 - gap - height
        corners = (
            *((right, y0), (left, y0), (x0, below), (x0, above)),
            *((right, y1 - height), (left, y1 - height), (middle, below), (middle, above)),
        )
        places: list[_Box] = []
        for x, y in corners:
            column = max(0, min(round(x), self._width - width))
            row = max(0, min(round(y), self._height - self._strip.shape[0] - height))
            place = column, row, min(column + width, self._width), min(row + height, self._height)
            places.append((float(place[0]), float(place[1]), float(place[2]), float(place[3])))
        return places

    def _drawn_strip(self, segments: Sequence[Sequence[Segment]]) -> UInt8[np.ndarray, "h W 3"]:
        rows = _rows([spans for spans in segments if spans])[:_STRIP_ROWS]
        if not rows or self._duration_s <= 0:
            return np.zeros((0, self._width, 3), np.uint8)
        line, gap = self._px(5), self._px(2)
        strip = np.full((gap + len(rows) * (line + gap), self._width, 3), _DARK, np.uint8)
        for number, row in enumerate(rows):
            top = gap + number * (line + gap)
            for span in row:
                x0, x1 = self._column(span.start_s), self._column(span.end_s)
                strip[top : top + line, x0 : max(x1, x0 + 1)] = self._maker.colour(span.label)
        return strip

    def _draw_strip(self, image: UInt8[np.ndarray, "H W 3"], time_s: float) -> None:
        height = self._strip.shape[0]
        if not height or height > self._height // 4:
            return
        image[-height:] = self._strip
        x, half = self._column(time_s), self._px(1)
        image[-height:, max(0, x - 2 * half) : x + 2 * half + 1] = _DARK
        image[-height:, max(0, x - half + 1) : x + half] = _LIGHT

    def _column(self, time_s: float) -> int:
        return max(0, min(self._width - 1, round(time_s / self._duration_s * self._width)))

    def _px(self, units: int) -> int:
        return max(1, round(units * self._unit))


def _hidden(what: _Box, under: _Box) -> float:
    """Share of a box that lies under another, 0..1."""
    width = max(0.0, min(what[2], under[2]) - max(what[0], under[0]))
    height = max(0.0, min(what[3], under[3]) - max(what[1], under[1]))
    return width * height / max(1.0, (what[2] - what[0]) * (what[3] - what[1]))


def _rows(tracks: Sequence[Sequence[Segment]]) -> list[list[Segment]]:
    """Faces in rows: each in the first row whose last face has gone."""
    rows: list[list[Segment]] = []
    for spans in sorted(tracks, key=lambda spans: spans[0].start_s):
        row = next((row for row in rows if row[-1].end_s <= spans[0].start_s), None)
        if row is None:
            rows.append(row := [])
        row.extend(spans)
    return rows
