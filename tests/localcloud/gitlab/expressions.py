# SPDX-License-Identifier: Apache-2.0
"""The conditions of `rules: if`: `$CI_COMMIT_BRANCH == "main" && $DEPLOY =~ /^y/i`."""

from __future__ import annotations

import re
from collections.abc import Mapping

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<operator> && | \|\| | == | != | =~ | !~ | \( | \) )
    | \$(?P<variable> \w+ ) | \$\{(?P<braced> \w+ )\}
    | "(?P<double> [^"]* )" | '(?P<single> [^']* )'
    | (?P<null> null\b )
    | (?P<pattern> /(?:\\.|[^/\\])+/[ismU]* )
    )""",
    re.VERBOSE,
)


class ExpressionError(ValueError):
    """The text is no condition of the kind that is understood here."""


def holds(expression: str, variables: Mapping[str, str]) -> bool:
    """Whether the condition holds with these variables. Raises ExpressionError."""
    parser = _Parser(expression, variables)
    value = parser.alternatives()
    if parser.at < len(parser.tokens):
        raise ExpressionError(f"{expression!r}: unexpected {parser.tokens[parser.at][1]!r}")
    return bool(value)


class _Parser:
    def __init__(self, expression: str, variables: Mapping[str, str]) -> None:
        self.expression = expression
        self.variables = variables
        self.tokens: list[tuple[str, str]] = []
        self.at = 0
        position = 0
        while expression[position:].strip():
            token = _TOKEN.match(expression, position)
            if not token or token.lastgroup is None:
                raise ExpressionError(f"{expression!r}: cannot read {expression[position:]!r}")
            self.tokens.append((token.lastgroup, token[token.lastgroup]))
            position = token.end()

    def take(self, *operators: str) -> str | None:
        if self.at < len(self.tokens):
            kind, text = self.tokens[self.at]
            if kind == "operator" and text in operators:
                self.at += 1
                return text
        return None

    def alternatives(self) -> str | bool | None:
        value = self.conjunction()
        while self.take("||"):
            # The right side is read whatever the left one says: it may be wrong.
            other = self.conjunction()
            value = value or other
        return value

    def conjunction(self) -> str | bool | None:
        value = self.comparison()
        while self.take("&&"):
            other = self.comparison()
            value = value and other
        return value

    def comparison(self) -> str | bool | None:
        left = self.value()
        operator = self.take("==", "!=", "=~", "!~")
        if operator is None:
            return left
        right = self.value()
        if operator in ("==", "!="):
            return (left == right) == (operator == "==")
        return self.matches(left, right) == (operator == "=~")

    def value(self) -> str | bool | None:
        if self.take("("):
            inner = self.alternatives()
            if not self.take(")"):
                raise ExpressionError(f"{self.expression!r}: ')' is missing")
            return inner
        if self.at == len(self.tokens):
            raise ExpressionError(f"{self.expression!r}: ends too early")
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind in ("variable", "braced"):
            return self.variables.get(text)
        if kind == "null":
            return None
        if kind == "operator":
            raise ExpressionError(f"{self.expression!r}: unexpected {text!r}")
        return text

    def matches(self, text: str | bool | None, pattern: str | bool | None) -> bool:
        if text is None or pattern is None:
            return False
        parts = re.fullmatch(r"/(.+)/([ismU]*)", str(pattern), re.DOTALL)
        if not parts:
            raise ExpressionError(f"{self.expression!r}: {pattern!r} is no /pattern/")
        flags = sum({"i": re.IGNORECASE, "s": re.DOTALL, "m": re.MULTILINE}.get(one, 0)
                    for one in set(parts[2]))  # fmt: skip
        try:
            return re.search(parts[1].replace("\\/", "/"), str(text), flags) is not None
        except re.error as error:
            raise ExpressionError(f"{self.expression!r}: {pattern!r}: {error}") from error
