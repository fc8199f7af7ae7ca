"""How time and memory grow with frames, resolution, faces and the length of a video, as figures and as a picture.

python benchmarks/growth.py model [--record growth_model]     # LGI-Former beside a plain ViT of its width and depth
python benchmarks/growth.py video [--record growth_video]     # the predictor with the packaged model
python benchmarks/growth.py draw growth_model docs/images/growth_model.png

Each point is measured in a process of its own: the median of some forwards of one clip, or one prediction; memory is
the most the process held resident, less what it held before the model was built. `--width`, `--depth` and `--heads`
make the encoders narrower. Faces come from the packaged sample: its two faces, cut out and laid beside each other on
a picture of constant size; its length grows by repeating it. Linux only; drawing needs matplotlib (extra report).
"""

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.resources import files
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import record
from maedfer.config import ClassifierConfig, EncoderConfig, LGIFormerConfig, ViTConfig
from maedfer.models import ExpressionClassifier
from memory import resident_mb

Point = dict[str, float]
Series = dict[str, dict[str, list[Point]]]

FRAMES = (16, 32, 64, 128)
RESOLUTIONS = {112: (2, 7, 7), 160: (2, 5, 10), 224: (2, 7, 7), 320: (2, 5, 10)}  # regions of about 100 tokens
FACES = (1, 2, 4, 8)
REPEATS = (1, 2, 4, 8)  # of 12 s
FPS, CELL, CANVAS = 25.0, (360, 320), (720, 1280)
UNITS = {"frames": "frames", "resolution": "pixels a side", "faces": "faces", "length": "seconds of video"}


def encoders(size: dict[str, int], frames: int, side: int) -> dict[str, EncoderConfig]:
    """Both encoders for clips of ``frames`` pictures of ``side`` pixels; ``size``: width, depth, heads."""
    clip = {"num_frames": frames, "image_size": side}
    return {
        "LGI-Former": LGIFormerConfig(**size, **clip, region_size=RESOLUTIONS[side]),
        "plain ViT": ViTConfig(**size, **clip),
    }


def forward(config: EncoderConfig, repeats: int, threads: int) -> Point:
    """Seconds of one clip's forward, and its memory with the model's."""
    torch.set_num_threads(threads)
    before = resident_mb("VmRSS")
    model = ExpressionClassifier(ClassifierConfig(encoder=config)).eval()
    clip = torch.zeros(1, 3, config.num_frames, config.image_size, config.image_size, dtype=torch.uint8)
    seconds = []
    with torch.inference_mode():
        for _ in range(1 + repeats):
            began = time.perf_counter()
            model(clip)
            seconds.append(time.perf_counter() - began)
    weights = sum(value.nbytes for value in model.parameters()) / 2**20
    return {"seconds": median(seconds[1:]), "mb": resident_mb("VmHWM") - before - weights}


def prediction(faces: int, repeats: int, threads: int) -> Point:
    """Seconds and memory of a prediction of ``faces`` faces in ``repeats`` times the sample."""
    from maedfer.predict import Predictor

    with TemporaryDirectory() as folder:
        path = Path(folder) / "made.mp4"
        in_own_process(partial(film, path, faces, repeats))  # making it takes more memory than reading it
        torch.set_num_threads(threads)
        before = resident_mb("VmRSS")
        predictor = Predictor(min_face=0.05)
        began = time.perf_counter()
        found = predictor.predict(path)
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "mb": resident_mb("VmHWM") - before, "tracks": len(found.tracks())}


def film(path: Path, faces: int, repeats: int) -> Point:
    """Write :func:`scenes`; nothing to tell."""
    from maedfer.video.encode import write_video

    write_video(path, scenes(faces, repeats), FPS)
    return {}


def scenes(faces: int, repeats: int) -> Iterator[np.ndarray]:
    """Pictures (720, 1280, 3) with the sample's faces in the first ``faces`` of eight cells, forward and backward."""
    from maedfer.video.decode import read_frames

    sample = files("maedfer") / "assets" / "sample" / "sample.mp4"
    height, width = CELL
    pictures = [frame.image for frame in read_frames(Path(str(sample)))]
    for number in range(repeats):
        for picture in pictures if number % 2 == 0 else reversed(pictures):
            canvas = np.full((*CANVAS, 3), 128, dtype=np.uint8)
            for cell in range(faces):
                face = picture[:, (cell % 2) * width :][:, :width]
                row, column = divmod(cell, CANVAS[1] // width)
                # Mirrored from the third on, so that no two look quite alike.
                part = face[:, ::-1] if cell // 2 % 2 else face
                canvas[row * height : (row + 1) * height, column * width : (column + 1) * width] = part
            yield canvas


def in_own_process(task: Callable[[], Point]) -> Point:
    """The task's result, from a process that was forked for it.

    Raises:
        RuntimeError: the process ended without one.
    """
    context = multiprocessing.get_context("fork")  # the packages are loaded once
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, task))
    process.start()
    sender.close()
    try:
        found: Point = receiver.recv()
    except EOFError as error:
        raise RuntimeError("the process of this point ended without a result") from error
    finally:
        process.join()
    return found


