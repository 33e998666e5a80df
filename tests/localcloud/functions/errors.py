# SPDX-License-Identifier: Apache-2.0
"""The errors that Lambda's API answers."""

from __future__ import annotations


class ApiError(Exception):
    """An error answer of the Lambda API: its type, status and message."""

    def __init__(self, status: int, kind: str, message: str, **fields: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.body = {"Type": "User", **fields, "message": message, "Message": message}


def too_many_requests() -> ApiError:
    return ApiError(
        429,
        "TooManyRequestsException",
        "Rate Exceeded.",
        Reason="ReservedFunctionConcurrentInvocationLimitExceeded",
    )


def too_large(size: int, limit: int, kind: str) -> ApiError:
    return ApiError(
        413,
        "RequestTooLargeException",
        f"{size} byte payload is too large for the {kind} invocation type (limit {limit} bytes)",
    )


def invalid_payload(reason: str) -> ApiError:
    return ApiError(
        400,
        "InvalidRequestContentException",
        f"Could not parse request body into json: {reason}",
    )
