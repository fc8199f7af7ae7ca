"""A service in a thread, for tests: the real server on a free port, with the real worker or one without a model."""

import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from maedfer.serve import ServeSettings
from maedfer.serve.server import Server, serve

STUB = (sys.executable, str(Path(__file__).parent / "serve" / "stub_worker.py"))


@dataclass
class Running:
    """A service that runs.

    ``folder`` is where its private folder lies.
    """

    address: str
    server: Server
    folder: Path
    thread: threading.Thread

    def private(self) -> list[Path]:
        """All files that the service holds now."""
        walk = os.walk(self.folder)  # a folder that the service removes meanwhile is passed over, unlike by rglob
        return [Path(folder) / name for folder, _, names in walk for name in names]

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(60)
        assert not self.thread.is_alive()


@contextmanager
def running(folder: Path, settings: ServeSettings, command: Sequence[str] | None = STUB) -> Iterator[Running]:
    """Start it, and stop it at the end; nothing may be left in ``folder`` then."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    started: list[tuple[str, Server]] = []
    errors: list[BaseException] = []
    ready = threading.Event()

    def note(address: str, server: Server) -> None:
        started.append((address, server))
        ready.set()

    def run() -> None:
        try:
            serve(replace(settings, port=0), ready=note, command=command)
        except BaseException as error:
            errors.append(error)
        ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(300)
        if errors:
            raise errors[0]
        house = Running(*started[0], folder, thread)
        try:
            yield house
        finally:
            house.stop()
        assert not errors
        assert list(folder.iterdir()) == []
    finally:
        tempfile.tempdir = before
