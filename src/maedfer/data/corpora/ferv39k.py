"""FERV39k: one official split over all scenes, face crops as folders of frames."""

from maedfer.data.corpora.listing import Listing, entries_of, joined, layout_error, placed
from maedfer.data.corpora.lists import class_of, lines_of, list_file, safe_path
from maedfer.data.corpora.types import Corpus, CorpusClip, Missing
from maedfer.errors import ConfigError, ManifestError

__all__ = ["read_ferv39k"]

# Not stated by the set; the published code takes consecutive frames of it, whatever their rate.
_FPS = 25.0
_EXPECTED = "FERV39k: lists over all scenes and face crops"
_EXAMPLE = "4_setups/All_scenes/train_All.csv and 2_ClipsforFaceCrop/Action/Happy/0001/*.jpg"


def read_ferv39k(listing: Listing) -> Corpus:
    """FERV39k as distributed: ``4_setups/All_scenes`` and ``2_ClipsforFaceCrop/Scene/Emotion/NNNN``.

    Raises:
        ManifestError: another layout.
    """
    missing: list[Missing] = []
    setup = placed(listing, ("4_setups",), ("All_scenes",)) or placed(listing, ("All_scenes",))
    faces = placed(listing, ("2_ClipsforFaceCrop",))
    if setup is None or faces is None:
        raise layout_error(listing, _EXPECTED, _EXAMPLE)
    there = _folders(listing, faces, missing)
    listed: dict[str, tuple[str, str]] = {}
    for split in ("test", "train"):  # a clip of both is tested, never trained on
        path = list_file(listing, setup, f"{split}_All.csv")
        for key, label in _labels(listing, path, missing).items():
            if key in listed:
                missing.append(Missing(key, "in the lists of train and test; used for test only"))
            else:
                listed[key] = (label, split)
    clips = []
    for key in sorted(listed):
        label, split = listed[key]
        if key in there:
            clips.append(CorpusClip(there[key], label, "", split, None, _FPS))
        else:
            missing.append(Missing(key, f"listed for {split}, not on disk below {faces}"))
    missing += [Missing(there[key], "on disk, in no list") for key in sorted(there.keys() - listed.keys())]
    return Corpus("FERV39k", "FERV39k", "face", _FPS, tuple(clips), tuple(missing))


def _folders(listing: Listing, faces: str, missing: list[Missing]) -> dict[str, str]:
    """Path by ``scene/emotion/number`` in lower case."""
    found = {}
    for scene in entries_of(listing, faces, missing).folders:
        for emotion in entries_of(listing, joined(faces, scene), missing).folders:
            folder = joined(joined(faces, scene), emotion)
            for number in entries_of(listing, folder, missing).folders:
                found[f"{scene}/{emotion}/{number}".lower()] = joined(folder, number)
    return found


def _labels(listing: Listing, path: str, missing: list[Missing]) -> dict[str, str]:
    """Label by ``scene/emotion/number`` in lower case."""
    found: dict[str, str] = {}
    for line in lines_of(listing, path):
        fields = line.text.replace(",", " ").split()
        name = safe_path(fields[0]) if len(fields) == 2 else None
        if name is None or name.count("/") != 2:
            missing.append(Missing(line.where, f"expected 'Scene/Emotion/NNNN Emotion', got {line.text[:80]!r}"))
            continue
        try:
            label = class_of("FERV39k", fields[1])
            folder = class_of("FERV39k", name.split("/")[1])
        except ConfigError as error:
            missing.append(Missing(line.where, str(error)))
            continue
        if folder != label:
            missing.append(Missing(line.where, f"labelled {label} in a folder of {folder}; the list's label is used"))
        if found.setdefault(name.lower(), label) != label:
            missing.append(Missing(line.where, f"labelled {found[name.lower()]} in an earlier line; line ignored"))
    if not found:
        raise ManifestError(f"{listing.name}: {path}: expected 'Scene/Emotion/NNNN Emotion', found none; unpack again")
    return found
