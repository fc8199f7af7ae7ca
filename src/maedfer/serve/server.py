"""Runs the service until it is told to stop, and then ends it in order."""

import asyncio
import logging
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from maedfer.errors import ConfigError
from maedfer.serve.app import create_app
from maedfer.serve.jobs import JobRunner
from maedfer.serve.metrics import Metrics
from maedfer.serve.settings import ServeSettings
from maedfer.serve.watch import JsonLines

__all__ = ["Server", "serve", "temporary_files_in"]

# Seconds for answers that are on their way when all jobs have ended.
_LAST_WORDS_S = 5
_FOLDER_VARIABLE = "GRADIO_TEMP_DIR"


@contextmanager
def temporary_files_in(folder: Path) -> Iterator[None]:
    """This process's temporary files lie in ``folder`` while the context lasts. Enter it before loading Gradio."""
    folder.mkdir(mode=0o700, exist_ok=True)
    before, temporary = os.environ.get(_FOLDER_VARIABLE), tempfile.tempdir
    os.environ[_FOLDER_VARIABLE] = tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = temporary
        if before is None:
            del os.environ[_FOLDER_VARIABLE]
        else:
            os.environ[_FOLDER_VARIABLE] = before


class Server(uvicorn.Server):
    """uvicorn's, which first lets the jobs end.

    Args:
        config: uvicorn's.
        runner: whose jobs.
        grace_s: seconds that they get.
    """

    def __init__(self, config: uvicorn.Config, runner: JobRunner, grace_s: float) -> None:
        super().__init__(config)
        self._runner, self._grace_s = runner, grace_s

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new video, let those that run end, then close the connections."""
        await self._runner.drain(self._grace_s)
        await super().shutdown(sockets)


def serve(
    settings: ServeSettings, *, ready: Callable[[str, Server], None], command: Sequence[str] | None = None
) -> None:
    """Run until SIGTERM or Ctrl-C, or until ``should_exit`` of the server is set.

    Args:
        settings: all that is asked for.
        ready: is called with the address and the server when requests are taken.
        command: starts a worker; ``None`` for the real one.

    Raises:
        ConfigError: a worker cannot start, or the address cannot be listened on.
    """
    mask = os.umask(0o077)
    log = logging.getLogger("maedfer.serve")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        asyncio.run(_serve(settings, ready, command))
    finally:
        log.removeHandler(handler)
        os.umask(mask)


async def _serve(settings: ServeSettings, ready: Callable[[str, Server], None], command: Sequence[str] | None) -> None:
    metrics = Metrics()
    with _listening(settings) as listening:
        async with JobRunner(settings, metrics, command) as runner:
            with temporary_files_in(runner.folder / "page"):
                app = create_app(settings, runner, metrics)
                config = uvicorn.Config(
                    app,
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    timeout_graceful_shutdown=_LAST_WORDS_S,
                    lifespan="on",
                )
                server = Server(config, runner, settings.grace_s)
                host, port = listening.getsockname()[:2]
                ready(f"http://{f'[{host}]' if ':' in host else host}:{port}", server)
                await server.serve(sockets=[listening])


def _listening(settings: ServeSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"{settings.host}:{settings.port}: expected an address that is free, got: {error.strerror or error}; "
            "choose another --port"
        ) from error
    return listening
