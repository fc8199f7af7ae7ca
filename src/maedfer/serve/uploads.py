"""A form with a video, written to the disk while it comes, and never more of it than is allowed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from maedfer.serve.problems import Problem
from maedfer.video.source import safe_name

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

__all__ = ["Form", "linger", "receive_form", "shown_name"]

_LONGEST_FIELD = 4096
_MOST_PARTS = 16
_MOST_HEADER_BYTES = 8192
# Boundaries and headers of the form around the file.
_AROUND_BYTES = 65_536
# A client that is refused early still gets to read why, when it sends no more than this in so short a time.
_LINGER_BYTES, _LINGER_S = 16 * 2**20, 1.0


@dataclass(frozen=True)
class Form:
    """What a client sent.

    Attributes:
        fields: its texts.
        file_name: the client's name of the file; ``None`` without a file.
        size: bytes of the file.
    """

    fields: dict[str, str]
    file_name: str | None
    size: int


def shown_name(name: str) -> str:
    """The last part of a client's file name, as it may stand in results and messages."""
    return safe_name(PureWindowsPath(PurePosixPath(name).name).name)


async def receive_form(request: Request, target: Path, *, max_bytes: int, seconds: float) -> Form:
    """Read a ``multipart/form-data`` body; the part ``file`` goes to ``target``.

    Raises:
        Problem: 400 no form, 408 too slow, 413 too large, 415 another content type.
        ClientDisconnect: the client went away.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise Problem(415, "expected multipart/form-data with a file or a path in it, got another content type")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes + _AROUND_BYTES:
        raise _too_large(max_bytes)
    with target.open("xb") as file:
        parts = _Parts(file, max_bytes)
        try:
            parser = MultipartParser(boundary, parts.callbacks())
            async with asyncio.timeout(seconds):
                async for chunk in request.stream():
                    parser.write(chunk)
                    await parts.flush()
            parser.finalize()
        except FormParserError as error:
            raise Problem(400, "expected a well-formed multipart/form-data body, got a broken one") from error
        except TimeoutError as error:
            raise Problem(408, f"the upload took more than {seconds:g} s; send a smaller file") from error
        if not parts.complete:
            raise Problem(400, "expected a whole multipart/form-data body, got one that ends early")
    return Form(parts.fields, parts.file_name, parts.size)


async def linger(request: Request) -> None:
    """Take in a little more of a refused body, so that the connection is not reset before the answer was read."""
    with suppress(TimeoutError, ClientDisconnect, RuntimeError):
        async with asyncio.timeout(_LINGER_S):
            await _discard(request.stream())


async def _discard(stream: AsyncIterator[bytes]) -> None:
    size = 0
    async for chunk in stream:
        size += len(chunk)
        if size > _LINGER_BYTES:
            return


def _too_large(max_bytes: int) -> Problem:
    return Problem(413, f"expected at most {max_bytes} bytes of video, got more; shorten or compress it")


class _Parts:
    """What the parser finds, one part after the other."""

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        self._file, self._max_bytes = file, max_bytes
        self.fields: dict[str, str] = {}
        self.file_name: str | None = None
        self.size, self.complete = 0, False
        self._count, self._header_bytes = 0, 0
        self._header, self._value, self._name = b"", b"", ""
        self._disposition = b""
        self._text, self._waiting = bytearray(), bytearray()
        self._is_file = False

    def callbacks(self) -> "MultipartCallbacks":
        """As the parser wants them."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    async def flush(self) -> None:
        """Write what has come; elsewhere, as a disk may be slow."""
        if self._waiting:
            data, self._waiting = self._waiting, bytearray()
            await asyncio.to_thread(self._file.write, data)

    def _begin(self) -> None:
        self._count += 1
        if self._count > _MOST_PARTS:
            raise Problem(400, f"expected at most {_MOST_PARTS} parts in the form, got more")
        self._disposition, self._header_bytes, self._text = b"", 0, bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._bounded(end - start)
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._bounded(end - start)
        self._value += data[start:end]

    def _bounded(self, count: int) -> None:
        self._header_bytes += count
        if self._header_bytes > _MOST_HEADER_BYTES:
            raise Problem(400, f"expected at most {_MOST_HEADER_BYTES} bytes of headers in a part, got more")

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._is_file = self._name == "file"
        if self._is_file:
            if self.file_name is not None:
                raise Problem(400, "expected one part called file, got several; send one video a request")
            self.file_name = options.get(b"filename", b"").decode("utf-8", "replace")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if not self._is_file:
            self._text += data[start:end]
            if len(self._text) > _LONGEST_FIELD:
                raise Problem(400, f"expected at most {_LONGEST_FIELD} bytes in a text field, got more")
            return
        self.size += end - start
        if self.size > self._max_bytes:
            raise _too_large(self._max_bytes)
        self._waiting += data[start:end]

    def _part_end(self) -> None:
        if not self._is_file:
            self.fields[self._name] = self._text.decode("utf-8", "replace")

    def _end(self) -> None:
        self.complete = True
