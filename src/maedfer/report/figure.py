"""A prediction as a matplotlib figure, for a paper or a notebook. Matplotlib is an extra."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from maedfer.errors import ConfigError
from maedfer.report.answers import Answer, own_times
from maedfer.report.colours import colour_of, ink_on
from maedfer.report.prediction import Prediction
from maedfer.report.windows import UNSEEN, UNSURE

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

__all__ = ["plot"]

#: More faces than this are not drawn at once; the figure would be larger than a page, then than an image can be.
_MOST_FACES = 12

#: Inches.
_WIDTH, _HEAD, _PANEL = 10.0, 0.9, 1.9

#: Letters of a title and of a label that fit; longer names lose their middle, for their ends tell them apart.
_TITLE_LETTERS, _LABEL_LETTERS = 90, 24

#: Seconds from which the axis counts minutes, the steps of its marks in minutes, and the most marks.
_LONG_S, _MINUTES, _MOST_MARKS = 600.0, (1, 2, 5, 10, 15, 30, 60, 120, 240, 480), 12


def plot(prediction: Prediction, track: int | None = None) -> "matplotlib.figure.Figure":
    """Draw one panel a face: probabilities over time, stacked, and below them the answers as a bar.

    Probabilities are those of :meth:`Prediction.answers`, each at the middle of its window's own time. Times without
    the face stay blank; windows in which it was seen too rarely to be judged are hatched.

    Args:
        prediction: what was found.
        track: only this face; ``None``: all, or of more than 12 those that were judged longest, as the title says.

    Returns:
        A figure that belongs to nobody (no window, no global state): ``figure.savefig("faces.png")``.

    Raises:
        ConfigError: matplotlib is not installed, or there is no such face.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("a figure needs matplotlib, which is not installed: pip install 'maedfer[report]'") from error
    tracks = prediction.tracks()
    if track is not None and track not in tracks:
        known = ", ".join(map(str, tracks)) or "none"
        raise ConfigError(f"plot: expected a face that was judged ({known}), got {track}")
    shown = _longest(prediction) if track is None else (track,)
    figure = Figure(figsize=(_WIDTH, _HEAD + _PANEL * max(1, len(shown))), layout="constrained")
    some = f" ({len(shown)} of {len(tracks)} faces: those judged longest)" if track is None and shown != tracks else ""
    title = _shortened(_plain(prediction.video.source), _TITLE_LETTERS - len(some)) + some
    figure.suptitle(title, fontsize="medium", parse_math=False)
    if not shown:
        figure.text(0.5, 0.45, "no face was judged in this video", ha="center", color="#555555")
        return figure
    panels = figure.subplots(2 * len(shown), 1, sharex=True, squeeze=False, height_ratios=[5, 1] * len(shown))[:, 0]
    for row, face in enumerate(shown):
        _draw_probabilities(panels[2 * row], prediction, face)
        _draw_answers(panels[2 * row + 1], prediction, face)
    _draw_time(panels[-1], prediction.duration_s)
    _draw_legend(figure, prediction.labels)
    return figure


def _longest(prediction: Prediction) -> tuple[int, ...]:
    tracks = prediction.tracks()
    by_time = sorted(tracks, key=lambda track: -len(prediction.answers(track)))
    return tuple(sorted(by_time[:_MOST_FACES]))


def _plain(source: str) -> str:
    """The last part of a path or URL, as text that fonts and files can hold."""
    name = source.rstrip("/").rsplit("/", maxsplit=1)[-1] or source
    return name.encode("utf-8", "backslashreplace").decode()


def _shortened(text: str, letters: int) -> str:
    """``text`` in at most so many letters, its middle left out."""
    if len(text) <= letters:
        return text
    head = letters // 2
    return f"{text[:head]}…{text[head + 1 - letters :]}"


def _draw_time(panel: "matplotlib.axes.Axes", duration_s: float) -> None:
    """The axis of the lowest panel, which the others share; its unit stays the second, whatever its marks count."""
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    panel.set_xlim(0, max(duration_s, 1e-3))
    if duration_s < _LONG_S:
        panel.set_xlabel("seconds")
        return
    step = next((step for step in _MINUTES if duration_s / 60 / step <= _MOST_MARKS), duration_s / 60 / _MOST_MARKS)
    panel.xaxis.set_major_locator(MultipleLocator(60 * step))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds / 60:g}"))
    panel.set_xlabel("minutes")


