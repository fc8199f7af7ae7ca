"""Around every request: its id, one line of log, the counters, and headers that keep a browser in bounds.

Logs hold the route's pattern, never the path itself: paths hold the secret names of jobs. They name no client and no
file.
"""

import json
import logging
import re
import secrets
import time
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maedfer.serve.metrics import Metrics

__all__ = ["JsonLines", "Watch"]

_LOG = logging.getLogger("maedfer.serve")
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# The page's own scripts are inline and build functions from text; nothing may come from, or go to, another host.
_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'; base-uri 'self'; "
    "frame-ancestors 'self'"
)


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record with its facts."""
        time_s = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        facts = getattr(record, "facts", {})
        line = {"time": f"{time_s}Z", "level": record.levelname, "message": record.getMessage(), **facts}
        if record.exc_info is not None and record.exc_info[0] is not None:
            line["kind"] = record.exc_info[0].__name__
        return json.dumps(line)


class Watch:
    """ASGI middleware; see the module.

    Args:
        app: what is watched.
        metrics: are counted up.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else secrets.token_hex(8)
        status, begun = 0, time.monotonic()

        async def send_watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                headers.setdefault("Content-Security-Policy", _POLICY)
            await send(message)

        try:
            await self._app(scope, receive, send_watched)
        finally:
            self._note(scope, request_id, status, time.monotonic() - begun)

    def _note(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = _pattern(scope)
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        facts: dict[str, Any] = {"request": request_id, "method": method, "route": route}
        _LOG.info("request", extra={"facts": facts | {"status": status, "ms": round(1000 * seconds, 1)}})


def _pattern(scope: Scope) -> str:
    """The route's own pattern; the page's many files count as one."""
    pattern = getattr(scope.get("route"), "path", "")
    if pattern.startswith(("/v1", "/results")):
        return str(pattern)
    return str(pattern) if pattern in {"/healthz", "/metrics", "/docs", "/openapi.json"} else "page"
