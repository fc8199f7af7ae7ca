"""Threads that are still at work when the interpreter goes.

The pipeline's threads are daemons, so that a source which never answers cannot keep the process from ending. But a
daemon that is inside OpenCV's C++ when the interpreter is taken down aborts the whole process: so they are told to end
before, and waited for with patience.
"""

import atexit
import threading
from collections.abc import Callable

__all__ = ["end_at_exit"]

_PATIENCE_S = 2.0
_WORKING: dict[threading.Thread, Callable[[], None]] = {}
_CHANGED = threading.Lock()


def end_at_exit(thread: threading.Thread, end: Callable[[], None]) -> None:
    """Have ``end`` called, and ``thread`` waited for, should the interpreter exit while the thread runs.

    Args:
        thread: a daemon, just started.
        end: asks it to end soon; returns at once.
    """
    with _CHANGED:
        for other in [other for other in _WORKING if not other.is_alive()]:
            del _WORKING[other]
        _WORKING[thread] = end


@atexit.register
def _end_all() -> None:
    with _CHANGED:
        working = dict(_WORKING)
    for end in working.values():
        end()
    for thread in working:
        thread.join(_PATIENCE_S)