def _send(sender: Connection, task: Callable[[], Point]) -> None:
    sender.send(task())


def tasks(arguments: argparse.Namespace) -> Iterator[tuple[str, str, float, Callable[[], Point]]]:
    """(axis, series, place on the axis, task) of each point."""
    if arguments.part == "video":
        for faces in FACES[: arguments.points]:
            yield "faces", "predictor", faces, partial(prediction, faces, 1, arguments.threads)
        for repeats in REPEATS[: arguments.points]:
            yield "length", "predictor", 12.0 * repeats, partial(prediction, 2, repeats, arguments.threads)
        return
    size = {"embed_dim": arguments.width, "depth": arguments.depth, "num_heads": arguments.heads}
    for frames in FRAMES[: arguments.points]:
        for name, config in encoders(size, frames, 160).items():
            yield "frames", name, frames, partial(forward, config, arguments.repeats, arguments.threads)
    for side in islice(RESOLUTIONS, arguments.points):
        for name, config in encoders(size, 16, side).items():
            yield "resolution", name, side, partial(forward, config, arguments.repeats, arguments.threads)


def measure(arguments: argparse.Namespace, console: Console) -> Series:
    """All points, axis by axis."""
    found: Series = {}
    for axis, name, place, task in tasks(arguments):
        point = {"at": place} | {key: round(value, 4) for key, value in in_own_process(task).items()}
        found.setdefault(axis, {}).setdefault(name, []).append(point)
        console.print(f"{axis}, {name}: {point}")
    return found


def exponent(points: list[Point], field: str) -> float:
    """Slope between the last two points on logarithmic axes: 1 where twice as much costs twice as much."""
    one, two = points[-2:]
    return float(np.log(two[field] / one[field]) / np.log(two["at"] / one["at"]))


def show(found: Series, console: Console) -> None:
    """A table of the points and how each series grows at its end."""
    table = Table()
    for column in ("axis", "series", "at", "seconds", "MB"):
        table.add_column(column, justify="right")
    for axis, series in found.items():
        for name, points in series.items():
            for point in points:
                table.add_row(axis, name, f"{point['at']:g}", f"{point['seconds']:.3f}", f"{point['mb']:.0f}")
    console.print(table)
    for axis, series in found.items():
        for name, points in series.items():
            if len(points) > 1:
                console.print(
                    f"{axis}, {name}: at the end, time grows with the power {exponent(points, 'seconds'):.2f}"
                )


def draw(source: Path, out: Path) -> None:
    """The points of a result as a picture: time above, memory below, one column an axis."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    content = json.loads(source.read_text(encoding="utf-8"))
    found: Series = content["axes"]
    figure, rows = pyplot.subplots(2, len(found), figsize=(4 * len(found), 5), squeeze=False, layout="constrained")
    for column, (axis, series) in enumerate(found.items()):
        for row, (field, label) in enumerate((("seconds", "seconds"), ("mb", "MB over the start"))):
            panel = rows[row][column]
            for name, points in series.items():
                panel.plot([point["at"] for point in points], [point[field] for point in points], "o-", label=name)
            panel.set(xlabel=UNITS[axis], ylabel=label, ylim=(0, None))
            panel.grid(alpha=0.3)
            panel.legend(frameon=False)
    run = content["run"]
    figure.suptitle(f"{run['processor']}, {run['cores']} cores; {content['remark']}", fontsize=9)
    figure.savefig(out, dpi=80)
    pyplot.close(figure)


def main() -> None:
    """Measure and print, or draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    for part in ("model", "video"):
        child = parts.add_parser(part)
        child.add_argument("--threads", type=int, default=os.cpu_count())
        child.add_argument("--points", type=int, default=4, help="only the first of each axis")
        child.add_argument("--record", help="write benchmarks/results/NAME.json")
    model = parts.choices["model"]
    for name, value in (("--width", 512), ("--depth", 16), ("--heads", 8), ("--repeats", 3)):
        model.add_argument(name, type=int, default=value)
    drawing = parts.add_parser("draw")
    drawing.add_argument("name", help="of a result")
    drawing.add_argument("out", type=Path)
    arguments = parser.parse_args()
    if arguments.part == "draw":
        draw(record.RESULTS / f"{arguments.name}.json", arguments.out)
        return
    console, load = Console(width=120), os.getloadavg()[0]
    found = measure(arguments, console)
    show(found, console)
    if arguments.record:
        settings = {key: value for key, value in vars(arguments).items() if key not in ("part", "record")}
        busy = load > (os.cpu_count() or 1) / 2
        remark = "measured beside other work" if busy else "measured on an idle machine"
        facts = settings | {"load_at_start": round(load, 2), "remark": remark, "axes": found}
        console.print(f"wrote {record.write(arguments.record, facts)}")


if __name__ == "__main__":
    main()
