"""Weights from a hub, through huggingface_hub (extra ``hf``): the cache first, the network only for what is not there.

A branch or tag is resolved to a commit once; that commit is remembered, and a later run takes it without asking.
Downloads go to a temporary name inside the library's cache, so what was interrupted never has a final name.
"""

import os
import re
from pathlib import Path
from types import ModuleType

from maedfer.errors import WeightsError
from maedfer.hub.cache import read_seen, require_same

__all__ = ["endpoint", "fetch", "hub_library", "reason_of"]

_FILES = ("config.json", "model.safetensors")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_HASH = re.compile(r"[0-9a-f]{64}")


def hub_library() -> ModuleType:
    """huggingface_hub.

    Raises:
        WeightsError: it is not installed.
    """
    try:
        import huggingface_hub
    except ImportError as error:
        raise WeightsError(
            "a model of a hub needs huggingface_hub, not installed here; run: pip install 'maedfer[hf]', or download "
            "config.json and model.safetensors by hand and give their folder"
        ) from error
    return huggingface_hub


def endpoint() -> str | None:
    """The hub's address: ``HF_ENDPOINT`` as it is now, ``None`` for the library's own."""
    return os.environ.get("HF_ENDPOINT") or None


def reason_of(error: Exception) -> str:
    """Why a hub refused, in a word: never the request, whose headers hold the token."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return type(error).__name__ if status is None else f"{type(error).__name__}, status {status}"


def fetch(repository: str, revision: str, *, refresh: bool = False) -> Path:
    """The folder of a repository's weights at ``revision``.

    Args:
        repository: ``owner/name``.
        revision: branch, tag or commit.
        refresh: ask where a branch or tag stands now.

    Raises:
        WeightsError: huggingface_hub is missing, there is no such repository or revision, the network fails, or a file
            is not what the hub's own record or our memory of it says.
    """
    hub, name = hub_library(), f"{repository}@{revision}"
    before = None if refresh else read_seen(name)
    commit = revision if _COMMIT.fullmatch(revision) else before.commit if before else None
    folder = _cached(hub, repository, commit) if commit else None
    if folder is None:
        commit, hashes = _resolve(hub, repository, commit or revision)
        folder = _download(hub, repository, commit)
        _require_hash(folder / _FILES[1], hashes.get(_FILES[1]), name)
    require_same(name, folder / _FILES[1], commit)
    return folder


def _cached(hub: ModuleType, repository: str, commit: str) -> Path | None:
    places = [hub.try_to_load_from_cache(repository, file, revision=commit) for file in _FILES]
    return Path(places[0]).parent if all(isinstance(place, str) for place in places) else None


def _resolve(hub: ModuleType, repository: str, revision: str) -> tuple[str, dict[str, str]]:
    """The commit, and the SHA-256 that the hub itself keeps of large files."""
    try:
        info = hub.HfApi(endpoint=endpoint()).model_info(repository, revision=revision, files_metadata=True)
    except Exception as error:  # the library's, its transport's, or the system's
        raise _refusal(repository, revision, error) from None
    names = {entry.rfilename for entry in info.siblings or ()}
    if missing := [file for file in _FILES if file not in names]:
        raise WeightsError(
            f"{repository}@{revision}: expected config.json and model.safetensors of maedfer, lacks "
            f"{' and '.join(missing)}; is it a model of another library?"
        )
    if not isinstance(info.sha, str) or not _COMMIT.fullmatch(info.sha):
        raise WeightsError(f"{repository}@{revision}: expected a commit from the hub, got {info.sha!r:.60}")
    hashes = {entry.rfilename: entry.lfs.sha256 for entry in info.siblings or () if entry.lfs is not None}
    return info.sha, hashes


def _download(hub: ModuleType, repository: str, commit: str) -> Path:
    try:
        places = [hub.hf_hub_download(repository, file, revision=commit, endpoint=endpoint()) for file in _FILES]
    except Exception as error:  # the library's, its transport's, or the system's
        raise _refusal(repository, commit, error) from None
    return Path(places[0]).parent


def _require_hash(weights: Path, expected: str | None, name: str) -> None:
    """What arrived against the hub's own record; what differs is removed, so that the next try fetches it anew."""
    from maedfer.weights import fingerprint

    if expected is None or not _HASH.fullmatch(expected):
        return
    if (found := fingerprint(weights)) != expected:
        weights.resolve().unlink(missing_ok=True)
        weights.unlink(missing_ok=True)
        raise WeightsError(
            f"{name}: expected weights of SHA-256 {expected} by the hub's record, got {found}; the download was "
            "damaged or changed on the way and is removed: try again"
        )


def _refusal(repository: str, revision: str, error: Exception) -> WeightsError:
    return WeightsError(
        f"{repository}@{revision}: not in the cache and not to be had from the hub ({reason_of(error)}); check the "
        "name, the network and HF_HUB_OFFLINE; a private or gated model needs `hf auth login`. By hand: download "
        "config.json and model.safetensors on another machine and give their folder"
    )
