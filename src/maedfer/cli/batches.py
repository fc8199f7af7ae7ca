"""What ``maedfer predict`` and ``maedfer embed`` do with each of their videos, and what they say about it."""

import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import cv2
from rich.console import Console
from rich.markup import escape

from maedfer.batch import Engine, Facts, Outcome, Work, process, write_list
from maedfer.cli.console import Bar, complain, plain, progress_bar
from maedfer.cli.options import AnswerOptions, ReadingOptions
from maedfer.errors import ConfigError, MaedferError
from maedfer.output import require_writable
from maedfer.predict import Predictor, Progress
from maedfer.report import FILE_NAMES, Format, Prediction, TruthSpan, print_prediction
from maedfer.video.find import FoundVideo, find_videos
from maedfer.video.source import is_url, shown

__all__ = ["EmbeddingWork", "PredictionWork", "run_batch"]

#: With more videos than this each gets one line instead of its tables.
_TOLD_WHOLE = 3


class PredictionWork:
    """Predict and save; the last prediction stays at hand for the console.

    Raises:
        ConfigError: a format needs a library that is not installed.
    """

    name = "predict"

    def __init__(self, options: AnswerOptions, formats: Sequence[Format]) -> None:
        if "parquet" in formats:
            _require_pyarrow()
        self._options, self._formats = options, tuple(dict.fromkeys(formats))
        self._predictor = options.make()
        self.prediction: Prediction | None = None

    @property
    def request(self) -> dict[str, Any]:
        """Weights and settings."""
        return _request(self._predictor, self._options)

    @property
    def files(self) -> tuple[str, ...]:
        """One a format."""
        return tuple(FILE_NAMES[name] for name in self._formats)

    @property
    def outdated(self) -> tuple[str, ...]:
        """The formats that were not asked for."""
        return tuple(file for name, file in FILE_NAMES.items() if name not in self._formats)

    def check(self, source: Path | str) -> None:
        """An address cannot be read a second time for the annotated video."""
        if "mp4" in self._formats and is_url(source):
            raise ConfigError(
                f"{shown(source)}: the format mp4 reads the pictures twice, which needs a file, got an address; "
                "save the video to a file first, or leave mp4 out of --formats"
            )

    def run(self, source: Path | str, name: str, folder: Path, progress: Progress) -> Facts:
        """Predict and save."""
        fps, salvage = _fps(source, self._options), self._options.salvage
        found = self._predictor.predict(source, fps=fps, salvage=salvage, progress=progress)
        self.prediction = replace(found, video=replace(found.video, source=name))
        for chosen in self._formats:
            # The annotated video reads the pictures again, from where they really lie.
            (found if chosen == "mp4" else self.prediction).save(folder, (chosen,))
        return Facts(found.duration_s, len(found.tracks()), len(found.windows))


class EmbeddingWork:
    """Embed and save.

    Raises:
        ConfigError: the format needs a library that is not installed.
    """

    name = "embed"

    def __init__(self, options: ReadingOptions, suffix: Literal["npz", "parquet"]) -> None:
        if suffix == "parquet":
            _require_pyarrow()
        self._options, self._suffix = options, suffix
        self._predictor = options.make()

    @property
    def request(self) -> dict[str, Any]:
        """Weights and settings."""
        return _request(self._predictor, self._options)

    @property
    def files(self) -> tuple[str, ...]:
        """The one file."""
        return (f"embeddings.{self._suffix}",)

    @property
    def outdated(self) -> tuple[str, ...]:
        """The other format."""
        return tuple(f"embeddings.{suffix}" for suffix in ("npz", "parquet") if suffix != self._suffix)

    def check(self, source: Path | str) -> None:
        """Nothing can be known before."""

    def run(self, source: Path | str, name: str, folder: Path, progress: Progress) -> Facts:
        """Embed and save."""
        fps, salvage = _fps(source, self._options), self._options.salvage
        found = self._predictor.embed(source, fps=fps, salvage=salvage, progress=progress)
        replace(found, video=replace(found.video, source=name)).save(folder / self.files[0])
        duration_s = max(float(found.ends_s.max(initial=0.0)), found.video.duration_s or 0.0)
        return Facts(duration_s, len({int(track) for track in found.tracks}), len(found.tracks))


