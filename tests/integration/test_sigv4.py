# SPDX-License-Identifier: Apache-2.0
"""The SigV4 signer against botocore's, over generated requests.

build/tests/sigv4-sign signs one request; botocore signs the same one; canonical request, string to
sign and Authorization header (or presigned query) must be the same, byte for byte.
"""

from __future__ import annotations

import base64
import datetime
import json
import subprocess
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.utils import percent_encode_sequence
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conftest import BUILD
from localcloud.waiting import LIMIT

PROGRAM = BUILD / "tests" / "sigv4-sign"
HOST = "service.eu-central-1.amazonaws.com"


@dataclass
class Request:
    """A request as the program takes it."""

    method: str = "GET"
    path: str = "/"
    query: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    token: str = ""
    region: str = "us-east-1"
    service: str = "service"
    timestamp: str = "2015-08-30T12:36:00Z"
    normalize: bool = True
    sign_body: bool = False
    omit_session_token: bool = False
    unsigned_payload: bool = False
    seconds: int | None = None
    access_key: str = "AKIDEXAMPLE"
    secret_key: str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

    def as_json(self) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        body = fields.pop("body")
        if self.seconds is None:
            del fields["seconds"]
        fields["headers"] = [["Host", HOST], *([n, v] for n, v in self.headers)]
        try:
            fields["body"] = body.decode()
            if "\0" in fields["body"]:
                raise ValueError
        except ValueError:
            fields.pop("body", None)
            fields["body_base64"] = base64.b64encode(body).decode()
        return fields


def run(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM], input=text, capture_output=True, text=True, timeout=LIMIT)


def sign(request: Request) -> dict[str, str]:
    result = run(json.dumps(request.as_json()))
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


class _FromPath:
    """Signs the path as given: a parser of URLs would take parts of odd ones for other things."""

    request: Request

    def canonical_request(self, request: AWSRequest) -> str:
        lines = super().canonical_request(request).split("\n")  # type: ignore[misc]
        lines[1] = self._normalize_url_path(self.request.path)  # type: ignore[attr-defined]
        return "\n".join(lines)


class _Signer(_FromPath, auth.SigV4Auth):
    pass


class _S3Signer(_FromPath, auth.S3SigV4Auth):
    pass


class _Unnormalized(_FromPath, auth.SigV4Auth):
    def _normalize_url_path(self, path: str) -> str:
        return path


def _remember(
    signer: auth.SigV4Auth, moment: datetime.datetime, request: AWSRequest
) -> dict[str, str]:
    """Signs the request at this moment; returns what was signed."""
    seen: dict[str, str] = {}
    to_sign = signer.string_to_sign

    def remember(signed: AWSRequest, canonical_request: str) -> str:
        text = to_sign(signed, canonical_request)
        seen.update(canonical_request=canonical_request, string_to_sign=text)
        return text

    with (
        mock.patch.object(auth, "get_current_datetime", lambda: moment),
        mock.patch.object(signer, "string_to_sign", remember),
    ):
        signer.add_auth(request)
    return seen


def sign_with_botocore(request: Request) -> dict[str, str]:
    token = "" if request.omit_session_token else request.token
    credentials = Credentials(request.access_key, request.secret_key, token or None)
    if request.sign_body and not request.normalize:
        kind: type[_FromPath] = _S3Signer
    else:
        kind = _Signer if request.normalize else _Unnormalized
    signer = kind(credentials, request.service, request.region)  # type: ignore[call-arg]
    signer.request = request
    url = f"http://{HOST}/" + (f"?{request.query}" if request.query else "")
    aws_request = AWSRequest(method=request.method, url=url, data=request.body)
    aws_request.headers.add_header("Host", HOST)
    for name, value in request.headers:
        aws_request.headers.add_header(name, value)
    if request.sign_body and request.normalize:
        aws_request.headers["X-Amz-Content-SHA256"] = signer.payload(aws_request)
    seen = _remember(signer, datetime.datetime.fromisoformat(request.timestamp), aws_request)
    return {**seen, "authorization": aws_request.headers["Authorization"]}


class _QueryAuth(_FromPath, auth.SigV4QueryAuth):
    pass


class _S3QueryAuth(_FromPath, auth.S3SigV4QueryAuth):
    pass


