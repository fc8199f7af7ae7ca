"""In how many frames of the laboratory does a detector find the face?

python benchmarks/lab_faces.py --yunet FILE.onnx LAB/test [LAB/shift ...] [--record lab_faces]

Every frame shows one face. It counts as found where the middle of some detection lies in the middle half of the picture
along both axes; each detector has its usual least score (CenterFace 0.3, YuNet 0.6). Folders: of ``maedfer synth``.
"""

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

import record
from maedfer.video.decode import read_frames
from maedfer.video.detect import CenterFace, FaceDetector, YuNet


def found(detector: FaceDetector, picture: np.ndarray) -> bool:
    """Whether a face is seen about where the laboratory puts it."""
    height, width = picture.shape[:2]
    for face in detector.detect(picture):
        x, y = (face.box[:2] + face.box[2:]) / 2 / (width, height)
        if 0.25 <= x <= 0.75 and 0.25 <= y <= 0.75:
            return True
    return False


def main() -> None:
    """Look at every frame, print and record the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--yunet", type=Path, required=True, help="ONNX file of YuNet")
    parser.add_argument("--record", help="write benchmarks/results/NAME.json")
    arguments = parser.parse_args()
    detectors: dict[str, FaceDetector] = {"CenterFace": CenterFace(), "YuNet": YuNet(arguments.yunet)}
    figures = {}
    for folder in arguments.folders:
        with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        seen: dict[str, list[bool]] = defaultdict(list)
        for row in rows:
            for frame in read_frames(folder / row["path"]):
                for name, detector in detectors.items():
                    seen[name].append(found(detector, frame.image))
        shares = {name: round(float(np.mean(hits)), 5) for name, hits in seen.items()}
        figures[folder.name] = {"clips": len(rows), "frames": len(next(iter(seen.values())))} | shares
        print(folder.name, figures[folder.name], flush=True)
    if arguments.record:
        record.write(arguments.record, figures)


if __name__ == "__main__":
    main()