def _request(predictor: Predictor, options: ReadingOptions) -> dict[str, Any]:
    facts = {"settings": asdict(predictor.settings), "model": asdict(predictor.judge.identity)}
    return facts | {"salvage": options.salvage, "fps": options.fps}


def _fps(source: Path | str, options: ReadingOptions) -> float | None:
    """Frames per second, for a folder of frames only: among many videos the option is not meant for files."""
    return options.fps if isinstance(source, Path) and source.is_dir() else None


def _require_pyarrow() -> None:
    if find_spec("pyarrow") is None:
        raise ConfigError("parquet needs pyarrow, not installed here; run: pip install 'maedfer[report]'")


def run_batch(
    arguments: Sequence[str],
    out: Path,
    work: Work,
    *,
    again: bool,
    truth: Sequence[TruthSpan] = (),
    engine: Engine | None = None,
) -> int:
    """Do ``work`` on everything that ``arguments`` name, and say what became of it.

    Args:
        arguments: files, folders, patterns, addresses.
        out: folder of all results.
        work: what is done with each.
        again: also where an earlier run's results still fit.
        truth: what a video is known to show, for the console.
        engine: goes through the videos; ``None``: this process does, one after the other.

    Returns:
        0, or 1 when a video failed.
    """
    # Faces are found in one thread while the model runs; more threads in OpenCV would only take the model's cores.
    cv2.setNumThreads(1)
    videos = find_videos(arguments, out=out)
    require_writable(out)
    console = Console(soft_wrap=True)
    outcomes: list[Outcome] = []
    here = process(videos, out, work, again=again, stdin=lambda: sys.stdin.buffer, watch=_watched)
    for outcome in here if engine is None else engine.process(videos, out, work):
        outcomes.append(outcome)
        _tell(outcome, work, console, truth, whole=len(videos) <= _TOLD_WHOLE)
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    if len(videos) > 1:
        done, kept = len(outcomes) - len(failed), sum(outcome.state == "kept" for outcome in outcomes)
        console.print(f"{done} of {len(videos)} videos done{f', {kept} of them by an earlier run' if kept else ''}")
        order = {video: index for index, video in enumerate(videos)}  # some engines end in another
        print(f"wrote {write_list(out, sorted(outcomes, key=lambda outcome: order[outcome.video]))}")
        if failed:
            print(f"{len(failed)} failed:", file=sys.stderr)
    for outcome in failed if len(videos) > 1 else ():
        _complain(outcome)
    return 1 if failed else 0


def _tell(outcome: Outcome, work: Work, console: Console, truth: Sequence[TruthSpan], *, whole: bool) -> None:
    name = escape(plain(shown(outcome.video.source)))
    if outcome.state == "failed":
        if not isinstance(outcome.error, MaedferError) and outcome.error is not None:
            traceback.print_exception(outcome.error, file=sys.stderr)
        _complain(outcome)
        return
    if outcome.state == "kept":
        console.print(f"{name}: done by an earlier run (--again repeats it): {escape(str(outcome.folder))}")
        return
    if whole and isinstance(work, PredictionWork) and work.prediction is not None:
        print_prediction(work.prediction, console, truth)
    elif outcome.facts is not None:
        facts = outcome.facts
        console.print(f"{name}: {facts.duration_s:.1f} s, faces: {facts.faces}, windows: {facts.windows}")
    if whole:
        for file in work.files:
            print(f"wrote {outcome.folder / file}")


def _complain(outcome: Outcome) -> None:
    error = outcome.error
    if isinstance(error, MaedferError):
        complain(error)
    else:
        complain(
            MaedferError(f"{shown(outcome.video.source)}: unexpected {type(error).__name__}: {error}; please report it")
        )


@contextmanager
def _watched(video: FoundVideo) -> Iterator[Bar]:
    with progress_bar(video.place.name) as bar:
        yield bar
