# SPDX-License-Identifier: Apache-2.0
"""Reads the bodies of HTTP requests, for the servers that are made of http.server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO


def read_body(stream: BinaryIO, headers: Mapping[str, str]) -> bytes:
    """The whole body, by its length or in chunks; the headers' names are in lower case."""
    if "chunked" not in headers.get("transfer-encoding", "").lower():
        return stream.read(int(headers.get("content-length", "0")))
    body = bytearray()
    while size := int(stream.readline().split(b";")[0], 16):
        body += stream.read(size)
        stream.readline()
    while stream.readline().strip():
        pass
    return bytes(body)
