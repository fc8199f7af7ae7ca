"""The service's side of a worker: a process that is started, given tasks, stopped in good time, and replaced."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from maedfer.errors import ConfigError
from maedfer.serve.settings import ReadingSettings

__all__ = ["TOKEN_VARIABLE", "Worker", "worker_command"]

#: Where the token may come from; workers do not see it.
TOKEN_VARIABLE = "MAEDFER_SERVE_TOKEN"

# A line of a long video's spans is some ten thousand bytes; a worker that sends more is broken.
_LONGEST_LINE = 2**20
# How long a step from one progress call to the next may take before the process is ended instead.
_PATIENCE_S = 3.0


def worker_command(reading: ReadingSettings) -> tuple[str, ...]:
    """How the process of :mod:`maedfer.serve.worker` is started."""
    return (sys.executable, "-m", "maedfer.serve.worker", json.dumps(asdict(reading)))


class Worker:
    """One process with one model, for one task at a time.

    Args:
        command: starts it.
        folder: its working folder.
    """

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._command, self._folder = tuple(command), folder
        self._process: Process | None = None
        self.facts: dict[str, Any] = {}

    @property
    def pid(self) -> int | None:
        """Of the process, ``None`` while there is none."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the process and wait until its model is loaded.

        Raises:
            ConfigError: it cannot be; the worker's reason is inside.
        """
        hidden = {TOKEN_VARIABLE}
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,  # decoders quote the files they read
            cwd=self._folder,
            env={name: value for name, value in os.environ.items() if name not in hidden},
            limit=_LONGEST_LINE,
            start_new_session=True,  # Ctrl-C is for the service, which ends its workers in order
        )
        message = await self._message()
        if message.get("event") != "ready":
            await self.kill()
            reason = message.get("message") or "it ended without a word; try `maedfer predict` with the same options"
            raise ConfigError(f"the process that reads videos cannot start: {reason}")
        self.facts = message

    async def run(self, task: dict[str, Any], progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Do one task; ``progress`` is given its progress messages.

        Returns:
            The last message: ``done``, ``failed``, ``cancelled``, ``crashed``; ``gone`` when the process ended.
        """
        self._say(task)
        while (message := await self._message()).get("event") == "progress":
            progress(message)
        return message

    async def cancel(self) -> bool:
        """Stop the task of a :meth:`run` that was given up; whether the process is ready for the next one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                self._say({"cancel": True})
                while (message := await self._message()).get("event") == "progress":
                    pass
                return message.get("event") != "gone"
        return False

    async def kill(self) -> None:
        """End the process, whatever it is doing."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()

    def _say(self, message: dict[str, Any]) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(ConnectionError):  # it ended; the next line read says so
                self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _message(self) -> dict[str, Any]:
        if self._process is None or self._process.stdout is None:
            return {"event": "gone"}
        try:
            line = await self._process.stdout.readline()
            message = json.loads(line) if line else None
        except ValueError:  # too long, or no JSON
            message = None
        return message if isinstance(message, dict) else {"event": "gone"}
