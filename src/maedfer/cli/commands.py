"""``maedfer predict``, ``embed``, ``demo`` and ``synth``."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from maedfer.cli.console import progress_bar
from maedfer.cli.options import AnswerOptions, ModelOptions, ReadingOptions
from maedfer.errors import ConfigError, DecodeError

__all__ = ["demo", "embed", "predict", "synth"]


def predict(
    videos: Positional[tuple[str, ...]],
    options: Annotated[AnswerOptions, arg(name="")] = AnswerOptions(),  # noqa: B008 - frozen
    out: Path = Path("maedfer-results"),
    formats: tuple[Literal["csv", "json", "parquet", "html", "mp4"], ...] = ("csv", "json", "html"),
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
    """
    if not videos:
        raise ConfigError("predict: expected at least one video, got none; for example: maedfer predict talk.mp4")
    if not formats:
        raise ConfigError("predict: expected at least one format, got none; for example: --formats csv html")
    from maedfer.cli.batches import PredictionWork, run_batch

    return run_batch(videos, out, PredictionWork(options, formats), again=options.again)


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


def synth(
    out: Path,
    clips: int,
    seed: int = 0,
    rig: str = "anny",
    size: int = 160,
    fps: float = 25.0,
    seconds: float = 2.56,
    test_share: float = 0.1,
    workers: int | None = None,
) -> int:
    """Render labelled expression clips of made-up people: mp4 files and a manifest.

    Args:
        out: folder for the clips and manifest.csv; an interrupted run goes on where it stopped.
        clips: how many.
        seed: the same seed gives the same clips; another one gives other people.
        rig: "anny" (extra synth), or a FILE.npz of ICT-FaceKit arrays.
        size: side of the square picture in pixels, even.
        fps: frames per second.
        seconds: length of a clip.
        test_share: share of the people kept for testing; 5 % more are for validation.
        workers: processes that render; one a core when left out.
    """
    from maedfer.synth import synthesize

    with progress_bar("rendering") as bar:
        manifest = synthesize(
            out,
            clips,
            seed,
            rig=rig,
            size=size,
            fps=fps,
            seconds=seconds,
            test_share=test_share,
            workers=workers,
            progress=bar,
        )
    print(f"wrote {manifest}")
    return 0
