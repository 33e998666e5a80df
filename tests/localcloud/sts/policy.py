# SPDX-License-Identifier: Apache-2.0
"""A small evaluator of IAM policies: trust policies, identity policies and boundaries."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

Values = str | list[str]
Context = Mapping[str, Values]  # names of condition keys in any case

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_ACCOUNT = re.compile(r"^\d{12}$")
_ROOT = re.compile(r"^arn:[\w-]+:iam::(\d{12}):root$")


class PolicyError(ValueError):
    """A policy holds what this evaluator does not know; it never guesses."""


class Decision(Enum):
    """What one policy, or several together, say of a request."""

    DENY = "explicit deny"
    NONE = "no statement allows it"
    ALLOW = "allowed"
    ALLOW_PRINCIPAL = "allowed, to this very principal"


@dataclass(frozen=True)
class Principal:
    """Who asks. `kind` is AWS, Service or Federated; `names` are all ARNs that mean the caller."""

    kind: str
    names: tuple[str, ...]
    account: str = ""


def evaluate(
    policies: Iterable[str | Mapping[str, Any]],
    action: str,
    resource: str | None,
    context: Context,
    principal: Principal | None = None,
) -> Decision:
    """The decision of these policies; `resource` is None and `principal` given for trust."""
    found = Decision.NONE
    keys = {name.lower(): value for name, value in context.items()}
    for policy in policies:
        for statement in _statements(policy):
            by_name = _principal_matches(statement, principal)
            if by_name is None or not _applies(statement, action, resource, keys):
                continue
            if statement.get("Effect") == "Deny":
                return Decision.DENY
            if statement.get("Effect") != "Allow":
                raise PolicyError(f"Effect is {statement.get('Effect')!r}, not Allow or Deny")
            if by_name:
                found = Decision.ALLOW_PRINCIPAL
            elif found is Decision.NONE:
                found = Decision.ALLOW
    return found


def _statements(policy: str | Mapping[str, Any]) -> list[Mapping[str, Any]]:
    document = json.loads(policy) if isinstance(policy, str) else policy
    statements = document.get("Statement", [])
    return [statements] if isinstance(statements, dict) else list(statements)


def _listed(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in values]


def _principal_matches(statement: Mapping[str, Any], principal: Principal | None) -> bool | None:
    """None: it does not match. True: the policy names the very principal, not its account."""
    if principal is None:
        return False
    if "NotPrincipal" in statement:
        raise PolicyError(
            "NotPrincipal is not taken in a role's trust policy; write Principal, with a Condition"
            " on aws:PrincipalArn to leave somebody out"
        )
    named = statement.get("Principal")
    if named == "*":
        return True
    if not isinstance(named, dict):
        raise PolicyError(f"Principal is {named!r}; it must be '*' or an object")
    found: bool | None = None
    for name in _listed(named.get(principal.kind, [])):
        if name == "*" or name in principal.names:
            return True
        root = _ROOT.match(name)
        account = root[1] if root else name if _ACCOUNT.match(name) else None
        if principal.kind == "AWS" and account and account == principal.account:
            found = False
    return found


def _applies(
    statement: Mapping[str, Any], action: str, resource: str | None, context: Context
) -> bool:
    if not _element(statement, "Action", action.lower(), {}, str.lower):
        return False
    if resource is not None and not _element(statement, "Resource", resource, context, str):
        return False
    return all(
        _condition(operator, key, _listed(values), context)
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    )


def _element(
    statement: Mapping[str, Any],
    name: str,
    value: str,
    context: Context,
    fold: Callable[[str], str],
) -> bool:
    inverse = f"Not{name}"
    if (name in statement) == (inverse in statement):
        raise PolicyError(f"a statement needs either {name} or {inverse}: {dict(statement)}")
    patterns = _listed(statement.get(name, statement.get(inverse)))
    matches = any(_like(fold(pattern), value, context) for pattern in patterns)
    return matches == (name in statement)


# Text of policies: wildcards and variables


def _pieces(pattern: str, context: Context) -> Iterator[tuple[str, bool]]:
    """Pieces of text, each with whether `*` and `?` in it are wildcards. KeyError: no value."""
    at = 0
    for found in _VARIABLE.finditer(pattern):
        yield pattern[at : found.start()], True
        at = found.end()
        if found[1] in ("*", "?", "$"):
            yield found[1], False
            continue
        name, _, default = found[1].partition(",")
        value = context.get(name.strip().lower())
        if isinstance(value, str):
            yield value, False
        elif default:
            yield default.strip().strip("'"), False
        else:
            raise KeyError(name)
    yield pattern[at:], True


def _like(pattern: str, value: str, context: Context) -> bool:
    try:
        pieces = list(_pieces(pattern, context))
    except KeyError:
        return False
    expression = ""
    for text, wild in pieces:
        escaped = re.escape(text)
        expression += escaped.replace(r"\*", ".*").replace(r"\?", ".") if wild else escaped
    return re.fullmatch(expression, value, re.DOTALL) is not None


def _equals(pattern: str, value: str, context: Context) -> bool:
    try:
        return "".join(text for text, _ in _pieces(pattern, context)) == value
    except KeyError:
        return False


def _equals_folded(pattern: str, value: str, context: Context) -> bool:
    return _equals(pattern.lower(), value.lower(), _folded(context))


def _folded(context: Context) -> Context:
    return {
        key: value.lower() if isinstance(value, str) else value for key, value in context.items()
    }


def _arn_like(pattern: str, value: str, context: Context) -> bool:
    wanted, given = pattern.split(":", 5), value.split(":", 5)
    return len(wanted) == len(given) == 6 and all(
        _like(one, other, context) for one, other in zip(wanted, given, strict=True)
    )


def _numeric(compare: Callable[[float, float], bool]) -> Callable[[str, str, Context], bool]:
    return lambda pattern, value, context: compare(float(value), float(pattern))


# Conditions: the test of one value, and whether the operator negates it

_OPERATORS: dict[str, tuple[Callable[[str, str, Context], bool], bool]] = {
    "stringequals": (_equals, False),
    "stringnotequals": (_equals, True),
    "stringequalsignorecase": (_equals_folded, False),
    "stringnotequalsignorecase": (_equals_folded, True),
    "stringlike": (_like, False),
    "stringnotlike": (_like, True),
    "arnequals": (_arn_like, False),
    "arnlike": (_arn_like, False),
    "arnnotequals": (_arn_like, True),
    "arnnotlike": (_arn_like, True),
    "bool": (_equals_folded, False),
    "numericequals": (_numeric(lambda value, limit: value == limit), False),
    "numericnotequals": (_numeric(lambda value, limit: value == limit), True),
    "numericlessthan": (_numeric(lambda value, limit: value < limit), False),
    "numericlessthanequals": (_numeric(lambda value, limit: value <= limit), False),
    "numericgreaterthan": (_numeric(lambda value, limit: value > limit), False),
    "numericgreaterthanequals": (_numeric(lambda value, limit: value >= limit), False),
}


def _condition(operator: str, key: str, wanted: list[str], context: Context) -> bool:
    quantifier, _, name = operator.lower().rpartition(":")
    values = context.get(key.lower())
    given = [values] if isinstance(values, str) else values or []
    if name == "null":
        return all((one == "true") == (not given) for one in wanted)
    if_exists = name.endswith("ifexists")
    name = name.removesuffix("ifexists")
    if name not in _OPERATORS or quantifier not in ("", "foranyvalue", "forallvalues"):
        raise PolicyError(f"{operator} is no condition operator that the local cloud knows")
    test, negated = _OPERATORS[name]
    if not given:
        return if_exists or quantifier == "forallvalues" or (negated and not quantifier)

    def holds(value: str) -> bool:
        return any(test(one, value, context) for one in wanted) != negated

    if quantifier == "foranyvalue":
        return any(map(holds, given))
    return all(map(holds, given)) if quantifier or negated else any(map(holds, given))
