"""What is on screen now, a few instants a second: frames that are dropped, never late, when nobody takes them in time.

::

    with LiveFrames("0", rate=6.25, waiting_s=0.32) as frames:
        for frame in frames:
            ...  # frame.time_s, frame.image; frames.dropped
"""

import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from maedfer.errors import ConfigError, DecodeError
from maedfer.video.capture import Shot, shots
from maedfer.video.clips import DECODED_SIDE
from maedfer.video.decode import sample_by_time
from maedfer.video.source import shown
from maedfer.video.threads import end_at_exit
from maedfer.video.types import Frame

__all__ = ["LiveFrames"]

# A picture that is older than this, and that the source does not say is shown for longer, is a stalled camera's last.
_BELIEVED_S = 1.0
_REMEMBERED = 512
_PATIENCE_S = 2.0


class LiveFrames:
    """A source taken at even instants, each at the moment it happens, by a thread of its own. Iterate once.

    Frames come in order of time, ``time_s`` = k / rate. An instant that was dropped (the consumer was late) or that
    nobody saw (the camera stalled) is left out: its time is missing from the sequence, and nothing stands in for it.
    A picture that is still on screen at the next instant comes again as the same array object.

    At most ``waiting_s`` of instants wait for the consumer; memory is bounded by them.

    Attributes:
        name: the source for messages, without passwords.
        rate: instants per second.
        max_side: no side of a picture is longer, pixels.

    Args:
        source: ``"0"``, ``"1"`` ... (or a number) for a camera; ``"-"`` for a video on standard input; a URL;
            ``"FORMAT:NAME"`` for another input device of ffmpeg, such as ``"v4l2:/dev/video2"``; otherwise a video
            file, which is played at its own pace.
        rate: instants per second.
        waiting_s: seconds of instants that may wait; at least one does.
        max_side: larger pictures are shrunk.
        seconds: end after so much time; ``None``: at the end of the source or on :meth:`stop`.

    Raises:
        ConfigError: a setting is out of range. What is wrong with the source comes out while iterating.
    """

    def __init__(
        self,
        source: str | int | Path,
        *,
        rate: float,
        waiting_s: float,
        max_side: int = DECODED_SIDE,
        seconds: float | None = None,
    ) -> None:
        if not (math.isfinite(rate) and 0 < rate <= 1000) or not 0 <= waiting_s <= 60:
            raise ConfigError(
                f"expected rate in 0..1000 per second and waiting_s in 0..60 seconds, got {rate} and {waiting_s}; "
                "6.25 and 0.32 are common"
            )
        if max_side < 32 or not (seconds is None or (math.isfinite(seconds) and seconds > 0)):
            raise ConfigError(
                f"expected max_side of 32 pixels or more and seconds above 0, got {max_side} and {seconds}; "
                "1280 is common, and without seconds it goes on"
            )
        self._source, self.rate, self.max_side, self._seconds = str(source), rate, max_side, seconds
        self.name = f"camera {source}" if self._source.isdecimal() else shown(self._source)
        self._waiting: deque[Frame] = deque()
        self._room = max(1, math.floor(waiting_s * rate + 1e-6))
        self._arrivals: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)
        # Reentrant, so that a signal handler may call stop() whatever its thread was doing.
        self._changed = threading.Condition(threading.RLock())
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="maedfer-capture", daemon=True)
        self._start_s: float | None = None
        self._ended, self._asked, self._dropped = False, False, 0
        self._error: Exception | None = None

    @property
    def dropped(self) -> int:
        """Instants thrown away so far because the consumer was late."""
        return self._dropped

    @property
    def ended(self) -> bool:
        """Nothing more will come in; some instants may still wait."""
        return self._ended

    @property
    def stopped(self) -> bool:
        """:meth:`stop` was called."""
        return self._asked

    def now_s(self) -> float:
        """Seconds since the first picture; 0 before it."""
        return 0.0 if self._start_s is None else time.monotonic() - self._start_s

    def arrival_s(self, time_s: float) -> float:
        """When the instant ``time_s``, or the last one before it, came in: seconds since the first picture.

        For an instant that is long gone (some 500 instants), its own time.
        """
        with self._changed:
            return next((came for instant, came in reversed(self._arrivals) if instant <= time_s + 1e-6), time_s)

    def stop(self) -> None:
        """End soon; what waits is still given. May be called from any thread or signal handler, and returns at once."""
        self._asked = True
        self._close()

    def __enter__(self) -> "LiveFrames":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        if self._thread.is_alive():
            # A read that blocks inside the system (silent standard input) cannot be interrupted: a daemon is left then.
            self._thread.join(_PATIENCE_S)

    def __iter__(self) -> Iterator[Frame]:
        self._thread.start()
        end_at_exit(self._thread, self._close)
        with self:
            while (frame := self._next()) is not None:
                yield frame

    def _close(self) -> None:
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()

    def _next(self) -> Frame | None:
        with self._changed:
            while not self._waiting and not self._ended and not self._stopping.is_set():
                self._changed.wait()
            if self._waiting:
                return self._waiting.popleft()
            # A source that is cut off by stop() may well complain; any other error is one.
            if self._error is not None and not (self._stopping.is_set() and isinstance(self._error, DecodeError)):
                raise self._error
            return None

    def _run(self) -> None:
        try:
            self._take()
        except Exception as error:  # raised again where the frames are consumed
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _take(self) -> None:
        previous: Shot | None = None
        image: UInt8[np.ndarray, "H W 3"] | None = None
        for time_s, shot in sample_by_time(self._timed(), self.rate, 0.0, self._seconds):
            if time_s > shot.time_s + max(_BELIEVED_S, shot.duration_s):
                continue
            if image is None or shot is not previous:
                previous, image = shot, shot.rgb(self.max_side)
            # True of files and of streams that come in bursts; a camera's instants have always passed already.
            if self._stopping.wait(max(0.0, time_s - self.now_s())):
                return
            self._offer(Frame(time_s, image))

    def _timed(self) -> Iterator[tuple[float, float, Shot]]:
        for shot in shots(self._source, self._stopping):
            if self._start_s is None:
                self._start_s = time.monotonic() - shot.time_s
            yield shot.time_s, shot.duration_s, shot

    def _offer(self, frame: Frame) -> None:
        with self._changed:
            if len(self._waiting) == self._room:
                self._waiting.popleft()
                self._dropped += 1
            self._waiting.append(frame)
            self._arrivals.append((frame.time_s, self.now_s()))
            self._changed.notify_all()
