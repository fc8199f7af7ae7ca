"""``maedfer calibrate``."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from maedfer.cli.console import progress_bar
from maedfer.cli.labelled import open_labelled

if TYPE_CHECKING:
    from maedfer.evaluate import Calibration

__all__ = ["calibrate"]


def calibrate(
    manifest: Path,
    out: Path,
    model: str = "default",
    split: Literal["train", "val", "test"] = "val",
    crop: Literal["face", "centre"] = "face",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    batch_size: int = 16,
    workers: int = 2,
) -> int:
    """Make a model's confidence agree with how often it is right, on labelled clips (temperature scaling).

    Prints the figures before and after, and writes a copy of the weights with the fitted temperature, and
    calibration.json, into OUT. No label changes, only how sure the model is of it.

    Args:
        manifest: CSV of labelled clips.
        out: folder for the calibrated weights; give the model's own folder to replace it.
        model: "default" (the weights in the package), a folder of weights, or a .pth checkpoint.
        split: which rows of the manifest; they must be new to the model. The test part is refused, for it would no
            longer be a test.
        crop: face: find and align the face, as predict does, and judge the middle 2.56 s; centre: the clips are face
            crops already: first and last window of each clip.
        device: where the model runs; auto takes a GPU when there is one.
        batch_size: clips that are classified together.
        workers: processes that find faces.
    """
    from maedfer.evaluate import calibrate_manifest, write_calibrated

    given = open_labelled(manifest, split, crop, model, device, out)
    network, part = given.network, given.part
    with progress_bar("calibrating") as bar:
        found = calibrate_manifest(network, part, crop=crop, batch_size=batch_size, workers=workers, progress=bar)
    written = write_calibrated(network, found, out, given.facts)
    print(_table(found))
    if split == "train":
        print("These figures are too kind if the model was trained on these clips; calibrate on clips new to it.")
    if found.at_limit:
        print("The temperature ran into the end of its range: too few mistakes, or labels that the model cannot tell.")
    for path in written:
        print(f"wrote {path}")
    return 0


def _table(found: "Calibration") -> str:
    lines = [
        f"Temperature {found.temperature:.3f} (was {found.temperature_before:.3f}), from {found.windows} windows.",
        "",
        "|        |    NLL |  ECE % | answered % | right of answered % |",
        "| :----- | -----: | -----: | ---------: | ------------------: |",
    ]
    for name, row in (("before", found.before), ("after", found.after)):
        right = "–" if row.accuracy_answered is None else f"{100 * row.accuracy_answered:.1f}"
        lines.append(
            f"| {name:<6} | {row.nll:6.4f} | {100 * row.ece:6.2f} | {100 * row.answered:10.1f} | {right:>19} |"
        )
    return "\n".join(lines) + "\n"
