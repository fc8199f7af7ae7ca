"""Peak memory over a long video against that of its first minute, each in a process of its own.

python benchmarks/make_video.py loop hour.mp4 --minutes 60
python benchmarks/long_video.py hour.mp4 [--record NAME]
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import record
from maedfer.predict import Predictor
from maedfer.video.decode import probe, read_frames


def measure(video: Path, seconds: float | None) -> dict[str, float]:
    """Predict and save; peak resident memory of this process in MB, wall-clock seconds, what was found."""
    began = time.perf_counter()
    predictor = Predictor()
    # The first minute is read as frames, the whole as the file it is.
    prediction = predictor.predict(
        video if seconds is None else read_frames(video, rate=25.0, end_s=seconds, max_side=1280)
    )
    with TemporaryDirectory() as folder:
        paths = prediction.save(folder, ("csv", "json", "html"))
        page = paths[2].stat().st_size
    return {
        "video_s": round(prediction.duration_s, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "wall_s": round(time.perf_counter() - began, 1),
        "tracks": len(prediction.tracks()),
        "windows": len(prediction.windows),
        "page_mb": round(page / 2**20, 2),
    }


def main() -> None:
    """Measure both, or (inside) one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--record", help="write benchmarks/results/NAME.json")
    parser.add_argument("--inside", choices=("minute", "whole"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        print(json.dumps(measure(arguments.video, 60.0 if arguments.inside == "minute" else None)))
        return
    figures = {}
    for part in ("minute", "whole"):
        command = [sys.executable, __file__, str(arguments.video), "--inside", part]
        figures[part] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(part, figures[part], flush=True)
    growth = figures["whole"]["peak_mb"] - figures["minute"]["peak_mb"]
    print(f"peak memory grew by {growth:.1f} MB from the first minute to the whole video")
    if arguments.record:
        info = probe(arguments.video)
        facts = {"video": f"{info.width}x{info.height}, {info.codec}", "growth_mb": round(growth, 1)}
        print(f"wrote {record.write(arguments.record, facts | figures)}")


if __name__ == "__main__":
    main()
