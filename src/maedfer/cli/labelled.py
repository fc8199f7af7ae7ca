"""What ``evaluate`` and ``calibrate`` begin with: a model, labelled clips, and the facts about both."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from maedfer import __version__
from maedfer.cli.options import Device, Precision
from maedfer.errors import ManifestError

if TYPE_CHECKING:
    from maedfer.data.manifest import Manifest
    from maedfer.models import ExpressionClassifier

__all__ = ["JudgeOptions", "Labelled", "Split", "open_labelled"]

Split = Literal["train", "val", "test", "all"]


@dataclass(frozen=True)
class JudgeOptions:
    """Which model judges labelled clips, and how they are looked at.

    Attributes:
        model: "default" (the weights in the package), a folder of weights, or a .pth checkpoint.
        device: where the model runs; auto takes a GPU when there is one.
        crop: face: find, follow and align the face, as predict does; centre: the clips are face crops already; auto: as
            the manifest's column crop says of each clip, face where it says nothing.
        views: ends: first and last window of the clip, as the paper does; dense: windows all along; middle: one.
        hop: seconds between dense windows; half a window when left out.
        sampling: span: a window spans 2.56 s, every 4th frame at 25 fps; every: every frame, as for FERV39k.
        precision: what the model computes in; bf16 is faster on processors with bfloat16 products, off by thousandths.
        batch_size: views that are classified together, at most.
        workers: processes that read clips; 0 reads in this one.
    """

    model: str = "default"
    device: Device = "auto"
    crop: Literal["auto", "face", "centre"] = "auto"
    views: Literal["ends", "dense", "middle"] = "ends"
    hop: float | None = None
    sampling: Literal["span", "every"] = "span"
    precision: Precision = "float32"
    batch_size: int = 16
    workers: int = 2

    def reading(self) -> dict[str, Any]:
        """How clips are read and judged, as ``evaluate_manifest`` and ``calibrate_manifest`` name it."""
        names = ("crop", "views", "sampling", "precision", "batch_size", "workers")
        return {name: getattr(self, name) for name in names} | {"hop_s": self.hop}


@dataclass(frozen=True)
class Labelled:
    """A model and clips of known label.

    Attributes:
        network: on its device.
        part: the rows that were asked for.
        facts: what a report says about both.
    """

    network: "ExpressionClassifier"
    part: "Manifest"
    facts: dict[str, str]


def open_labelled(
    manifest: Path, split: Split, options: JudgeOptions, out: Path, *, root: Path | None = None, fold: int | None = None
) -> Labelled:
    """Read the manifest and load the model, after making sure that ``out`` can be written; loads torch.

    Args:
        manifest: CSV of labelled clips.
        split: which rows; not asked where a fold is given.
        options: which model.
        out: where the results will go.
        root: folder at which the manifest's paths start; ``None``: its own.
        fold: the test part of this fold.

    Raises:
        OutputError, ManifestError, WeightsError, ConfigError: one of them cannot be used.
    """
    from maedfer.data.manifest import read_manifest
    from maedfer.hub import from_pretrained, locate
    from maedfer.inference import dtype_of, resolve_device
    from maedfer.models import pack_weights
    from maedfer.output import require_writable
    from maedfer.weights import fingerprint

    require_writable(out)
    part = _part(read_manifest(manifest, root), split, fold)
    network = from_pretrained(options.model, device=str(resolve_device(options.device)))
    pack_weights(network, dtype_of(options.precision, network))
    facts: dict[str, str] = {
        "model": options.model,
        "sha256": fingerprint(locate(options.model)),
        "maedfer": __version__,
        "manifest": str(manifest),
        "split": split if fold is None else f"test of fold {fold}",
        "crop": options.crop,
        "views": options.views,
        "sampling": options.sampling,
        "precision": options.precision,
    }
    return Labelled(network, part, facts if options.hop is None else facts | {"hop_s": f"{options.hop:g}"})


def _part(whole: "Manifest", split: Split, fold: int | None) -> "Manifest":
    if fold is not None:
        return whole.fold_parts(fold)[1]
    if split == "all":
        return whole
    if not whole.folds() and not any(entry.split for entry in whole.entries):
        raise ManifestError(
            f"{whole.path}: expected clips with split {split}, no clip has any; name it in the column split, or take "
            "everything, and with it what was trained on, by --split all"
        )
    if whole.folds() and not any(entry.split == split for entry in whole.entries):
        there = ", ".join(map(str, whole.folds()))
        raise ManifestError(
            f"{whole.path}: no clip with split {split}, but folds {there}; choose the test part of one with --fold, or "
            "everything with --split all"
        )
    return whole.part(split)
