# SPDX-License-Identifier: Apache-2.0
"""What moto's IAM holds, asked over the internal path of our moto process."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from localcloud.aws import IAM_PATH
from localcloud.sts.policy import Context, Decision, evaluate


def narrowed(
    decision: Decision,
    limits: Sequence[str],
    action: str,
    resource: str,
    context: Context,
) -> Decision:
    """What is left of a decision within a boundary or session policies, where there are any."""
    if not limits or decision is Decision.DENY:
        return decision
    limit = evaluate(limits, action, resource, context)
    return decision if limit is Decision.ALLOW else limit


@dataclass(frozen=True)
class Role:
    """A role as IAM stores it."""

    arn: str
    id: str
    trust: str
    max_session_duration: int
    policies: list[str]
    boundary: str | None = None
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]

    def decides(self, action: str, resource: str, context: Context) -> Decision:
        """What its identity policies and its boundary say."""
        decision = evaluate(self.policies, action, resource, context)
        return narrowed(
            decision, [self.boundary] if self.boundary else [], action, resource, context
        )


@dataclass(frozen=True)
class UserKey:
    """An access key of an IAM user, and what the user may do."""

    secret: str
    arn: str
    account: str
    policies: list[str]


@dataclass(frozen=True)
class Provider:
    """An OpenID Connect provider; `url` is without https://, as in condition keys."""

    arn: str
    url: str
    client_ids: list[str]


class Iam:
    """Read access to every account's IAM."""

    def __init__(self, moto_url: str) -> None:
        self._url = f"{moto_url}{IAM_PATH}"

    def role(self, arn: str) -> Role | None:
        found = self._ask(role=arn)
        return Role(**found) if found else None

    def policy(self, account: str, arn: str) -> str | None:
        """The document of a managed policy that the account has, of its own or of AWS."""
        found = self._ask(account=account, policy=arn)
        return str(found["document"]) if found else None

    def user_key(self, access_key: str) -> UserKey | None:
        found = self._ask(key=access_key)
        return UserKey(**found) if found else None

    def provider(self, account: str, issuer: str) -> Provider | None:
        found = self._ask(account=account, issuer=issuer)
        return Provider(**found) if found else None

    def _ask(self, **asked: str) -> dict[str, Any] | None:
        try:
            with urllib.request.urlopen(f"{self._url}?{urlencode(asked)}", timeout=60) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise
