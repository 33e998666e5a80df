# SPDX-License-Identifier: Apache-2.0
"""The AWS endpoint: a proxy before moto's server, with parts that do what moto lacks."""

from localcloud.gateway.message import Request, Response
from localcloud.gateway.server import Forward, Gateway, Part

__all__ = ["Forward", "Gateway", "Part", "Request", "Response"]
