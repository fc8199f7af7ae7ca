"""How late answers come when a file is played to `maedfer live` at its own pace, and what was dropped.

python benchmarks/live.py VIDEO [--record NAME]
"""

import argparse
import statistics

import cv2
import torch

import record
from maedfer.live import live_frames, watch
from maedfer.predict import Predictor

HOPS_S = (1.28, 0.64)


def measure(video: str, hop_s: float) -> dict[str, float]:
    """One pass at real-time pace with the embedded weights."""
    predictor = Predictor(hop_s=hop_s)
    answers = list(watch(predictor, live_frames(predictor, video)))
    late = [answer.latency_s for answer in answers]
    return {
        "hop_s": hop_s,
        "limit_s": 1.5 * hop_s,
        "answers": len(answers),
        "latency_median_s": round(statistics.median(late), 3),
        "latency_max_s": round(max(late), 3),
        "dropped_frames": answers[-1].dropped_frames,
        "dropped_windows": answers[-1].dropped_windows,
    }


def main() -> None:
    """Measure each hop and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video")
    parser.add_argument("--record", help="write benchmarks/results/NAME.json")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)  # as the command does
    torch.set_num_threads(1)
    found = [measure(arguments.video, hop_s) for hop_s in HOPS_S]
    for figures in found:
        print(figures)
    if arguments.record:
        print(f"wrote {record.write(arguments.record, {'passes': found})}")


if __name__ == "__main__":
    main()
