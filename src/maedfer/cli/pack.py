"""``maedfer pack`` and ``check-shards``: the clips of a manifest as shards for training."""

import sys
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from maedfer.cli.console import plain, progress_bar

__all__ = ["check_shards", "pack"]

_NAMED = 5  # of the clips that are special


def pack(
    manifest: Positional[Path],
    out: Path,
    root: Path | None = None,
    crop: Literal["centre", "face", "voxceleb2"] = "centre",
    size: int = 160,
    quality: int = 90,
    shard_mb: int = 256,
    workers: int = 2,
) -> int:
    """Pack the cropped clips of a manifest into tar shards that training streams from a disk or an object store.

    Writes tar files and index.json into OUT; an interrupted run goes on where it stopped. Train on them with
    --data.shards OUT, or the address to which OUT was copied.

    Args:
        manifest: CSV of clips.
        out: folder for the shards.
        root: folder at which the manifest's paths start; its own when left out.
        crop: centre: the clips are face crops already, pack the middle square; face: find, follow and align the face;
            voxceleb2: rows 0 to 160 and columns 32 to 192 of the 224-pixel video.
        size: side of the packed pictures in pixels.
        quality: of the JPEG pictures, 1 to 100.
        shard_mb: size of a shard in megabytes, about.
        workers: processes that pack.
    """
    from maedfer.data.manifest import read_manifest
    from maedfer.data.pack import pack_manifest

    table = read_manifest(manifest, root)
    if crop == "centre" and (whole := sum(entry.crop == "none" for entry in table.entries)):
        note = f"{whole} clips are whole pictures by the manifest (crop none); --crop face would pack their faces"
        print(f"maedfer: warning: {note}", file=sys.stderr)
    with progress_bar("packing") as bar:
        index = pack_manifest(
            table,
            out,
            crop=crop,
            size=size,
            quality=quality,
            shard_mb=shard_mb,
            workers=workers,
            progress=bar,
        )
    size_mb = sum(shard.size for shard in index.shards) / 1e6
    print(f"wrote {len(index)} clips in {len(index.shards)} shards, {size_mb:.1f} MB, to {plain(str(out))}")
    _tell("without a face, packed as the middle square", index.faceless)
    _tell("longer than a minute, of which the middle minute was packed", index.shortened)
    _tell("that could not be read and are not in the shards", index.broken)
    return 1 if index.broken else 0


def check_shards(place: Positional[str]) -> int:
    """Compare every byte of packed shards with their index, for instance after they were copied to a store.

    Prints what is damaged and returns 1, or says how much was read.

    Args:
        place: folder, https:// address or object store (s3://, gs://, ...) of the shards.
    """
    from maedfer.data.shard_index import damaged_shards, read_index

    index = read_index(place)
    with progress_bar("reading") as bar:
        damaged = damaged_shards(index, bar)
    for reason in damaged.values():
        print(f"maedfer: {plain(reason)}", file=sys.stderr)
    size_mb = sum(shard.size for shard in index.shards) / 1e6
    whole = len(index.shards) - len(damaged)
    print(f"{whole} of {len(index.shards)} shards ({size_mb:.1f} MB, {len(index)} clips) are as they were packed")
    return 1 if damaged else 0


def _tell(what: str, names: tuple[str, ...]) -> None:
    if names:
        more = "" if len(names) <= _NAMED else f" and {len(names) - _NAMED} more, see index.json"
        print(f"{len(names)} clips {what}: {plain(', '.join(names[:_NAMED]))}{more}")
