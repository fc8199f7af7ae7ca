"""What ``evaluate`` and ``calibrate`` begin with: a model, labelled clips, and the facts about both."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from maedfer import __version__
from maedfer.cli.options import Device

if TYPE_CHECKING:
    from maedfer.data.manifest import Manifest
    from maedfer.models import ExpressionClassifier

__all__ = ["Labelled", "open_labelled"]


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
    manifest: Path, split: Literal["train", "val", "test"], crop: str, model: str, device: Device, out: Path
) -> Labelled:
    """Read the manifest and load the model, after making sure that ``out`` can be written; loads torch.

    Raises:
        OutputError, ManifestError, WeightsError, ConfigError: one of them cannot be used.
    """
    from maedfer.data.manifest import read_manifest
    from maedfer.hub import from_pretrained, locate
    from maedfer.inference import resolve_device
    from maedfer.output import require_writable
    from maedfer.weights import fingerprint

    require_writable(out)
    part = read_manifest(manifest).part(split)
    network = from_pretrained(model, device=str(resolve_device(device)))
    facts: dict[str, str] = {"model": model, "sha256": fingerprint(locate(model)), "maedfer": __version__}
    return Labelled(network, part, facts | {"manifest": str(manifest), "split": split, "crop": crop})
