# SPDX-License-Identifier: Apache-2.0
"""The strict STS: signatures, trust, permissions, tags, chains and identity tokens."""

from __future__ import annotations

import itertools
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from localcloud.aws import ACCESS_KEY, ACCOUNT_ID, REGION, SECRET_KEY
from localcloud.gitlab import CertificateAuthority, StandInGitLab
from localcloud.sts import StsCloud
from localcloud.waiting import LIMIT

OTHER = "210987654321"
FORM = "application/x-www-form-urlencoded"
_numbers = itertools.count()


class Cloud:
    """Short ways to make roles and to assume them."""

    def __init__(self, cloud: StsCloud) -> None:
        self.cloud = cloud
        self.sts = cloud.sts

    def client(self, service: str, keys: dict[str, Any] | None = None) -> Any:
        given = keys or {"AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY}
        return boto3.session.Session(
            given["AccessKeyId"], given["SecretAccessKey"], given.get("SessionToken"), REGION
        ).client(
            service,
            endpoint_url=self.cloud.aws.endpoint_url,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def iam(self, account: str = ACCOUNT_ID) -> Any:
        """IAM of an account: of another one by a role there, as moto gives them out."""
        if account == ACCOUNT_ID:
            return self.client("iam")
        sts = boto3.client(
            "sts",
            endpoint_url=self.sts.moto_url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )
        answer = sts.assume_role(
            RoleArn=f"arn:aws:iam::{account}:role/maker", RoleSessionName="maker"
        )
        return self.client("iam", answer["Credentials"])

    def role(
        self,
        principal: Any = None,
        *,
        account: str = ACCOUNT_ID,
        condition: dict[str, Any] | None = None,
        actions: Any = ("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"),
        may: Any = None,
        **settings: Any,
    ) -> str:
        statement = {
            "Effect": "Allow",
            "Principal": principal or {"AWS": f"arn:aws:iam::{ACCOUNT_ID}:root"},
            "Action": list(actions),
            **({"Condition": condition} if condition else {}),
        }
        iam = self.iam(account)
        name = f"role-{next(_numbers)}"
        made = iam.create_role(
            RoleName=name, AssumeRolePolicyDocument=_policy(statement), **settings
        )
        if may:
            iam.put_role_policy(
                RoleName=name,
                PolicyName="may",
                PolicyDocument=_policy({"Effect": "Allow", "Resource": "*", **may}),
            )
        return str(made["Role"]["Arn"])

    def assume(self, role: str, keys: dict[str, Any] | None = None, **asked: Any) -> Any:
        return self.client("sts", keys).assume_role(
            **{"RoleArn": role, "RoleSessionName": "tester", **asked}
        )["Credentials"]

    def session(self, **settings: Any) -> dict[str, Any]:
        """Keys of a role that may assume any role."""
        settings = {"may": {"Action": "sts:*"}, **settings}
        return dict(self.assume(self.role(**settings)))


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _tags(**tags: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with StsCloud(tmp_path_factory.mktemp("sts")) as started:
        yield Cloud(started)


@pytest.fixture(scope="module")
def gitlab(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInGitLab]:
    folder = tmp_path_factory.mktemp("gitlab")
    authority = CertificateAuthority(folder / "ca")
    cloud.sts.issuers.ca_file = authority.file
    with StandInGitLab(ca=authority, folder=folder / "data") as started:
        yield started


def refused(code: str, text: str = "") -> Any:
    return pytest.raises(ClientError, match=rf"(?s)\({code}\).*{text}")


# Signatures


def _signed(cloud: Cloud, body: str, secret: str = SECRET_KEY, service: str = "sts") -> AWSRequest:
    request = AWSRequest(
        "POST", cloud.cloud.aws.endpoint_url + "/", {"Content-Type": FORM}, body.encode()
    )
    SigV4Auth(Credentials(ACCESS_KEY, secret), service, REGION).add_auth(request)
    return request


def _send(request: AWSRequest, body: str | None = None) -> tuple[int, str]:
    data = body.encode() if body is not None else request.body
    sent = urllib.request.Request(request.url, data, dict(request.headers), method="POST")
    try:
        with urllib.request.urlopen(sent, timeout=LIMIT) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


IDENTITY = "Action=GetCallerIdentity&Version=2011-06-15"


def test_takes_a_request_signed_by_botocore(cloud: Cloud) -> None:
    status, text = _send(_signed(cloud, IDENTITY))
    assert status == 200
    assert f"<Account>{ACCOUNT_ID}</Account>" in text


def test_refuses_a_changed_body(cloud: Cloud) -> None:
    status, text = _send(_signed(cloud, IDENTITY), IDENTITY + "&x=1")
    assert (status, "<Code>SignatureDoesNotMatch</Code>" in text) == (403, True)


def test_refuses_a_changed_header(cloud: Cloud) -> None:
    request = _signed(cloud, IDENTITY)
    request.headers.replace_header("Content-Type", f"{FORM}; charset=utf-8")
    status, text = _send(request)
    assert (status, "SignatureDoesNotMatch" in text) == (403, True)


@pytest.mark.parametrize("digest", ["UNSIGNED-PAYLOAD", "0" * 64])
def test_refuses_a_signed_digest_that_is_not_the_bodys(cloud: Cloud, digest: str) -> None:
    request = AWSRequest(
        "POST",
        cloud.cloud.aws.endpoint_url + "/",
        {"Content-Type": FORM, "X-Amz-Content-SHA256": digest},
        IDENTITY.encode(),
    )
    SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "sts", REGION).add_auth(request)
    status, text = _send(request)
    assert (status, "does not match the body" in text) == (403, True)


def test_refuses_a_header_of_aws_that_is_not_signed(cloud: Cloud) -> None:
    request = _signed(cloud, IDENTITY)
    request.headers["X-Amz-Meta"] = "1"
    status, text = _send(request)
    assert (status, "must be a 'SignedHeader'" in text) == (403, True)


@pytest.mark.parametrize("name", ["User-Agent", "Expect", "Accept"])
def test_a_header_is_signed_where_the_request_says_so(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("botocore.auth.SIGNED_HEADERS_BLACKLIST", [])
    url, form = cloud.cloud.aws.endpoint_url + "/", {"Content-Type": FORM}
    signed = AWSRequest("POST", url, {**form, name: "as signed"}, IDENTITY.encode())
    SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "sts", REGION).add_auth(signed)
    monkeypatch.undo()
    assert _send(signed)[0] == 200
    signed.headers.replace_header(name, "another")
    assert "SignatureDoesNotMatch" in _send(signed)[1]

    unsigned = _signed(cloud, IDENTITY)
    unsigned.headers[name] = "whatever"
    assert _send(unsigned)[0] == 200


def test_refuses_a_wrong_secret_and_a_wrong_service(cloud: Cloud) -> None:
    assert "SignatureDoesNotMatch" in _send(_signed(cloud, IDENTITY, "other"))[1]
    assert "scoped to correct service" in _send(_signed(cloud, IDENTITY, service="iam"))[1]


def test_refuses_no_signature_and_half_a_signature(cloud: Cloud) -> None:
    request = _signed(cloud, IDENTITY)
    whole = request.headers["Authorization"]
    request.headers.replace_header("Authorization", whole[:-10])
    assert "IncompleteSignature" in _send(request)[1]
    del request.headers["Authorization"]
    assert "MissingAuthenticationToken" in _send(request)[1]


@pytest.mark.parametrize(
    ("shift", "text"), [(400, "Signature expired"), (-400, "Signature not yet current")]
)
def test_refuses_a_shifted_clock(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, shift: int, text: str
) -> None:
    sts = cloud.client("sts")
    monkeypatch.setattr(cloud.sts, "clock", lambda: time.time() + shift)
    with refused("SignatureDoesNotMatch", text):
        sts.get_caller_identity()


def test_takes_a_clock_four_minutes_off(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud.sts, "clock", lambda: time.time() + 240)
    assert cloud.client("sts").get_caller_identity()["Account"] == ACCOUNT_ID


def test_refuses_an_unknown_key(cloud: Cloud) -> None:
    keys = {"AccessKeyId": "AKIAUNKNOWN000000000", "SecretAccessKey": "x"}
    with refused("InvalidClientTokenId"):
        cloud.client("sts", keys).get_caller_identity()


def test_refuses_a_wrong_or_missing_session_token(cloud: Cloud) -> None:
    keys = cloud.session()
    for token in ("other", None):
        with refused("InvalidClientTokenId"):
            cloud.client("sts", {**keys, "SessionToken": token}).get_caller_identity()


def test_refuses_an_expired_session(cloud: Cloud) -> None:
    keys = cloud.assume(cloud.role(), DurationSeconds=900)
    session = cloud.sts.sessions[-1]
    object.__setattr__(session, "expires", time.time() - 1)
    with refused("ExpiredToken"):
        cloud.client("sts", keys).get_caller_identity()


def test_says_who_the_session_is(cloud: Cloud) -> None:
    role = cloud.role(account=OTHER)
    identity = cloud.client("sts", cloud.assume(role)).get_caller_identity()
    name = role.rpartition("/")[2]
    assert identity["Arn"] == f"arn:aws:sts::{OTHER}:assumed-role/{name}/tester"
    assert identity["Account"] == OTHER


def test_knows_the_keys_and_policies_of_users(cloud: Cloud) -> None:
    iam = cloud.iam()
    name = f"user-{next(_numbers)}"
    iam.create_user(UserName=name)
    keys = iam.create_access_key(UserName=name)["AccessKey"]
    role = cloud.role()
    with refused("AccessDenied", "sts:AssumeRole"):
        cloud.assume(role, keys)
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role}
    iam.put_user_policy(UserName=name, PolicyName="may", PolicyDocument=_policy(statement))
    assert cloud.assume(role, keys)["SessionToken"]
    keys["SecretAccessKey"] = "other"
    with refused("SignatureDoesNotMatch"):
        cloud.assume(role, keys)


# Trust and permissions


def test_refuses_a_role_that_does_not_exist(cloud: Cloud) -> None:
    role = f"arn:aws:iam::{ACCOUNT_ID}:role/none"
    with refused("AccessDenied", rf"User: arn:.* to perform: sts:AssumeRole on resource: {role}"):
        cloud.assume(role)


def test_refuses_whom_the_trust_policy_does_not_name(cloud: Cloud) -> None:
    with refused("AccessDenied"):
        cloud.assume(cloud.role({"AWS": f"arn:aws:iam::{OTHER}:root"}))
    with refused("AccessDenied"):
        cloud.assume(cloud.role({"Service": "lambda.amazonaws.com"}))


def test_needs_the_callers_own_permission_when_the_account_is_trusted(cloud: Cloud) -> None:
    target = cloud.role(account=OTHER)
    with refused("AccessDenied", "assumed-role/role-"):
        cloud.assume(target, cloud.session(may=None))
    may = {"Action": "sts:AssumeRole", "Resource": target}
    assert cloud.assume(target, cloud.session(may=may))
    with refused("AccessDenied"):
        cloud.assume(cloud.role(account=OTHER), cloud.session(may=may))


def test_trust_of_the_very_role_is_enough_in_one_account_only(cloud: Cloud) -> None:
    caller = cloud.role()
    keys = cloud.assume(caller)
    assert cloud.assume(cloud.role({"AWS": caller}), keys)
    with refused("AccessDenied"):
        cloud.assume(cloud.role({"AWS": caller}, account=OTHER), keys)


def test_a_permissions_boundary_narrows_the_caller(cloud: Cloud) -> None:
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    boundary = cloud.iam().create_policy(
        PolicyName=f"boundary-{next(_numbers)}", PolicyDocument=_policy(statement)
    )["Policy"]["Arn"]
    with refused("AccessDenied"):
        cloud.assume(cloud.role(), cloud.session(PermissionsBoundary=boundary))


def test_a_session_policy_narrows_the_session(cloud: Cloud) -> None:
    first = cloud.role(may={"Action": "sts:*"})
    narrow = _policy({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    with refused("AccessDenied"):
        cloud.assume(cloud.role(), cloud.assume(first, Policy=narrow))


def test_checks_the_external_id(cloud: Cloud) -> None:
    role = cloud.role(condition={"StringEquals": {"sts:ExternalId": "right"}})
    assert cloud.assume(role, ExternalId="right")
    for asked in ({}, {"ExternalId": "wrong"}):
        with refused("AccessDenied"):
            cloud.assume(role, **asked)


def test_checks_the_session_name_and_the_tags_of_the_request(cloud: Cloud) -> None:
    role = cloud.role(
        condition={
            "StringLike": {"sts:RoleSessionName": "job-*"},
            "ForAllValues:StringEquals": {"aws:TagKeys": ["ref", "project"]},
            "StringEquals": {"aws:RequestTag/ref": "main"},
        }
    )
    good = {"RoleSessionName": "job-1", "Tags": _tags(ref="main")}
    assert cloud.assume(role, **good)
    for bad in (
        {"RoleSessionName": "x1"},
        {"Tags": _tags(ref="other")},
        {"Tags": _tags(ref="main", more="x")},
        {"Tags": []},
    ):
        with refused("AccessDenied"):
            cloud.assume(role, **{**good, **bad})


def test_tags_and_source_identity_need_their_own_permission(cloud: Cloud) -> None:
    role = cloud.role(actions=["sts:AssumeRole"])
    assert cloud.assume(role)
    with refused("AccessDenied", "sts:TagSession"):
        cloud.assume(role, Tags=_tags(ref="main"))
    with refused("AccessDenied", "sts:SetSourceIdentity"):
        cloud.assume(role, SourceIdentity="gitlab")


# Chains


def test_transitive_tags_reach_the_next_role_and_others_do_not(cloud: Cloud) -> None:
    first = cloud.role(may={"Action": "sts:*"})
    keys = cloud.assume(first, Tags=_tags(ref="main", here="x"), TransitiveTagKeys=["ref"])
    condition = {"StringEquals": {"aws:PrincipalTag/ref": "main", "aws:PrincipalTag/here": "x"}}
    second = cloud.role(account=OTHER, condition=condition, may={"Action": "sts:*"})
    again = cloud.assume(second, keys)
    session = cloud.sts.sessions[-1]
    assert (session.tags, session.transitive, session.chained) == ({"ref": "main"}, ("ref",), True)
    with refused("AccessDenied"):  # `here` is gone at the second hop
        cloud.assume(cloud.role({"AWS": "*"}, condition=condition), again)


def test_a_transitive_tag_cannot_be_overridden(cloud: Cloud) -> None:
    first = cloud.role(may={"Action": "sts:*"})
    keys = cloud.assume(first, Tags=_tags(ref="main"), TransitiveTagKeys=["ref"])
    with refused("InvalidParameterValue", "conflicts with a transitive tag key"):
        cloud.assume(cloud.role(), keys, Tags=_tags(Ref="other"))


def test_inherited_tags_need_the_permission_to_tag(cloud: Cloud) -> None:
    first = cloud.role(may={"Action": "sts:*"})
    keys = cloud.assume(first, Tags=_tags(ref="main"), TransitiveTagKeys=["ref"])
    with refused("AccessDenied", "sts:TagSession"):
        cloud.assume(cloud.role(actions=["sts:AssumeRole"]), keys)


def test_the_source_identity_persists_and_cannot_change(cloud: Cloud) -> None:
    first = cloud.role(may={"Action": "sts:*"})
    keys = cloud.assume(first, SourceIdentity="gitlab-1")
    condition = {"StringEquals": {"aws:SourceIdentity": "gitlab-1"}}
    answer = cloud.client("sts", keys).assume_role(
        RoleArn=cloud.role(condition=condition), RoleSessionName="next"
    )
    assert answer["SourceIdentity"] == "gitlab-1"
    assert cloud.sts.sessions[-1].source_identity == "gitlab-1"
    with refused("AccessDenied", "cannot be changed"):
        cloud.assume(cloud.role(), keys, SourceIdentity="gitlab-2")
    with refused("AccessDenied", "sts:SetSourceIdentity"):
        cloud.assume(cloud.role(actions=["sts:AssumeRole"]), keys)


def test_limits_durations(cloud: Cloud) -> None:
    role = cloud.role(MaxSessionDuration=7200)
    assert cloud.assume(role, DurationSeconds=7200)
    with refused("ValidationError", "MaxSessionDuration"):
        cloud.assume(role, DurationSeconds=7201)
    keys = cloud.session()
    assert cloud.assume(role, keys, DurationSeconds=3600)
    with refused("ValidationError", "role chaining"):
        cloud.assume(role, keys, DurationSeconds=3601)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("RoleSessionName=a b", "roleSessionName"),
        ("RoleSessionName=x", "roleSessionName"),
        ("DurationSeconds=899", "durationSeconds"),
        ("DurationSeconds=43201", "durationSeconds"),
        ("ExternalId=x", "externalId"),
        ("SourceIdentity=x", "sourceIdentity"),
        (f"SourceIdentity={'x' * 65}", "sourceIdentity"),
        (f"Policy={'x' * 2049}", "policy"),
        (f"Tags.member.1.Key={'x' * 129}&Tags.member.1.Value=", "tags.1.member.key"),
        (f"Tags.member.1.Key=x&Tags.member.1.Value={'x' * 257}", "tags.1.member.value"),
        ("Tags.member.1.Key=x!&Tags.member.1.Value=", "tags.1.member.key"),
        ("Tags.member.1.Key=aws:x&Tags.member.1.Value=", "reserved"),
        ("TransitiveTagKeys.member.1=ref", "must be included in the requested tags"),
        (
            "&".join(f"Tags.member.{n}.Key=k{n}&Tags.member.{n}.Value=" for n in range(1, 52)),
            "tags",
        ),
    ],
)
def test_checks_the_limits_of_parameters(cloud: Cloud, asked: str, text: str) -> None:
    role = f"arn:aws:iam::{ACCOUNT_ID}:role/some"
    base = f"Action=AssumeRole&Version=2011-06-15&RoleArn={role}"
    name = "" if asked.startswith("RoleSessionName") else "&RoleSessionName=tester"
    status, answer = _send(_signed(cloud, f"{base}{name}&{asked}".replace(" ", "%20")))
    assert (status, "<Code>ValidationError</Code>" in answer) == (400, True)
    assert text.lower() in answer.lower()


# Web identity


def _token(gitlab: StandInGitLab, **claims: Any) -> str:
    now = int(time.time())
    return gitlab.oidc.sign(
        {
            "iss": gitlab.url,
            "sub": "project_path:group/app:ref_type:branch:ref:main",
            "aud": "https://aws.example",
            "iat": now,
            "nbf": now - 5,
            "exp": now + 300,
            **claims,
        }
    )


def _trusting(cloud: Cloud, gitlab: StandInGitLab, url: str, **equals: str) -> str:
    provider = f"arn:aws:iam::{ACCOUNT_ID}:oidc-provider/{url.removeprefix('https://')}"
    iam = cloud.iam()
    listed = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    if provider not in [one["Arn"] for one in listed]:
        iam.create_open_id_connect_provider(
            Url=url, ClientIDList=["https://aws.example"], ThumbprintList=["0" * 40]
        )
    host = url.removeprefix("https://")
    return cloud.role(
        {"Federated": provider},
        actions=["sts:AssumeRoleWithWebIdentity"],
        condition={"StringEquals": {f"{host}:{name}": value for name, value in equals.items()}},
    )


def _with_token(cloud: Cloud, role: str, token: str) -> Any:
    return cloud.client("sts").assume_role_with_web_identity(
        RoleArn=role, RoleSessionName="job-1", WebIdentityToken=token
    )


MAIN = "project_path:group/app:ref_type:branch:ref:main"


def test_takes_a_token_of_the_stand_in(cloud: Cloud, gitlab: StandInGitLab) -> None:
    role = _trusting(cloud, gitlab, gitlab.url, sub=MAIN, aud="https://aws.example")
    answer = _with_token(cloud, role, _token(gitlab))
    assert answer["SubjectFromWebIdentityToken"] == MAIN
    assert answer["Audience"] == "https://aws.example"
    identity = cloud.client("sts", answer["Credentials"]).get_caller_identity()
    assert identity["Arn"].endswith("/job-1")
    assert cloud.sts.sessions[-1].chained is False


def test_refuses_another_subject(cloud: Cloud, gitlab: StandInGitLab) -> None:
    role = _trusting(cloud, gitlab, gitlab.url, sub=MAIN)
    with refused("AccessDenied", "sts:AssumeRoleWithWebIdentity"):
        _with_token(cloud, role, _token(gitlab, sub=MAIN + "x"))


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"aud": "other"}, "InvalidIdentityToken"),
        ({"exp": time.time() - 1}, "ExpiredTokenException"),
        ({"nbf": 9e9}, "InvalidIdentityToken"),
        ({"iss": "https://unknown.example"}, "InvalidIdentityToken"),
    ],
)
def test_refuses_bad_claims(
    cloud: Cloud, gitlab: StandInGitLab, claims: dict[str, Any], code: str
) -> None:
    role = _trusting(cloud, gitlab, gitlab.url, sub=MAIN)
    with refused(code):
        _with_token(cloud, role, _token(gitlab, **claims))


