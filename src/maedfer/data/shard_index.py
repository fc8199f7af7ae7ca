"""``index.json`` of a folder of shards: which there are, what is in each, and what was left out."""

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from maedfer.data.shard_files import ShardPlace
from maedfer.emotions import LabelSet, label_set
from maedfer.errors import ManifestError

__all__ = ["INDEX_NAME", "ShardFacts", "ShardIndex", "damaged_shards", "read_index"]

#: Name of the index in its folder.
INDEX_NAME = "index.json"

_KIND, _VERSION = "maedfer shards", 1
_MOST_BYTES = 1 << 28
_MOST_CLIPS = 1 << 24  # in one shard
_LEAST_CLIP = 2048  # bytes: two members of a tar file, each a header and at least one block
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}\.tar")


@dataclass(frozen=True)
class ShardFacts:
    """One shard; all its clips are of one split and fold, so that a part of a set is whole shards.

    Attributes:
        name: file in the folder of the index.
        clips: number of clips.
        size: bytes.
        sha256: of the file.
        split: train, val, test or empty.
        fold: the fold that tests these clips; ``None``: none.
        labels: clips of each class, by name.
    """

    name: str
    clips: int
    size: int
    sha256: str
    split: str
    fold: int | None
    labels: dict[str, int]


@dataclass(frozen=True)
class ShardIndex:
    """A packed set, or a part of it.

    Attributes:
        place: folder or address of the shards.
        label_set: name of the set of the labels; empty when there is none.
        crop: how the clips were cropped: centre, face or voxceleb2.
        size: side of the pictures in pixels.
        quality: of the JPEG pictures.
        shards: in order.
        source: hash of the manifest's clips and of the settings.
        faceless: names of the packed clips in which no face was found (their middle square was packed).
        broken: names of the clips that could not be read and are not here, with the reason.
        shortened: names of the clips of which only the middle minute is here.
    """

    place: str
    label_set: str
    crop: str
    size: int
    quality: int
    shards: tuple[ShardFacts, ...]
    source: str
    faceless: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    shortened: tuple[str, ...] = ()

    def __len__(self) -> int:
        return sum(shard.clips for shard in self.shards)

    @property
    def labels(self) -> LabelSet | None:
        """The label set; ``None`` when there is none."""
        return label_set(self.label_set) if self.label_set else None

    def part(self, *splits: str) -> "ShardIndex":
        """Only the shards of these splits.

        Raises:
            ManifestError: there are none.
        """
        return self._chosen(lambda shard: shard.split in splits, f"split {' or '.join(splits)}")

    def fold_parts(self, fold: int) -> tuple["ShardIndex", "ShardIndex"]:
        """(training part, test part) of one fold, as of a manifest.

        Raises:
            ManifestError: there is no such fold, or no other.
        """
        rest = self._chosen(lambda shard: shard.fold is not None and shard.fold != fold, f"fold but {fold}")
        return rest, self._chosen(lambda shard: shard.fold == fold, f"fold {fold}")

    def class_counts(self, labels: tuple[str, ...]) -> list[int]:
        """Clips of each class in the order of a model's ``labels``.

        Raises:
            ManifestError: there is a clip without a label, or with one that the model does not know.
        """
        classes = LabelSet("the model", labels)
        counts: Counter[int] = Counter()
        for shard in self.shards:
            for label, count in shard.labels.items():
                try:
                    counts[classes.index(label)] += count
                except ValueError as error:
                    raise ManifestError(f"{self.place}/{shard.name}: {error}") from error
            if sum(shard.labels.values()) != shard.clips:
                raise ManifestError(f"{self.place}/{shard.name}: has clips without a label; fine-tuning needs one each")
        return [counts[index] for index in range(len(labels))]

    def to_json(self) -> str:
        """The text of the index."""
        facts = {name: value for name, value in asdict(self).items() if name != "place"}
        return json.dumps({"kind": _KIND, "version": _VERSION, "clips": len(self)} | facts, indent=1) + "\n"

    def _chosen(self, wanted: Callable[[ShardFacts], bool], what: str) -> "ShardIndex":
        shards = tuple(shard for shard in self.shards if wanted(shard))
        if not shards:
            splits = ", ".join(sorted({shard.split or "(empty)" for shard in self.shards}))
            folds = ", ".join(str(fold) for fold in sorted({s.fold for s in self.shards if s.fold is not None}))
            raise ManifestError(
                f"{self.place}: no shard of {what}; the index has splits {splits} and folds {folds or 'none'}"
            )
        return replace(self, shards=shards)


def read_index(place: str) -> ShardIndex:
    """Read and check the index of a folder or address of shards.

    Args:
        place: a folder, or an address (see :class:`maedfer.data.shard_files.ShardPlace`).

    Raises:
        ManifestError: there is none, it is malformed, or names files outside its folder.
        ConfigError: the address is of a kind that is not read.
    """
    files = ShardPlace(place)
    data = files.content(INDEX_NAME, _MOST_BYTES)
    try:
        raw = json.loads(data)
        if raw["kind"] != _KIND or raw["version"] != _VERSION:
            raise ValueError(f"kind {raw['kind']!r} of version {raw['version']!r}")
        index = ShardIndex(
            place=place,
            label_set=str(raw["label_set"]),
            crop=str(raw["crop"]),
            size=int(raw["size"]),
            quality=int(raw["quality"]),
            shards=tuple(_shard(shard) for shard in raw["shards"]),
            source=str(raw["source"]),
            faceless=tuple(map(str, raw["faceless"])),
            broken=tuple(map(str, raw["broken"])),
            shortened=tuple(map(str, raw["shortened"])),
        )
        if raw["clips"] != len(index) or not index.shards:
            raise ValueError(f"{raw['clips']} clips in all, {len(index)} in {len(index.shards)} shards")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ManifestError(
            f"{place}/{INDEX_NAME}: expected the index of shards that maedfer pack writes, got {error!r}; pack again"
        ) from error
    return index


def damaged_shards(index: ShardIndex, progress: Callable[[int, int], None] | None = None) -> dict[str, str]:
    """The shards that are not what was packed, by name with what is wrong: each is read to its end.

    Training looks at sizes and at what it reads; a bit that fell in a picture shows here alone.

    Args:
        index: which there should be.
        progress: called with (shards read, shards in all).
    """
    files, damaged = ShardPlace(index.place), {}
    for done, shard in enumerate(index.shards, 1):
        try:
            if files.digest(shard.name, shard.size) != shard.sha256:
                damaged[shard.name] = (
                    f"{files.place}/{shard.name}: its bytes are not those that were packed; copy it again"
                )
        except ManifestError as error:
            damaged[shard.name] = str(error)
        if progress is not None:
            progress(done, len(index.shards))
    return damaged


def _shard(raw: Any) -> ShardFacts:
    shard = ShardFacts(
        name=str(raw["name"]),
        clips=int(raw["clips"]),
        size=int(raw["size"]),
        sha256=str(raw["sha256"]),
        split=str(raw["split"]),
        fold=None if raw["fold"] is None else int(raw["fold"]),
        labels={str(label): int(count) for label, count in raw["labels"].items()},
    )
    counts = shard.labels.values()
    possible = 0 < shard.clips <= min(_MOST_CLIPS, shard.size // _LEAST_CLIP)
    if not _NAME.fullmatch(shard.name) or not possible or any(c < 1 for c in counts) or sum(counts) > shard.clips:
        raise ValueError(
            f"a shard {shard.name!r} of {shard.clips} clips, {sum(counts)} of them labelled, and {shard.size} bytes"
        )
    return shard
