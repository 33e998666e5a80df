# SPDX-License-Identifier: Apache-2.0
"""The proxy itself: threads, HTTP/1.1, and the chain of parts before moto."""

from __future__ import annotations

import contextlib
import http.client
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

from localcloud.functions.errors import ApiError
from localcloud.gateway.message import Request, Response
from localcloud.http_body import read_body

HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length", "expect", "server",
              "date")  # fmt: skip

Forward = Callable[[Request], Response]


class Part(Protocol):
    """Something that moto lacks. It answers, or asks what stands behind it."""

    def __call__(self, request: Request, forward: Forward) -> Response: ...


class Gateway:
    """Listens on a free loopback port; `parts` may be added until the first request."""

    def __init__(self, moto_port: int) -> None:
        self.parts: list[Part] = []
        self._moto_port = moto_port
        gateway = self

        class Handler(_Handler):
            owner = gateway

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: Request) -> Response:
        try:
            return self._through(self.parts, request)
        except ApiError as error:
            return Response.of_json(error.status, error.body, **{"x-amzn-ErrorType": error.kind})
        except Exception as error:  # a fault of ours: the caller must see it, not a cut connection
            traceback.print_exc()
            body = {"message": f"{type(error).__name__}: {error}"}
            return Response.of_json(500, body, **{"x-amzn-ErrorType": "ServiceException"})

    def _through(self, parts: Sequence[Part], request: Request) -> Response:
        if not parts:
            return self.ask_moto(request)
        return parts[0](request, lambda passed: self._through(parts[1:], passed))

    def ask_moto(self, request: Request) -> Response:
        connection = http.client.HTTPConnection("127.0.0.1", self._moto_port, timeout=300)
        headers = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP}
        try:
            connection.putrequest(
                request.method, request.target, skip_host=True, skip_accept_encoding=True
            )
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.putheader("content-length", str(len(request.body)))
            connection.endheaders(request.body)
            answer = connection.getresponse()
            body = answer.read()
            kept = {
                name: value
                for name, value in answer.getheaders()
                if name.lower() not in HOP_BY_HOP
                or (name.lower() == "content-length" and request.method == "HEAD")
            }
            return Response(answer.status, body, kept)
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError | socket.timeout):
            traceback.print_exc()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    owner: Gateway

    def _serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, read_body(self.rfile, headers))
        response = self.owner.answer(request)
        lines = [f"HTTP/1.1 {response.status} {http.client.responses.get(response.status, '')}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        if not any(name.lower() == "content-length" for name in response.headers):
            lines.append(f"Content-Length: {len(response.body)}")
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"))
        if self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = _serve
