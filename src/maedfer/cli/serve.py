"""``maedfer serve``: predictions over HTTP, and a page for people."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from maedfer.cli.options import Baseline, FaceOptions
from maedfer.errors import ConfigError

if TYPE_CHECKING:
    from maedfer.serve import ServeSettings
    from maedfer.serve.server import Server

__all__ = ["ServeOptions", "serve"]

_NEEDED = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")


@dataclass(frozen=True)
class ServeOptions(FaceOptions):
    """Where the service listens, what it takes, and how it answers.

    Attributes:
        host: address to listen on; 0.0.0.0 for every network, which wants a token.
        port: 0 takes a free one.
        workers: videos read at the same time, each by a process with a model of its own.
        queue: videos that may wait; a further one is answered with 503.
        max_mb: largest upload, 2^20 bytes.
        max_duration: longest video, seconds.
        max_time: longest time that one video may take, seconds; then its reading is ended.
        upload_time: longest time of one upload, seconds.
        keep: seconds that results can be fetched.
        max_kept: jobs whose results are kept at most.
        grace: seconds that running jobs get to finish at the end.
        allow_root: folders below which clients may name files of this machine; without one no path is ever opened.
        token_file: a file with the token and nothing else, at least 16 characters.
        page: the page at /.
        hop: seconds between the starts of two windows; a window spans 2.56 s.
        batch_size: clips that go through the model together.
        smoothing: standard deviation in seconds of the smoothing of answers over time; 0: none.
        min_confidence: below it the answer is "unsure", 0 to 1.
        baseline: "person" reads a face that is judged for 15 seconds or more against its own usual look; "auto": person
            for the default model, none for any other.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    queue: int = 16
    max_mb: float = 512.0
    max_duration: float = 1800.0
    max_time: float = 1800.0
    upload_time: float = 600.0
    keep: float = 3600.0
    max_kept: int = 100
    grace: float = 30.0
    allow_root: tuple[Path, ...] = ()
    token_file: Path | None = None
    page: bool = True
    hop: float = 1.28
    batch_size: int = 8
    smoothing: float = 0.0
    min_confidence: float = 0.5
    baseline: Baseline = "auto"

    def settings(self) -> "ServeSettings":
        """The same for the service, which checks them."""
        from maedfer.serve import ReadingSettings, ServeSettings

        reading = ReadingSettings(
            model=_model(self.model),
            device=self.device,
            runtime=self.runtime,
            precision=self.precision,
            hop_s=self.hop,
            batch_size=self.batch_size,
            smoothing_s=self.smoothing,
            min_confidence=self.min_confidence,
            baseline=self.baseline,
            min_face=self.min_face,
            min_face_px=self.min_face_px,
            min_score=self.min_score,
            min_coverage=self.min_coverage,
        )
        return ServeSettings(
            reading=reading,
            host=self.host,
            port=self.port,
            workers=self.workers,
            queue=self.queue,
            max_bytes=round(self.max_mb * 2**20),
            max_duration_s=self.max_duration,
            max_time_s=self.max_time,
            upload_time_s=self.upload_time,
            keep_s=self.keep,
            max_kept=self.max_kept,
            grace_s=self.grace,
            allow_roots=self.allow_root,
            token=_token(self.token_file),
            page=self.page,
        )


def serve(options: Annotated[ServeOptions, arg(name="")] = ServeOptions()) -> int:
    """Serve predictions over HTTP, with a page at / for people, until Ctrl-C or SIGTERM.

    A token that every client must bring is taken from --token-file or the variable MAEDFER_SERVE_TOKEN. There is no
    encryption: put a proxy with TLS before it where the network is not your own. Logs are JSON lines on stderr.

    Args:
        options: which model, what counts as a face, and the limits.
    """
    needed = (*_NEEDED, *(("gradio",) if options.page else ()))
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise ConfigError(f"serve needs {', '.join(missing)}, not installed here; run: pip install 'maedfer[serve]'")
    from maedfer.serve.server import serve as run

    run(options.settings(), ready=_ready)
    return 0


def _ready(address: str, _: "Server") -> None:
    print(f"serving at {address} (description: {address}/docs); Ctrl-C ends", flush=True)


def _model(name: str) -> str:
    """A path in full, for processes that may work elsewhere; any other name as it is."""
    return os.path.abspath(name) if name != "default" and os.path.exists(name) else name


def _token(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get("MAEDFER_SERVE_TOKEN") or None
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: expected a file with the token, got: {error}") from error
