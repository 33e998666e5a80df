# SPDX-License-Identifier: Apache-2.0
"""HTTP requests and responses as the gateway's parts see them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, urlsplit

_SCOPE = re.compile(r"Credential=[^/]*/\d{8}/(?P<region>[^/]*)/(?P<service>[^/]*)/aws4_request")


@dataclass
class Request:
    """A request, its body read."""

    method: str
    target: str  # path and query as on the request line
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @cached_property
    def query(self) -> dict[str, str]:
        parsed = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        return {name: values[0] for name, values in parsed.items()}

    @property
    def service(self) -> str:
        """The service that the signature names."""
        found = _SCOPE.search(self.headers.get("authorization", ""))
        return found["service"] if found else ""

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    @json.setter
    def json(self, value: Any) -> None:
        self.body = json.dumps(value).encode()


@dataclass
class Response:
    """An answer, complete."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    @json.setter
    def json(self, value: Any) -> None:
        self.body = json.dumps(value).encode()

    @classmethod
    def of_json(cls, status: int, value: Any, **headers: str) -> Response:
        return cls(
            status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers}
        )
