"""ONNX float32 and int8 against torch float32 of the same model: logits, answers and speed, in one run.

python benchmarks/export.py --calibration MANIFEST --clips MANIFEST [--model NAME] [--most 500] [--record NAME]

The test clips must not be those of the calibration. Both engines get two threads; rounds alternate, so that a busy
machine slows both alike. Exit code 1 where a demand is missed: 1e-4 on logits (float32), 97 % of the answers and twice
the speed (int8).
"""

import argparse
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import onnxruntime
import torch

import record
from maedfer.export import compare, write_graph, write_int8
from maedfer.face_sample import sample_faces
from maedfer.hub import from_pretrained, locate
from maedfer.onnx_model import INT8_FILE, ONNX_FILE, open_onnx
from maedfer.weights import fingerprint

_THREADS = 2


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--calibration", type=Path, nargs="*", default=[], help="manifests or videos; the sample video")
    parser.add_argument("--calibration-clips", type=int, default=64)
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="manifests or videos to test on")
    parser.add_argument("--most", type=int, default=500, help="test clips at most")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--record", help="write benchmarks/results/NAME.json")
    arguments = parser.parse_args()
    torch.set_num_threads(_THREADS)
    cv2.setNumThreads(1)
    model = from_pretrained(arguments.model)
    known = sample_faces(arguments.calibration, model.config, most=arguments.calibration_clips)
    clips = sample_faces(arguments.clips, model.config, most=arguments.most)
    with TemporaryDirectory() as folder:
        files = {"float32": Path(folder, ONNX_FILE), "int8": Path(folder, INT8_FILE)}
        write_graph(model, files["float32"], sha256=fingerprint(locate(arguments.model)))
        write_int8(files["float32"], files["int8"], known)
        sizes = {name: path.stat().st_size for name, path in files.items()}
        opened = {name: open_onnx(path, threads=_THREADS) for name, path in files.items()}
    found = compare(model, opened, clips, batch=arguments.batch, rounds=arguments.rounds)
    for name, row in found.items():
        print(
            f"{name}: {row.clips} clips, largest logit difference {row.largest_difference:.2g}, same label "
            f"{100 * row.same_label:.1f} %, torch {1e3 * row.torch_s:.1f} and ONNX {1e3 * row.onnx_s:.1f} ms a clip: "
            f"{row.speed:.2f} times as fast; {sizes[name] / 1e6:.1f} MB"
        )
    facts = {
        "model": arguments.model,
        "sha256": fingerprint(locate(arguments.model)),
        "onnxruntime": onnxruntime.__version__,
        "calibration_clips": len(known),
        "capability": torch.backends.cpu.get_cpu_capability(),
    }
    rows = {name: asdict(row) | {"speed": round(row.speed, 3), "bytes": sizes[name]} for name, row in found.items()}
    if arguments.record:
        print(f"wrote {record.write(arguments.record, facts | rows)}")
    kept = found["int8"].same_label >= 0.97 and found["int8"].speed >= 2.0
    return 0 if kept and found["float32"].largest_difference <= 1e-4 else 1


if __name__ == "__main__":
    raise SystemExit(main())
