"""Every refusal as ``application/problem+json`` (RFC 9457), without a path of this machine in it."""

import logging
import traceback
from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

__all__ = ["Problem", "add_handlers", "problem"]

_LOG = logging.getLogger("maedfer.serve")


class Problem(HTTPException):
    """A request that is refused.

    Args:
        status: of HTTP.
        detail: what was expected, what came, and the remedy; for the client.
        headers: more of them.
    """

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """The answer to a refused request."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(body, status, headers=headers, media_type="application/problem+json")


def add_handlers(app: FastAPI) -> None:
    """Turn what is raised into problems."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unexpected)


async def _http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    return problem(error.status_code, error.detail, dict(error.headers or {}))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return problem(422, wrong)


async def _gone(request: Request, error: Exception) -> JSONResponse:
    """For the log and the counters alone: nobody is there to read it, and nothing is wrong here."""
    return problem(400, "expected the whole body of the request, the connection ended before it")


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    # Where, not what: the message may quote what a client sent.
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    where = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    _LOG.error("unexpected", extra={"facts": {"kind": type(error).__name__, "where": where}})
    return problem(500, "something unexpected happened; please report it with the request's id (X-Request-ID)")
