# SPDX-License-Identifier: Apache-2.0
"""Stands between the sandbox and the emulator's Runtime API, and listens.

The emulator does not tell its caller a function's error from a function's answer, makes up the
function's ARN, sends no trace id, and counts the time of init into the deadline. So its Runtime API
is passed on by this proxy, which changes three headers of `next` and remembers what was posted.
"""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from localcloud.http_body import read_body

ARN_HEADER = "Lambda-Runtime-Invoked-Function-Arn"
DEADLINE_HEADER = "Lambda-Runtime-Deadline-Ms"
TRACE_HEADER = "Lambda-Runtime-Trace-Id"
REQUEST_ID_HEADER = "Lambda-Runtime-Aws-Request-Id"
MAX_PAYLOAD = 6 * 1024 * 1024 + 100


@dataclass
class Delivery:
    """An event on its way to the runtime."""

    request_id: str
    function_arn: str
    deadline_ms: int
    trace_id: str


@dataclass
class Posted:
    """What the runtime posted, and what the emulator said to it."""

    kind: str  # response, error or init-error
    request_id: str
    body: bytes
    error_type: str
    status: int
    at: float


class RuntimeApiTap:
    """A proxy on a loopback port for one environment's Runtime API."""

    def __init__(
        self,
        upstream: int,
        deliver: Callable[[str], Delivery],
        next_asked: Callable[[], None],
        posted: Callable[[Posted], None],
    ) -> None:
        self.extension_registered = False
        self._upstream = upstream
        self._deliver = deliver
        self._next_asked = next_asked
        self._posted = posted
        tap = self

        class Handler(_Handler):
            owner = tap

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.5}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        def stop() -> None:
            self._server.shutdown()
            self._server.server_close()

        threading.Thread(target=stop, daemon=True).start()

    def exchange(
        self, client: socket.socket, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, str, list[tuple[str, str]], bytes] | None:
        """Sends one request to the emulator; None when the client hung up before the answer."""
        is_next = path.endswith("/runtime/invocation/next")
        if is_next:
            self._next_asked()
        connection = http.client.HTTPConnection("127.0.0.1", self._upstream)
        try:
            connection.connect()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body=body or None, headers=headers)
            if _hung_up_first(client, connection.sock):
                return None
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        answered = [(name, value) for name, value in answer.getheaders() if _passes(name)]
        if is_next and answer.status == 200:
            answered = self._rewritten(answered)
        self._remember(path, headers, body, answer.status)
        return answer.status, answer.reason, answered, content

    def _rewritten(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        named = {name.lower(): value for name, value in headers}
        delivery = self._deliver(named[REQUEST_ID_HEADER.lower()])
        replaced = {
            ARN_HEADER.lower(): delivery.function_arn,
            DEADLINE_HEADER.lower(): str(delivery.deadline_ms),
        }
        kept = [(name, replaced.get(name.lower(), value)) for name, value in headers]
        return [*kept, (TRACE_HEADER, delivery.trace_id)]

    def _remember(self, path: str, headers: dict[str, str], body: bytes, status: int) -> None:
        parts = path.strip("/").split("/")
        if path.endswith("/extension/register") and status == 200:
            self.extension_registered = True
        if len(parts) < 2 or parts[1] != "runtime":
            return
        error_type = headers.get("lambda-runtime-function-error-type", "")
        if parts[2:] == ["init", "error"]:
            self._posted(Posted("init-error", "", body, error_type, status, time.time()))
        elif len(parts) == 5 and parts[4] in ("response", "error"):
            self._posted(Posted(parts[4], parts[3], body, error_type, status, time.time()))


def _passes(header: str) -> bool:
    return header.lower() not in ("connection", "keep-alive", "transfer-encoding", "content-length")


def _hung_up_first(client: socket.socket, upstream: socket.socket) -> bool:
    """Waits for the emulator's answer; true when the client closed its connection before it."""
    watched = select.poll()
    watched.register(upstream, select.POLLIN)
    watched.register(client, select.POLLIN)
    while True:
        ready = [descriptor for descriptor, _ in watched.poll()]
        if upstream.fileno() in ready:
            return False
        if not client.recv(1, socket.MSG_PEEK):
            return True
        watched.unregister(client)  # it sent more: nothing to learn from it before we answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    owner: RuntimeApiTap

    def _serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = read_body(self.rfile, headers)
        forwarded = {
            name: value
            for name, value in headers.items()
            if name not in ("connection", "content-length", "transfer-encoding", "expect", "host")
        }
        try:
            answer = self.owner.exchange(self.connection, self.command, self.path, forwarded, body)
        except (OSError, http.client.HTTPException):
            answer = None  # the emulator is gone, and so is this environment
        if answer is None:
            self.close_connection = True
            return
        status, reason, answered, content = answer
        lines = [f"HTTP/1.1 {status} {reason}"]
        lines += [f"{name}: {value}" for name, value in answered]
        lines += [f"Content-Length: {len(content)}", "", ""]
        self.wfile.write("\r\n".join(lines).encode("latin-1") + content)

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, ValueError):
            super().handle()

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    do_GET = do_POST = do_PUT = do_DELETE = _serve
