# SPDX-License-Identifier: Apache-2.0
"""Keeps the settings of functions that moto drops or does not update, and gives them back."""

from __future__ import annotations

import re
import threading
import uuid
from datetime import UTC, datetime
from typing import Any

from localcloud.gateway.lambda_invoke import function_and_qualifier
from localcloud.gateway.message import Request, Response
from localcloud.gateway.server import Forward

_CREATE = re.compile(r"^/2015-03-31/functions/?$")
_CONFIGURE = re.compile(r"^/2015-03-31/functions/([^/]+)/configuration/?$")
_FUNCTION = re.compile(r"^/2015-03-31/functions/([^/]+)(?:/(?:code|versions|configuration))?/?$")

# What moto drops when a function is created, or does not take over when it is updated.
KEPT = ("DeadLetterConfig", "LoggingConfig", "FileSystemConfigs", "EphemeralStorage",
        "TracingConfig", "KMSKeyArn", "SnapStart", "ImageConfig", "RuntimeManagementConfig",
        "VpcConfig", "Environment")  # fmt: skip
# Given back by moto in a form of its own, or by us only where they are set.
MOTO_ANSWERS = ("VpcConfig", "Environment", "ImageConfig", "SnapStart")


class KeptFunctionSettings:
    """The part between callers and moto's functions."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], dict[str, Any]] = {}

    def __call__(self, request: Request, forward: Forward) -> Response:
        if not request.path.startswith("/2015-03-31/functions"):
            return forward(request)
        creates = request.method == "POST" and _CREATE.match(request.path)
        configured = _CONFIGURE.match(request.path) if request.method == "PUT" else None
        asked: dict[str, Any] = {}
        name = ""
        if creates or configured:
            asked = request.json
            name = asked.get("FunctionName", "")
            if configured is not None:
                name, _ = function_and_qualifier(configured[1])
            self._make_palatable(request, asked)
        response = forward(request)
        if not response.good:
            return response
        if creates or configured:
            self._keep(name, asked, fresh=bool(creates))
        elif request.method == "DELETE":
            self._forget(request)
        return self._give_back(request, response)

    def _make_palatable(self, request: Request, asked: dict[str, Any]) -> None:
        """moto stumbles over an Environment without Variables."""
        if asked.get("Environment") == {}:
            request.json = {**asked, "Environment": {"Variables": {}}}

    def _keep(self, name: str, asked: dict[str, Any], fresh: bool) -> None:
        with self._lock:
            kept = {} if fresh else self._kept.get((name, "$LATEST"), {})
            kept = {**kept, "RevisionId": str(uuid.uuid4())}
            kept |= {key: asked[key] for key in KEPT if key in asked}
            if not fresh:
                kept["LastModified"] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000+0000}"
            self._kept[name, "$LATEST"] = kept

    def _forget(self, request: Request) -> None:
        if not (found := _FUNCTION.match(request.path)):
            return
        name, qualifier = function_and_qualifier(found[1])
        qualifier = request.query.get("Qualifier") or qualifier
        with self._lock:
            for key in list(self._kept):
                if key[0] == name and qualifier in (None, key[1]):
                    del self._kept[key]

    def _give_back(self, request: Request, response: Response) -> Response:
        if not (_CREATE.match(request.path) or _FUNCTION.match(request.path)) or not response.body:
            return response
        answer = response.json
        publishes = request.method == "POST" and request.path.rstrip("/").endswith("/versions")
        for configuration in [
            answer,
            answer.get("Configuration"),
            *answer.get("Functions", []),
            *answer.get("Versions", []),
        ]:
            if isinstance(configuration, dict) and "FunctionName" in configuration:
                self._complete(configuration, publishes)
        response.json = answer
        return response

    def _complete(self, configuration: dict[str, Any], publishes: bool) -> None:
        name, version = configuration["FunctionName"], configuration.get("Version", "$LATEST")
        with self._lock:
            latest = self._kept.get((name, "$LATEST"), {})
            if publishes:
                self._kept.setdefault((name, version), dict(latest))
            kept = self._kept.get((name, version), latest)
        for key, value in kept.items():
            if key in MOTO_ANSWERS:
                continue
            if value in ({}, [], {"TargetArn": ""}):
                configuration.pop(key, None)
            else:
                configuration[key] = value
        logging = {
            "LogFormat": "Text",
            "LogGroup": f"/aws/lambda/{name}",
            **(kept.get("LoggingConfig") or {}),
        }
        if logging["LogFormat"] == "JSON":
            logging = {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", **logging}
        configuration["LoggingConfig"] = logging
