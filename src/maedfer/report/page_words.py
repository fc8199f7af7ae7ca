"""The sentences of the page ``report.html``: times, shares, and the honest notes at its end."""

import math
import unicodedata

from maedfer.report.prediction import Prediction
from maedfer.report.usual import LEAST_S
from maedfer.report.windows import UNSURE

__all__ = [
    "clock",
    "confidence_percent",
    "duration",
    "face_count",
    "how_it_was_made",
    "made_visible",
    "notes",
    "nothing_found",
    "share",
    "window_count",
]

_DEVICES = {"cpu": "a CPU", "cuda": "a CUDA GPU"}
#: Marks, embeddings, overrides and isolates of the reading direction.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clock(seconds: float) -> str:
    """A moment: ``0:04.5``, from an hour on ``1:02:03.5``."""
    tenths = round(10 * seconds)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"


def duration(seconds: float) -> str:
    """A length of time: ``4.5 s``, ``12 min 30 s``, ``3 h 5 min``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def share(part: float) -> str:
    """A part of one in percent; what is there at all is never called 0 %, what is not all never 100 %."""
    percent = 100 * part
    if 0 < percent < 1:
        return "<\u00a01\u00a0%"
    return f"{math.floor(percent) if 99 < percent < 100 else round(percent)}\u00a0%"


def confidence_percent(label: str, confidence: float) -> int:
    """A confidence in whole percent, 0..100; rounded down where the answer is "unsure".

    A confidence of 0.498 is below a threshold of 50 %; "unsure 50 %" would contradict itself.
    """
    percent = 100 * confidence
    return math.floor(percent + 1e-9) if label == UNSURE else round(percent)


def face_count(count: int) -> str:
    """``no face``, ``1 face``, ``2 faces``."""
    return {0: "no face", 1: "1 face"}.get(count, f"{count} faces")


def window_count(count: int) -> str:
    """``1 window``, ``2 windows``."""
    return "1 window" if count == 1 else f"{count} windows"


def made_visible(text: str) -> str:
    """``text`` as UTF-8 can write it and eyes can see it: control and direction characters become a sign.

    File names may hold bytes of another encoding, line breaks, or characters that turn the reading direction around.
    """
    return "".join(
        "\N{REPLACEMENT CHARACTER}"
        if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} or character in _TURNING
        else character
        for character in text
    )


def nothing_found(prediction: Prediction) -> str:
    """Why the page shows no face."""
    settings = prediction.settings
    if any(window.track is not None for window in prediction.unseen):
        return (
            "A face was seen, but never long enough to judge it: it has to be visible in at least "
            f"{share(settings.min_coverage)} of a window of {settings.span_s:.2f} s. "
            "A lower least coverage judges more, on less evidence."
        )
    return (
        "The face detector found no face in this video, so there is no expression to report. "
        f"Faces narrower than {settings.min_face_px:g} pixels, and detections with a score below "
        f"{settings.min_score:g}, are ignored; a larger picture, or lower limits, may find more."
    )


def notes(prediction: Prediction) -> tuple[tuple[str, str], ...]:
    """What a reader has to know to read the page rightly: (heading, text)."""
    settings = prediction.settings
    found = [
        (
            "An expression is not an emotion",
            "The page says what a face looked like to a model, not what the person felt. People smile out of "
            "politeness and frown when they think. Take it as a pointer to moments worth watching, not as a finding.",
        ),
        (
            "What “unsure” means",
            f"The most probable expression is given as the answer when its probability is at least "
            f"{share(settings.min_confidence)}. Below that the answer is “unsure”: the timeline still shows what the "
            "model weighed.",
        ),
        ("What was not judged", _unseen(prediction)),
        (
            "How fine the time is",
            f"Each judgement looks at {settings.span_s:.2f} s of a face, and a new one starts every "
            f"{settings.hop_s:.2f} s. A change is placed in the middle between two judgements, so its moment is "
            f"known to about {settings.hop_s / 2:.2g} s at best.",
        ),
    ]
    if settings.baseline == "person":
        found.append(
            (
                "Each face against itself",
                f"A face that was judged for {LEAST_S:g} s or more is compared with its own usual look in this video "
                "(the median), which is called neutral: a person whose brows are always low is not called angry for "
                "it. Who mostly smiles is left as the model says. “Raw” shows the model's own values.",
            )
        )
    if settings.smoothing_s > 0:
        found.append(
            (
                "Smoothing",
                f"Answers, spans and summary use probabilities averaged over time with a Gaussian of "
                f"{settings.smoothing_s:g} s (standard deviation), never across a gap. “Raw” shows the model's "
                "own values.",
            )
        )
    return tuple(found)


def _unseen(prediction: Prediction) -> str:
    settings = prediction.settings
    rare = sum(window.track is not None for window in prediction.unseen)
    judged = len(prediction.windows)
    empty = {window.start_s for window in prediction.unseen if window.track is None}
    starts = {window.start_s for window in prediction.windows} | {window.start_s for window in prediction.unseen}
    sentences = [
        f"A face is judged in a window when it is seen in at least {share(settings.min_coverage)} of its instants."
    ]
    if rare + judged:
        sentences.append(
            f"That failed for {share(rare / (rare + judged))} of the windows in which a face was there "
            f"({rare} of {rare + judged})."
        )
    if starts:
        sentences.append(
            f"No face at all was in the picture in {share(len(empty) / len(starts))} of the video's windows "
            f"({len(empty)} of {len(starts)})."
        )
    sentences.append("Nothing was filled in for that time.")
    return " ".join(sentences)


def how_it_was_made(prediction: Prediction) -> tuple[tuple[str, str], ...]:
    """The facts of source, model and settings: (term, value)."""
    video, model, settings = prediction.video, prediction.model, prediction.settings
    container = "not stated" if video.duration_s is None else f"{video.duration_s:.3f} s"
    rate = "not stated" if video.frame_rate is None else f"{video.frame_rate:.4g} per second on average"
    turned = f", turned by {video.rotation}° as its metadata asks" if video.rotation else ""
    weights = "made in memory, no file" if model.sha256 is None else f"SHA-256 {model.sha256[:12]}…"
    searched = "" if settings.min_face is None else f"{share(settings.min_face)} of the short side, "
    smoothing = "none" if settings.smoothing_s == 0 else f"Gaussian, {settings.smoothing_s:g} s standard deviation"
    return (
        ("Source", made_visible(video.source)),
        ("Picture", f"{video.width} × {video.height} pixels, {made_visible(video.codec)}{turned}"),
        ("Length", f"{prediction.duration_s:.3f} s decoded; the container says: {container}"),
        ("Frames", rate),
        ("Model", f"{made_visible(model.name)} ({weights})"),
        ("Expressions it knows", made_visible(", ".join(prediction.labels))),
        ("Window", f"{settings.span_s:.2f} s, every {settings.hop_s:.2f} s"),
        ("Least coverage", f"{share(settings.min_coverage)} of a window's instants"),
        (
            "Face detector",
            f"{settings.detector}; faces from {searched}{settings.min_face_px:g} pixels, score {settings.min_score:g}",
        ),
        ("Baseline", {"none": "none", "person": "each face's usual look"}[settings.baseline]),
        ("Smoothing", smoothing),
        ("Answer from", f"{share(settings.min_confidence)} probability; below: unsure"),
        ("Ran on", f"{_DEVICES.get(settings.device, settings.device)}, in {made_visible(settings.precision)}"),
        ("Program", f"maedfer {made_visible(model.maedfer_version)}"),
    )
