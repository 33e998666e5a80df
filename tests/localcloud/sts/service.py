# SPDX-License-Identifier: Apache-2.0
"""The gateway's STS: it checks signatures, trust and permissions; moto then mints the session."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

import boto3

from localcloud.aws import ACCESS_KEY, ACCOUNT_ID, REGION, SECRET_KEY
from localcloud.gateway.message import Request, Response
from localcloud.gateway.server import Forward
from localcloud.sts import signature
from localcloud.sts.callers import Caller, Session, admin
from localcloud.sts.errors import StsError, denied, invalid
from localcloud.sts.iam import Iam, Role
from localcloud.sts.parameters import Parameters, parse
from localcloud.sts.policy import Context, Decision, PolicyError, Principal, evaluate
from localcloud.sts.session_policies import check_packed_size, session_policies
from localcloud.sts.web_identity import Issuers, Token, invalid_token

CHAINING_LIMIT = 3600
UNSIGNED = ("AssumeRoleWithWebIdentity", "AssumeRoleWithSAML")
_ACTIONS = ("AssumeRole", "GetCallerIdentity", "GetSessionToken", "GetFederationToken", *UNSIGNED)
_MAIN = "sts:AssumeRole"


@dataclass(frozen=True)
class Call:
    """A call of STS and how it ended; `error` is the code of the refusal."""

    action: str
    access_key: str | None
    fields: Mapping[str, str] = field(repr=False)
    error: str | None


class StrictSts:
    """The part. `sessions` and `calls` are for assertions, oldest first."""

    def __init__(self, moto_url: str, clock: Callable[[], float] = time.time) -> None:
        self.iam = Iam(moto_url)
        self.issuers = Issuers()
        self.clock = clock
        self.calls: list[Call] = []
        self.moto_url = moto_url
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    @property
    def sessions(self) -> list[Session]:
        with self._lock:
            return list(self._sessions.values())

    def allows(
        self, role_arn: str, action: str, resource: str, context: Context | None = None
    ) -> bool:
        """Whether the role's own policies and boundary let it do this."""
        role = self.iam.role(role_arn)
        if role is None:
            raise LookupError(f"{role_arn} is no role of the local cloud")
        account = {"aws:PrincipalArn": role.arn, "aws:PrincipalAccount": role.account}
        tags = {f"aws:PrincipalTag/{key}": value for key, value in role.tags.items()}
        known = {**account, **tags, **(context or {})}
        return role.decides(action, resource, known) is Decision.ALLOW

    def assume_for_service(self, role_arn: str, session_name: str, service: str) -> dict[str, str]:
        """A session as an AWS service takes it: the role's trust must name the service."""
        role = self._role(role_arn, service, _MAIN)
        context = {"sts:RoleSessionName": session_name}
        principal = Principal("Service", (service,))
        decision = evaluate([role.trust], _MAIN, None, context, principal)
        if decision in (Decision.DENY, Decision.NONE):
            raise denied(service, _MAIN, role_arn)
        client = boto3.session.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION).client(
            "sts", endpoint_url=self.moto_url
        )
        answer = client.assume_role(
            RoleArn=role_arn, RoleSessionName=session_name, DurationSeconds=3600
        )["Credentials"]
        self._remember(
            Session(
                access_key=answer["AccessKeyId"],
                secret=answer["SecretAccessKey"],
                token=answer["SessionToken"],
                role_arn=role_arn,
                session_name=session_name,
                expires=self.clock() + 3600,
            )
        )
        return {
            "AWS_ACCESS_KEY_ID": answer["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": answer["SecretAccessKey"],
            "AWS_SESSION_TOKEN": answer["SessionToken"],
        }

    def __call__(self, request: Request, forward: Forward) -> Response:
        fields = _fields(request)
        action = fields.get("Action", "")
        if request.service != "sts" and action not in _ACTIONS:
            return forward(request)
        error: StsError | None = None
        try:
            response = self._answer(action, fields, request, forward)
        except PolicyError as fault:
            error = StsError("MalformedPolicyDocument", str(fault), 400)
        except StsError as fault:
            error = fault
        found = re.search(r"Credential=([^/]+)/", request.headers.get("authorization", ""))
        code = error.code if error else None
        with self._lock:
            self.calls.append(Call(action, found[1] if found else None, fields, code))
        return error.response() if error else response

    def _answer(
        self, action: str, fields: Mapping[str, str], request: Request, forward: Forward
    ) -> Response:
        if action == "AssumeRoleWithWebIdentity":
            return self._web_identity(parse(fields), request, forward)
        caller = self._caller(request)
        if action == "AssumeRole":
            return self._assume_role(caller, parse(fields), request, forward)
        if action == "GetCallerIdentity":
            return forward(request)
        raise StsError("InvalidAction", f"the local cloud's STS has no {action or 'action'}", 400)

    # Who calls

    def _caller(self, request: Request) -> Caller:
        fields = signature.parse(request)
        key = fields["key"]
        token = request.headers.get("x-amz-security-token")
        with self._lock:
            session = self._sessions.get(key)
        if session is not None:
            if token != session.token:
                raise _unknown_key()
            signature.verify(request, fields, session.secret, self.clock())
            if session.expires <= self.clock():
                raise StsError(
                    "ExpiredToken", "The security token included in the request is expired"
                )
            role = self.iam.role(session.role_arn)
            if role is None:
                raise _unknown_key()
            return Caller.of_session(session, role)
        user = None if key == ACCESS_KEY else self.iam.user_key(key)
        if token is not None or (user is None and key != ACCESS_KEY):
            raise _unknown_key()
        signature.verify(request, fields, user.secret if user else SECRET_KEY, self.clock())
        return Caller.of_user(user) if user else admin(ACCOUNT_ID)

    def _role(self, arn: str, caller: str, action: str) -> Role:
        role = self.iam.role(arn)
        if role is None:  # AWS does not tell whether a role exists
            raise denied(caller, action, arn)
        return role

    # AssumeRole

    def _assume_role(
        self, caller: Caller, asked: Parameters, request: Request, forward: Forward
    ) -> Response:
        role = self._role(asked.role_arn, caller.arn, _MAIN)
        tags, transitive = _inherit(caller, asked)
        identity = caller.source_identity
        actions = [_MAIN]
        if tags:
            actions.append("sts:TagSession")
        if asked.source_identity or identity:
            actions.append("sts:SetSourceIdentity")
        context = _context(caller, asked, role)
        for action in actions:
            if not _authorized(caller, role, action, context):
                raise denied(caller.arn, action, role.arn)
        if identity and asked.source_identity not in (None, identity):
            raise StsError(
                "AccessDenied",
                f"the source identity of the session is {identity} and cannot be changed",
            )
        if caller.session and asked.duration > CHAINING_LIMIT:
            raise invalid(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed"
                " by role chaining"
            )
        _check_duration(asked, role)
        source = asked.source_identity or identity
        policies = session_policies(asked, role, self.iam)
        extra = {"SourceIdentity": source, "PackedPolicySize": check_packed_size(asked, tags)}
        response = _with_fields(forward(request), "AssumeRoleResult", extra)
        self._remember_answer(
            response, asked, policies, tags, transitive, source, chained=caller.session is not None
        )
        return response

    # AssumeRoleWithWebIdentity

    def _web_identity(self, asked: Parameters, request: Request, forward: Forward) -> Response:
        action = "sts:AssumeRoleWithWebIdentity"
        if asked.token is None:
            raise invalid(
                "1 validation error detected: Value null at 'webIdentityToken' failed to satisfy"
                " constraint: Member must not be null"
            )
        token = Token.parse(asked.token)
        host = str(token.claims["iss"]).removeprefix("https://")
        account = asked.role_arn.split(":")[4]
        provider = self.iam.provider(account, host)
        if provider is None:
            arn = f"arn:aws:iam::{account}:oidc-provider/{host}"
            raise invalid_token(f"No OpenIDConnect provider found in your account for {arn}")
        audience = self.issuers.verify(token, provider.client_ids, self.clock())
        refused = StsError("AccessDenied", f"Not authorized to perform {action}")
        role = self.iam.role(asked.role_arn)
        if role is None:
            raise refused
        subject = str(token.claims["sub"])
        context = {
            f"{provider.url}:sub": subject,
            f"{provider.url}:aud": audience,
            "aws:FederatedProvider": provider.arn,
            "sts:RoleSessionName": asked.session_name,
        }
        if provider.url == "gitlab.com":
            context |= {
                f"gitlab.com:{name}": str(value)
                for name, value in token.claims.items()
                if name in GITLAB_CLAIMS and value is not None
            }
        decision = evaluate(
            [role.trust], action, None, context, Principal("Federated", (provider.arn,))
        )
        if decision in (Decision.DENY, Decision.NONE):
            raise refused
        _check_duration(asked, role)
        extra = {
            "SubjectFromWebIdentityToken": subject,
            "Audience": audience,
            "Provider": provider.arn,
            "PackedPolicySize": check_packed_size(asked, {}),
        }
        policies = session_policies(asked, role, self.iam)
        response = _with_fields(forward(request), "AssumeRoleWithWebIdentityResult", extra)
        self._remember_answer(response, asked, policies, {}, (), None, chained=False)
        return response

    # Sessions

    def _remember_answer(
        self,
        response: Response,
        asked: Parameters,
        policies: tuple[str, ...],
        tags: dict[str, str],
        transitive: tuple[str, ...],
        source_identity: str | None,
        *,
        chained: bool,
    ) -> None:
        if not response.good:
            return
        text = response.body.decode()
        values = [
            re.search(rf"<{name}>\s*([^<]+?)\s*</{name}>", text)
            for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")
        ]
        key, secret, token = [found[1] if found else "" for found in values]
        self._remember(
            Session(
                access_key=key,
                secret=secret,
                token=token,
                role_arn=asked.role_arn,
                session_name=asked.session_name,
                expires=self.clock() + asked.duration,
                tags=tags,
                transitive=transitive,
                source_identity=source_identity,
                chained=chained,
                policies=policies,
            )
        )

    def _remember(self, session: Session) -> None:
        with self._lock:
            self._sessions[session.access_key] = session


# What AWS offers as condition keys of gitlab.com's provider beside sub and aud.
GITLAB_CLAIMS = (
    "project_id", "namespace_id", "ref_protected", "pipeline_source", "runner_environment",
    "user_id", "user_login", "user_email", "user_access_level",
)  # fmt: skip


def _unknown_key() -> StsError:
    return StsError(
        "InvalidClientTokenId", "The security token included in the request is invalid."
    )


def _fields(request: Request) -> dict[str, str]:
    """The parameters, of the query or of the form."""
    pairs = parse_qsl(urlsplit(request.target).query, keep_blank_values=True)
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        pairs += parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    return dict(pairs)


def _inherit(caller: Caller, asked: Parameters) -> tuple[dict[str, str], tuple[str, ...]]:
    """The session's tags and which of them are transitive."""
    inherited = caller.transitive_tags
    taken = {key.lower() for key in inherited}
    if any(key.lower() in taken for key in asked.tags):
        raise StsError(
            "InvalidParameterValue",
            "One of the specified transitive tag keys can't be set because it conflicts with a"
            " transitive tag key from the calling session.",
            400,
        )
    return {**inherited, **asked.tags}, (*inherited, *asked.transitive)


def _context(caller: Caller, asked: Parameters, role: Role) -> Context:
    context: dict[str, str | list[str]] = {
        **caller.context(),
        "sts:RoleSessionName": asked.session_name,
        **{f"aws:RequestTag/{key}": value for key, value in asked.tags.items()},
        **{f"aws:ResourceTag/{key}": value for key, value in role.tags.items()},
        **{f"iam:ResourceTag/{key}": value for key, value in role.tags.items()},
        "aws:ResourceAccount": role.account,
    }
    if asked.external_id is not None:
        context["sts:ExternalId"] = asked.external_id
    if asked.source_identity is not None:
        context["sts:SourceIdentity"] = asked.source_identity
    if asked.tags:
        context["aws:TagKeys"] = list(asked.tags)
    if asked.transitive:
        context["sts:TransitiveTagKeys"] = list(asked.transitive)
    return context


def _authorized(caller: Caller, role: Role, action: str, context: Context) -> bool:
    trust = evaluate([role.trust], action, None, context, caller.principal)
    identity = caller.decides(action, role.arn, context)
    if Decision.DENY in (trust, identity) or trust is Decision.NONE:
        return False
    named = trust is Decision.ALLOW_PRINCIPAL and caller.account == role.account
    if named and caller.may_at_most(action, role.arn, context):
        return True
    return identity is Decision.ALLOW


def _check_duration(asked: Parameters, role: Role) -> None:
    if asked.duration > role.max_session_duration:
        raise invalid(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )


def _with_fields(
    response: Response, result: str, fields: Mapping[str, str | int | None]
) -> Response:
    """The answer with these elements as they are here, or without them where they are None."""
    if response.good:
        text = response.body.decode()
        for name, value in fields.items():
            text = re.sub(rf"\s*<{name}>[^<]*</{name}>", "", text)
            if value is not None:
                element = f"<{name}>{escape(str(value))}</{name}></{result}>"
                text = text.replace(f"</{result}>", element, 1)
        response.body = text.encode()
        for name in [one for one in response.headers if one.lower() == "content-length"]:
            del response.headers[name]
    return response
