# SPDX-License-Identifier: Apache-2.0
"""Refuses functions and layers whose zip is not in S3: moto takes them, without a code."""

from __future__ import annotations

import re
from typing import Any

from botocore.exceptions import ClientError

from localcloud.functions.errors import ApiError
from localcloud.gateway.message import Request, Response
from localcloud.gateway.server import Forward

_TAKES_CODE = re.compile(
    r"^(POST /2015-03-31/functions|PUT /2015-03-31/functions/[^/]+/code"
    r"|POST /2018-10-31/layers/[^/]+/versions)/?$"
)


class CodeFromS3:
    """The part; `s3` is a client of the gateway."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3

    def __call__(self, request: Request, forward: Forward) -> Response:
        if _TAKES_CODE.match(f"{request.method} {request.path}"):
            asked = request.json
            code = asked.get("Code") or asked.get("Content") or asked
            if "S3Key" in code:
                self._look_up(code["S3Bucket"], code["S3Key"])
        return forward(request)

    def _look_up(self, bucket: str, key: str) -> None:
        try:
            self._s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            raise ApiError(
                400,
                "InvalidParameterValueException",
                f"Error occurred while GetObject of s3://{bucket}/{key}. "
                "S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.",
            ) from error
