"""What is remembered between runs: which commit a name meant, and what its file hashed to when it was first used.

Where nobody publishes a hash, the first use is trusted and the hash written down; a file that changes later is refused.
"""

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from maedfer.errors import WeightsError
from maedfer.output import write_text

__all__ = ["Seen", "cache_folder", "read_seen", "require_same", "seen_file", "write_seen"]

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Seen:
    """What a name meant when it was first used.

    Attributes:
        commit: of the hub's repository; ``None`` for a file that came by hand.
        sha256: of the weights file, 64 hexadecimal digits.
        size: of the weights file in bytes.
        changed_ns: the file's time of change; with ``size``, what makes it worth hashing again.
    """

    commit: str | None
    sha256: str
    size: int
    changed_ns: int


def cache_folder() -> Path:
    """Where maedfer keeps what it may lose: ``MAEDFER_CACHE``, else ``maedfer`` in the user's cache folder."""
    if own := os.environ.get("MAEDFER_CACHE"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "maedfer"


def seen_file(name: str) -> Path:
    """The record of ``name``."""
    return cache_folder() / "seen" / f"{quote(name, safe='@.-_')}.json"


def read_seen(name: str) -> Seen | None:
    """The record of ``name``; ``None`` where there is none, or none that can be read."""
    try:
        content = json.loads(seen_file(name).read_text(encoding="utf-8"))
        seen = Seen(**content)
        usable = _SHA256.fullmatch(seen.sha256) and isinstance(seen.size, int) and isinstance(seen.changed_ns, int)
    except (OSError, ValueError, TypeError):
        return None
    return seen if usable else None


def write_seen(name: str, seen: Seen) -> None:
    """Write the record of ``name``.

    Raises:
        OutputError: the cache cannot be written.
    """
    write_text(seen_file(name), json.dumps(asdict(seen), indent=2) + "\n")


def require_same(name: str, weights: Path, commit: str | None) -> None:
    """Refuse ``weights`` that are not what ``name`` was at this commit before; remember them the first time.

    A file of the remembered size and time is not hashed again.

    Raises:
        WeightsError: they changed, or cannot be read.
        OutputError: the cache cannot be written.
    """
    from maedfer.weights import fingerprint

    before = read_seen(name)
    try:
        facts = weights.stat()
    except OSError as error:
        raise WeightsError(f"{weights}: expected a readable weights file ({error.strerror}); check the path") from error
    state = (commit, facts.st_size, facts.st_mtime_ns)
    if before is not None and state == (before.commit, before.size, before.changed_ns):
        return
    found = fingerprint(weights)
    if before is not None and before.commit == commit and before.sha256 != found:
        raise WeightsError(
            f"{name}: expected the weights of its first use, SHA-256 {before.sha256}, got {found}: the file changed. "
            f"Fetch it again from where you trust it; if the change is meant, delete {seen_file(name)}"
        )
    write_seen(name, Seen(commit, found, facts.st_size, facts.st_mtime_ns))
