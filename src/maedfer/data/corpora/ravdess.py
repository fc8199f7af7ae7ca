"""RAVDESS, video-only speech: the name of a file says everything; six folds of four actors."""

import re
from collections.abc import Iterator

from maedfer.data.corpora.acted import Take, absent, kept, videos_below
from maedfer.data.corpora.listing import Listing, layout_error
from maedfer.data.corpora.lists import split_name
from maedfer.data.corpora.types import Corpus, CorpusClip, Missing
from maedfer.emotions import label_set

__all__ = ["read_ravdess", "speech_names"]

_ACTORS = 24
_PER_FOLD = 4
_FPS = 30000 / 1001  # 29.97 frames a second, as NTSC cameras record; prepare names the clips that differ
_VIDEO_ONLY, _FULL, _SPEECH = "02", "01", "01"
_NEUTRAL = "01"
_NAME = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)")
_ACTOR = re.compile(r"actor[_ -]?(\d{1,2})", re.IGNORECASE)


def read_ravdess(listing: Listing) -> Corpus:
    """RAVDESS as distributed: ``Actor_NN/02-01-EE-II-SS-RR-AA.mp4``, also in ``Video_Speech_Actor_NN/``.

    Clips with sound (modality 01), sound alone (03) and songs (channel 02) are left out and not reported.

    Raises:
        ManifestError: another layout.
    """
    missing: list[Missing] = []
    labels = label_set("RAVDESS").labels
    takes: list[Take] = []
    modalities = set()
    for path in videos_below(listing, missing, depth=3):
        folder, _, name = path.rpartition("/")
        parsed = _NAME.fullmatch(split_name(name)[0])
        if parsed is None:
            missing.append(Missing(path, "expected a name like 02-01-06-01-02-01-12.mp4"))
            continue
        modality, channel, emotion, actor = (parsed[index] for index in (1, 2, 3, 7))
        modalities.add(modality)
        if (modality, channel) != (_VIDEO_ONLY, _SPEECH):
            continue
        wrong = _wrong(folder, actor, split_name(name)[0])
        if wrong:
            missing.append(Missing(path, wrong))
            continue
        fold = (int(actor) - 1) // _PER_FOLD + 1
        clip = CorpusClip(path, labels[int(emotion) - 1], actor, "", fold, None)
        takes.append(Take(clip, (actor, split_name(name)[0])))
    if not takes:
        hint = (
            ". There are clips with sound only; the paper uses Video_Speech_Actor_NN.zip" if _FULL in modalities else ""
        )
        raise layout_error(listing, f"RAVDESS, video-only speech clips{hint}", "Actor_01/02-01-01-01-01-01-01.mp4")
    clips = kept(takes, missing)
    missing += absent(((f"{actor:02d}", name) for actor, name in _complete()), takes, "Actor_")
    return Corpus("RAVDESS", "RAVDESS", "none", _FPS, clips, tuple(missing))


def speech_names(actor: int) -> list[str]:
    """The 60 names, without suffix, of an actor's video-only speech clips: neutral is not spoken strongly.

    Args:
        actor: from 1 to 24.
    """
    return [
        f"{_VIDEO_ONLY}-{_SPEECH}-{emotion:02d}-{strength:02d}-{statement:02d}-{repetition:02d}-{actor:02d}"
        for emotion in range(1, 9)
        for strength in ((1,) if f"{emotion:02d}" == _NEUTRAL else (1, 2))
        for statement in (1, 2)
        for repetition in (1, 2)
    ]


def _complete() -> Iterator[tuple[int, str]]:
    for actor in range(1, _ACTORS + 1):
        for name in speech_names(actor):
            yield actor, name


def _wrong(folder: str, actor: str, name: str) -> str:
    if not 1 <= int(actor) <= _ACTORS or name not in speech_names(int(actor)):
        return (
            "no clip of the set has this name: emotion 01 to 08, strength, statement, repetition 01 or 02, actor to 24"
        )
    said = _ACTOR.search(folder.rpartition("/")[2])
    if said is not None and int(said[1]) != int(actor):
        return f"a clip of actor {int(actor)} in the folder of actor {int(said[1])}; put it where it belongs"
    return ""
