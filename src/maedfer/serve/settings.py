"""What the service is allowed to do: its model, its limits, its doors."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from maedfer.errors import ConfigError
from maedfer.inference import Device, Precision
from maedfer.onnx_model import Runtime
from maedfer.report.windows import BaselineChoice

if TYPE_CHECKING:
    from maedfer.predict import Predictor

__all__ = ["ReadingSettings", "ServeSettings"]

_SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class ReadingSettings:
    """Which model reads the videos, and how; the same for every request.

    Attributes:
        model: ``"default"``, a folder of weights, or a ``.pth`` checkpoint.
        device: where the model runs.
        runtime: torch, or onnxruntime for an exported model.
        precision: what the model computes in.
        hop_s, batch_size, smoothing_s, min_confidence, baseline, min_face, min_face_px, min_score, min_coverage:
            as :class:`maedfer.predict.Predictor` has them, which checks them.
    """

    model: str = "default"
    device: Device = "auto"
    runtime: Runtime = "auto"
    precision: Precision = "float32"
    hop_s: float = 1.28
    batch_size: int = 8
    smoothing_s: float = 0.0
    min_confidence: float = 0.5
    baseline: BaselineChoice = "auto"
    min_face: float = 0.1
    min_face_px: float = 16.0
    min_score: float = 0.5
    min_coverage: float = 0.5

    def predictor(self) -> "Predictor":
        """A predictor of these settings; loads torch.

        Raises:
            WeightsError, DetectorError, ConfigError: as :class:`maedfer.predict.Predictor`.
        """
        from maedfer.predict import Predictor

        return Predictor(
            self.model,
            device=self.device,
            runtime=self.runtime,
            precision=self.precision,
            hop_s=self.hop_s,
            batch_size=self.batch_size,
            smoothing_s=self.smoothing_s,
            min_confidence=self.min_confidence,
            baseline=self.baseline,
            min_face=self.min_face,
            min_face_px=self.min_face_px,
            min_score=self.min_score,
            min_coverage=self.min_coverage,
        )


@dataclass(frozen=True)
class ServeSettings:
    """Where the service listens, and its limits.

    Attributes:
        reading: the model and how videos are read.
        host: the address to listen on.
        port: 0 takes a free one.
        workers: videos that are read at the same time, each by a process of its own with a model of its own.
        queue: videos that may wait, those being uploaded included; a further one is refused (503).
        max_bytes: of one upload.
        max_duration_s: seconds of one video.
        max_time_s: seconds that one video may keep a worker.
        upload_time_s: seconds that one upload may take.
        keep_s: seconds that the results of a job stay after its end.
        max_kept: jobs whose results are kept at most; the oldest go first.
        grace_s: seconds that running jobs get to finish when the service is stopped.
        allow_roots: folders below which clients may name files of this machine; none: no path is ever opened.
        token: every client must bring it, ``None``: nobody must.
        page: whether there is a page at ``/``.

    Raises:
        ConfigError: a limit is out of range, a root is no folder, or the token is short.
    """

    reading: ReadingSettings = ReadingSettings()
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    queue: int = 16
    max_bytes: int = 512 * 2**20
    max_duration_s: float = 1800.0
    max_time_s: float = 1800.0
    upload_time_s: float = 600.0
    keep_s: float = 3600.0
    max_kept: int = 100
    grace_s: float = 30.0
    allow_roots: tuple[Path, ...] = ()
    token: str | None = field(default=None, repr=False)
    page: bool = True

    def __post_init__(self) -> None:
        for name, low, high in (("port", 0, 65535), ("workers", 1, 64), ("queue", 0, 10_000), ("max_kept", 0, 100_000)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{name}: expected {low} to {high}, got {value}")
        if self.max_bytes < 1:
            raise ConfigError(f"max_bytes: expected at least 1, got {self.max_bytes}; 512 MiB are {512 * 2**20}")
        for name in ("max_duration_s", "max_time_s", "upload_time_s"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise ConfigError(f"{name}: expected seconds above 0, got {value}")
        for name in ("keep_s", "grace_s"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ConfigError(f"{name}: expected seconds, 0 or more, got {value}")
        for root in self.allow_roots:
            if not root.is_dir():
                raise ConfigError(f"{root}: expected a folder below which clients may name files, found none")
        if self.token is not None and (len(self.token) < _SHORTEST_TOKEN or not self.token.isascii()):
            raise ConfigError(
                f"token: expected at least {_SHORTEST_TOKEN} ASCII characters, got {len(self.token)} or others; make "
                "one: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )

    @property
    def places(self) -> int:
        """Videos that may be in the house and not yet done: being uploaded, waiting, or being read."""
        return self.workers + self.queue
