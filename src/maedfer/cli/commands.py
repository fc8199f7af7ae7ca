"""``maedfer predict``, ``embed`` and ``demo``."""

from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from maedfer.cli.options import AnswerOptions, ModelOptions, ReadingOptions
from maedfer.errors import ConfigError, DecodeError

__all__ = ["demo", "embed", "predict"]


def predict(
    videos: Positional[tuple[str, ...]],
    options: Annotated[AnswerOptions, arg(name="")] = AnswerOptions(),  # noqa: B008 - frozen
    out: Path = Path("maedfer-results"),
    formats: tuple[Literal["csv", "json", "parquet", "html", "mp4"], ...] = ("csv", "json", "html"),
    engine: Literal["local", "ray"] = "local",
    workers: int = 2,
) -> int:
    """Say which expression each face in a video shows, and when.

    Writes predictions.csv, predictions.json and report.html into OUT/<video name>/ and prints a table per face. Given
    many videos or a folder, it goes on after a failure, lists what failed, and when run again does only what is left.

    Args:
        videos: video files, images, folders (of videos, searched to the bottom, or of one video's frames), patterns
            such as "talks/**/*.mp4", URLs, or - for standard input.
        options: how they are read.
        out: folder for the results.
        formats: what to write: csv, json, parquet, html (the page) and mp4 (the video with boxes and labels).
        engine: local: one video after the other in this process; ray: many at once, on this machine or the cluster of
            RAY_ADDRESS (extra ray).
        workers: processes of the engine ray, each with one model, and with --device cuda a GPU, of its own.
    """
    if not videos:
        raise ConfigError("predict: expected at least one video, got none; for example: maedfer predict talk.mp4")
    if not formats:
        raise ConfigError("predict: expected at least one format, got none; for example: --formats csv html")
    from maedfer.cli.batches import PredictionWork, run_batch

    if engine == "local":
        return run_batch(videos, out, PredictionWork(options, formats), again=options.again)
    from maedfer.ray_engine import RayEngine

    make = partial(PredictionWork, options, formats)
    # Ray hides GPUs from workers that do not ask for one; this machine cannot know what those of a cluster have.
    spread = RayEngine(make, workers=workers, again=options.again, gpus=1.0 if options.device == "cuda" else 0.0)
    return run_batch(videos, out, make(), again=options.again, engine=spread)


def embed(
    videos: Positional[tuple[str, ...]],
    options: Annotated[ReadingOptions, arg(name="")] = ReadingOptions(),  # noqa: B008 - frozen
    out: Path = Path("maedfer-results"),
    format: Literal["npz", "parquet"] = "npz",
) -> int:
    """Write one vector for each face in each window of a video: OUT/<video name>/embeddings.npz.

    Args:
        videos: as for predict.
        options: how they are read.
        out: folder for the results.
        format: npz (NumPy arrays) or parquet (one row a window).
    """
    if not videos:
        raise ConfigError("embed: expected at least one video, got none; for example: maedfer embed talk.mp4")
    from maedfer.cli.batches import EmbeddingWork, run_batch

    return run_batch(videos, out, EmbeddingWork(options, format), again=options.again)


def demo(
    options: Annotated[ModelOptions, arg(name="")] = ModelOptions(),  # noqa: B008 - frozen
    out: Path = Path("maedfer-demo"),
) -> int:
    """Judge the sample video inside the package, with the rendered truth beside the answer.

    Args:
        options: which model.
        out: folder for the results.
    """
    from maedfer.cli.batches import PredictionWork, run_batch
    from maedfer.report import read_truth

    sample = Path(str(files("maedfer").joinpath("assets", "sample")))
    video = sample / "sample.mp4"
    if not video.is_file():
        raise DecodeError("this build carries no sample video; give one of your own: maedfer predict VIDEO")
    truth = read_truth(sample / "sample_truth.csv")
    reading = AnswerOptions(model=options.model, device=options.device)
    work = PredictionWork(reading, ("csv", "json", "html", "mp4"))
    return run_batch((str(video),), out, work, again=True, truth=truth)
