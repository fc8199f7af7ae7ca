"""What becomes of freed memory: kept in the process, which is fast, or given back, which leaves no gaps.

Large tensors come and go at every step. glibc hands some of their blocks back to the kernel when they are freed and
asks for fresh, zeroed pages for the next ones; on a virtual machine the page faults can cost several times the
arithmetic of a training step. Kept blocks are reused, but leave gaps between them that nothing fits into, a fifth
of the process or more (docs/performance.md, with what another allocator does about both).
"""

import ctypes
import sys

__all__ = ["give_back_freed_memory", "keep_freed_memory"]

# Parameters of mallopt(3), from malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -2, -3, -4
_TOP_PAD = 256 * 2**20
_OWN_PAGES = 2**20
# What glibc begins with.
_USUAL_MMAP_MAX, _USUAL_TRIM_THRESHOLD, _USUAL_TOP_PAD = 65536, 128 * 2**10, 128 * 2**10


def keep_freed_memory() -> bool:
    """Tell glibc to reuse freed blocks instead of returning them; returns whether it took the settings.

    The process then stays as large as it once was. Elsewhere than on glibc nothing happens.
    """
    # An int is the most that mallopt takes: trim only what lies over 2 GiB at the top, and not at all while in use.
    return _set((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, _TOP_PAD))


def give_back_freed_memory() -> bool:
    """Tell glibc to take pages of their own for blocks of 1 MB or more; returns whether it took the setting.

    The process is then no larger than what it holds, and slower. It undoes :func:`keep_freed_memory`, and gives back
    what that kept.
    """
    taken = _set(
        (_M_MMAP_MAX, _USUAL_MMAP_MAX),
        (_M_MMAP_THRESHOLD, _OWN_PAGES),
        (_M_TRIM_THRESHOLD, _USUAL_TRIM_THRESHOLD),
        (_M_TOP_PAD, _USUAL_TOP_PAD),
    )
    if taken:
        ctypes.CDLL(None).malloc_trim(0)
    return taken


def _set(*settings: tuple[int, int]) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    taken = [mallopt(name, value) == 1 for name, value in settings]  # each is tried, also after a refusal
    return all(taken)
