# SPDX-License-Identifier: Apache-2.0
"""The HTTP/1.1 server: a thread for each connection, TLS, streams both ways, and faults.

The standard library's server, because a test wants to hold the socket itself: to reset it in the
middle of a body, to see that a client has gone, to close the door and open it again on the same
port.
"""

from __future__ import annotations

import contextlib
import http.server
import select
import socket
import ssl
import struct
import sys
import threading
import traceback
import urllib.parse
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from localcloud.gitlab.faults import Fault, Faults
from localcloud.gitlab.web import (
    BrokenBody,
    ChunkedBody,
    HttpError,
    RecordedRequest,
    Request,
    Response,
    SizedBody,
    error_response,
)

HANDSHAKE_SECONDS = 30.0
SERVER_NAME = "nginx"
Application = Callable[[Request], Response]


class HttpServer:
    """Listens on 127.0.0.1. `stop` resets all connections, `start` takes the same port again."""

    def __init__(
        self, application: Application, faults: Faults, tls: ssl.SSLContext | None
    ) -> None:
        self.application = application
        self.faults = faults
        self.tls = tls
        self.requests: list[RecordedRequest] = []
        self.port = 0
        self._listener: _Listener | None = None
        self._thread: threading.Thread | None = None

    def start(self, port: int = 0) -> None:
        if self._listener:
            return
        self._listener = _Listener(("127.0.0.1", port or self.port), self)
        self.port = self._listener.server_address[1]
        self._thread = threading.Thread(
            target=self._listener.serve_forever, args=(0.05,), name="gitlab-http", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        if not self._listener or not self._thread:
            return
        self._listener.stopping.set()
        self._listener.shutdown()
        self._thread.join()
        self._listener.server_close()
        self._listener.reset_connections()
        self._listener = self._thread = None


class _Listener(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], owner: HttpServer) -> None:
        self.owner = owner
        self.stopping = threading.Event()
        self.connections: set[socket.socket] = set()
        self.connections_lock = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # Not HTTPServer's own: that one looks its name up in the DNS.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def reset_connections(self) -> None:
        with self.connections_lock:
            for connection in self.connections:
                with contextlib.suppress(OSError):
                    _reset_on_close(connection)
                    # Wakes its thread, which closes it. Not SSLSocket's own shutdown: that one
                    # takes the TLS state away under the feet of the thread.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):
            traceback.print_exc(file=sys.stderr)


def _reset_on_close(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class _Cut(Exception):
    """The connection is to be reset now."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    # One connection

    def setup(self) -> None:
        owner = self.server.owner
        if owner.tls:
            # In this thread, so that a client which is slow to shake hands holds up nobody.
            self.request.settimeout(HANDSHAKE_SECONDS)
            self.request = owner.tls.wrap_socket(self.request, server_side=True)
            self.request.settimeout(None)
        super().setup()
        with self.server.connections_lock:
            self.server.connections.add(self.connection)
        if self.server.stopping.is_set():
            self.close_connection = True

    def finish(self) -> None:
        with self.server.connections_lock:
            self.server.connections.discard(self.connection)
        with contextlib.suppress(OSError, ValueError):
            super().finish()
        # The server's own shutdown of the request knows only the socket under the TLS layer.
        self.connection.close()

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (_Cut, BrokenBody, OSError, ValueError):
            # ValueError: read on a TLS connection that was shut down meanwhile.
            with contextlib.suppress(OSError):
                _reset_on_close(self.connection)
            self.close_connection = True

    # One request

    def _serve(self) -> None:
        owner = self.server.owner
        parts = urllib.parse.urlsplit(self.path)
        record = RecordedRequest(
            method=self.command,
            path=parts.path,
            query=dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
        )
        owner.requests.append(record)
        request = Request(record, self._body(), self._client_gone)
        fault = owner.faults.take(record.method, record.path)
        if fault:
            self._suffer(request, fault)
        response = self._answer(request, fault)
        try:
            request.drain()
            if fault and fault.delay_response:
                self.server.stopping.wait(fault.delay_response)
            if self.server.stopping.is_set() or (fault and fault.cut_response):
                raise _Cut
            record.status = response.status
            self._send(response, fault.cut_response_after if fault else None)
        finally:
            response.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _body(self) -> SizedBody | ChunkedBody:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return ChunkedBody(self.rfile)
        return SizedBody(self.rfile, int(self.headers.get("Content-Length") or 0))

    def _suffer(self, request: Request, fault: Fault) -> None:
        if fault.delay and self.server.stopping.wait(fault.delay):
            raise _Cut
        if fault.cut_after is not None:
            left = fault.cut_after
            while left > 0 and (data := request.read(min(left, 1 << 16))):
                left -= len(data)
            raise _Cut

    def _answer(self, request: Request, fault: Fault | None) -> Response:
        try:
            if fault and fault.status is not None:
                if request.is_json:
                    request.parameters()
                return _answer_of(fault, fault.status)
            return self.server.owner.application(request)
        except HttpError as error:
            return error_response(error)
        except (_Cut, OSError):
            raise
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            return error_response(HttpError(500, f"Internal Server Error: {error}"))

    def _client_gone(self) -> bool:
        """Whether the client has hung up while it waits for an answer."""
        if self.server.stopping.is_set():
            return True
        readable, _, _ = select.select([self.connection], [], [], 0)
        if not readable:
            return False
        if isinstance(self.connection, ssl.SSLSocket):
            return True  # nobody speaks before the answer but to say good-bye
        return not self.connection.recv(1, socket.MSG_PEEK)

    def _send(self, response: Response, cut_after: int | None) -> None:
        body = response.body
        size = body.stat().st_size if isinstance(body, Path) else None
        size = len(body) if isinstance(body, bytes) else size
        bodiless = response.status in (204, 304) or response.status < 200
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if size is None:
            self.send_header("Transfer-Encoding", "chunked")
        elif not bodiless:
            self.send_header("Content-Length", str(size))
        self.end_headers()
        if bodiless or self.command == "HEAD":
            return
        for part in _parts(body):
            if cut_after is not None and len(part) > cut_after:
                self.wfile.write(part[:cut_after])
                raise _Cut
            cut_after = None if cut_after is None else cut_after - len(part)
            if size is None:
                part = b"%x\r\n%s\r\n" % (len(part), part)
            self.wfile.write(part)
        if size is None:
            self.wfile.write(b"0\r\n\r\n")

    def version_string(self) -> str:
        return SERVER_NAME

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: `requests` has it all."""


def _answer_of(fault: Fault, status: int) -> Response:
    """A refusal without a body is GitLab's own; one with a body may be anybody's."""
    if status < 400 or fault.body:
        return Response(status, fault.body, dict(fault.headers))
    return error_response(HttpError(status, HTTPStatus(status).phrase, fault.headers))


def _parts(body: Any) -> Any:
    if isinstance(body, bytes):
        if body:
            yield body
    elif isinstance(body, Path):
        with body.open("rb") as file:
            while data := file.read(1 << 18):
                yield data
    else:
        yield from (part for part in body if part)
