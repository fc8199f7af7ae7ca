"""CREMA-D: the name of a file says everything; five folds by speaker."""

import re

from maedfer.data.corpora.acted import Take, kept, videos_below
from maedfer.data.corpora.listing import Listing, layout_error
from maedfer.data.corpora.lists import split_name
from maedfer.data.corpora.types import Corpus, CorpusClip, Missing

__all__ = ["SENTENCES", "TEST_SPEAKERS", "read_crema_d"]

#: The speakers of each fold's test part: (first, last), fold 1 first.
TEST_SPEAKERS = ((1001, 1018), (1019, 1036), (1037, 1054), (1055, 1072), (1073, 1091))
#: The twelve sentences; the first is spoken at three levels of five emotions, the others at one level not told.
SENTENCES = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI")

_FPS = 30000 / 1001
_EMOTIONS = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
_NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_(LO|MD|HI|XX|X)", re.IGNORECASE)


def read_crema_d(listing: Listing) -> Corpus:
    """CREMA-D as distributed: ``VideoFlash/ACTOR_SENTENCE_EMO_LEVEL.flv``, or converted to another kind of video.

    Twenty of the 91 x 82 takes were never published and are not reported.

    Raises:
        ManifestError: another layout.
    """
    missing: list[Missing] = []
    takes: list[Take] = []
    for path in videos_below(listing, missing, depth=2):
        parsed = _NAME.fullmatch(split_name(path.rpartition("/")[2])[0])
        if parsed is None:
            missing.append(Missing(path, "expected a name like 1001_DFA_ANG_XX.flv"))
            continue
        actor, sentence, emotion, level = (part.upper() for part in parsed.groups())
        fold = next((number for number, (a, b) in enumerate(TEST_SPEAKERS, 1) if a <= int(actor) <= b), None)
        if fold is None or sentence not in SENTENCES or emotion not in _EMOTIONS:
            missing.append(
                Missing(path, f"no such speaker (1001 to 1091), sentence or emotion ({', '.join(_EMOTIONS)})")
            )
            continue
        clip = CorpusClip(path, _EMOTIONS[emotion], actor, "", fold, None)
        takes.append(Take(clip, (actor, sentence, emotion, level[0])))
    if not takes:
        raise layout_error(listing, "CREMA-D: videos named by speaker, sentence, emotion and level",
                           "VideoFlash/1001_DFA_ANG_XX.flv")  # fmt: skip
    clips = kept(takes, missing)
    return Corpus("CREMA-D", "CREMA-D", "none", _FPS, clips, tuple(missing))
