"""What was done already: one line of JSON a finished job, appended, so that a run that was killed goes on."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from maedfer.errors import OutputError

__all__ = ["Journal", "open_journal"]


class Journal:
    """Results of finished jobs by kind and name; opened by :func:`open_journal`.

    A result counts only under the mark it was made for: what a job depends on, such as size and time of its source.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor
        self._results = dict(_lines(path))

    def find(self, kind: str, name: str, mark: str) -> dict[str, Any] | None:
        """The result of an earlier run, if it was made for this very ``mark``."""
        kept = self._results.get((kind, name))
        return kept[1] if kept is not None and kept[0] == mark else None

    def add(self, kind: str, name: str, mark: str, result: dict[str, Any]) -> None:
        """Remember a result; one write a line, so that a line is whole or was the last one.

        Raises:
            OutputError: the disk is full.
        """
        self._results[kind, name] = (mark, result)
        line = json.dumps({"kind": kind, "name": name, "mark": mark, "result": result}) + "\n"
        try:
            os.write(self._descriptor, line.encode())
        except OSError as error:
            raise _cannot_keep(self._path, error) from error


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """Open or begin the journal at ``path``, for this process alone until the context ends.

    Raises:
        OutputError: it cannot be written, or another run is at work on it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        raise _cannot_keep(path, error) from error
    try:
        _lock(path, descriptor)
        size = os.fstat(descriptor).st_size
        # A line that was cut off when a run was killed must not swallow the next one.
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            os.write(descriptor, b"\n")
        yield Journal(path, descriptor)
    finally:
        os.close(descriptor)


def _lock(path: Path, descriptor: int) -> None:
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the file, or with the process
    except OSError as error:
        raise OutputError(
            f"{path}: another run prepares the same manifest; wait for it, or choose another --out"
        ) from error


def _lines(path: Path) -> Iterator[tuple[tuple[str, str], tuple[str, dict[str, Any]]]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                entry = json.loads(line)
                kind, name, mark, result = (entry[key] for key in ("kind", "name", "mark", "result"))
            except (ValueError, TypeError, KeyError):
                continue  # cut off when the run was killed
            if isinstance(result, dict):
                yield (str(kind), str(name)), (str(mark), result)


def _cannot_keep(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path}: the journal cannot be written ({error.strerror or error}); free some space, or choose a folder that "
        "can be written with --out"
    )
