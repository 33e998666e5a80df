# SPDX-License-Identifier: Apache-2.0
"""Who calls STS: a role's session, a user, or the local cloud's own key."""

from __future__ import annotations

from dataclasses import dataclass, field

from localcloud.sts.iam import Role, UserKey, narrowed
from localcloud.sts.policy import Context, Decision, Principal, evaluate


@dataclass(frozen=True)
class Session:
    """A session that was issued here."""

    access_key: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    role_arn: str
    session_name: str
    expires: float  # Unix epoch
    tags: dict[str, str] = field(default_factory=dict)
    transitive: tuple[str, ...] = ()  # keys of tags
    source_identity: str | None = None
    chained: bool = False
    policies: tuple[str, ...] = ()  # narrow the role's own

    @property
    def account(self) -> str:
        return self.role_arn.split(":")[4]

    @property
    def arn(self) -> str:
        partition, name = self.role_arn.split(":")[1], self.role_arn.rpartition("/")[2]
        return f"arn:{partition}:sts::{self.account}:assumed-role/{name}/{self.session_name}"


@dataclass(frozen=True)
class Caller:
    """A caller whose signature was right."""

    arn: str  # as GetCallerIdentity gives it
    principal_arn: str  # as aws:PrincipalArn gives it
    account: str
    session: Session | None = None
    role: Role | None = None
    policies: tuple[str, ...] | None = None  # of a user; None for a role, and may do all

    @classmethod
    def of_session(cls, session: Session, role: Role) -> Caller:
        return cls(session.arn, role.arn, session.account, session, role)

    @classmethod
    def of_user(cls, user: UserKey) -> Caller:
        return cls(user.arn, user.arn, user.account, policies=tuple(user.policies))

    @property
    def principal(self) -> Principal:
        return Principal("AWS", (self.arn, self.principal_arn), self.account)

    @property
    def source_identity(self) -> str | None:
        return self.session.source_identity if self.session else None

    @property
    def transitive_tags(self) -> dict[str, str]:
        if self.session is None:
            return {}
        kept = {key.lower() for key in self.session.transitive}
        return {key: value for key, value in self.session.tags.items() if key.lower() in kept}

    def context(self) -> dict[str, str | list[str]]:
        """The condition keys that say who calls."""
        context: dict[str, str | list[str]] = {
            "aws:PrincipalArn": self.principal_arn,
            "aws:PrincipalAccount": self.account,
            "aws:PrincipalType": "AssumedRole" if self.session else "User",
        }
        tags = {
            **(self.role.tags if self.role else {}),
            **(self.session.tags if self.session else {}),
        }
        context |= {f"aws:PrincipalTag/{key}": value for key, value in tags.items()}
        if self.source_identity:
            context["aws:SourceIdentity"] = self.source_identity
        return context

    def decides(self, action: str, resource: str, context: Context) -> Decision:
        """What the caller's own policies say."""
        if self.role is None:
            if self.policies is None:
                return Decision.ALLOW
            return evaluate(self.policies, action, resource, context)
        decision = self.role.decides(action, resource, context)
        limits = self.session.policies if self.session else ()
        return narrowed(decision, limits, action, resource, context)

    def may_at_most(self, action: str, resource: str, context: Context) -> bool:
        """Whether its boundary and session policies leave it what somebody else allows."""
        decision = Decision.ALLOW
        for limits in (
            [self.role.boundary] if self.role and self.role.boundary else [],
            self.session.policies if self.session else (),
        ):
            decision = narrowed(decision, limits, action, resource, context)
        return decision is Decision.ALLOW


def admin(account: str) -> Caller:
    """The local cloud's own key: an administrator of its account."""
    arn = f"arn:aws:iam::{account}:user/moto"
    return Caller(arn, arn, account)
