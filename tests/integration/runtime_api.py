# SPDX-License-Identifier: Apache-2.0
"""A scripted Lambda Runtime API: hands out events and keeps what comes back.

It has the real one's ways as far as a runtime can see them: one invocation at a time, a second
`next` during it gets the same event, whoever posts the current invocation's response has answered,
any other id is refused with 400. A test may make it refuse more.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from localcloud.waiting import LIMIT, wait_until

PREFIX = "/2018-06-01/runtime"


@dataclass
class ApiInvocation:
    """One event, and what was posted for it."""

    body: bytes
    seconds: float
    """From being handed out to its deadline."""
    headers: dict[str, str]
    deadline_ms: int = 0
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    done: threading.Event = field(default_factory=threading.Event)
    handed_out: threading.Event = field(default_factory=threading.Event)
    kind: str = ""
    """`response` or `error`, once there is one."""
    answer: bytes = b""
    answer_headers: dict[str, str] = field(default_factory=dict)
    answered_at: float = 0.0

    def wait(self, limit: float = LIMIT) -> ApiInvocation:
        wait_until(self.done.is_set, f"the answer to invocation {self.request_id}", limit)
        return self

    @property
    def json(self) -> Any:
        return json.loads(self.answer)

    @property
    def left_ms(self) -> float:
        """How long before its deadline it was answered."""
        return self.deadline_ms - self.answered_at * 1000


class RuntimeApi:
    """Listens on loopback from `with` on; `address` is what AWS_LAMBDA_RUNTIME_API holds."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.pending: list[ApiInvocation] = []
        self.current: ApiInvocation | None = None
        self.init_error: dict[str, Any] | None = None
        self.init_error_header: str | None = None
        self.next_requests = 0
        self.first_next_at = 0.0
        self.extensions: list[dict[str, Any]] = []
        self.refuse_posts_with: int | None = None
        self.closed = False
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> RuntimeApi:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        with self.condition:
            self.closed = True
            self.condition.notify_all()
        self.server.shutdown()
        self.server.server_close()

    def invoke(
        self, event: Any = None, *, seconds: float = 120, body: bytes | None = None, **headers: str
    ) -> ApiInvocation:
        """Queues an event; its deadline comes `seconds` after it was handed out."""
        content = body if body is not None else json.dumps({} if event is None else event).encode()
        invocation = ApiInvocation(content, seconds, headers)
        with self.condition:
            self.pending.append(invocation)
            self.condition.notify_all()
        return invocation

    def wait_for_next(self, count: int = 1) -> None:
        """Waits until `next` was asked for so often."""
        wait_until(lambda: self.next_requests >= count, f"request {count} for the next event")

    def take(self) -> ApiInvocation | None:
        """The current invocation, or the next one as soon as there is one."""
        with self.condition:
            self.next_requests += 1
            self.first_next_at = self.first_next_at or time.time()
            self.condition.notify_all()
            while self.current is None:
                if self.closed:
                    return None
                if self.pending:
                    self.current = self.pending.pop(0)
                    self.current.deadline_ms = int((time.time() + self.current.seconds) * 1000)
                else:
                    self.condition.wait()
            self.current.handed_out.set()
            return self.current

    def post(self, request_id: str, kind: str, body: bytes, headers: dict[str, str]) -> int:
        with self.condition:
            current = self.current
            if current is None or current.request_id != request_id:
                return 400
            if self.refuse_posts_with:
                return self.refuse_posts_with
            current.kind, current.answer, current.answer_headers = kind, body, headers
            current.answered_at = time.time()
            self.current = None
            current.done.set()
            return 202


def _handler_for(api: RuntimeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def reply(self, status: int, body: bytes = b"{}", **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            if self.path == f"{PREFIX}/invocation/next":
                invocation = api.take()
                if invocation is None:
                    self.close_connection = True
                    return
                self.reply(
                    200,
                    invocation.body,
                    Lambda_Runtime_Aws_Request_Id=invocation.request_id,
                    Lambda_Runtime_Deadline_Ms=str(invocation.deadline_ms),
                    Lambda_Runtime_Invoked_Function_Arn=(
                        "arn:aws:lambda:eu-central-1:123456789012:function:runner"
                    ),
                    **invocation.headers,
                )
            elif self.path == "/2020-01-01/extension/event/next":
                with api.condition:
                    api.condition.wait_for(lambda: api.closed)
                self.close_connection = True
            else:
                self.reply(404)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = self.path.removeprefix(PREFIX).strip("/").split("/")
            error_type = self.headers.get("Lambda-Runtime-Function-Error-Type")
            if parts == ["init", "error"]:
                with api.condition:
                    api.init_error, api.init_error_header = json.loads(body), error_type
                    api.condition.notify_all()
                self.reply(202, b'{"status":"OK"}')
            elif len(parts) == 3 and parts[0] == "invocation" and parts[2] in ("response", "error"):
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = api.post(parts[1], parts[2], body, headers)
                self.reply(status, b'{"status":"OK"}' if status == 202 else b"{}")
            elif self.path == "/2020-01-01/extension/register":
                with api.condition:
                    api.extensions.append(
                        {"name": self.headers.get("Lambda-Extension-Name"), **json.loads(body)}
                    )
                self.reply(200, b"{}", Lambda_Extension_Identifier=str(uuid.uuid4()))
            else:
                self.reply(404)

    return Handler
