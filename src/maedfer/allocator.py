"""Keep freed memory in the process: large tensors come and go at every step, and getting fresh pages for them is slow.

glibc hands each large block back to the kernel when it is freed and asks for fresh, zeroed pages for the next one. On a
virtual machine the page faults can cost several times the arithmetic of a training step.
"""

import ctypes
import sys

__all__ = ["keep_freed_memory"]

# Parameters of mallopt(3), from malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_TOP_PAD = 256 * 2**20


def keep_freed_memory() -> bool:
    """Tell glibc to reuse freed blocks instead of returning them; returns whether it took the settings.

    The process then stays as large as it once was. Elsewhere than on glibc nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # An int is the most that mallopt takes: trim only what lies over 2 GiB at the top, and not at all while in use.
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, _TOP_PAD))
    taken = [mallopt(name, value) == 1 for name, value in settings]  # each is tried, also after a refusal
    return all(taken)
