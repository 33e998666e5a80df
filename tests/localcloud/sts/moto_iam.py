# SPDX-License-Identifier: Apache-2.0
"""Runs inside the moto process: what its IAM holds of a role, a key or a provider, any account."""

from __future__ import annotations

from typing import Any

from moto.iam.models import IAMBackend, iam_backends

_PARTITION = "aws"


def look_up(asked: dict[str, str]) -> dict[str, Any] | None:
    """Answers `role=ARN`, `key=ACCESS KEY`, or `account=ID` with `issuer=HOST` or `policy=ARN`."""
    if "role" in asked:
        return _role(asked["role"])
    if "policy" in asked:
        return _policy(asked["account"], asked["policy"])
    if "key" in asked:
        return _key(asked["key"])
    return _provider(asked["account"], asked["issuer"])


def _backend(account: str, partition: str = _PARTITION) -> IAMBackend:
    return iam_backends[account][partition]


def _role(arn: str) -> dict[str, Any] | None:
    fields = arn.split(":")
    backend = _backend(fields[4], fields[1])
    for role in list(backend.roles.values()):
        if role.arn == arn:
            return {
                "arn": role.arn,
                "id": role.id,
                "trust": role.assume_role_policy_document,
                "max_session_duration": int(role.max_session_duration or 3600),
                "policies": _policies(role),
                "boundary": _document(backend, role.permissions_boundary_arn),
                "tags": _tags(role.tags),
            }
    return None


def _policy(account: str, arn: str) -> dict[str, Any] | None:
    found = _backend(account).managed_policies.get(arn)
    return {"document": _default(found)} if found else None


def _key(access_key: str) -> dict[str, Any] | None:
    for account in list(iam_backends):
        backend = _backend(account)
        for user in list(backend.users.values()):
            for key in user.access_keys:
                if key.access_key_id == access_key and key.status == "Active":
                    groups = backend.get_groups_for_user(user.name)
                    return {
                        "secret": key.secret_access_key,
                        "arn": user.arn,
                        "account": account,
                        "policies": [
                            *_policies(user),
                            *(one for group in groups for one in _policies(group)),
                        ],
                    }
    return None


def _provider(account: str, issuer: str) -> dict[str, Any] | None:
    for provider in list(_backend(account).open_id_providers.values()):
        if provider.url.rstrip("/") == issuer.rstrip("/"):
            return {
                "arn": provider.arn,
                "url": provider.url,
                "client_ids": list(provider.client_id_list),
            }
    return None


def _policies(holder: Any) -> list[str]:
    return [*holder.policies.values(), *map(_default, holder.managed_policies.values())]


def _default(policy: Any) -> str:
    return str(next(one.document for one in policy.versions if one.is_default))


def _document(backend: IAMBackend, arn: str | None) -> str | None:
    return _default(backend.get_policy(arn)) if arn else None


def _tags(tags: Any) -> dict[str, str]:
    listed = tags.values() if isinstance(tags, dict) else tags or []
    return {tag["Key"]: tag["Value"] for tag in listed}