def presign_with_botocore(request: Request) -> dict[str, str]:
    kind = _S3QueryAuth if request.service == "s3" else _QueryAuth
    credentials = Credentials(request.access_key, request.secret_key, request.token or None)
    signer = kind(credentials, request.service, request.region, expires=request.seconds)  # type: ignore[call-arg]
    signer.request = request
    url = f"https://{HOST}/" + (f"?{request.query}" if request.query else "")
    aws_request = AWSRequest(method=request.method, url=url)
    aws_request.headers.add_header("Host", HOST)
    for name, value in request.headers:
        aws_request.headers.add_header(name, value)
    seen = _remember(signer, datetime.datetime.fromisoformat(request.timestamp), aws_request)
    return {**seen, "query": aws_request.url.partition("?")[2]}


# What may stand in a request line: RFC 3986's characters; often percent signs, dots, slashes.
PATH_PART = st.one_of(
    st.sampled_from(["/", "//", "/./", "/../", ".", "..", "%20", "%2F", "%C3%A9", "+", "~", "%"]),
    st.text("abcXYZ019-._~!$&'()*+,;=:@%", max_size=8),
)
PATHS = st.lists(PATH_PART, max_size=8).map(lambda parts: "/" + "".join(parts))
QUERY_PART = st.one_of(
    st.sampled_from(["=", "&", "a=1", "a=2", "A=1", "%20", "%3D", "a", "a=b=c", "/", "?", "+"]),
    st.text("abcXYZ019-._~!$'()*+,;:@%/?", max_size=6),
)
QUERIES = st.lists(QUERY_PART, max_size=8).map("&".join) | st.lists(QUERY_PART).map("".join)
USUAL_NAMES = (
    "My-Header my-header MY-HEADER2 X-Amz-Meta-A Content-Type x-amz-acl Zebra User-Agent Expect "
    "Connection Transfer-Encoding X-Amzn-Trace-Id"
)
HEADER_NAMES = st.sampled_from(USUAL_NAMES.split()) | st.from_regex(
    r"[A-Za-z][A-Za-z0-9!#$&'*+.^_`|~-]{0,10}", fullmatch=True
).filter(lambda name: name.lower() not in ("host", "date", "authorization", "x-amz-date"))
HEADER_VALUES = st.text("abc XYZ\t019\"',;:=/\\()<>@é", max_size=20)
REQUESTS = st.builds(
    Request,
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "post"]),
    path=PATHS,
    query=QUERIES,
    headers=st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES), max_size=6),
    body=st.binary(max_size=100) | st.just(b""),
    token=st.just("") | st.from_regex(r"[A-Za-z0-9+/=]{1,40}", fullmatch=True),
    region=st.sampled_from(["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1"]),
    service=st.sampled_from(["service", "sts", "s3", "secretsmanager", "ssm"]),
    timestamp=st.integers(0, 4_000_000_000).map(
        lambda second: datetime.datetime.fromtimestamp(second, datetime.UTC).isoformat()
    ),
    normalize=st.booleans(),
    sign_body=st.booleans(),
    omit_session_token=st.booleans(),
    secret_key=st.text("abcXYZ019+/=", min_size=1, max_size=60),
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(REQUESTS)
@example(Request(path="/a/b/.."))
@example(Request(path="/../../a//./"))
@example(Request(query="&&=&a"))
@example(Request(query="b=2&a=2&a=1&A=0&a"))
@example(Request(headers=[("A", "1"), ("a", "3"), ("A", "2")]))
@example(Request(body=bytes(range(256)), sign_body=True, normalize=False, service="s3"))
@example(Request(token="t", omit_session_token=True))
def test_signs_as_botocore_does(request_: Request) -> None:
    assert sign(request_) == sign_with_botocore(request_)


