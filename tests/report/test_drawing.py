"""What is painted on a frame: in the right place, in the right colour, within the picture."""

import numpy as np
import pytest

from maedfer.report import UNSURE, Segment
from maedfer.report.cards import UNJUDGED, CardMaker, Mark, printable
from maedfer.report.colours import colour_of
from maedfer.report.drawing import Painter
from maedfer.video.types import Frame

LABELS = ("happy", "sad", "neutral", "angry")
GREY = 100


def frame(width: int = 640, height: int = 360, time_s: float = 0.0) -> Frame:
    return Frame(time_s, np.full((height, width, 3), GREY, np.uint8))


def mark(box: tuple[float, float, float, float], label: str = "happy", track: int = 0, first: float = 0.6) -> Mark:
    rest = (1 - first) / 3
    probabilities = tuple(first if name == label else rest for name in LABELS)
    return Mark(track, box, label, first, probabilities)


def rgb(label: str) -> np.ndarray:
    colour = colour_of(label, LABELS)
    return np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])


def blended(label: str) -> np.ndarray:
    """A card's colour over the grey of the frame."""
    return np.rint(0.85 * rgb(label) + 0.15 * GREY)


def pixels(image: np.ndarray, colour: np.ndarray, tolerance: int = 2) -> int:
    return int((np.abs(image.astype(int) - colour).max(axis=2) <= tolerance).sum())


def changed(image: np.ndarray) -> np.ndarray:
    return (image != GREY).any(axis=2)


def test_the_box_is_drawn_where_the_face_is_and_the_frame_stays() -> None:
    blank = frame()
    image = Painter(LABELS, 640, 360).paint(blank, [mark((200.0, 100.0, 300.0, 220.0))])
    for x, y in ((200, 160), (300, 160), (250, 100), (250, 220)):
        assert (image[y, x] == rgb("happy")).all()
    assert (image[110:210, 210:290] == GREY).all()
    assert (blank.image == GREY).all()
    assert not changed(Painter(LABELS, 640, 360).paint(blank, [])).any()


def test_bars_are_as_long_as_the_probabilities() -> None:
    lengths = {}
    for value in (0.4, 0.8):
        rest = (1 - value) / 3
        said = Mark(0, (200.0, 100.0, 300.0, 220.0), UNSURE, value, (rest, value, rest, rest))
        lengths[value] = pixels(Painter(LABELS, 640, 360).paint(frame(), [said]), blended("sad"))
    assert lengths[0.8] / lengths[0.4] == pytest.approx(2, rel=0.15)


def test_a_face_that_was_not_judged_has_neither_colour_nor_bars() -> None:
    said = Mark(3, (200.0, 100.0, 300.0, 220.0), UNJUDGED, None, ())
    image = Painter(LABELS, 640, 360).paint(frame(), [said])
    assert changed(image).any()
    assert np.ptp(image.astype(int), axis=2).max() <= 5


@pytest.mark.parametrize(("width", "height"), [(640, 360), (1280, 720), (3840, 2160), (360, 640)])
def test_everything_grows_with_the_picture(width: int, height: int) -> None:
    size = min(width, height) / 360

    def share(scale: float) -> float:
        image = Painter(LABELS, round(640 * scale), round(360 * scale)).paint(
            frame(round(640 * scale), round(360 * scale)), [mark((200 * scale, 100 * scale, 300 * scale, 220 * scale))]
        )
        return float(changed(image).mean())

    assert share(size) == pytest.approx(share(1.0), rel=0.1)


@pytest.mark.parametrize(
    "box",
    [
        (-30.0, -40.0, 60.0, 70.0),
        (560.0, 280.0, 700.0, 400.0),
        (60.0, -90.0, 560.0, 500.0),
        (560.0, 10.0, 630.0, 90.0),
        (10.0, 290.0, 60.0, 355.0),
    ],
)
def test_cards_stay_whole_at_the_borders(box: tuple[float, float, float, float]) -> None:
    def title(where: tuple[float, float, float, float]) -> int:
        image = Painter(LABELS, 640, 360).paint(frame(), [mark(where, "angry")])
        return pixels(image, blended("angry"))

    assert title(box) == pytest.approx(title((250.0, 100.0, 350.0, 220.0)), rel=0.05)


