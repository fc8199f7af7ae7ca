"""Say whether the synthetic laboratory can render here, and how to mend it if not. Always exits 0.

Rendering needs the system libraries of EGL and OpenGL, which no Python package brings. Without them the tests that
render are skipped.
"""

import ctypes

__all__ = ["missing_libraries"]

_NEEDED = ("libEGL.so.1", "libGL.so.1")


def missing_libraries() -> list[str]:
    """The names among ``libEGL.so.1`` and ``libGL.so.1`` that this machine cannot load."""
    missing = []
    for name in _NEEDED:
        try:
            ctypes.CDLL(name)
        except OSError:
            missing.append(name)
    return missing


if __name__ == "__main__":
    if lacking := missing_libraries():
        print(
            f"==> {' and '.join(lacking)} not found: tests that render faces will be skipped.\n"
            "    On Debian or Ubuntu: apt-get install libegl1 libgl1 libegl-mesa0 libgl1-mesa-dri"
        )
