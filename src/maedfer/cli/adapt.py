"""``maedfer adapt``."""

from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from maedfer.cli.console import progress_bar
from maedfer.cli.options import Device

if TYPE_CHECKING:
    from maedfer.adaptation import Adapted

__all__ = ["adapt"]


def adapt(
    sources: Positional[tuple[str, ...]],
    out: Path,
    model: str = "default",
    clips: int = 512,
    device: Device = "auto",
) -> int:
    """Fit a model to the faces of your videos, without labels (adaptive batch normalisation).

    Replaces mean and variance of the model's batch norms by those of the faces given, and writes a copy of the weights
    and adaptation.json into OUT. Give many people with many expressions, some hundred clips: on faces that all do the
    same it takes away what they do. Calibrate and evaluate the copy on labelled clips, if you have some.

    Args:
        sources: videos, pictures, folders of videos, patterns such as "photographs/*.jpg", and manifests (.csv), of
            faces like those to be judged.
        out: folder for the adapted weights.
        model: "default" (the weights in the package), a folder of weights, or a .pth checkpoint.
        clips: how many clips of them, at most, 32 to 512.
        device: where the model runs; auto takes a GPU when there is one.
    """
    from maedfer.adaptation import ADAPTATION_FILE, adapt_weights
    from maedfer.video.find import find_videos

    files = [video.source for video in find_videos(sources, out=out) if isinstance(video.source, Path)]
    with progress_bar("adapting") as bar:
        found = adapt_weights(model, files, out, most=clips, device=device, progress=bar)
    print(_table(found))
    print(f"wrote {found.files[0]}")
    print(f"wrote {found.files[0] / ADAPTATION_FILE}")
    return 0


def _table(found: "Adapted") -> str:
    lines = [
        f"{found.clips} clips of faces; how many of them are given each label:",
        "",
        "| label    | before | after |",
        "| :------- | -----: | ----: |",
    ]
    lines += [f"| {label:<8} | {n:6} | {found.answers_after[label]:5} |" for label, n in found.answers_before.items()]
    return "\n".join(lines) + "\n"
