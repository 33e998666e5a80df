# SPDX-License-Identifier: Apache-2.0
"""Gives queue policies back as they were set, where moto drops or rewrites their text."""

from __future__ import annotations

import json
import threading
from typing import Any

from localcloud.gateway.message import Request, Response
from localcloud.gateway.server import Forward

_KEPT = ("RedrivePolicy", "RedriveAllowPolicy", "Policy")
_UNKNOWN_TO_MOTO = ("RedriveAllowPolicy",)


class QueueAttributes:
    """The part between callers and moto's queues (JSON protocol)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, dict[str, str]] = {}  # by name of the queue

    def __call__(self, request: Request, forward: Forward) -> Response:
        target = request.headers.get("x-amz-target", "")
        if not target.startswith("AmazonSQS."):
            return forward(request)
        operation = target.partition(".")[2]
        asked: dict[str, Any] = request.json
        name = asked.get("QueueName") or asked.get("QueueUrl", "").rpartition("/")[2]
        if operation in ("CreateQueue", "SetQueueAttributes"):
            return self._set(name, asked, request, forward)
        response = forward(request)
        if response.good and operation == "DeleteQueue":
            with self._lock:
                self._kept.pop(name, None)
        if response.good and operation == "GetQueueAttributes":
            return self._give_back(name, asked, response)
        return response

    def _set(
        self, name: str, asked: dict[str, Any], request: Request, forward: Forward
    ) -> Response:
        attributes: dict[str, str] = asked.get("Attributes") or {}
        if any(key in attributes for key in _UNKNOWN_TO_MOTO):
            passed = {
                key: value for key, value in attributes.items() if key not in _UNKNOWN_TO_MOTO
            }
            request.json = {**asked, "Attributes": passed}
            if not passed and "QueueUrl" in asked:  # nothing is left to set
                probe = dict(request.headers, **{"x-amz-target": "AmazonSQS.GetQueueAttributes"})
                body = json.dumps({"QueueUrl": asked["QueueUrl"], "AttributeNames": ["QueueArn"]})
                response = forward(Request("POST", request.target, probe, body.encode()))
                if response.good:
                    response.body = b"{}"
            else:
                response = forward(request)
        else:
            response = forward(request)
        if response.good:
            with self._lock:
                kept = self._kept.setdefault(name, {})
                kept.update({key: attributes[key] for key in _KEPT if key in attributes})
        return response

    def _give_back(self, name: str, asked: dict[str, Any], response: Response) -> Response:
        wanted = asked.get("AttributeNames") or []
        answer = response.json
        attributes = answer.setdefault("Attributes", {})
        with self._lock:
            for key, value in self._kept.get(name, {}).items():
                if key not in wanted and "All" not in wanted:
                    continue
                if value:
                    attributes[key] = value
                else:
                    attributes.pop(key, None)
        response.json = answer
        return response
