"""Clips in, what the model says of them out: labels with probabilities, or vectors."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from maedfer import __version__
from maedfer.errors import ConfigError
from maedfer.hub import DEFAULT_MODEL, from_pretrained, locate
from maedfer.inference import (
    Device,
    Precision,
    class_probabilities,
    clip_embeddings,
    dtype_of,
    resolve_device,
)
from maedfer.models import ExpressionClassifier, pack_weights
from maedfer.onnx_model import OnnxClassifier, Runtime, find_onnx, open_onnx
from maedfer.report.windows import ModelIdentity, WindowPrediction
from maedfer.video.clips import ClipSpec
from maedfer.video.types import Clip
from maedfer.weights import fingerprint

__all__ = ["Judge"]


class Judge:
    """A model on its device, with its name, fed in batches.

    Attributes:
        model: the classifier, in evaluation mode, or an ONNX file of it.
        identity: which weights it carries.
        spec: the clips it reads.
        device: ``"cpu"`` or ``"cuda"``.
        precision: what answers are computed in; that of an ONNX file may be ``"int8"``.
        batch_size: clips that are classified together.

    Args:
        model: ``None`` for the weights inside the package, a name or path, or a classifier, which is moved.
        device: ``"auto"`` takes CUDA when there is one.
        batch_size: clips that are classified together.
        runtime: what runs the model; ``"auto"`` takes onnxruntime where there is only an ONNX file.
        precision: what answers are computed in (:func:`maedfer.inference.class_probabilities`).

    Raises:
        WeightsError: there is no such model, or its files are damaged.
        ConfigError: a setting is out of range, or CUDA was asked for and is absent.
    """

    model: ExpressionClassifier | OnnxClassifier

    def __init__(
        self,
        model: str | Path | ExpressionClassifier | None,
        device: Device,
        batch_size: int,
        runtime: Runtime = "auto",
        precision: Precision = "float32",
    ) -> None:
        if not 1 <= batch_size <= 1024:
            raise ConfigError(f"batch_size: expected 1 to 1024 clips, got {batch_size}; 8 is common")
        target = resolve_device(device)
        if isinstance(model, ExpressionClassifier):
            if runtime == "onnx":
                raise ConfigError("runtime: onnx runs an exported file, got a model in memory; export it first")
            self.model, self.identity = model.to(target).eval(), ModelIdentity("in memory", None, __version__)
        else:
            name = DEFAULT_MODEL if model is None else model
            path = locate(name)
            exported = find_onnx(path, runtime)
            if exported is None:
                self.model = from_pretrained(name, device=str(target))
                self.identity = ModelIdentity(str(name), fingerprint(path), __version__)
            else:
                if device == "cuda":
                    raise ConfigError("device: ONNX files are run on the CPU, got cuda; use --device cpu or weights")
                target = torch.device("cpu")
                self.model = open_onnx(exported, threads=torch.get_num_threads())
                self.identity = ModelIdentity(str(name), self.model.sha256, __version__)
        self._asked, dtype = precision, dtype_of(precision, self.model)
        self.precision = self.model.precision if isinstance(self.model, OnnxClassifier) else precision
        if isinstance(self.model, ExpressionClassifier) and self.model is not model:
            pack_weights(self.model, dtype)
        encoder = self.model.config.encoder
        self.spec = ClipSpec(num_frames=encoder.num_frames, size=encoder.image_size)
        self.device, self.batch_size = target.type, batch_size

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's classes in index order."""
        return self.model.config.labels

    def classify(self, clips: Sequence[Clip], name: str) -> list[WindowPrediction]:
        """The model's word on clips, in their order.

        Args:
            clips: of :attr:`spec`.
            name: of the video, for the error message.

        Raises:
            MaedferError: the model gave a number that is not finite; the clip is named.
        """
        windows: list[WindowPrediction] = []
        for batch in self._batches(clips):
            pixels = np.stack([clip.pixels for clip in batch])
            rows = class_probabilities(self.model, pixels, _names(batch, name), self._asked)
            windows += [self._window(clip, row.tolist()) for clip, row in zip(batch, rows, strict=True)]
        return windows

    def embed(self, clips: Sequence[Clip], name: str) -> Float32[np.ndarray, "N D"]:
        """The vector of each clip before the head; arguments and errors as :meth:`classify`."""
        vectors = [np.empty((0, self.model.config.encoder.embed_dim), np.float32)]
        for batch in self._batches(clips):
            pixels = np.stack([clip.pixels for clip in batch])
            vectors.append(clip_embeddings(self.model, pixels, _names(batch, name), self._asked))
        return np.concatenate(vectors)

    def _batches(self, clips: Sequence[Clip]) -> Iterator[Sequence[Clip]]:
        for first in range(0, len(clips), self.batch_size):
            yield clips[first : first + self.batch_size]

    def _window(self, clip: Clip, probabilities: list[float]) -> WindowPrediction:
        best = max(range(len(probabilities)), key=probabilities.__getitem__)
        return WindowPrediction(
            track=clip.track,
            start_s=clip.start_s,
            end_s=clip.end_s,
            label=self.labels[best],
            confidence=probabilities[best],
            probabilities=tuple(probabilities),
            coverage=clip.coverage,
        )


def _names(clips: Sequence[Clip], name: str) -> list[str]:
    return [f"{name}: face {clip.track} at {clip.start_s:.2f} s" for clip in clips]