def test_refuses_a_forged_token(cloud: Cloud, gitlab: StandInGitLab) -> None:
    role = _trusting(cloud, gitlab, gitlab.url, sub=MAIN)
    header, _, signature = _token(gitlab, sub="other").split(".")
    claims = _token(gitlab).split(".")[1]
    for token in (f"{header}.{claims}.{signature}", "no-token"):
        with refused("InvalidIdentityToken"):
            _with_token(cloud, role, token)


def test_takes_no_keys_of_another_issuer(cloud: Cloud, gitlab: StandInGitLab) -> None:
    issuer = "https://impostor.example"
    cloud.sts.issuers.urls[issuer] = gitlab.url
    role = _trusting(cloud, gitlab, issuer, sub=MAIN)
    with refused("InvalidIdentityToken", "names another issuer"):
        _with_token(cloud, role, _token(gitlab, iss=issuer))


@pytest.mark.parametrize("issuer", ["https://gitlab.com", "https://gitlab.example"])
def test_offers_more_claims_for_gitlab_com_alone(
    cloud: Cloud, gitlab: StandInGitLab, issuer: str
) -> None:
    cloud.sts.issuers.urls[issuer] = gitlab.url
    gitlab.oidc.issuer = issuer
    try:
        role = _trusting(cloud, gitlab, issuer, sub=MAIN, project_id="7")
        token = _token(gitlab, iss=issuer, project_id="7")
        if issuer == "https://gitlab.com":
            assert _with_token(cloud, role, token)["Credentials"]
            with refused("AccessDenied"):
                _with_token(cloud, role, _token(gitlab, iss=issuer, project_id="8"))
        else:
            with refused("AccessDenied"):
                _with_token(cloud, role, token)
    finally:
        gitlab.oidc.issuer = None


