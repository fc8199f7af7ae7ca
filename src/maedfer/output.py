"""Results appear whole or not at all: written beside their place under a temporary name, then moved."""

import secrets
from collections.abc import Callable
from pathlib import Path

from maedfer.errors import OutputError

__all__ = ["require_writable", "write_text", "write_whole"]


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make a temporary file in the folder of ``path``, then move it to ``path``.

    Missing folders are made. A reader never sees half a file, and a failure leaves an older result as it was.

    Args:
        path: the file to appear.
        write: is given the path of a file that does not exist yet (same folder, same suffix) and makes it.

    Raises:
        OutputError: the folder cannot be made or written, or the disk is full.
    """
    temporary = path.with_name(f".{path.stem[:40]}-{secrets.token_hex(6)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: expected a folder that can be written, got: {error.strerror or error}; "
            "choose another folder or free its disk"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 ``text`` as :func:`write_whole` does; bytes of a file name that are no text become ``\\udcff``.

    Raises:
        OutputError: the folder cannot be made or written, or the disk is full.
    """
    write_whole(
        path, lambda temporary: temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
    )


def require_writable(folder: Path) -> None:
    """Make ``folder`` and try to write in it: better refused now than after an hour's work.

    Raises:
        OutputError: it cannot be made or written.
    """
    write_whole(folder / ".maedfer-writable", lambda temporary: temporary.touch())
    (folder / ".maedfer-writable").unlink(missing_ok=True)
