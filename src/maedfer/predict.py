"""A video in, a :class:`~maedfer.report.Prediction` out: which expression each face of it shows, and when.

::

    from maedfer.predict import Predictor

    prediction = Predictor().predict("interview.mp4")
    for segment in prediction.segments(track=0):
        ...  # segment.start_s, segment.end_s, segment.label, segment.confidence
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from maedfer.hub import DEFAULT_MODEL
from maedfer.inference import Device, Precision
from maedfer.judge import Judge
from maedfer.models import ExpressionClassifier
from maedfer.onnx_model import Runtime
from maedfer.reading import Progress, Source, open_source
from maedfer.report.embeddings import Embeddings
from maedfer.report.portraits import Album
from maedfer.report.prediction import Prediction
from maedfer.report.usual import RESTING, require_resting
from maedfer.report.windows import Baseline, BaselineChoice, FaceBox, Settings, WindowPrediction
from maedfer.video.clips import DECODED_SIDE
from maedfer.video.detect import CenterFace, FaceDetector
from maedfer.video.faces import FaceClips
from maedfer.video.types import Window

__all__ = ["Prediction", "Predictor", "Progress", "Source"]


class Predictor:
    """A model, a face detector and the way between them; reads any number of videos, one after the other.

    Decoding, finding faces and the model work at the same time, each in its thread, with bounded queues between them.
    Pictures live only as long as their window; what is kept grows with faces and seconds, never with pixels.

    Attributes:
        judge: the model.
        settings: how videos are read.

    Args:
        model: ``None`` for the weights inside the package, a name or path (see :func:`maedfer.hub.from_pretrained`), or
            a classifier, which is moved to the device and set to evaluation.
        device: ``"auto"`` takes CUDA when there is one.
        runtime: what runs the model: torch, or onnxruntime for what ``maedfer export`` wrote; ``"auto"`` takes
            onnxruntime where there is only an ONNX file.
        precision: what the model computes in; ``"bf16"`` is faster on processors with bfloat16 products, and off by
            some thousandths.
        hop_s: seconds between the starts of two windows, from one sampled instant (0.16) to the span (2.56).
        batch_size: clips that are classified together, across faces and windows; answers of :meth:`stream` wait for a
            full batch, so 1 answers soonest.
        detector: finds faces; ``None`` for CenterFace.
        min_face: width of the smallest face that CenterFace searches for dependably, as a share of the picture's short
            side; half of it costs four times the work. A detector of your own has its own limits.
        min_coverage: a face is judged in a window when it was seen in at least this share of its instants, 0..1.
        min_face_px: narrower faces are ignored, in pixels of the decoded picture.
        min_score: the detector's score with which a face may begin, 0..1; fainter sightings only continue one.
        smoothing_s: standard deviation in seconds of the smoothing of answers over time; 0 = none. Raw probabilities
            are always kept.
        min_confidence: below it the answer is "unsure", 0..1.
        baseline: ``"person"``: each face is read against its own usual look in the video, for talks and interviews;
            ``"none"``: as the model says; ``"auto"``: person for the weights inside the package, which learnt from
            rendered faces and take what is constant in a real one for an expression, none for any others.

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
        runtime: Runtime = "auto",
        precision: Precision = "float32",
        hop_s: float = 1.28,
        batch_size: int = 8,
        detector: FaceDetector | None = None,
        min_coverage: float = 0.5,
        min_face: float = 0.1,
        min_face_px: float = 16.0,
        min_score: float = 0.5,
        smoothing_s: float = 0.0,
        min_confidence: float = 0.5,
        baseline: BaselineChoice = "auto",
    ) -> None:
        self.judge = Judge(model, device, batch_size, runtime, precision)
        against = _baseline(baseline, self.judge)
        if against == "person":
            require_resting(self.labels)
        self._detector: FaceDetector = (
            CenterFace(min_face=min_face, max_side=DECODED_SIDE) if detector is None else detector
        )
        self.settings = Settings(
            hop_s=hop_s,
            span_s=self.judge.spec.span_s,
            min_coverage=min_coverage,
            device=self.judge.device,
            precision=self.judge.precision,
            detector=type(self._detector).__name__,
            min_face=min_face if detector is None else None,
            min_face_px=min_face_px,
            min_score=min_score,
            smoothing_s=smoothing_s,
            min_confidence=min_confidence,
            baseline=against,
        )
        self._clips = self.face_clips()

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's classes in index order."""
        return self.judge.labels

    def face_clips(self, *, lookahead_s: float | None = None) -> FaceClips:
        """The way from a video to clips with this predictor's detector and settings.

        Args:
            lookahead_s: seconds that a window waits after its end for what makes it certain; 0 for live pictures.
        """
        return FaceClips(
            self._detector,
            self.judge.spec,
            hop_s=self.settings.hop_s,
            min_coverage=self.settings.min_coverage,
            min_face_px=self.settings.min_face_px,
            min_score=self.settings.min_score,
            lookahead_s=lookahead_s,
        )

    def predict(
        self, source: Source, *, fps: float | None = None, salvage: bool = False, progress: Progress | None = None
    ) -> Prediction:
        """Read a whole video.

        Args:
            source: a file, an image, a folder of frames, a URL, an array of RGB pictures, or frames in order of time.
            fps: frames per second of an array, or of a folder of frames (25 when left out); nothing else has one.
            salvage: judge what there is of a file that breaks off before the end its container names. Otherwise such a
                file is refused, because a timeline that silently ends early misleads.
            progress: is called while the video is read.

        Returns:
            The prediction; without any window when no face was found.

        Raises:
            DecodeError: nothing there can be read as pictures, or the file breaks off.
            ConfigError: an array of another shape or type, or without ``fps``.
            MaedferError: the model gave a number that is not finite; the clip is named.
        """
        reading, album = open_source(self._clips, source, fps), Album()
        windows: list[WindowPrediction] = []
        gaps: list[Window] = []
        faces: list[FaceBox] = []
        for group in reading.groups(self.judge.batch_size, progress):
            judged = self.judge.classify(group.clips, reading.info.source)
            for clip, window in zip(group.clips, judged, strict=True):
                album.add(clip, window)
            windows += judged
            gaps += group.gaps
            faces += map(FaceBox.of, group.faces)
        reading.refuse_broken(salvage)
        return Prediction(
            video=reading.info,
            duration_s=reading.stream.duration_s,
            labels=self.labels,
            model=self.judge.identity,
            settings=self.settings,
            windows=tuple(sorted(windows, key=lambda window: (window.track, window.start_s))),
            unseen=tuple(sorted(gaps, key=lambda gap: (gap.start_s, -1 if gap.track is None else gap.track))),
            faces=tuple(faces),
            portraits=album.portraits(),
        )

    def stream(
        self, source: Source, *, fps: float | None = None, salvage: bool = False
    ) -> Iterator[WindowPrediction | Window]:
        """Answers while the video is being read, in order of time: judged windows, and windows without a usable face.

        Args:
            source: as for :meth:`predict`.
            fps: as for :meth:`predict`.
            salvage: as for :meth:`predict`; a broken file is refused at its end, after what could be read was given.

        Raises:
            DecodeError, ConfigError, MaedferError: as for :meth:`predict`.
        """
        reading = open_source(self._clips, source, fps)
        for group in reading.groups(self.judge.batch_size, None):
            answers: list[WindowPrediction | Window] = [
                *self.judge.classify(group.clips, reading.info.source),
                *group.gaps,
            ]
            yield from sorted(
                answers, key=lambda answer: (answer.start_s, -1 if answer.track is None else answer.track)
            )
        reading.refuse_broken(salvage)

    def embed(
        self, source: Source, *, fps: float | None = None, salvage: bool = False, progress: Progress | None = None
    ) -> Embeddings:
        """One vector for each face in each window: what the model knows of a clip before it chooses a label.

        Args:
            source: as for :meth:`predict`.
            fps: as for :meth:`predict`.
            salvage: as for :meth:`predict`.
            progress: is called while the video is read.

        Returns:
            Vectors as wide as the encoder, by (track, start).

        Raises:
            DecodeError, ConfigError, MaedferError: as for :meth:`predict`.
        """
        reading = open_source(self._clips, source, fps)
        rows: list[tuple[int, float, float, float]] = []
        vectors = [self.judge.embed((), reading.info.source)]
        for group in reading.groups(self.judge.batch_size, progress):
            rows += [(clip.track, clip.start_s, clip.end_s, clip.coverage) for clip in group.clips]
            vectors.append(self.judge.embed(group.clips, reading.info.source))
        reading.refuse_broken(salvage)
        order = sorted(range(len(rows)), key=lambda row: rows[row][:2])
        facts = np.array([rows[row] for row in order], dtype=np.float64).reshape(-1, 4)
        return Embeddings(
            video=reading.info,
            model=self.judge.identity,
            tracks=facts[:, 0].astype(np.int64),
            starts_s=facts[:, 1],
            ends_s=facts[:, 2],
            coverage=facts[:, 3],
            vectors=np.concatenate(vectors)[order],
        )


def _baseline(asked: BaselineChoice, judge: Judge) -> Baseline:
    if asked == "auto":
        return "person" if judge.identity.name == DEFAULT_MODEL and RESTING in judge.labels else "none"
    return asked