# botocore takes the query apart and puts it together again: what it would write itself.
ENCODED_QUERIES = st.dictionaries(
    st.text("abcXYZ019-._~ é/+&=", min_size=1, max_size=8),
    st.text('abcXYZ019-._~ é/+&=%"', max_size=12),
    max_size=4,
).map(percent_encode_sequence)
PRESIGNED_REQUESTS = st.builds(
    lambda request, **changes: replace(request, body=b"", sign_body=False, **changes),
    REQUESTS.filter(
        lambda request: not any(name.lower() == "content-type" for name, _ in request.headers)
    ),
    query=ENCODED_QUERIES,
    seconds=st.integers(1, 604_800),
    normalize=st.just(True),
    token=st.just("") | st.text("abcXYZ019+/=", min_size=1, max_size=60),
).map(
    lambda request: replace(
        request,
        normalize=request.service != "s3",
        unsigned_payload=request.service == "s3",
    )
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PRESIGNED_REQUESTS)
@example(Request(seconds=1))
@example(Request(seconds=604_800, token="a/session+token=", query="a=b%20c"))
@example(Request(seconds=1, headers=[("Content-Type", "text/plain"), ("X-Amz-Meta-A", " b  c ")]))
@example(Request(seconds=1, method="PUT", service="s3", normalize=False, unsigned_payload=True))
def test_presigns_as_botocore_does(request_: Request) -> None:
    assert sign(request_) == presign_with_botocore(request_)


@pytest.mark.parametrize("seconds", [0, -1, 604_801, 2**40])
def test_presigns_for_a_second_to_a_week(seconds: int) -> None:
    result = run(json.dumps(vanilla(seconds=seconds)))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"sigv4-sign: a presigned URL cannot last for {seconds} seconds: it must be 1 to 604800\n"
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(HEADER_VALUES, min_size=1, max_size=3))
def test_joins_the_lines_of_a_folded_header_by_a_space(lines: list[str]) -> None:
    # As AWS's own example get-header-value-multiline has it.
    folded = Request(headers=[("A", "\n  ".join(lines))])
    joined = Request(headers=[("A", " ".join(lines))])
    assert sign(folded) == sign_with_botocore(joined)


def vanilla(**changes: Any) -> dict[str, Any]:
    """AWS's own example, get-vanilla, as the program takes it."""
    request = Request().as_json()
    request["headers"] = [["Host", "example.amazonaws.com"], ["X-Amz-Date", "20150830T123600Z"]]
    return {**request, **changes}


def signature_of(request: dict[str, Any]) -> str:
    result = run(json.dumps(request))
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["authorization"].rpartition("Signature=")[2]


def test_gives_the_known_signature_of_get_vanilla() -> None:
    known = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    assert signature_of(vanilla()) == known
    # The same moment, in other words.
    for moment in ("20150830T123600Z", "2015-08-30T14:36:00+02:00", "2015-08-30T12:36:00.999Z"):
        assert signature_of(vanilla(timestamp=moment)) == known


@pytest.mark.parametrize(
    ("path", "query", "line", "query_line"),
    [
        ("/example space/", "", "/example%20space/", ""),
        ("/\u1234", "\u1234=bar", "/%E1%88%B4", "%E1%88%B4=bar"),
        ("", "", "/", ""),
    ],
)
def test_encodes_what_no_request_line_can_hold(
    path: str, query: str, line: str, query_line: str
) -> None:
    for normalize in (True, False) if path.isascii() else (True,):
        request = vanilla(path=path, query=query, normalize=normalize)
        canonical = json.loads(run(json.dumps(request)).stdout)["canonical_request"]
        assert canonical.split("\n")[1:3] == [line, query_line]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"headers": []}, "cannot sign without a Host header"),
        ({"headers": [["Host"]]}, "input.headers[0]: expected [name, value]"),
        ({"headers": [["Host", "a", "b"]]}, "input.headers[0]: expected [name, value]"),
        ({"method": 7}, "input.method: expected a string"),
        ({"method": ""}, "cannot sign without a method"),
        ({"secret_key": ""}, "cannot sign without a secret key"),
        ({"timestamp": "yesterday"}, "input.timestamp: expected an ISO 8601 time"),
        ({"normalize": "yes"}, "input.normalize: expected true or false"),
        ({"body_base64": "!", "body": None}, "input.body_base64: not base64"),
        ({"body_base64": "", "body": ""}, "input: body or body_base64, not both"),
    ],
)
def test_says_what_cannot_be_signed(change: dict[str, Any], reason: str) -> None:
    result = run(json.dumps(vanilla(**change)))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"sigv4-sign: {reason}\n"


@pytest.mark.parametrize("text", ["", "{", "[]", "{} x", '{"method": "\\u0000"}', "\0"])
def test_refuses_what_is_no_json_object(text: str) -> None:
    result = run(text)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("sigv4-sign: ")