def test_cards_of_neighbours_do_not_hide_each_other() -> None:
    faces = [
        mark((100.0, 100.0, 180.0, 190.0), "happy", 0),
        mark((200.0, 100.0, 280.0, 190.0), "sad", 1),
        mark((300.0, 100.0, 380.0, 190.0), "neutral", 2),
    ]
    together = Painter(LABELS, 640, 360).paint(frame(), faces)
    for face in faces:
        alone = Painter(LABELS, 640, 360).paint(frame(), [face])
        assert pixels(together, blended(face.label)) >= 0.95 * pixels(alone, blended(face.label))


def test_in_a_crowd_only_titles_are_left_and_faces_are_seen() -> None:
    boxes = [
        (20.0 + 75 * column, 30.0 + 75 * row, 75.0 + 75 * column, 85.0 + 75 * row)
        for column in range(8)
        for row in range(4)
    ]
    faces = [mark(box, LABELS[k % 4], k) for k, box in enumerate(boxes)]
    image = Painter(LABELS, 640, 360).paint(frame(), faces)
    free = [1 - changed(image[int(y0) + 5 : int(y1) - 5, int(x0) + 5 : int(x1) - 5]).mean() for x0, y0, x1, y1 in boxes]
    assert np.mean(free) > 0.6


def test_a_card_keeps_its_side_while_a_face_trembles() -> None:
    painter, columns = Painter(LABELS, 640, 360), []
    for step in range(20):
        x = 400.0 + step % 3
        image = painter.paint(frame(), [mark((x, 100.0, x + 100, 220.0))])
        columns.append(np.flatnonzero(changed(image).any(axis=0))[-1])
    assert np.ptp(columns) <= 3


def test_the_strip_shows_who_showed_what_and_now() -> None:
    spans = [
        [Segment(0, 0.0, 5.0, "happy", 0.9), Segment(0, 5.0, 10.0, UNSURE, 0.3)],
        [Segment(1, 2.0, 4.0, "sad", 0.8)],
    ]
    painter = Painter(LABELS, 640, 360, spans, 10.0)
    image = painter.paint(frame(time_s=8.0), [])
    edge = image[-16:]
    assert pixels(edge[:, 20:300], rgb("happy"), 0) >= 280 * 4
    assert pixels(edge[:, 340:], rgb("happy"), 0) == 0
    assert pixels(edge[:, 130:250], rgb("sad"), 0) >= 110 * 4
    assert pixels(edge[:, :120], rgb("sad"), 0) == 0
    white = np.flatnonzero((image[-1] == 255).all(axis=1))
    assert abs(white.mean() - 512) <= 2
    assert not changed(image[:-20]).any()


@pytest.mark.parametrize(("width", "height"), [(2, 2), (16, 16), (40, 300), (176, 144)])
def test_tiny_pictures_are_painted_without_a_word_of_complaint(width: int, height: int) -> None:
    spans = [[Segment(0, 0.0, 5.0, "happy", 0.9)]]
    painter = Painter(LABELS, width, height, spans, 5.0)
    image = painter.paint(frame(width, height, 1.0), [mark((0.0, 0.0, width / 2, height / 2))])
    assert image.shape == (height, width, 3)


def test_labels_of_any_script_are_written_in_ascii() -> None:
    assert printable("Überraschung", "class 1") == "Uberraschung"
    assert printable("Spaß", "class 1") == "Spass"
    assert printable("colère", "class 1") == "colere"
    assert printable("怒り", "class 3") == "class 3"
    assert printable("怒り (anger)\n", "class 3") == "?? (anger)?"
    labels = ("怒り", "colère", "a" * 300)
    said = Mark(0, (20.0, 20.0, 90.0, 90.0), "a" * 300, 0.9, (0.05, 0.05, 0.9))
    assert Painter(labels, 640, 360).paint(frame(), [said]).shape == (360, 640, 3)


def test_unsure_is_rounded_down() -> None:
    def card(value: float, label: str) -> np.ndarray:
        rest = (1 - value) / 3
        return CardMaker(LABELS, 2.0, 600).card(
            Mark(0, (0.0, 0.0, 9.0, 9.0), label, value, (value, rest, rest, rest)), False
        )

    assert (card(0.499, UNSURE) == card(0.49, UNSURE)).all()
    assert (card(0.499, UNSURE) != card(0.5, UNSURE)).any()
    assert (card(0.499, "happy") == card(0.5, "happy")).all()
