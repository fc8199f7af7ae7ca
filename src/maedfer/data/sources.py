"""From a recipe's data settings to samples: cached face crops or decoded clips."""

from collections.abc import Callable

from maedfer.data.crops import crop_manifest
from maedfer.data.dataset import CachedDataset, DecodedDataset
from maedfer.data.manifest import Manifest
from maedfer.recipes import DataConfig
from maedfer.video.clips import ClipSpec

__all__ = ["ClipSource"]

_CACHED_FRAMES = 16  # a training clip of fewer frames is a choice of these


class ClipSource:
    """Builds the samples of a run.

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

    def samples(self, part: Manifest, targets: list[int] | None, *, train: bool) -> CachedDataset | DecodedDataset:
        """Samples of a manifest part; training ones are drawn anew each epoch."""
        if self.config.crop == "face":
            spec = ClipSpec(num_frames=max(self.frames, _CACHED_FRAMES), size=self.size)
            crops = crop_manifest(self.manifest, spec, workers=self.config.workers, progress=self.progress)
            rows = [entry.row for entry in part.entries]
            return CachedDataset(crops, rows, targets, self.frames, train=train, seed=self.seed)
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
