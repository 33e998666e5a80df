# SPDX-License-Identifier: Apache-2.0
"""The README of the bootstrap lists every setting, error type and file as the code has them."""

from __future__ import annotations

import re
from pathlib import Path

from conftest import REPO

HELPERS = REPO / "helpers"
BOOTSTRAP = HELPERS / "bootstrap"
README = (BOOTSTRAP / "README.md").read_text()
SETTINGS = (BOOTSTRAP / "settings" / "settings.c").read_text()
HEADER = (BOOTSTRAP / "runtime" / "error_types.h").read_text()
TERRAFORM = (REPO / "terraform" / "settings.tf").read_text()

# What reads a variable that it is given by name.
READERS = r"\b(?:getenv|environment_value|environment_is_true|is_asked_for|scrub|settings_choose)"
NAME = r"_?[A-Z][A-Z0-9_]+"


def section(heading: str) -> str:
    return README.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def tables(heading: str) -> list[list[list[str]]]:
    """The cells of the rows of each table of a section, without its head."""
    blocks = re.findall(r"(?:^\|.*\n)+", section(heading), re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in lines[2:]]
        for lines in (block.splitlines() for block in blocks)
    ]


def names_in(text: str) -> list[str]:
    return re.findall(f"`({NAME})`", text)


def text_of(literals: str) -> str:
    """A C string literal, which may be of several parts."""
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals)).replace('\\"', '"')


def words_of(array: str) -> list[str]:
    (body,) = re.findall(
        rf"\b{array}\[\] = \{{(.*?)\}};",
        SETTINGS + (BOOTSTRAP / "settings" / "settings_table.c").read_text(),
        re.DOTALL,
    )
    return re.findall(r'"([^"]*)"', body)


def rows_of_the_code() -> dict[str, str]:
    """The text of each row of the settings' table, by its variable's name."""
    (body,) = re.findall(r"struct setting rows\[\] = \{\n(.*?)\n\};", SETTINGS, re.DOTALL)
    return {
        text_of(row.partition(",")[0]): row.partition(",")[2]
        for row in re.split(r"\n    \{", "\n" + body)[1:]
    }


def form_of(row: str) -> str:
    form = re.match(r'\s*((?:"(?:[^"\\]|\\.)*"\s*)+)', row)
    if form:
        return text_of(form[1])
    words = re.search(r"\.words = (\w+)", row)
    *others, last = words_of(words[1] if words else "settings_booleans")
    return f"{', '.join(others)} or {last}"


def default_of(row: str) -> str | None:
    """As the README has it; None where the code has none."""
    member = re.search(r"\b[A-Z]+\((\w+)\)", row)
    value = member and re.search(rf"\.{member[1]} = (\w+),", SETTINGS)
    if not member or not value:
        return "false" if "BOOLEAN" in row else None
    if "SECONDS" in row:
        return str(int(value[1]) // 1000)
    return value[1].removeprefix("JOB_CREDENTIALS_").lower()


def types_of(text: str) -> list[str]:
    return re.findall(r"\b(?:Runtime|Function)\.[A-Z]\w+", text)


def constants() -> dict[str, str]:
    """Names and texts of the header, without the two beginnings."""
    found = re.findall(r'^static const char (\w+)\[\] = "(\w+\.\w*)";', HEADER, re.MULTILINE)
    return {name: text for name, text in found if not text.endswith(".")}


def sources(*patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in HELPERS.glob(pattern))


# --- Settings ------------------------------------------------------------------------------------


def test_settings_are_those_of_the_code() -> None:
    listed = {names_in(row[0])[0]: row[1] for row in tables("Settings")[0]}
    assert listed == {name: form_of(row) for name, row in rows_of_the_code().items()}
    assert len(listed) >= 20


def test_defaults_are_those_of_the_code() -> None:
    listed = {names_in(row[0])[0]: row[2] for row in tables("Settings")[0]}
    known = {name: default_of(row) for name, row in rows_of_the_code().items()}
    assert {name: listed[name] for name, value in known.items() if value} == {
        name: value for name, value in known.items() if value
    }
    assert sum(value is not None for value in known.values()) >= 7


def test_variables_that_are_read_directly_are_listed() -> None:
    """By the bootstrap, and by what it uses of the library."""
    read = {
        name
        for path in sources("bootstrap/**/*.c", "common/*.c", "common/http/*.c", "common/aws/*.c")
        for name in re.findall(rf'{READERS}\("({NAME})"', path.read_text())
    }
    listed = {name for row in tables("Settings")[1] for cell in row[:2] for name in names_in(cell)}
    # These libcurl reads.
    listed -= {"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"}
    assert listed - {"INFO"} == read


def test_settings_are_those_of_the_module() -> None:
    module = dict(re.findall(rf"^.*?\b({NAME})\s+= (.*)$", TERRAFORM, re.MULTILINE))
    for name in re.findall(rf"\{{ ({NAME}) = ", TERRAFORM):
        module.setdefault(name, "")
    set_by = {
        names_in(row[0])[0]: re.findall(r"`([^`]+)`", row[3]) for row in tables("Settings")[0]
    }
    assert set(module) == {name for name, inputs in set_by.items() if inputs}
    inputs = (REPO / "terraform" / "variables.tf").read_text()
    locals_of = "\n".join(path.read_text() for path in (REPO / "terraform").glob("*.tf"))
    for name, given in set_by.items():
        for one in given:
            assert f'variable "{one.partition(".")[0]}"' in inputs, f"{name}: no input {one}"
            assert f"var.{one}" in locals_of, f"{name}: nothing reads {one}"


# --- Error types ---------------------------------------------------------------------------------


def test_error_types_are_those_of_the_header() -> None:
    (table,) = tables("Error types")
    assert [types_of(row[0]) for row in table] == [[text] for text in constants().values()]
    assert all(len(row) == 3 and all(row) for row in table)


def test_every_error_type_has_a_line_and_a_use() -> None:
    used = "\n".join(path.read_text() for path in sources("bootstrap/**/*.c"))
    for name in constants():
        assert re.search(rf"^/// .+\nstatic const char {name}\[\]", HEADER, re.MULTILINE), name
        assert re.search(rf"\b{name}\b", used), f"{name} is not used"


def test_error_types_stand_in_the_header_alone() -> None:
    for path in sources("**/*.c"):
        assert not re.search(r'"(?:Runtime|Function)\.', path.read_text()), path
    known = set(constants().values())
    for path in [*sources("bootstrap/**/*.h"), BOOTSTRAP / "README.md"]:
        assert set(types_of(path.read_text())) - {"Runtime.Reason", "Function.Reason"} <= known


# --- Files ---------------------------------------------------------------------------------------


def test_the_way_of_a_job_names_every_file() -> None:
    (tree,) = re.findall(r"```\n(main\.c.*?)```", README, re.DOTALL)
    named = set(re.findall(r"\b\w+\.[ch]\b", tree))
    files = {path.name for path in sources("bootstrap/**/*.c")}
    headers = {path.name for path in sources("bootstrap/**/*.h")}
    assert files <= named and named <= files | headers
    rooms = set(re.findall(r"\b(\w+)/", tree)) - {"tmp", "runlet"}
    assert rooms == {path.parent.name for path in sources("bootstrap/*/*.c")}