def _draw_probabilities(panel: "matplotlib.axes.Axes", prediction: Prediction, track: int) -> None:
    labels, answers = prediction.labels, prediction.answers(track)
    _hatch_unseen(panel, prediction, track)
    for times, probabilities in _areas(answers):
        panel.stackplot(
            times,
            probabilities,
            colors=[colour_of(label, labels) for label in labels],
            edgecolor="white",
            linewidth=0.3,
            zorder=2,
        )
    panel.set_ylim(0, 1)
    panel.set_yticks([0, 0.5, 1])
    panel.set_ylabel("probability", fontsize="small")
    panel.set_title(f"face {track}", loc="left", fontsize="small")
    panel.spines[["top", "right"]].set_visible(False)


def _areas(answers: Sequence[Answer]) -> Iterator[tuple[Float64[np.ndarray, "M"], Float64[np.ndarray, "classes M"]]]:
    """Times and probabilities of each run of windows without a gap, drawn out to the run's start and end."""
    run: list[tuple[float, float, Answer]] = []
    for answer, (start, end) in zip(answers, own_times(answers), strict=True):
        if run and run[-1][1] != start:
            yield _area(run)
            run = []
        run.append((start, end, answer))
    if run:
        yield _area(run)


def _area(
    run: Sequence[tuple[float, float, Answer]],
) -> tuple[Float64[np.ndarray, "M"], Float64[np.ndarray, "classes M"]]:
    middles = [(start + end) / 2 for start, end, _ in run]
    values = [answer.probabilities for _, _, answer in run]
    return np.array([run[0][0], *middles, run[-1][1]]), np.array([values[0], *values, values[-1]]).T


def _draw_answers(panel: "matplotlib.axes.Axes", prediction: Prediction, track: int) -> None:
    labels, segments = prediction.labels, prediction.segments(track)
    _hatch_unseen(panel, prediction, track)
    panel.broken_barh(
        [(segment.start_s, segment.end_s - segment.start_s) for segment in segments],
        (0, 1),
        facecolors=[colour_of(segment.label, labels) for segment in segments],
        edgecolor="white",
        linewidth=0.5,
        zorder=2,
    )
    # A letter of this size is about 0.006 of the figure's width; a label that does not fit is left to the legend.
    letter_s = 0.0075 * prediction.duration_s
    for segment in segments:
        name = _shortened(segment.label, _LABEL_LETTERS)
        if segment.end_s - segment.start_s > letter_s * (len(name) + 1):
            panel.text(
                (segment.start_s + segment.end_s) / 2,
                0.5,
                name,
                ha="center",
                va="center",
                fontsize="x-small",
                color=ink_on(colour_of(segment.label, labels)),
                parse_math=False,
                clip_on=True,
                zorder=3,
            )
    panel.set_ylim(0, 1)
    panel.set_yticks([])
    panel.set_ylabel("answer", fontsize="small", rotation="horizontal", ha="right", va="center")
    panel.spines[["top", "right", "left"]].set_visible(False)


def _hatch_unseen(panel: "matplotlib.axes.Axes", prediction: Prediction, track: int) -> None:
    spans = [(gap.start_s, gap.end_s - gap.start_s) for gap in prediction.unseen if gap.track == track]
    if spans:
        colour = colour_of(UNSEEN, prediction.labels)
        panel.broken_barh(spans, (0, 1), facecolors=colour, edgecolor="#777777", hatch="////", linewidth=0, zorder=1)


def _draw_legend(figure: "matplotlib.figure.Figure", labels: Sequence[str]) -> None:
    from matplotlib.patches import Patch

    entries = [
        Patch(facecolor=colour_of(label, labels), label=_shortened(label, _LABEL_LETTERS))
        for label in (*labels, UNSURE)
    ]
    unseen = Patch(facecolor=colour_of(UNSEEN, labels), edgecolor="#777777", hatch="////", linewidth=0, label=UNSEEN)
    legend = figure.legend(
        handles=[*entries, unseen], loc="outside lower center", ncols=min(9, len(labels) + 2), fontsize="x-small"
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
