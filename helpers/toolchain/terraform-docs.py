#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the tables of inputs and outputs into the READMEs of the Terraform modules and examples.

`terraform-docs.py` rewrites what stands between the markers; `terraform-docs.py --check` changes
nothing, names the READMEs that are out of date, and fails if there are any. It leans on the layout
that `terraform fmt` gives: a block ends at the first line that is a lone `}`, its arguments are
indented by two blanks.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- BEGIN TABLES -->", "<!-- END TABLES -->"

_BLOCK = re.compile(r'^(variable|output) "([^"]+)" \{\n(.*?)^\}$', re.MULTILINE | re.DOTALL)
_ARGUMENT = re.compile(r"^  (\w+) += ?(.*)$")
_ESCAPES = {r"\"": '"', r"\\": "\\", "$${": "${", "%%{": "%{"}


@dataclass(frozen=True)
class Entry:
    """A variable or an output. `type` and `default` are HCL text; `default` is None if required."""

    name: str
    description: str
    type: str = ""
    default: str | None = None


def entries(path: Path) -> Iterator[Entry]:
    """The blocks of a file, in its order. An undocumented one is an error."""
    for match in _BLOCK.finditer(path.read_text(encoding="utf-8")):
        arguments = _arguments(match[3])
        description = arguments.get("description")
        if not description:
            raise SystemExit(f"{path}: {match[1]} {match[2]} has no description")
        yield Entry(
            match[2],
            _text(description),
            _dedent(arguments.get("type", "")),
            _dedent(arguments["default"]) if "default" in arguments else None,
        )


def _arguments(body: str) -> dict[str, str]:
    """Arguments of a block as HCL text; those of nested blocks (validation) are left out."""
    found: dict[str, str] = {}
    lines = iter(body.splitlines())
    for line in lines:
        match = _ARGUMENT.match(line)
        if not match:
            continue
        value = [match[2]]
        heredoc = re.match(r"<<-?(\w+)$", match[2])
        opened = match[2].endswith(("(", "{", "["))
        while heredoc or opened:
            value.append(next(lines))
            if value[-1].strip() == heredoc[1] if heredoc else re.match(r"  [\])}]", value[-1]):
                break
        found[match[1]] = "\n".join(value)
    return found


def _text(value: str) -> str:
    """The text of a quoted string or an indented heredoc."""
    if value.startswith("<<-"):
        text = textwrap.dedent("\n".join(value.splitlines()[1:-1]))
    else:
        text = value.removeprefix('"').removesuffix('"')
        text = re.sub(r"\\.", lambda escape: _ESCAPES.get(escape[0], escape[0]), text)
    return text.replace("$${", "${").replace("%%{", "%{").strip()


def _dedent(value: str) -> str:
    return "\n".join(line.removeprefix("  ") for line in value.splitlines())


def _cell(text: str) -> str:
    """Text in a table's cell: lists become lines."""
    return re.sub(r"\n\s*", "<br>", text.replace("|", "\\|"))


def _code(text: str) -> str:
    """HCL in a table's cell, on one line."""
    return "`" + re.sub(r"\s+", " ", text).replace("|", "\\|") + "`" if text else ""


def _short_type(text: str) -> str:
    """The outline of a type: what an object holds is in its description."""
    flat = re.sub(r"\s+", " ", text)
    return re.sub(r"object\(\{.*\}\)", "object", flat)


def tables(folder: Path) -> str:
    lines = [
        "## Inputs",
        "",
        "| name | description | type | default |",
        "| --- | --- | --- | --- |",
    ]
    inputs = list(entries(folder / "variables.tf"))
    for entry in sorted(inputs, key=lambda one: one.default is not None):
        default = "required" if entry.default is None else _code(entry.default)
        lines.append(
            f"| `{entry.name}` | {_cell(entry.description)} | {_code(_short_type(entry.type))} "
            f"| {default} |"
        )
    lines += ["", "## Outputs", "", "| name | description |", "| --- | --- |"]
    for entry in entries(folder / "outputs.tf"):
        lines.append(f"| `{entry.name}` | {_cell(entry.description)} |")
    return "\n".join(lines)


def generate(folder: Path) -> tuple[str, str]:
    """The README of a folder as it is, and as it should be."""
    readme = folder / "README.md"
    text = readme.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise SystemExit(f"{readme}: must hold {BEGIN} and {END} once each")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return text, f"{before}{BEGIN}\n{tables(folder)}\n{END}{after}"


def folders() -> list[Path]:
    """Every folder of Terraform code that others are to use."""
    return [
        REPO / "terraform",
        *sorted(path.parent for path in REPO.glob("terraform/modules/*/variables.tf")),
        *sorted(path.parent for path in REPO.glob("examples/*/variables.tf")),
    ]


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print("usage: terraform-docs.py [--check]", file=sys.stderr)
        return 2
    stale = 0
    for folder in folders():
        present, wanted = generate(folder)
        if present == wanted:
            continue
        readme = folder / "README.md"
        name = readme.relative_to(REPO)
        if arguments:
            print(f"{name} is out of date: run `make docs`", file=sys.stderr)
            stale += 1
        else:
            readme.write_text(wanted, encoding="utf-8")
            print(f"wrote {name}")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
