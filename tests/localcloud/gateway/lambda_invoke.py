# SPDX-License-Identifier: Apache-2.0
"""Lambda's Invoke: moto would start docker; here the local cloud's own sandboxes run it."""

from __future__ import annotations

import base64
import json
import re
import uuid
from urllib.parse import unquote

from localcloud.functions.asynchronous import AsynchronousInvoker, QueuedEvent
from localcloud.functions.errors import ApiError, invalid_payload, too_large
from localcloud.functions.service import FunctionService
from localcloud.gateway.message import Request, Response
from localcloud.gateway.server import Forward

_PATH = re.compile(r"^/2015-03-31/functions/(?P<name>[^/]+)/invocations/?$")
_NAME = re.compile(
    r"^(?:arn:aws[\w-]*:lambda:[\w-]+:\d{12}:function:|\d{12}:function:)?"
    r"(?P<name>[\w-]+)(?::(?P<qualifier>\$LATEST|[\w-]+))?$"
)
SYNCHRONOUS_LIMIT = 6 * 1024 * 1024
ASYNCHRONOUS_LIMIT = 1024 * 1024
LOG_TAIL = 4096


def function_and_qualifier(text: str) -> tuple[str, str | None]:
    """Takes a name, a partial ARN or an ARN apart, each with or without a qualifier."""
    found = _NAME.match(unquote(text))
    if found is None:
        raise ApiError(400, "ValidationException", f"{text!r} is no name or ARN of a function")
    return found["name"], found["qualifier"]


class LambdaInvoke:
    """The part that answers Invoke."""

    def __init__(self, functions: FunctionService, queue: AsynchronousInvoker) -> None:
        self._functions = functions
        self._queue = queue

    def __call__(self, request: Request, forward: Forward) -> Response:
        found = _PATH.match(request.path)
        if found is None or request.method != "POST":
            return forward(request)
        name, qualifier = function_and_qualifier(found["name"])
        asked = request.query.get("Qualifier")
        if asked and qualifier and asked != qualifier:
            raise ApiError(
                400,
                "InvalidParameterValueException",
                "The derived qualifier from the function name does not match the specified"
                " qualifier.",
            )
        qualifier = asked or qualifier
        kind = request.headers.get("x-amz-invocation-type", "RequestResponse")
        event = self._event(request.body, kind)
        context = request.headers.get("x-amz-client-context")
        if kind == "DryRun":
            self._functions.store.find(name, qualifier, {})
            return Response(204)
        if kind == "Event":
            self._functions.store.find(name, qualifier, {})
            queued = QueuedEvent(name, qualifier, event, context)
            self._queue.accept(queued)
            return Response(202, b"", {"x-amzn-RequestId": queued.request_id})
        return self._synchronous(name, qualifier, event, context, request)

    def _event(self, body: bytes, kind: str) -> bytes:
        limit = ASYNCHRONOUS_LIMIT if kind == "Event" else SYNCHRONOUS_LIMIT
        if len(body) > limit:
            raise too_large(len(body), limit, kind)
        event = body or b"{}"
        try:
            json.loads(event)
        except ValueError as error:
            raise invalid_payload(str(error)) from error
        return event

    def _synchronous(
        self, name: str, qualifier: str | None, event: bytes, context: str | None, request: Request
    ) -> Response:
        invocation = self._functions.invoke(
            name,
            event,
            qualifier=qualifier,
            request_id=str(uuid.uuid4()),
            client_context=context,
        )
        headers = {
            "Content-Type": "application/json",
            "X-Amz-Executed-Version": invocation.version,
            "x-amzn-RequestId": invocation.request_id,
        }
        if invocation.function_error:
            headers["X-Amz-Function-Error"] = invocation.function_error
        if request.headers.get("x-amz-log-type") == "Tail":
            tail = "".join(f"{line}\n" for line in invocation.log).encode()[-LOG_TAIL:]
            headers["X-Amz-Log-Result"] = base64.b64encode(tail).decode()
        return Response(200, invocation.payload, headers)
