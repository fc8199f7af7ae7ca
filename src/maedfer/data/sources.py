"""From a recipe's data settings to samples and batches: cached face crops, decoded clips or shards."""

from collections.abc import Callable

from maedfer.data.crops import CroppedClips, crop_manifest
from maedfer.data.dataset import CachedDataset, DecodedDataset
from maedfer.data.feed import ClipFeed, DatasetFeed
from maedfer.data.manifest import Manifest
from maedfer.data.shard_clips import ClipReading, ShardClips
from maedfer.data.shard_feed import ShardFeed
from maedfer.data.shard_index import ShardIndex, read_index
from maedfer.errors import ConfigError
from maedfer.recipes import DataConfig
from maedfer.video.clips import ClipSpec

__all__ = ["ClipSource", "ShardSource"]

_CACHED_FRAMES = 16  # a training clip of fewer frames is a choice of these


class ClipSource:
    """Builds the samples of a run from a manifest.

    Args:
        config: crop and sampling.
        manifest: the whole table; its crops are cached together, whatever part is asked for.
        size: side S of the pictures that the model reads, in pixels.
        frames: frames T of a clip.
        seed: of the random spans.
        progress: called with (clips done, clips in all) while faces are cropped.
    """

    def __init__(
        self,
        config: DataConfig,
        manifest: Manifest,
        *,
        size: int,
        frames: int,
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.config = config
        self.manifest = manifest
        self.size = size
        self.frames = frames
        self.seed = seed
        self.progress = progress
        self._crops: CroppedClips | None = None

    @property
    def faceless(self) -> list[str]:
        """Names of the clips in which no face was found and whose middle square is used; known once crops are made."""
        if self._crops is None:
            return []
        return [self.manifest.entries[position].clip_id for position in self._crops.faceless]

    def samples(self, part: Manifest, targets: list[int] | None, *, train: bool) -> CachedDataset | DecodedDataset:
        """Samples of a manifest part by position; training ones are drawn anew each epoch.

        A clip that cannot be read raises DecodeError when it is asked for.
        """
        if self.config.crop == "face":
            if self._crops is None:
                spec = ClipSpec(num_frames=max(self.frames, _CACHED_FRAMES), size=self.size)
                self._crops = crop_manifest(
                    self.manifest, spec, workers=max(1, self.config.workers), progress=self.progress
                )
            rows = [entry.row for entry in part.entries]
            return CachedDataset(self._crops, rows, targets, self.frames, train=train, seed=self.seed)
        return DecodedDataset(
            part.entries,
            targets,
            frames=self.frames,
            size=self.size,
            crop=self.config.crop,
            sampling=self.config.sampling,
            train=train,
            seed=self.seed,
        )

    def feed(
        self,
        part: Manifest,
        targets: list[int] | None,
        *,
        train: bool,
        order: Callable[[int], list[int]] | None = None,
    ) -> ClipFeed:
        """Batches of a manifest part.

        Args:
            part: rows of the source's manifest.
            targets: class index of each, or ``None``.
            train: random spans, each video ``config.repeats`` times, a new order each epoch; a clip that cannot be read
                is replaced by the next one, ``config.most_broken`` times. Else the middle span of each in their order,
                none replaced.
            order: epoch to positions in ``part``, as many for each epoch; ``None``: a permutation.
        """
        dataset = self.samples(part, targets, train=train)
        return DatasetFeed(
            dataset,
            train=train,
            order=order,
            repeats=self.config.repeats if train else 1,
            seed=self.seed,
            workers=self.config.workers if isinstance(dataset, DecodedDataset) else 0,
            most_broken=self.config.most_broken if train else 0,
        )


class ShardSource:
    """Builds the samples of a run from packed shards.

    Args:
        config: with ``shards``.
        size: side S of the pictures that the model reads, in pixels.
        frames: frames T of a clip.
        labels: the model's classes in order; ``None``: targets are -1.
        seed: of the order and the random spans.

    Attributes:
        index: of all shards.

    Raises:
        ConfigError: ``shards`` is not given, or of a kind that is not read.
        ManifestError: there is no index, or it is malformed.
    """

    def __init__(
        self, config: DataConfig, *, size: int, frames: int, labels: tuple[str, ...] | None = None, seed: int = 0
    ) -> None:
        if config.shards is None:
            raise ConfigError("expected --data.shards FOLDER or address, got none; maedfer pack writes them")
        self.config = config
        self.index = read_index(config.shards)
        self._reading = ClipReading(frames, size, config.sampling, labels, True, seed)

    def part(self, *splits: str) -> ShardIndex:
        """The training shards of ``config.fold`` where that is given, else those of ``splits``.

        Raises:
            ManifestError: there are none.
        """
        return self.index.part(*splits) if self.config.fold is None else self.index.fold_parts(self.config.fold)[0]

    def feed(self, part: ShardIndex) -> ShardFeed:
        """Training batches of a part, streamed; each video comes ``config.repeats`` times."""
        return ShardFeed(
            part,
            self._reading,
            repeats=self.config.repeats,
            workers=self.config.workers,
            most_broken=self.config.most_broken,
        )

    def samples(self, part: ShardIndex) -> ShardClips:
        """The clips of a part in a folder by position, with their middle spans; one that is damaged raises."""
        return ShardClips(part, self._reading)
