"""``maedfer reconstruct``, ``attention``, ``map`` and ``curves``: pictures of what a model or a run does."""

from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from maedfer.cli.options import Device
from maedfer.errors import WeightsError

__all__ = ["attention", "curves", "map_embeddings", "reconstruct"]


def reconstruct(
    source: Positional[Path],
    weights: Path,
    out: Path = Path("reconstruction.png"),
    crop: Literal["auto", "face", "centre", "voxceleb2"] = "auto",
    root: Path | None = None,
    clips: int = 4,
    frames: int = 8,
    seed: int = 0,
    device: Device = "auto",
) -> int:
    """Draw what a pre-trained autoencoder makes of hidden patches: truth, input, completion, motion.

    Args:
        source: a video, or a manifest (.csv) of which a few clips are drawn.
        weights: of pre-training: a folder, or an official .pth.
        out: the picture.
        crop: face: find and align the face; centre: the clips are face crops; voxceleb2: its published crop; auto: as
            the manifest's column crop says of each clip, face where it says nothing.
        root: where a manifest's paths start.
        clips: clips of a manifest.
        frames: pictures a row.
        seed: of the masks and the choice of clips.
        device: where the model runs.
    """
    from maedfer.inference import resolve_device
    from maedfer.insight import draw_reconstructions, face_clips
    from maedfer.insight import reconstruct as complete
    from maedfer.insight.sheet import require_drawable
    from maedfer.models import MaskedAutoencoder
    from maedfer.weights import load_model

    require_drawable(out)
    model = load_model(weights, device=resolve_device(device))
    if not isinstance(model, MaskedAutoencoder):
        raise WeightsError(f"{weights}: expected pre-training weights, got a classifier; a decoder is needed to draw")
    found = complete(
        model, face_clips(source, model.config.encoder, crop=crop, root=root, count=clips, seed=seed), seed
    )
    draw_reconstructions(found, out, frames)
    for one in found:
        motion = "" if one.motion_loss is None else f", motion {one.motion_loss:.4f}"
        print(f"{one.clip.name}: masked loss, appearance {one.loss:.4f}{motion}")
    print(f"wrote {out}")
    return 0


def attention(
    source: Positional[Path],
    model: str = "default",
    out: Path = Path("attention.png"),
    crop: Literal["auto", "face", "centre", "voxceleb2"] = "auto",
    root: Path | None = None,
    clips: int = 4,
    frames: int = 8,
    block: int = -1,
    seed: int = 0,
    device: Device = "auto",
) -> int:
    """Draw where on the face the representative tokens of a classifier look.

    Args:
        source: a video, or a manifest (.csv) of which a few clips are drawn.
        model: "default", a folder of weights, or a .pth checkpoint.
        out: the picture.
        crop: face: find and align the face; centre: the clips are face crops; voxceleb2: its published crop; auto: as
            the manifest's column crop says of each clip, face where it says nothing.
        root: where a manifest's paths start.
        clips: clips of a manifest.
        frames: pictures a row.
        block: which block of the encoder; -1 is the last.
        seed: of the choice of clips.
        device: where the model runs.
    """
    from maedfer.hub import from_pretrained
    from maedfer.inference import resolve_device
    from maedfer.insight import attend_faces, draw_attention, face_clips
    from maedfer.insight.sheet import require_drawable

    require_drawable(out)
    network = from_pretrained(model, device=str(resolve_device(device)))
    drawn = face_clips(source, network.config.encoder, crop=crop, root=root, count=clips, seed=seed)
    draw_attention(attend_faces(network, drawn, block), out, frames)
    print(f"wrote {out}")
    return 0


def map_embeddings(
    manifest: Positional[Path],
    model: str = "default",
    out: Path = Path("map.png"),
    method: Literal["tsne", "pca"] = "tsne",
    split: Literal["train", "val", "test", "all"] = "all",
    crop: Literal["auto", "face", "centre"] = "auto",
    root: Path | None = None,
    most: int = 2000,
    seed: int = 0,
    workers: int = 2,
    device: Device = "auto",
) -> int:
    """Draw the clips of a manifest as points, near each other where the model finds them alike; also as CSV.

    Args:
        manifest: CSV of clips.
        model: "default", a folder of weights, or a .pth checkpoint.
        out: the picture; the points go beside it as .csv.
        method: tsne keeps neighbours, pca keeps distances.
        split: which rows.
        crop: face: find and align the face; centre: the clips are face crops; auto: as the manifest says of all.
        root: where the manifest's paths start.
        most: more clips than this are thinned out.
        seed: of the thinning and the layout.
        workers: processes that find faces.
        device: where the model runs.
    """
    from maedfer.cli.console import progress_bar
    from maedfer.data.manifest import read_manifest
    from maedfer.data.sources import ClipSource
    from maedfer.hub import from_pretrained
    from maedfer.inference import resolve_device
    from maedfer.insight import common_crop, draw_map, embedding_map, thinned, write_map
    from maedfer.insight.sheet import require_drawable
    from maedfer.recipes import DataConfig

    require_drawable(out)
    whole = read_manifest(manifest, root)
    part = thinned(whole if split == "all" else whole.part(split), most, seed)  # before faces are cropped
    network = from_pretrained(model, device=str(resolve_device(device)))
    encoder = network.config.encoder
    with progress_bar("embedding") as bar:
        config = DataConfig(crop=common_crop(part) if crop == "auto" else crop, workers=workers)
        source = ClipSource(config, part, size=encoder.image_size, frames=encoder.num_frames, progress=bar)
        found = embedding_map(network, source, part, method=method, seed=seed)
    draw_map(found, out)  # a picture's suffix, so the table has another name
    write_map(found, out.with_suffix(".csv"))
    print(f"wrote {out}\nwrote {out.with_suffix('.csv')}")
    return 0


def curves(runs: Positional[tuple[Path, ...]], out: Path = Path("curves.png")) -> int:
    """Draw loss, learning rate and validation scores of runs from their metrics.jsonl.

    Args:
        runs: folders of runs.
        out: the picture.
    """
    from maedfer.insight import draw_curves, read_curves
    from maedfer.insight.sheet import require_drawable

    require_drawable(out)
    draw_curves([read_curves(run) for run in runs], out)
    print(f"wrote {out}")
    return 0
