"""Who may come in, and what a client's path may mean."""

import hmac
from pathlib import Path

from maedfer.serve.problems import Problem
from maedfer.serve.settings import ServeSettings

__all__ = ["allowed_path", "is_token", "require_token"]


def is_token(given: str, token: str) -> bool:
    """Whether it is the token, in a time that says nothing about it."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def require_token(authorization: str, settings: ServeSettings) -> None:
    """Refuse who does not bring the token, where there is one.

    Raises:
        Problem: 401.
    """
    if settings.token is None:
        return
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "bearer" or not is_token(given.strip(), settings.token):
        text = "expected the header 'Authorization: Bearer TOKEN' with this service's token, got none or another"
        raise Problem(401, text, {"WWW-Authenticate": "Bearer"})


def allowed_path(text: str, settings: ServeSettings) -> Path:
    """The file that a client's path means: below an allowed root after all links are followed.

    A relative path is looked up below each root in turn. What lies elsewhere is refused in the same words whether it
    exists or not.

    Raises:
        Problem: 403 elsewhere, or no root was allowed; 404 no file there.
    """
    if not settings.allow_roots:
        raise Problem(403, "paths of this machine are not allowed here; upload the video as the part called file")
    inside = False
    for root in (root.resolve() for root in settings.allow_roots):
        try:
            path = (root / text).resolve()
            if path.is_relative_to(root):
                inside = True
                if path.is_file():
                    return path
        except (OSError, ValueError, RuntimeError):  # too long, a NUL, a circle of links
            continue
    if inside:
        raise Problem(404, "there is no file at this path below the allowed folders")
    raise Problem(403, "this path does not lie below the allowed folders; give one that does, or upload the video")
