# SPDX-License-Identifier: Apache-2.0
"""The errors that STS answers, in its XML."""

from __future__ import annotations

import uuid
from xml.sax.saxutils import escape

from localcloud.gateway.message import Response

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


class StsError(Exception):
    """An error answer of STS: its code, status and message."""

    def __init__(self, code: str, message: str, status: int = 403) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status

    def response(self) -> Response:
        request_id = str(uuid.uuid4())
        body = (
            f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type>'
            f"<Code>{escape(self.code)}</Code><Message>{escape(self.message)}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
        headers = {"Content-Type": "text/xml", "x-amzn-RequestId": request_id}
        return Response(self.status, body.encode(), headers)


def invalid(message: str) -> StsError:
    return StsError("ValidationError", message, 400)


def denied(caller_arn: str, action: str, resource: str) -> StsError:
    return StsError(
        "AccessDenied",
        f"User: {caller_arn} is not authorized to perform: {action} on resource: {resource}",
    )
