"""The folder that holds a set: what a manifest, a list or a link names must lie in it."""

import os
from pathlib import Path

__all__ = ["Root"]


class Root:
    """A folder, with the answer for each folder in it kept: a million clips lie in few of them.

    Args:
        folder: any path to it; links on the way to it are followed.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder.resolve()
        self._inside: dict[str, bool] = {}

    def holds(self, name: str) -> bool:
        """Whether ``name``, relative to the folder, lies in it once every link is followed; it need not exist."""
        folder, last = os.path.split(name)
        if last in ("", ".", ".."):
            return self._resolves_inside(name)
        if folder not in self._inside:
            self._inside[folder] = self._resolves_inside(folder)
        if not self._inside[folder]:
            return False
        return not os.path.islink(self.path / name) or self._resolves_inside(name)

    def _resolves_inside(self, name: str) -> bool:
        try:
            end = (self.path / name).resolve()
            # From Python 3.13 on a circle of links raises nothing.
            return end.is_relative_to(self.path) and not end.is_symlink()
        except (OSError, RuntimeError, ValueError):  # a link to itself, a name no system could hold
            return False
