"""How a process begins that works on clips for another one: quietly, and never longer than that one lives."""

import multiprocessing
import os
import signal
import threading

__all__ = ["begin_worker"]


def begin_worker() -> None:
    """Start a worker process ("spawn") with one thread, deaf to an interrupt, and ended when its parent ends.

    There is one process a core, so threads would only share it. An interrupt is told to the parent, which ends its pool
    in order; a parent that is killed cannot, and its workers would wait for tasks for ever.
    """
    import cv2

    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
