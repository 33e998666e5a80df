# SPDX-License-Identifier: Apache-2.0
"""Settings of asynchronous events, one set for each qualifier: moto knows one for a function."""

from __future__ import annotations

import re
import threading
import time
from typing import Any

from localcloud.functions.errors import ApiError
from localcloud.gateway.lambda_invoke import function_and_qualifier
from localcloud.gateway.message import Request, Response
from localcloud.gateway.server import Forward

_PATH = re.compile(r"^/2019-09-25/functions/(?P<name>[^/]+)/event-invoke-config(?P<list>/list)?/?$")
_FUNCTION = re.compile(r"^/2015-03-31/functions/(?P<name>[^/]+)/?$")
_SETTINGS = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")


class EventInvokeConfigs:
    """The part that keeps them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], dict[str, Any]] = {}

    def __call__(self, request: Request, forward: Forward) -> Response:
        found = _PATH.match(request.path)
        if found is None:
            return self._without_a_function(request, forward)
        name, qualifier = function_and_qualifier(found["name"])
        qualifier = request.query.get("Qualifier") or qualifier or "$LATEST"
        if found["list"]:
            return self._list(name)
        if request.method in ("PUT", "POST"):
            return self._put(name, qualifier, request, forward)
        with self._lock:
            kept = self._kept.get((name, qualifier))
            if kept is None:
                raise ApiError(
                    404,
                    "ResourceNotFoundException",
                    f"The function {name}:{qualifier} doesn't have an EventInvokeConfig",
                )
            if request.method == "DELETE":
                del self._kept[name, qualifier]
                return Response(204)
            return Response.of_json(200, kept)

    def _without_a_function(self, request: Request, forward: Forward) -> Response:
        response = forward(request)
        deleted = _FUNCTION.match(request.path) if request.method == "DELETE" else None
        if deleted and response.good and "Qualifier" not in request.query:
            name, _ = function_and_qualifier(deleted["name"])
            with self._lock:
                self._kept = {key: kept for key, kept in self._kept.items() if key[0] != name}
        return response

    def _put(self, name: str, qualifier: str, request: Request, forward: Forward) -> Response:
        path = f"/2015-03-31/functions/{name}/configuration"
        function = forward(Request("GET", path, dict(request.headers), b""))
        if not function.good:
            return function
        asked = request.json
        with self._lock:
            old = self._kept.get((name, qualifier), {}) if request.method == "POST" else {}
            kept = {
                "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}},
                **old,
                **{key: asked[key] for key in _SETTINGS if asked.get(key) is not None},
                "FunctionArn": f"{function.json['FunctionArn']}:{qualifier}",
                "LastModified": int(time.time()),
            }
            self._kept[name, qualifier] = kept
        return Response.of_json(200, kept)

    def _list(self, name: str) -> Response:
        with self._lock:
            found = [kept for key, kept in self._kept.items() if key[0] == name]
        return Response.of_json(200, {"FunctionEventInvokeConfigs": found})
