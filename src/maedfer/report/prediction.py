"""All that was found in one video: the value that :class:`maedfer.Predictor` hands out, and the ways to read it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from maedfer.report.answers import Answer, Segment, answers_of, segments_of
from maedfer.report.summary import TrackSummary, summarise
from maedfer.report.usual import has_usual, require_resting
from maedfer.report.windows import Baseline, FaceBox, ModelIdentity, Portrait, Settings, WindowPrediction
from maedfer.video.types import VideoInfo, Window

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

    from maedfer.report.files import Format

__all__ = ["Prediction"]


@dataclass(frozen=True)
class Prediction:
    """All that was found in one video. Its size grows with faces and seconds, never with pixels.

    ``windows`` is what the model said. :meth:`answers`, :meth:`segments` and :meth:`summary` read it with the baseline,
    smoothing and threshold of ``settings``; :meth:`reread` reads it with others, without running the model again.

    Attributes:
        video: the source's facts.
        duration_s: seconds that were really decoded (a container can be wrong about it).
        labels: class names in index order.
        model: which weights spoke.
        settings: how the video was read.
        windows: sorted by (track, start_s).
        unseen: windows without a usable face, by start.
        faces: where each face was over time, by time.
        portraits: small pictures of the faces, by (track, time_s); a long video has fewer than windows.
    """

    video: VideoInfo
    duration_s: float
    labels: tuple[str, ...]
    model: ModelIdentity
    settings: Settings
    windows: tuple[WindowPrediction, ...]
    unseen: tuple[Window, ...]
    faces: tuple[FaceBox, ...] = field(repr=False)
    portraits: tuple[Portrait, ...] = field(default=(), repr=False)

    @cached_property
    def _by_track(self) -> dict[int, list[WindowPrediction]]:
        found: dict[int, list[WindowPrediction]] = {}
        for window in self.windows:
            found.setdefault(window.track, []).append(window)
        return found

    @cached_property
    def _answered(self) -> dict[int, tuple[Answer, ...]]:
        """Of all faces; tables, page and summary ask for them several times each."""
        now = self.settings
        return {
            track: answers_of(own, self.labels, now.smoothing_s, now.min_confidence, now.baseline)
            for track, own in self._by_track.items()
        }

    @cached_property
    def reworked(self) -> str:
        """What was done to the model's own values, in words; empty where answers go by those themselves."""
        relative = self.settings.baseline == "person" and any(
            has_usual(own, self.labels) for own in self._by_track.values()
        )
        return ", ".join([*["relative"] * relative, *["smoothed"] * (self.settings.smoothing_s > 0)])

    def tracks(self) -> tuple[int, ...]:
        """The faces that were judged at least once, in order."""
        return tuple(sorted(self._by_track))

    def answers(self, track: int) -> tuple[Answer, ...]:
        """What is said of each window of a face, by start: smoothed, and "unsure" where no class is probable enough.

        Args:
            track: one of :meth:`tracks`; any other number has no answers.
        """
        return self._answered.get(track, ())

    def segments(self, track: int) -> tuple[Segment, ...]:
        """Consecutive answers of one label merged into spans that never overlap; a gap always ends a span.

        Args:
            track: one of :meth:`tracks`; any other number has no segments.
        """
        return segments_of(self.answers(track))

    def summary(self, track: int) -> TrackSummary:
        """Time share of each expression, transitions and strongest moments of a face.

        Raises:
            ConfigError: the face was never judged.
        """
        return summarise(track, self.answers(track), self.segments(track))

    def reread(
        self,
        *,
        smoothing_s: float | None = None,
        min_confidence: float | None = None,
        baseline: Baseline | None = None,
    ) -> "Prediction":
        """The same windows under another smoothing, threshold or baseline (``None`` keeps the present one).

        Raises:
            ConfigError: a value is out of range, or a baseline asks for a resting face among the labels.
        """
        now = self.settings
        smoothing = now.smoothing_s if smoothing_s is None else smoothing_s
        confidence = now.min_confidence if min_confidence is None else min_confidence
        against = now.baseline if baseline is None else baseline
        if against == "person":
            require_resting(self.labels)
        settings = replace(now, smoothing_s=smoothing, min_confidence=confidence, baseline=against)
        return replace(self, settings=settings)

    def to_pandas(self) -> "pandas.DataFrame":
        """The rows of ``predictions.csv`` as a table, with missing values where a window could not be judged.

        Raises:
            ConfigError: pandas is not installed.
        """
        from maedfer.report.frames import to_pandas  # pandas is an extra

        return to_pandas(self)

    def plot(self, track: int | None = None) -> "Figure":
        """A figure of the probabilities over time, one panel a face.

        Args:
            track: only this face; ``None``: all.

        Raises:
            ConfigError: matplotlib is not installed, or there is no such face.
        """
        from maedfer.report.figure import plot  # matplotlib is an extra

        return plot(self, track)

    def save(self, directory: str | Path, formats: "Sequence[Format]" = ("csv", "json", "html")) -> tuple[Path, ...]:
        """Write the prediction into ``directory`` (made when missing).

        Args:
            directory: where ``predictions.csv``, ``predictions.json``, ``predictions.parquet``, ``report.html`` and
                ``annotated.mp4`` appear, each whole or not at all.
            formats: which of them: ``"csv"``, ``"json"``, ``"parquet"``, ``"html"``, ``"mp4"``. The last
                reads the video again.

        Returns:
            The paths, in the order of ``formats``.

        Raises:
            OutputError: the folder cannot be made or written.
            ConfigError: a format's library is not installed.
            DecodeError: ``"mp4"``, and the video is no longer there.
        """
        from maedfer.report.files import save  # files are written from this class

        return save(self, Path(directory), formats)
