"""Path in, :class:`~maedfer.report.Prediction` out: which expression each face of a video shows, and when.

::

    from maedfer.predict import Predictor

    prediction = Predictor().predict("interview.mp4")
    for segment in prediction.segments(track=0):
        ...  # segment.start_s, segment.end_s, segment.label, segment.confidence
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from maedfer import __version__
from maedfer.errors import ConfigError, DecodeError
from maedfer.hub import DEFAULT_MODEL, from_pretrained, locate
from maedfer.inference import Device, class_probabilities, resolve_device
from maedfer.models import ExpressionClassifier
from maedfer.report import FaceBox, ModelIdentity, Prediction, Segment, Settings, WindowPrediction
from maedfer.video.clips import ClipSpec
from maedfer.video.detect import CenterFace, FaceDetector
from maedfer.video.faces import FaceClips, FaceStream
from maedfer.video.types import Clip, Frame, TrackedFace, VideoInfo, Window
from maedfer.weights import fingerprint

__all__ = ["Prediction", "Predictor", "Segment", "WindowPrediction"]


@dataclass
class _Judged:
    """What is known of some consecutive windows of time."""

    windows: list[WindowPrediction] = field(default_factory=list)
    gaps: list[Window] = field(default_factory=list)
    faces: list[TrackedFace] = field(default_factory=list)


class Predictor:
    """A model, a face detector and the way between them; reads any number of videos, one after the other.

    Pictures live only as long as their window; what is kept grows with faces and seconds, never with pixels.

    Args:
        model: ``None`` for the weights inside the package, a name or path (see :func:`maedfer.hub.from_pretrained`), or
            a classifier, which is moved to the device and set to evaluation.
        device: ``"auto"`` takes CUDA when there is one.
        hop_s: seconds between the starts of two windows, from one sampled instant (0.16) to the span (2.56).
        batch_size: clips that are classified together, across faces and windows; answers of :meth:`stream` wait for a
            full batch, so 1 answers soonest.
        detector: finds faces; ``None`` for CenterFace.
        min_coverage: a face is judged in a window when it was seen in at least this share of its instants, 0..1.

    Raises:
        WeightsError: there is no such model, or its files are damaged.
        DetectorError: the detector's weight file is missing.
        ConfigError: a setting is out of range, or CUDA was asked for and is absent.
    """

    def __init__(
        self,
        model: str | Path | ExpressionClassifier | None = None,
        *,
        device: Device = "auto",
        hop_s: float = 1.28,
        batch_size: int = 8,
        detector: FaceDetector | None = None,
        min_coverage: float = 0.5,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size: expected at least 1 clip, got {batch_size}; 8 is common")
        target = resolve_device(device)
        if isinstance(model, ExpressionClassifier):
            self.model, self.identity = model.to(target).eval(), ModelIdentity("in memory", None, __version__)
        else:
            name = DEFAULT_MODEL if model is None else model
            self.model = from_pretrained(name, device=str(target))
            self.identity = ModelIdentity(str(name), fingerprint(locate(name)), __version__)
        encoder = self.model.config.encoder
        spec = ClipSpec(num_frames=encoder.num_frames, size=encoder.image_size)
        finder: FaceDetector = CenterFace() if detector is None else detector
        self.settings = Settings(hop_s, spec.span_s, min_coverage, target.type, type(finder).__name__)
        self._batch_size = batch_size
        self._clips = FaceClips(finder, spec, hop_s=hop_s, min_coverage=min_coverage)

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's classes in index order."""
        return self.model.config.labels

    def predict(self, path: str | Path, progress: Callable[[float, float | None], None] | None = None) -> Prediction:
        """Read a whole video.

        Args:
            path: a video file, an image or a folder of frames.
            progress: is called with (seconds done, seconds in all or ``None`` when the container does not say).

        Returns:
            The prediction; without any window when no face was found.

        Raises:
            DecodeError: nothing there can be read as pictures.
            MaedferError: the model gave a number that is not finite; the clip is named.
        """
        source = Path(path)
        stream = self._clips.stream(source)
        found = _Judged()
        for part in self._judge(stream, str(source), progress):
            found.windows += part.windows
            found.gaps += part.gaps
            found.faces += part.faces
        return Prediction(
            video=_facts(stream, source),
            duration_s=stream.duration_s,
            labels=self.labels,
            model=self.identity,
            settings=self.settings,
            windows=tuple(sorted(found.windows, key=lambda window: (window.track, window.start_s))),
            unseen=tuple(sorted(found.gaps, key=lambda gap: (gap.start_s, -1 if gap.track is None else gap.track))),
            faces=tuple(_box(face) for face in found.faces),
        )

    def stream(self, source: str | Path | Iterable[Frame]) -> Iterator[WindowPrediction | Window]:
        """Answers while the video is being read, in order of time: judged windows, and windows without a usable face.

        Args:
            source: as for :meth:`predict`, or frames from elsewhere (a camera) in order of time.

        Raises:
            DecodeError: nothing there can be read as pictures.
            MaedferError: the model gave a number that is not finite; the clip is named.
        """
        if isinstance(source, str | Path):
            stream, name = self._clips.stream(Path(source)), str(source)
        else:
            stream, name = self._clips.stream(source), "frames"
        for part in self._judge(stream, name, None):
            answers: list[WindowPrediction | Window] = [*part.windows, *part.gaps]
            yield from sorted(
                answers, key=lambda answer: (answer.start_s, -1 if answer.track is None else answer.track)
            )

    def _judge(
        self, stream: FaceStream, name: str, progress: Callable[[float, float | None], None] | None
    ) -> Iterator[_Judged]:
        """Windows of time in groups whose clips fill a batch."""
        total = None if stream.info is None else stream.info.duration_s
        waiting, part = list[Clip](), _Judged()
        for window in stream:
            waiting += window.clips
            part.gaps += window.gaps
            part.faces += window.faces
            if len(waiting) >= self._batch_size or not waiting:
                part.windows = self._classify(waiting, name)
                yield part
                waiting, part = [], _Judged()
            if progress is not None:
                progress(stream.duration_s, total)
        part.windows = self._classify(waiting, name)
        yield part

    def _classify(self, clips: list[Clip], name: str) -> list[WindowPrediction]:
        windows: list[WindowPrediction] = []
        for first in range(0, len(clips), self._batch_size):
            batch = clips[first : first + self._batch_size]
            names = [f"{name}: face {clip.track} at {clip.start_s:.2f} s" for clip in batch]
            rows = class_probabilities(self.model, np.stack([clip.pixels for clip in batch]), names)
            for clip, row in zip(batch, rows, strict=True):
                best = int(row.argmax())
                windows.append(
                    WindowPrediction(
                        track=clip.track,
                        start_s=clip.start_s,
                        end_s=clip.end_s,
                        label=self.labels[best],
                        confidence=float(row[best]),
                        probabilities=tuple(row.tolist()),
                        coverage=clip.coverage,
                    )
                )
        return windows


def _facts(stream: FaceStream, source: Path) -> VideoInfo:
    if stream.info is None:  # only frames from elsewhere have none
        raise DecodeError(f"{source}: expected a file or a folder of frames, got something without facts")
    return stream.info


def _box(tracked: TrackedFace) -> FaceBox:
    x0, y0, x1, y1 = (float(value) for value in tracked.face.box)
    return FaceBox(tracked.track, tracked.time_s, (x0, y0, x1, y1), tracked.face.score)
