"""How a process begins that works on clips for another one: quietly, and never longer than that one lives."""

import gc
import multiprocessing
import os
import signal
import threading

__all__ = ["begin_worker", "clear_garbage", "collect_seldom", "quiet_worker"]

_NEW_OBJECTS = 20_000


def begin_worker() -> None:
    """Start a worker process ("spawn") with one thread, deaf to an interrupt, and ended when its parent ends.

    There is one process a core, so threads would only share it. An interrupt is told to the parent, which ends its pool
    in order; a parent that is killed cannot, and its workers would wait for tasks for ever.
    """
    import cv2

    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def clear_garbage(workers: int) -> None:
    """Free what is unreachable before processes are forked, for a fork that frees it in its first moments can hang.

    A video encoder or decoder with threads waits, when it is freed, for threads that only its own process has.
    """
    if workers:
        gc.collect()


def quiet_worker(_: int) -> None:
    """Keep a worker process to one thread (there is one process a core), and from looking for garbage all the time."""
    import cv2

    cv2.setNumThreads(0)
    collect_seldom()


def collect_seldom() -> None:
    """Let Python look for cycles of garbage every 20,000 new objects, not 700, and never among what is there already.

    Decoding makes hundreds of objects a clip and hardly a cycle: 3 % of the time of loading, or more. In a forked
    process what is there already is its parent's, who frees it (:func:`clear_garbage`).
    """
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
