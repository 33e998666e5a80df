# SPDX-License-Identifier: Apache-2.0
"""The parameters of AssumeRole and AssumeRoleWithWebIdentity, and their limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from localcloud.sts.errors import StsError, invalid

_NAME = r"[\w+=,.@-]*"
_ROLE = re.compile(r"arn:[\w-]+:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)
_POLICY = re.compile(r"arn:[\w-]+:iam::(\d{12}|aws):policy/[\w+=,.@/-]+", re.ASCII)
_TAG = re.compile(r"[\w\s.:/=+\-@]*")

# name of the parameter: least and greatest length, and what it must match
_TEXTS: dict[str, tuple[int, int, str]] = {
    "RoleArn": (20, 2048, r"[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF]+"),
    "RoleSessionName": (2, 64, _NAME),
    "ExternalId": (2, 1224, r"[\w+=,.@:\/-]*"),
    "Policy": (1, 2048, r"[\u0009\u000A\u000D\u0020-\u00FF]+"),
    "SourceIdentity": (2, 64, _NAME),
    "WebIdentityToken": (4, 20000, r".*"),
}


@dataclass(frozen=True)
class Parameters:
    """What is asked, checked."""

    role_arn: str
    session_name: str
    duration: int
    external_id: str | None
    policy: str | None
    policy_arns: tuple[str, ...]
    source_identity: str | None
    tags: dict[str, str]
    transitive: tuple[str, ...]
    token: str | None


def parse(fields: Mapping[str, str]) -> Parameters:
    for name in ("RoleArn", "RoleSessionName"):
        if name not in fields:
            raise _broken("null", name, "Member must not be null")
    for name in _TEXTS:
        if name in fields:
            _check_text(name, fields[name])
    if _ROLE.fullmatch(fields["RoleArn"]) is None:
        raise invalid(f"{fields['RoleArn']} is invalid")
    tags = _tags(fields)
    return Parameters(
        role_arn=fields["RoleArn"],
        session_name=fields["RoleSessionName"],
        duration=_duration(fields.get("DurationSeconds", "3600")),
        external_id=fields.get("ExternalId"),
        policy=fields.get("Policy"),
        policy_arns=_policy_arns(fields),
        source_identity=fields.get("SourceIdentity"),
        tags=tags,
        transitive=_transitive(fields, tags),
        token=fields.get("WebIdentityToken"),
    )


def _broken(value: str, name: str, constraint: str) -> StsError:
    member = name[0].lower() + name[1:]
    shown = value if value == "null" else f"'{value}'"
    return invalid(
        f"1 validation error detected: Value {shown} at '{member}' failed to satisfy constraint:"
        f" {constraint}"
    )


def _check_text(name: str, value: str) -> None:
    least, greatest, pattern = _TEXTS[name]
    shown = "***" if name == "WebIdentityToken" else value
    if len(value) < least:
        limit = f"Member must have length greater than or equal to {least}"
        raise _broken(shown, name, limit)
    if len(value) > greatest:
        raise _broken(shown, name, f"Member must have length less than or equal to {greatest}")
    if re.fullmatch(pattern, value, re.ASCII) is None:
        limit = f"Member must satisfy regular expression pattern: {pattern}"
        raise _broken(shown, name, limit)


def _duration(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise _broken(text, "DurationSeconds", "Member must be an integer")
    if int(text) < 900:
        limit = "Member must have value greater than or equal to 900"
        raise _broken(text, "DurationSeconds", limit)
    if int(text) > 43200:
        limit = "Member must have value less than or equal to 43200"
        raise _broken(text, "DurationSeconds", limit)
    return int(text)


def _members(fields: Mapping[str, str], name: str, suffix: str = "", most: int = 50) -> list[str]:
    pattern = re.compile(rf"{name}\.member\.(\d+){re.escape(suffix)}")
    found = {int(one[1]): fields[key] for key in fields if (one := pattern.fullmatch(key))}
    if sorted(found) != list(range(1, len(found) + 1)):
        raise invalid(f"the members of {name} must be numbered from 1 without a gap")
    if len(found) > most:
        raise _broken(f"{len(found)} members", name, "Member must have length less than or equal"
                      f" to {most}")  # fmt: skip
    return [found[number] for number in sorted(found)]


def _policy_arns(fields: Mapping[str, str]) -> tuple[str, ...]:
    arns = _members(fields, "PolicyArns", ".arn", most=10)
    if len(arns) != sum(name.startswith("PolicyArns.") for name in fields):
        raise invalid("a member of PolicyArns has an arn, and nothing else")
    for number, arn in enumerate(arns, 1):
        if len(arn) > 2048 or _POLICY.fullmatch(arn) is None:
            limit = "Member must be the ARN of a managed policy of 20 to 2048 characters"
            raise _broken(arn, f"policyArns.{number}.member.arn", limit)
    if len(fields.get("Policy", "")) + sum(map(len, arns)) > 2048:
        raise invalid("the plain text of Policy and PolicyArns together exceeds 2048 characters")
    return tuple(arns)


def _tags(fields: Mapping[str, str]) -> dict[str, str]:
    keys, values = _members(fields, "Tags", ".Key"), _members(fields, "Tags", ".Value")
    if len(keys) != len(values):
        raise invalid("every member of Tags needs a Key and a Value")
    if len({key.lower() for key in keys}) != len(keys):
        raise StsError(
            "InvalidParameterValue",
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            400,
        )
    for number, (key, value) in enumerate(zip(keys, values, strict=True), 1):
        where = f"tags.{number}.member"
        if not 1 <= len(key) <= 128 or _TAG.fullmatch(key) is None:
            raise _broken(key, f"{where}.key", "Member must have length 1 to 128 and satisfy"
                          r" regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+")  # fmt: skip
        if len(value) > 256 or _TAG.fullmatch(value) is None:
            raise _broken(value, f"{where}.value", "Member must have length 0 to 256 and satisfy"
                          r" regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]*")  # fmt: skip
        if key.lower().startswith("aws:"):
            raise invalid(f"the tag key {key} starts with aws:, which is reserved")
    return dict(zip(keys, values, strict=True))


def _transitive(fields: Mapping[str, str], tags: Mapping[str, str]) -> tuple[str, ...]:
    keys = tuple(_members(fields, "TransitiveTagKeys"))
    known = {key.lower() for key in tags}
    if any(key.lower() not in known for key in keys):
        raise invalid("The specified transitive tag key must be included in the requested tags.")
    return keys
