# SPDX-License-Identifier: Apache-2.0
"""Requests and answers as the parts of the stand-in see them, apart from any socket."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

CHUNK = 1 << 16
JSON_LIMIT = 4 << 20


class HttpError(Exception):
    """Ends a request with this answer."""

    def __init__(
        self, status: int, message: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


class BrokenBody(ConnectionError):
    """The client did not send the body it announced."""


class Body(Protocol):
    def read(self, size: int) -> bytes: ...


class SizedBody:
    """A request body with a Content-Length."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int) -> bytes:
        if self._left == 0:
            return b""
        data = self._stream.read1(min(size, self._left))  # type: ignore[attr-defined]
        if not data:
            raise BrokenBody("the connection ended inside a request's body")
        self._left -= len(data)
        return data


class ChunkedBody:
    """A request body with Transfer-Encoding: chunked."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = 0
        self._ended = False

    def read(self, size: int) -> bytes:
        if self._left == 0 and not self._ended:
            self._next_chunk()
        if self._ended:
            return b""
        data = self._stream.read1(min(size, self._left))  # type: ignore[attr-defined]
        if not data:
            raise BrokenBody("the connection ended inside a chunk")
        self._left -= len(data)
        if self._left == 0 and self._line() != b"":
            raise BrokenBody("a chunk does not end where it should")
        return data

    def _next_chunk(self) -> None:
        try:
            self._left = int(self._line().split(b";")[0], 16)
        except ValueError as error:
            raise BrokenBody("a chunk without a size") from error
        if self._left == 0:
            while self._line():
                pass  # trailers
            self._ended = True

    def _line(self) -> bytes:
        line = self._stream.readline(CHUNK)
        if not line.endswith(b"\n"):
            raise BrokenBody("the connection ended inside a chunked body")
        return line.rstrip(b"\r\n")


@dataclass
class RecordedRequest:
    """What a test may want to know of a request. `status` is None where none was answered."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    time: float = field(default_factory=time.time)
    json: Any = None
    status: int | None = None
    body_size: int = 0


@dataclass
class Request:
    """A request under way. `gone` says whether the client has hung up meanwhile."""

    record: RecordedRequest
    body: Body
    gone: Callable[[], bool]

    @property
    def method(self) -> str:
        return self.record.method

    @property
    def path(self) -> str:
        return self.record.path

    @property
    def query(self) -> dict[str, str]:
        return self.record.query

    @property
    def headers(self) -> dict[str, str]:
        return self.record.headers

    def read(self, size: int = CHUNK) -> bytes:
        data = self.body.read(size)
        self.record.body_size += len(data)
        return data

    def read_all(self, limit: int) -> bytes:
        parts, total = [], 0
        while data := self.read():
            total += len(data)
            if total > limit:
                raise HttpError(413, "Request Entity Too Large")
            parts.append(data)
        return b"".join(parts)

    def drain(self) -> None:
        while self.read(1 << 20):
            pass

    @property
    def is_json(self) -> bool:
        return "json" in self.headers.get("content-type", "")

    def parameters(self) -> dict[str, Any]:
        """The query's parameters and those of a JSON or form body. Raises HttpError 400."""
        if self.record.json is None and self.record.body_size == 0:
            self._read_parameters()
        own = self.record.json if isinstance(self.record.json, dict) else {}
        return {**self.query, **own}

    def _read_parameters(self) -> None:
        content = self.read_all(JSON_LIMIT)
        if content and "x-www-form-urlencoded" in self.headers.get("content-type", ""):
            self.record.json = dict(urllib.parse.parse_qsl(content.decode()))
        elif content:
            try:
                self.record.json = json.loads(content)
            except ValueError as error:
                raise HttpError(400, "the body is no JSON") from error


@dataclass
class Response:
    """`body` is bytes, a file to send, or parts to send one by one (chunked).

    `close` is called when the answer was sent, or could not be.
    """

    status: int = 200
    body: bytes | Path | Iterable[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    close: Callable[[], None] = lambda: None


def json_response(
    content: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    body = json.dumps(content).encode()
    return Response(status, body, {"Content-Type": "application/json", **(headers or {})})


def error_response(error: HttpError) -> Response:
    """GitLab's shape: {"message": "403 Forbidden"}."""
    return json_response(
        {"message": f"{error.status} {error.message}".strip()}, error.status, error.headers
    )


Endpoint = Callable[..., Response]


class Routes:
    """A table of methods and paths. `{name}` in a path is one segment, handed on as text."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Endpoint]] = []

    def add(self, method: str, path: str, endpoint: Endpoint) -> None:
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
        self._routes.append((method, re.compile(pattern), endpoint))

    def answer(self, request: Request) -> Response:
        """Raises HttpError 404 or 405 where no route fits."""
        known = False
        for method, pattern, endpoint in self._routes:
            if match := pattern.fullmatch(request.path):
                known = True
                if method == request.method:
                    unquoted = {k: urllib.parse.unquote(v) for k, v in match.groupdict().items()}
                    return endpoint(request, **unquoted)
        raise HttpError(405, "Method Not Allowed") if known else HttpError(404, "Not Found")
