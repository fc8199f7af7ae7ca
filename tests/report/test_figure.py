"""The figure draws what the answers say: the same spans, the same probabilities, nothing where nobody was."""

import dataclasses
import io
import subprocess
import sys

import cv2
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from maedfer.errors import ConfigError
from maedfer.report import UNSEEN, UNSURE, ModelIdentity, Prediction, Settings, WindowPrediction
from maedfer.report.colours import colour_of
from maedfer.report.figure import plot
from maedfer.video.types import VideoInfo, Window

LABELS = ("calm", "very glad $x_1$", "sad")


def window(track: int, start: float, *probabilities: float) -> WindowPrediction:
    best = max(range(3), key=probabilities.__getitem__)
    return WindowPrediction(track, start, start + 2.0, LABELS[best], probabilities[best], probabilities, 1.0)


@pytest.fixture
def prediction() -> Prediction:
    return Prediction(
        video=VideoInfo("rtsp://camera.local/talk_$1$.mp4", 64, 48, 12.0, 25.0, "h264", 0),
        duration_s=12.0,
        labels=LABELS,
        model=ModelIdentity("tiny", None, "0"),
        settings=Settings(1.0, 2.0, 0.5, "cpu", "FakeDetector"),
        windows=(
            window(0, 0.0, 0.8, 0.1, 0.1),
            window(0, 1.0, 0.1, 0.8, 0.1),
            window(0, 2.0, 0.4, 0.3, 0.3),
            window(0, 8.0, 0.1, 0.1, 0.8),
            window(4, 0.0, 0.1, 0.1, 0.8),
        ),
        unseen=(Window(0, 4.0, 6.0, 0.2), Window(None, 6.0, 8.0, 0.0)),
        faces=(),
    )


def pixels(figure: Figure) -> np.ndarray:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=80)
    image = cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image[..., ::-1]


def colour_at(figure: Figure, image: np.ndarray, panel: Axes, x: float, y: float) -> str:
    """Of the drawn picture at a point in the panel's units."""
    column, row = panel.transData.transform((x, y)) * 80 / figure.dpi
    return to_hex(image[image.shape[0] - round(row), round(column)] / 255).upper()


def test_what_is_drawn_is_what_was_answered(prediction: Prediction) -> None:
    figure = plot(prediction)
    image = pixels(figure)
    stack, answers, *_ = figure.axes
    calm, glad, sad = (colour_of(label, LABELS) for label in LABELS)
    assert colour_at(figure, image, stack, 0.4, 0.4) == calm
    assert colour_at(figure, image, stack, 0.4, 0.85) == glad
    assert colour_at(figure, image, stack, 0.4, 0.95) == sad
    assert colour_at(figure, image, stack, 2.0, 0.5) == glad
    assert colour_at(figure, image, stack, 7.0, 0.5) == "#FFFFFF"  # nobody there: blank
    assert colour_at(figure, image, answers, 0.1, 0.5) == calm
    assert colour_at(figure, image, answers, 3.9, 0.5) == colour_of(UNSURE, LABELS)
    assert colour_at(figure, image, answers, 7.0, 0.5) == "#FFFFFF"
    hatched = {colour_at(figure, image, stack, x, 0.5) for x in np.linspace(4.2, 5.8, 60)}
    assert colour_of(UNSEEN, LABELS) in hatched
    assert len(hatched) > 1


def test_bars_are_the_spans_and_names_are_written_where_they_fit(prediction: Prediction) -> None:
    answers = plot(prediction, 0).axes[1]
    drawn = [path.get_extents() for bars in answers.collections for path in bars.get_paths()]
    spans = [(s.start_s, s.end_s) for s in prediction.segments(0)]
    ends = [(box.x0, box.x1) for box in drawn][-len(spans) :]
    np.testing.assert_allclose(ends, spans)
    names = {text.get_text() for text in answers.texts}
    assert names == {"calm", UNSURE, "sad"}  # the longest name has one second only


