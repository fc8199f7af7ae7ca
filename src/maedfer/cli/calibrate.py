"""``maedfer calibrate``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from maedfer.cli.console import progress_bar
from maedfer.cli.labelled import JudgeOptions, Split, open_labelled

if TYPE_CHECKING:
    from maedfer.evaluate.calibration import Calibration

__all__ = ["calibrate"]


def calibrate(
    manifest: Path,
    out: Path,
    options: Annotated[JudgeOptions, arg(name="")] = JudgeOptions(),  # noqa: B008 - frozen
    root: Path | None = None,
    split: Split = "val",
) -> int:
    """Make a model's confidence agree with how often it is right, on labelled clips (temperature scaling).

    Prints the figures before and after, and writes a copy of the weights with the fitted temperature, and
    calibration.json, into OUT. No label changes, only how sure the model is of it.

    Args:
        manifest: CSV of labelled clips.
        out: folder for the calibrated weights; give the model's own folder to replace it.
        options: which model, and how clips are looked at; of a clip with several windows each counts alone.
        root: folder at which the manifest's paths start; its own when left out.
        split: which rows of the manifest; they must be new to the model. The test part is refused, for it would no
            longer be a test.
    """
    from maedfer.evaluate.calibration import calibrate_manifest, write_calibrated

    given = open_labelled(manifest, split, options, out, root=root)
    network, part = given.network, given.part
    with progress_bar("calibrating") as bar:
        found = calibrate_manifest(network, part, progress=bar, **options.reading())
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
