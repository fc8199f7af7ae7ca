"""Seconds of work per second of video, by stage, for the embedded and the full-size model.

python benchmarks/predict.py VIDEO [--record NAME]

Each stage is timed alone, one after the other in one thread of control, as wall-clock and as processor time of all
threads. Then the whole way is timed as the user runs it, stages overlapping. The full-size model has random weights:
its speed does not depend on them.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import record
from maedfer.config import ClassifierConfig
from maedfer.models import ExpressionClassifier
from maedfer.predict import Predictor
from maedfer.video.decode import read_frames
from maedfer.video.detect import CenterFace
from maedfer.video.types import Clip, Face, Frame

_MAX_SIDE = 1280
_FORMATS = ("csv", "json", "html")


@dataclass
class Stopwatch:
    """Adds up wall-clock and processor seconds of one stage."""

    wall: float = 0.0
    cpu: float = 0.0
    _began: tuple[float, float] = field(default=(0.0, 0.0), repr=False)

    def __enter__(self) -> "Stopwatch":
        self._began = (time.perf_counter(), time.process_time())
        return self

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter() - self._began[0]
        self.cpu += time.process_time() - self._began[1]

    def minus(self, *others: "Stopwatch") -> "Stopwatch":
        """What of this one is not in the others."""
        return Stopwatch(self.wall - sum(o.wall for o in others), self.cpu - sum(o.cpu for o in others))


class TimedDetector:
    """CenterFace on a stopwatch."""

    def __init__(self) -> None:
        self.watch, self._detector = Stopwatch(), CenterFace()

    def detect(self, image: np.ndarray) -> list[Face]:
        """As CenterFace."""
        with self.watch:
            return self._detector.detect(image)


def timed(frames: Iterator[Frame], watch: Stopwatch) -> Iterator[Frame]:
    """The frames, their making on a stopwatch."""
    while True:
        with watch:
            frame = next(frames, None)
        if frame is None:
            return
        yield frame


def stages(video: Path, model: ExpressionClassifier | None) -> tuple[dict[str, Stopwatch], float]:
    """Each stage alone; also the seconds of video."""
    detector, decode, faces, judged = TimedDetector(), Stopwatch(), Stopwatch(), Stopwatch()
    predictor = Predictor(model, detector=detector)
    predictor.judge.classify([_blank(predictor)], "warm-up")
    detector.detect(np.zeros((360, 640, 3), np.uint8))
    detector.watch = Stopwatch()
    way = predictor.face_clips()
    stream = way.stream(timed(read_frames(video, rate=way.spec.rate, max_side=_MAX_SIDE), decode))
    waiting: list[Clip] = []
    windows = iter(stream)
    while True:
        with faces:
            window = next(windows, None)
        waiting += [] if window is None else window.clips
        if len(waiting) >= predictor.judge.batch_size or (window is None and waiting):
            with judged:
                predictor.judge.classify(waiting, video.name)
            waiting = []
        if window is None:
            break
    detect, detector.watch = detector.watch, Stopwatch()
    prediction, output, annotated = predictor.predict(video), Stopwatch(), Stopwatch()
    with TemporaryDirectory() as folder:
        with output:
            prediction.save(folder, _FORMATS)
        with annotated:
            prediction.save(folder, ("mp4",))
    found = {
        "decode": decode,
        "detect": detect,
        "track, align": faces.minus(decode, detect),
        "model": judged,
        "output": output,
        "annotated.mp4 (on request)": annotated,
    }
    return found, stream.duration_s


def whole(video: Path, model: ExpressionClassifier | None) -> Stopwatch:
    """From the file to the files, as the user runs it, without loading the model."""
    predictor = Predictor(model)
    predictor.judge.classify([_blank(predictor)], "warm-up")
    with TemporaryDirectory() as folder, Stopwatch() as watch:
        predictor.predict(video).save(folder, _FORMATS)
    return watch


def _blank(predictor: Predictor) -> Clip:
    spec = predictor.judge.spec
    return Clip(0, 0.0, spec.span_s, np.zeros((3, spec.num_frames, spec.size, spec.size), np.uint8), 1.0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--record", help="write benchmarks/results/NAME.json")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    cv2.setNumThreads(1)  # as the command does
    console, figures = Console(width=110), {}
    for name, model in (("embedded", None), ("full size", ExpressionClassifier(ClassifierConfig()))):
        found, seconds = stages(arguments.video, model)
        total = whole(arguments.video, model)
        beside = [found[stage] for stage in ("decode", "detect", "track, align", "output")]
        table = Table(title=f"{arguments.video.name}, {seconds:.1f} s, {name} model: seconds per second of video")
        for column in ("stage", "wall", "processor"):
            table.add_column(column, justify="left" if column == "stage" else "right")
        for stage, watch in found.items():
            table.add_row(stage, f"{watch.wall / seconds:.4f}", f"{watch.cpu / seconds:.4f}")
        table.add_section()
        sides = Stopwatch(sum(w.wall for w in beside), sum(w.cpu for w in beside))
        table.add_row("all stages beside the model", f"{sides.wall / seconds:.4f}", f"{sides.cpu / seconds:.4f}")
        table.add_row("end to end, overlapping", f"{total.wall / seconds:.4f}", f"{total.cpu / seconds:.4f}")
        console.print(table)
        console.print(f"end to end: {seconds / total.wall:.1f} times real time\n")
        rows = {**found, "beside the model": sides, "end to end": total}
        figures[name] = {
            stage: {"wall": round(watch.wall / seconds, 5), "cpu": round(watch.cpu / seconds, 5)}
            for stage, watch in rows.items()
        } | {"times_real_time": round(seconds / total.wall, 2)}
    if arguments.record:
        facts = {"video": arguments.video.name, "seconds": round(seconds, 2), "unit": "seconds per second of video"}
        print(f"wrote {record.write(arguments.record, facts | figures)}")


if __name__ == "__main__":
    main()
