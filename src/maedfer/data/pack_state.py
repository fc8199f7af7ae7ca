"""What shards were made of, and whether a finished run is still all there."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from maedfer.data.manifest import Manifest
from maedfer.data.packing import PackSpec
from maedfer.data.shard_index import INDEX_NAME, ShardIndex, read_index
from maedfer.errors import ConfigError, ManifestError

__all__ = ["finished_index", "source_mark"]

_VERSION = 1  # counted up when the same settings would give other shards


def source_mark(manifest: Manifest, spec: PackSpec, shard_mb: int) -> str:
    """A hash of all that goes into the shards: the clips, what the manifest says of them, and the settings."""
    rows = hashlib.sha256()
    for entry in manifest.entries:
        said = [entry.row, entry.label, entry.subject, entry.split, entry.fold, entry.fps, entry.sha256]
        rows.update(json.dumps(said).encode())
    labels = manifest.labels.name if manifest.labels is not None else ""
    facts = [manifest.digest(), rows.hexdigest(), labels, asdict(spec), shard_mb, _VERSION]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def finished_index(out: Path, source: str) -> ShardIndex:
    """The index of a finished run, all of whose shards are there.

    Raises:
        ConfigError: the shards were made of something else.
        ManifestError: a shard is missing or has another size, or the index is malformed.
    """
    index = read_index(str(out))
    if index.source != source:
        raise ConfigError(f"{out}: holds shards of other clips or settings; give another --out")
    for shard in index.shards:
        size = (out / shard.name).stat().st_size if (out / shard.name).is_file() else None
        if size != shard.size:
            raise ManifestError(
                f"{out / shard.name}: expected {shard.size} bytes, got {'no file' if size is None else size}; copy it "
                f"again, or delete {INDEX_NAME} and pack again"
            )
    return index
