# SPDX-License-Identifier: Apache-2.0
"""Checks Signature Version 4 with botocore's own signer."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import re

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from localcloud.gateway.message import Request
from localcloud.sts.errors import StsError

SKEW = datetime.timedelta(minutes=5)
_STAMP = "%Y%m%dT%H%M%SZ"
_AUTHORIZATION = re.compile(
    r"^AWS4-HMAC-SHA256 +Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[\w-]+)/"
    r"(?P<service>[\w-]+)/aws4_request, *SignedHeaders=(?P<signed>[\w;-]+), *"
    r"Signature=(?P<signature>[0-9a-f]{64})$"
)


class _AsSigned(SigV4Auth):
    """Takes the headers that the request names as signed; botocore itself never signs some."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        return HTTPHeaders.from_dict({name.lower(): one for name, one in request.headers.items()})


def parse(request: Request) -> re.Match[str]:
    """The fields of the Authorization header: key, date, region, service, signed, signature."""
    header = request.headers.get("authorization")
    if not header:
        raise StsError("MissingAuthenticationToken", "Request is missing Authentication Token")
    found = _AUTHORIZATION.match(header)
    if found is None:
        raise StsError(
            "IncompleteSignature",
            f"Authorization header is malformed: {header.partition(' ')[0]}",
            400,
        )
    return found


def verify(request: Request, fields: re.Match[str], secret: str, now: float) -> None:
    """Raises unless the request is signed with the secret, whole and in time."""
    stamp = request.headers.get("x-amz-date", "")
    _check_time(stamp, now)
    if fields["service"] != "sts":
        raise _mismatch("Credential should be scoped to correct service: 'sts'.")
    if fields["date"] != stamp[:8]:
        raise _mismatch(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from"
            f" HTTP: '{fields['date']}' != '{stamp[:8]}', from '{stamp}'."
        )
    signed = fields["signed"].split(";")
    for name in ("host", *(one for one in request.headers if one.startswith("x-amz-"))):
        if name not in signed:
            raise _mismatch(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")
    digest = request.headers.get("x-amz-content-sha256")
    if digest not in (None, hashlib.sha256(request.body).hexdigest()):
        raise _mismatch("The provided 'x-amz-content-sha256' header does not match the body.")
    if not hmac.compare_digest(_expected(request, fields, secret, stamp), fields["signature"]):
        raise _mismatch(
            "The request signature we calculated does not match the signature you provided. Check"
            " your AWS Secret Access Key and signing method. Consult the service documentation for"
            " details."
        )


def _expected(request: Request, fields: re.Match[str], secret: str, stamp: str) -> str:
    signed = fields["signed"].split(";")
    again = AWSRequest(
        method=request.method,
        url=f"http://{request.headers.get('host', '')}{request.target}",
        data=request.body,
        headers={name: request.headers[name] for name in signed if name in request.headers},
    )
    again.context["timestamp"] = stamp
    signer = _AsSigned(Credentials(fields["key"], secret), fields["service"], fields["region"])
    text = signer.string_to_sign(again, signer.canonical_request(again))
    return str(signer.signature(text, again))


def _check_time(stamp: str, now: float) -> None:
    try:
        time = datetime.datetime.strptime(stamp, _STAMP).replace(tzinfo=datetime.UTC)
    except ValueError as error:
        raise StsError(
            "IncompleteSignature",
            f"Date must be in ISO-8601 'basic format'. Got '{stamp}'.",
            400,
        ) from error
    current = datetime.datetime.fromtimestamp(int(now), datetime.UTC)
    text = current.strftime(_STAMP)
    if time < current - SKEW:
        limit = (current - SKEW).strftime(_STAMP)
        raise _mismatch(f"Signature expired: {stamp} is now earlier than {limit} ({text} - 5 min.)")
    if time > current + SKEW:
        limit = (current + SKEW).strftime(_STAMP)
        raise _mismatch(
            f"Signature not yet current: {stamp} is still later than {limit} ({text} + 5 min.)"
        )


def _mismatch(message: str) -> StsError:
    return StsError("SignatureDoesNotMatch", message)