# For tests


def test_gives_a_service_only_roles_that_trust_it(cloud: Cloud) -> None:
    role = cloud.role({"Service": "lambda.amazonaws.com"}, may={"Action": "sts:*"})
    keys = cloud.sts.assume_for_service(role, "function", "lambda.amazonaws.com")
    given = {
        "AccessKeyId": keys["AWS_ACCESS_KEY_ID"],
        "SecretAccessKey": keys["AWS_SECRET_ACCESS_KEY"],
        "SessionToken": keys["AWS_SESSION_TOKEN"],
    }
    assert cloud.assume(cloud.role(), given)
    assert cloud.sts.sessions[-1].chained
    with pytest.raises(Exception, match="AccessDenied"):
        cloud.sts.assume_for_service(role, "function", "ec2.amazonaws.com")


def test_proves_what_a_role_may_do(cloud: Cloud) -> None:
    secret = f"arn:aws:ssm:{REGION}:{ACCOUNT_ID}:parameter/token"
    role = cloud.role(may={"Action": "ssm:Get*", "Resource": secret})
    assert cloud.sts.allows(role, "ssm:GetParameter", secret)
    assert not cloud.sts.allows(role, "ssm:PutParameter", secret)
    assert not cloud.sts.allows(role, "ssm:GetParameter", secret + "2")
    with pytest.raises(LookupError):
        cloud.sts.allows(role + "x", "ssm:GetParameter", secret)


def test_keeps_calls_and_how_they_ended(cloud: Cloud) -> None:
    before = len(cloud.sts.calls)
    cloud.client("sts").get_caller_identity()
    with refused("AccessDenied"):
        cloud.assume(f"arn:aws:iam::{ACCOUNT_ID}:role/none")
    calls = cloud.sts.calls[before:]
    assert [(call.action, call.error) for call in calls] == [
        ("GetCallerIdentity", None),
        ("AssumeRole", "AccessDenied"),
    ]
    assert re.fullmatch(r"AKIA\w+", calls[1].access_key or "")
