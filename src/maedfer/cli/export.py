"""``maedfer export``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

__all__ = ["export"]

if TYPE_CHECKING:
    from maedfer.export import Agreement


def export(
    model: Positional[str],
    out: Path,
    int8: bool = False,
    calibration: tuple[Path, ...] = (),
    calibration_clips: int = 64,
) -> int:
    """Write a model as ONNX for other programs, and for maedfer predict --runtime onnx.

    Writes model.onnx (float32, any batch) and config.json into OUT, with --int8 also model.int8.onnx, opens them again
    and prints how far they are from torch and how much faster.

    Args:
        model: "default" (the weights in the package), a folder of weights, or a .pth checkpoint.
        out: folder for the files.
        int8: also quantise to 8 bits (static, onnxruntime).
        calibration: manifests (.csv) and videos of faces like those to be judged; the sample video when left out.
        calibration_clips: how many clips of them, at most; every second one calibrates, the others compare.
    """
    from maedfer.export import export_onnx

    if int8 and not calibration:
        print(
            "maedfer: calibrating int8 on the rendered sample video; --calibration with clips like yours fits better",
            file=sys.stderr,
        )
    found = export_onnx(model, out, int8=int8, calibration=calibration, calibration_clips=calibration_clips)
    rows = {"float32": found.float32} if found.int8 is None else {"float32": found.float32, "int8": found.int8}
    print(_table(rows))
    for path in found.files:
        print(f"wrote {path}")
    return 0


def _table(rows: "dict[str, Agreement]") -> str:
    first = next(iter(rows.values()))
    lines = [
        f"Against torch float32 on {first.clips} clips; speed on {first.threads} threads, batch {first.batch}:",
        "",
        "| ONNX    | largest logit difference | same label % | torch ms/clip | ONNX ms/clip | times as fast |",
        "| :------ | -----------------------: | -----------: | ------------: | -----------: | ------------: |",
    ]
    for name, row in rows.items():
        agreement = f"{row.largest_difference:24.2g} | {100 * row.same_label:12.1f}"
        speed = f"{1e3 * row.torch_s:13.1f} | {1e3 * row.onnx_s:12.1f} | {row.speed:13.2f}"
        lines.append(f"| {name:<7} | {agreement} | {speed} |")
    return "\n".join(lines) + "\n"
