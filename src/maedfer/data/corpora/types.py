"""What a public set is once its layout has been read: clips with labels and folds, and what was found wrong."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Corpus", "CorpusClip", "CorpusKind", "Missing"]

#: The layouts that can be read.
CorpusKind = Literal["dfew", "ferv39k", "mafw", "crema-d", "ravdess", "enterface05", "voxceleb2", "folder"]


@dataclass(frozen=True, slots=True)
class CorpusClip:
    """One clip of a set.

    Attributes:
        path: a video file or a folder of frames, relative to the set's root, with forward slashes.
        label: class name in the spelling of the set's label set; empty when unlabelled.
        subject: the person; empty when the set does not say.
        split: ``"train"``, ``"val"``, ``"test"`` or empty; empty for sets that are tested by fold.
        fold: the fold in whose test part the clip is, from 1; ``None`` for sets without folds.
        fps: known rate of a folder of frames, in frames per second; ``None`` for a video, which says it itself.
    """

    path: str
    label: str
    subject: str
    split: str
    fold: int | None
    fps: float | None


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that is not as the set's own files or names say; most often a clip that could not be taken.

    Attributes:
        path: relative to the set's root; the clip as the lists call it, or a list file with its line.
        reason: what is wrong, in words, and what was done about it where it is not left out.
    """

    path: str
    reason: str


@dataclass(frozen=True)
class Corpus:
    """A set as it lies on a disk.

    Attributes:
        name: the set's name (``"DFEW"``), the folder's own name for ``folder``.
        label_set: name of a label set of :mod:`maedfer.emotions`; ``None`` when unlabelled or labelled otherwise.
        crop: ``"face"`` when the set comes as tight face crops, else ``"none"``.
        fps: the rate its clips are expected to have, in frames per second; ``None`` when they differ.
        clips: in the order of their paths.
        missing: listed but not on disk, on disk but not listed, unknown labels, malformed lines.
    """

    name: str
    label_set: str | None
    crop: Literal["face", "none"]
    fps: float | None
    clips: tuple[CorpusClip, ...]
    missing: tuple[Missing, ...]
