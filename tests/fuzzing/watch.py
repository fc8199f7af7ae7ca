"""Keeps the process that reads within memory and time, and says of each file what became of it."""

import asyncio
import os
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from maedfer.errors import ConfigError
from maedfer.serve.process import Worker

__all__ = ["BAD", "Limits", "Reader", "Verdict"]

#: What must not happen. A signal is a crash of a library in C; ``foreign`` is an exception that is not a MaedferError.
BAD = ("foreign", "message", "signal", "hang", "memory")
_TESTS = Path(__file__).parents[1]
_CODE = "import sys; sys.path.insert(0, {0!r}); from fuzzing.worker import main; main({1!r}, {2!r})"
_LOOK_S = 0.05
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Limits:
    """What one step on one file may cost.

    Attributes:
        memory_mb: MiB above what the idle process holds.
        seconds: of work, all threads together; waiting may last six times as long.
    """

    memory_mb: int = 1536
    seconds: float = 30.0


@dataclass(frozen=True)
class Verdict:
    """What became of one step on one file.

    Attributes:
        verdict: ``result``, ``refused``, or one of :data:`BAD`.
        step: what was done.
        message: what it gave or said.
        where: innermost lines, for an exception or a signal.
        grown_mb: MiB that the process grew by at most.
        worked_s: seconds of work, all threads together.
    """

    verdict: str
    step: str
    message: str
    where: tuple[str, ...] = ()
    grown_mb: int = 0
    worked_s: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """For a report."""
        return asdict(self) | {"worked_s": round(self.worked_s, 2)}


class Reader:
    """A process with a place of its own, started again after it was lost.

    Args:
        folder: is made; last words and the results of steps go there.
        limits: of each step.
        weights: reads weights instead of videos.
    """

    def __init__(self, folder: Path, limits: Limits, *, weights: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._limits, self._weights = folder.absolute(), limits, weights
        self._worker: Worker | None = None
        self._idle_mb = 0

    async def read(self, file: Path, step: str, folder: Path) -> Verdict:
        """Do one step.

        Args:
            file: what is broken.
            step: a word of the worker.
            folder: for what the step writes; for weights, the whole base that the file was made of.
        """
        worker = await self._ready()
        began, pid = _worked_s(worker.pid), worker.pid
        task = {"file": str(file.absolute()), "step": step, "folder": str(folder.absolute())}
        doing = asyncio.create_task(worker.run(task, lambda facts: None))
        stopped, worked_s, grown_mb = None, 0.0, 0
        deadline = asyncio.get_running_loop().time() + 6 * self._limits.seconds
        while not (await asyncio.wait({doing}, timeout=_LOOK_S))[0]:
            worked_s, grown_mb = _worked_s(pid) - began, _resident_mb(pid) - self._idle_mb
            if grown_mb > self._limits.memory_mb:
                stopped = "memory"
            elif worked_s > self._limits.seconds or asyncio.get_running_loop().time() > deadline:
                stopped = "hang"
            if stopped:
                break
        if stopped:
            await self.close()
            doing.cancel()
            with suppress(asyncio.CancelledError):
                await doing
            return Verdict(stopped, step, "over the limit", (), grown_mb, worked_s)
        worked_s = max(worked_s, _worked_s(pid) - began)
        return await self._judged(doing.result(), step, worked_s)

    async def close(self) -> None:
        """End the process."""
        if self._worker is not None:
            await self._worker.kill()
            self._worker = None

    async def _ready(self) -> Worker:
        if self._worker is None:
            code = _CODE.format(str(_TESTS), str(self._last_words), self._weights)
            worker = Worker((sys.executable, "-c", code), self._folder)
            try:
                await worker.start()
            except ConfigError as error:
                raise RuntimeError(f"the process that reads cannot start: {error}") from error
            self._worker, self._idle_mb = worker, _resident_mb(worker.pid)
        return self._worker

    async def _judged(self, message: dict[str, Any], step: str, worked_s: float) -> Verdict:
        grown_mb, said = int(message.get("grown_mb", 0)), str(message.get("message", ""))
        event = message.get("event")
        if event == "gone":
            await self.close()
            words = self._last_words.read_text(encoding="utf-8", errors="replace").splitlines()
            lines = [line.strip() for line in words if "maedfer" in line or "fuzzing" in line]
            return Verdict("signal", step, words[0] if words else "no last words", tuple(lines[:3]), 0, worked_s)
        if grown_mb > self._limits.memory_mb:
            verdict = "memory"
        elif event == "crashed":
            verdict, said = "foreign", f"{message['kind']}: {said}"
        elif event == "failed":
            verdict, said = "refused" if message["one_line"] else "message", f"{message['kind']}: {said}"
        else:
            verdict = "result"
        return Verdict(verdict, step, said, tuple(message.get("where", ())), grown_mb, worked_s)

    @property
    def _last_words(self) -> Path:
        return self._folder / "last_words.txt"


def _worked_s(pid: int | None) -> float:
    """Seconds of work of a process so far; 0 when it has gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _resident_mb(pid: int | None) -> int:
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE") // 2**20