def test_one_face_or_all_each_with_its_panels(prediction: Prediction) -> None:
    assert [axes.get_title(loc="left") for axes in plot(prediction).axes[::2]] == ["face 0", "face 4"]
    (panel, _) = prediction.plot(4).axes
    assert panel.get_title(loc="left") == "face 4"
    assert panel.get_xlim() == (0, 12)


def test_a_face_that_was_never_judged_is_refused(prediction: Prediction) -> None:
    with pytest.raises(ConfigError, match=r"\(0, 4\), got 9"):
        plot(prediction, 9)


def test_no_face_is_said_in_the_figure(prediction: Prediction) -> None:
    figure = plot(dataclasses.replace(prediction, windows=()))
    assert [text.get_text() for text in figure.texts][-1] == "no face was judged in this video"
    pixels(figure)


def test_many_faces_are_cut_to_those_judged_longest(prediction: Prediction) -> None:
    crowd = [window(track, 0.0, 0.8, 0.1, 0.1) for track in range(30)]
    crowd += [window(track, 1.0, 0.8, 0.1, 0.1) for track in range(10, 22)]
    figure = plot(dataclasses.replace(prediction, windows=tuple(crowd)))
    assert [axes.get_title(loc="left") for axes in figure.axes[::2]] == [f"face {track}" for track in range(10, 22)]
    assert "12 of 30 faces" in figure.get_suptitle()


def test_signs_of_mathematics_and_broken_names_are_drawn_as_text(prediction: Prediction) -> None:
    figure = plot(dataclasses.replace(prediction, video=dataclasses.replace(prediction.video, source="a$\udcff.mp4")))
    pixels(figure)
    assert figure.get_suptitle() == "a$\\udcff.mp4"


def test_no_global_state_of_pyplot_is_touched() -> None:
    code = (
        "import sys; from maedfer.report.figure import plot; from maedfer.report import *;"
        "from maedfer.video.types import VideoInfo;"
        "p = Prediction(VideoInfo('a', 1, 1, None, None, 'h264', 0), 2.0, ('x',), ModelIdentity('m', None, '0'),"
        " Settings(1.0, 2.0, 0.5, 'cpu', 'F'), (WindowPrediction(0, 0.0, 2.0, 'x', 1.0, (1.0,), 1.0),), (), ());"
        "print('matplotlib' in sys.modules, end=' '); plot(p); print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.split() == ["False", "False"], done.stderr


def test_long_names_lose_their_middle(prediction: Prediction) -> None:
    name, label = "talk" * 80 + ".mp4", "a very long expression that nobody would choose"
    long = dataclasses.replace(
        prediction, video=dataclasses.replace(prediction.video, source=name), labels=(label, *LABELS[1:])
    )
    figure = plot(long)
    title = figure.get_suptitle()
    assert len(title) == 90
    assert title.startswith("talktalk")
    assert title.endswith("talk.mp4")
    entries = [text.get_text() for text in figure.legends[0].get_texts()]
    assert max(map(len, entries)) == 24
    assert entries[0].startswith("a very long")
    assert entries[0].endswith("ould choose")


@pytest.mark.parametrize(("seconds", "unit"), [(599.0, "seconds"), (600.0, "minutes"), (36_000.0, "minutes")])
def test_a_long_video_is_read_in_minutes(prediction: Prediction, seconds: float, unit: str) -> None:
    figure = plot(dataclasses.replace(prediction, duration_s=seconds), 0)
    pixels(figure)
    axis = figure.axes[-1].xaxis
    assert axis.get_label_text() == unit
    scale = 60 if unit == "minutes" else 1
    marks = [(tick.get_loc(), float(tick.label1.get_text())) for tick in axis.get_major_ticks()]
    assert 4 <= len(marks) <= 15
    assert all(place == pytest.approx(scale * number) for place, number in marks)
