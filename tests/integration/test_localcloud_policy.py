# SPDX-License-Identifier: Apache-2.0
"""The evaluator of IAM policies behind the strict STS."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.sts.policy import Decision, PolicyError, evaluate

ALLOW = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def decision(*statements: dict[str, Any], context: Any = None, resource: str = "arn:x") -> Decision:
    policy = {"Statement": list(statements)}
    return evaluate([policy], "s3:GetObject", resource, context or {})


def holds(operator: str, wanted: Any, given: Any, key: str = "aws:x") -> bool:
    context = {} if given is None else {key: given}
    condition = {operator: {key: wanted}}
    return decision({**ALLOW, "Condition": condition}, context=context) is Decision.ALLOW


@pytest.mark.parametrize(
    ("operator", "wanted", "given", "expected"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", ["b", "a"], "a", True),
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", "a", None, False),
        ("StringEqualsIfExists", "a", None, True),
        ("StringEqualsIfExists", "a", "b", False),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringNotEquals", ["a", "b"], "c", True),
        ("StringNotEquals", "a", None, True),
        ("StringEqualsIgnoreCase", "MAIN", "main", True),
        ("StringNotEqualsIgnoreCase", "MAIN", "main", False),
        ("StringLike", "a?c*", "abcd", True),
        ("StringLike", "a?c", "ac", False),
        ("StringLike", "A*", "abc", False),
        ("StringLike", "a${*}", "ab", False),
        ("StringLike", "a${*}", "a*", True),
        ("StringNotLike", "a*", "abc", False),
        ("ForAnyValue:StringEquals", ["a"], ["a", "b"], True),
        ("ForAnyValue:StringEquals", ["a"], ["b"], False),
        ("ForAnyValue:StringEquals", ["a"], None, False),
        ("ForAllValues:StringEquals", ["a"], ["a", "b"], False),
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "b"], True),
        ("ForAllValues:StringEquals", ["a"], None, True),
        ("Null", "true", None, True),
        ("Null", "true", "a", False),
        ("Null", "false", "a", True),
        ("Bool", True, "true", True),
        ("Bool", "false", "true", False),
        ("ArnLike", "arn:aws:iam::*:role/x*", "arn:aws:iam::1:role/xy", True),
        ("ArnLike", "arn:aws:*", "arn:aws:iam::1:role/xy", False),
        ("ArnNotEquals", "arn:aws:iam::1:role/x", "arn:aws:iam::1:role/x", False),
        ("NumericLessThanEquals", "900", "900", True),
        ("NumericLessThan", "900", "900", False),
    ],
)
def test_condition(operator: str, wanted: Any, given: Any, expected: bool) -> None:
    assert holds(operator, wanted, given) is expected


def test_puts_in_variables_as_plain_text() -> None:
    own = {**ALLOW, "Resource": "arn:aws:s3:::b/${aws:PrincipalTag/p}/*"}
    tag = {"aws:principaltag/P": "a*"}
    assert decision(own, context=tag, resource="arn:aws:s3:::b/a*/x") is Decision.ALLOW
    assert decision(own, context=tag, resource="arn:aws:s3:::b/ab/x") is Decision.NONE
    assert decision(own, resource="arn:aws:s3:::b//x") is Decision.NONE


def test_a_deny_wins_and_silence_is_no() -> None:
    deny = {**ALLOW, "Effect": "Deny"}
    assert decision(ALLOW, deny) is Decision.DENY
    assert decision() is Decision.NONE
    assert decision({"Effect": "Allow", "NotAction": "s3:get*", "Resource": "*"}) is Decision.NONE
    assert decision({"Effect": "Allow", "Action": "S3:GET*", "Resource": "*"}) is Decision.ALLOW
    assert decision({"Effect": "Allow", "Action": "*", "NotResource": "arn:x"}) is Decision.NONE


def test_never_guesses() -> None:
    with pytest.raises(PolicyError, match="IpAddress"):
        holds("IpAddress", "10.0.0.0/8", "10.0.0.1")
    with pytest.raises(PolicyError, match="either Action or NotAction"):
        decision({"Effect": "Allow", "Resource": "*"})
    with pytest.raises(PolicyError, match="Effect"):
        decision({**ALLOW, "Effect": "allow"})
