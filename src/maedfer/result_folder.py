"""The folder of one video's results: what an earlier run left there, and how new results take its place.

New results are made in a hidden folder beside it and moved together when all are written. A lock on that folder keeps
two runs apart; it ends with the process, so what a killed run left is cleared by the next one. A stamp among the
results says from which file, with which weights and settings they were made.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from maedfer.errors import OutputError
from maedfer.output import write_text

__all__ = ["ResultFolder"]

_LOCK = ".lock"


class ResultFolder:
    """Results of one kind in one folder.

    Args:
        path: the folder; need not exist.
        kind: a word for the stamp's name, as several kinds may share a folder.
        source: what the results are of, as text.
        digest: of everything that decides the results; ``None`` when nobody can tell.
    """

    def __init__(self, path: Path, kind: str, source: str, digest: str | None) -> None:
        self.path, self._source, self._digest = path, source, digest
        self._stamp = path / f".maedfer-{kind}.json"
        self._aside = path.with_name(f".{path.name}.unfinished")

    def facts(self, files: Sequence[str]) -> dict[str, Any] | None:
        """What :meth:`publish` noted of an earlier run that made ``files`` from the same; ``None`` if there is none."""
        stamp = self._read()
        if self._digest is None or stamp.get("digest") != self._digest:
            return None
        facts = stamp.get("facts")
        return facts if isinstance(facts, dict) and all((self.path / name).is_file() for name in files) else None

    @property
    def owner(self) -> str | None:
        """Of what the results are that lie there, of any kind; ``None`` when there are none."""
        for stamp in sorted(self.path.glob(".maedfer-*.json")):
            source = _content(stamp).get("source")
            if isinstance(source, str):
                return source
        return None

    @property
    def free(self) -> bool:
        """Whether nothing is there, or a folder without results."""
        return not self.path.exists() or (self.path.is_dir() and self.owner is None)

    def require_own(self) -> None:
        """To be asked inside :meth:`aside`: did another run put the results of another video here meanwhile?

        Raises:
            OutputError: it did.
        """
        if self.owner not in (None, self._source):
            raise OutputError(
                f"{self.path}: expected a free place for the results of {self._source}, another run has just put those "
                f"of {self.owner} there; run the same command again"
            )

    @contextmanager
    def aside(self, *, wait: bool) -> Iterator[Path | None]:
        """An empty hidden folder to make the results in, for this run alone; removed at the end.

        Args:
            wait: until another run has done with it; otherwise ``None`` is given while one is at work there.

        Raises:
            OutputError: it cannot be made.
        """
        try:
            lock = self._locked(wait)
            if lock is None:
                yield None
                return
            with lock:
                for left in self._aside.iterdir():  # by a run that was killed
                    if left.name != _LOCK:
                        shutil.rmtree(left) if left.is_dir() else left.unlink()
                try:
                    yield self._aside
                finally:
                    shutil.rmtree(self._aside, ignore_errors=True)
        except OSError as error:
            raise OutputError(
                f"cannot write {self.path}: expected a folder that can be written, got: {error.strerror or error}; "
                "choose another folder or free its disk"
            ) from error

    def publish(self, files: Sequence[str], outdated: Sequence[str], facts: dict[str, Any]) -> None:
        """Move the results from aside to their place.

        Args:
            files: their names.
            outdated: names of other results of this kind. They are removed when they were made from something else.
            facts: are noted in the stamp.

        Raises:
            OutputError: the stamp cannot be written.
            OSError: a file cannot be moved; inside :meth:`aside` it becomes an OutputError.
        """
        stamp = {"source": self._source, "digest": self._digest, "facts": facts}
        write_text(self._aside / self._stamp.name, json.dumps(stamp) + "\n")
        same = self._digest is not None and self._read().get("digest") == self._digest
        (self._aside / _LOCK).unlink(missing_ok=True)
        if not self.path.exists():
            self._aside.rename(self.path)
            return
        self._stamp.unlink(missing_ok=True)  # from here to the last move these are nobody's results
        for name in () if same else outdated:
            (self.path / name).unlink(missing_ok=True)
        for name in (*files, self._stamp.name):
            (self._aside / name).replace(self.path / name)

    def _read(self) -> dict[str, Any]:
        return _content(self._stamp)

    def _locked(self, wait: bool) -> TextIO | None:
        while True:
            self._aside.mkdir(parents=True, exist_ok=True)
            try:
                file = (self._aside / _LOCK).open("w")
            except FileNotFoundError:  # the other run has just moved its results
                continue
            if not _lock(file, wait):
                file.close()
                return None
            try:
                if os.fstat(file.fileno()).st_ino == (self._aside / _LOCK).stat().st_ino:
                    return file
            except FileNotFoundError:
                pass
            file.close()


def _content(stamp: Path) -> dict[str, Any]:
    try:
        content = json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _lock(file: TextIO, wait: bool) -> bool:
    """Lock for this process alone; on Windows, where two runs into one folder are not kept apart, always."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
