"""``report.html``: one page with everything inside, for a person who wants to see when each face showed what.

It opens from a disk without a network: styles, scripts, pictures and numbers are in the file, and a content security
policy forbids the rest. What comes from outside (the file's name, label names) is text to it, never markup.
"""

import base64
import hashlib
import json
from importlib.resources import files
from pathlib import Path, PurePath

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from maedfer.output import write_text
from maedfer.report.page_data import page_data, stories
from maedfer.report.page_view import classes, described
from maedfer.report.page_words import duration, face_count, how_it_was_made, made_visible, notes, nothing_found, share
from maedfer.report.prediction import Prediction

__all__ = ["write_page"]

#: A face judged in fewer windows is listed among the briefly seen, without a timeline of its own.
_FEWEST_WINDOWS = 2
#: Faces with a timeline; in a crowd the others are listed among the briefly seen.
_MOST_TIMELINES = 40
#: Faces in the list of the briefly seen; the rest is in the tables beside the page.
_MOST_BRIEF = 100
_SCRIPTS = ("series.js", "timeline.js", "overview.js", "page.js")


def write_page(prediction: Prediction, path: Path) -> Path:
    """Write the page of a prediction.

    It holds a timeline per face, each expression's share of the time, the strongest moments, and how it was made.
    Faces judged in fewer than two windows are listed without a timeline, unless there are no others. Its size is
    bounded: some 3.5 MB of pictures and three million probabilities, of which a longer video keeps every k-th.

    Returns:
        ``path``.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    faces = stories(prediction)
    # A clip of one window has only brief faces: then they are the story.
    shown = ([face for face in faces if len(face.windows) >= _FEWEST_WINDOWS] or list(faces))[:_MOST_TIMELINES]
    tracks = {face.track for face in shown}
    brief = [face for face in faces if face.track not in tracks]
    data = page_data(prediction, shown)
    name = made_visible(PurePath(prediction.video.source).name or prediction.video.source)
    script = "(() => {\n" + "\n".join(_asset(name) for name in _SCRIPTS) + "\n})();"
    style = _asset("page.css")
    text = (
        _environment()
        .from_string(_asset("page.html.jinja"))
        .render(
            name=name,
            facts=_facts(prediction, len(faces)),
            style=Markup(style),
            script=Markup(script),
            style_hash=_hash(style),
            script_hash=_hash(script),
            data=_embedded(data),
            every=data["every"],
            reworked=data["reworked"],
            threshold=share(prediction.settings.min_confidence),
            classes=classes(prediction.labels),
            faces=[described(face, prediction) for face in shown],
            brief=[described(face, prediction) for face in brief[:_MOST_BRIEF]],
            brief_count=len(brief),
            nothing=None if faces else nothing_found(prediction),
            notes=notes(prediction),
            made=how_it_was_made(prediction),
        )
    )
    write_text(path, text)
    return path


def _environment() -> Environment:
    return Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=DictLoader({})
    )


def _asset(name: str) -> str:
    return files("maedfer").joinpath("assets", "page", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a content security policy names an inline script or style that may run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _embedded(data: object) -> Markup:
    """JSON that can stand in a script element: no character in it can end the element or start a comment."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _facts(prediction: Prediction, faces: int) -> list[str]:
    video = prediction.video
    rate = [] if video.frame_rate is None else [f"{video.frame_rate:.4g} frames/s"]
    return [duration(prediction.duration_s), face_count(faces), f"{video.width} × {video.height} pixels", *rate]
