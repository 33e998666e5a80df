# SPDX-License-Identifier: Apache-2.0
"""The linters, as tests: `make lint` runs these alone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from conftest import BUILD, REPO

RUFF = BUILD / "venv" / "bin" / "ruff"
CONFIGURATION = ["--config", "tests/pyproject.toml"]
C_FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-Ihelpers", "-include", "common/banned.h"]
ANALYZER_FLAGS = [*C_FLAGS, "-include", "tests/lint/analyzer.h"]
# What these define, analyzer.h replaces.
ERROR_MODULE = "helpers/common/error.c"

# One for each line of helpers/common/banned.h that forbids something.
BANNED_USES = {
    "strcpy": "char b[9]; strcpy(b, a);",
    "strcat": 'char b[9] = ""; strcat(b, a);',
    "sprintf": 'char b[9]; sprintf(b, "%s", a);',
    "strtok": 'char b[] = "x"; strtok(b, a);',
    "atoi": "(void)atoi(a);",
    "system": "(void)system(a);",
    "popen": '(void)popen(a, "r");',
    "gmtime": "time_t t = 0; (void)gmtime(&t);",
    "localtime": "time_t t = 0; (void)localtime(&t);",
}


def tracked(*patterns: str) -> list[str]:
    """The repository's files (also those not yet added) that fit; where there is no git, all."""
    if not (REPO / ".git").exists():
        found = {path for pattern in patterns for path in REPO.rglob(pattern)}
        names = (path.relative_to(REPO) for path in found)
        return sorted(str(name) for name in names if name.parts[0] not in ("build", "dist"))
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z", "--", *patterns],
        cwd=REPO,
        check=True,
        capture_output=True,
        text=True,
    )
    return sorted(name for name in listing.stdout.split("\0") if name and (REPO / name).is_file())


def run(*command: str | Path) -> None:
    """Runs a linter at the top of the repository; what it says is the failure's message."""
    result = subprocess.run(
        command,
        cwd=REPO,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if result.returncode != 0 or "warning:" in result.stderr:
        pytest.fail(f"{result.stdout}{result.stderr}".strip(), pytrace=False)


def helper_sources() -> list[str]:
    return tracked("helpers/**/*.c") or tracked("*.c")


def shell_scripts() -> list[str]:
    """Files that say of themselves that they are shell scripts."""
    found = []
    for name in tracked("*"):
        with (REPO / name).open("rb") as file:
            first = file.readline(80)
        if (first.startswith(b"#!") and first.rstrip().endswith((b"/sh", b"bash", b"env sh"))) or (
            first.startswith(b"# shellcheck shell=")
        ):
            found.append(name)
    return found


def test_c_is_formatted() -> None:
    run("clang-format", "--dry-run", "--Werror", *tracked("*.c", "*.h"))


@pytest.mark.parametrize("source", helper_sources())
def test_clang_tidy(source: str) -> None:
    flags = C_FLAGS if source == ERROR_MODULE else ANALYZER_FLAGS
    result = subprocess.run(
        ["clang-tidy", "--quiet", source, "--", *flags],
        cwd=REPO,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("source", helper_sources())
def test_gcc_analyzer(source: str) -> None:
    flags = C_FLAGS if source == ERROR_MODULE else ANALYZER_FLAGS
    run("gcc", "-fanalyzer", "-O1", *flags, "-c", "-o", os.devnull, source)


def test_cppcheck() -> None:
    # The macro LOG_FIELDS uses __VA_OPT__, which cppcheck does not know yet.
    run(
        *("cppcheck", "--quiet", "--std=c11", "--enable=warning,performance,portability"),
        *("--error-exitcode=1", "--inline-suppr", "--suppress=missingIncludeSystem"),
        *("-Ihelpers", "-D_GNU_SOURCE", "-ULOG_FIELDS", "helpers"),
    )


@pytest.mark.parametrize("name", BANNED_USES)
def test_banned_functions_do_not_compile(name: str, tmp_path: Path) -> None:
    source = tmp_path / "use.c"
    source.write_text(
        f"void use(const char *a);\nvoid use(const char *a) {{ (void)a; {BANNED_USES[name]} }}\n"
    )
    result = subprocess.run(
        ["gcc", *C_FLAGS, "-fsyntax-only", source], cwd=REPO, capture_output=True, text=True
    )
    assert result.returncode != 0
    assert f"{name}_is_banned" in result.stderr


def test_shellcheck() -> None:
    run(
        "shellcheck",
        "--severity=warning",
        "--external-sources",
        "--source-path=SCRIPTDIR",
        *shell_scripts(),
    )


def test_ruff_check() -> None:
    run(RUFF, "check", "--no-cache", *CONFIGURATION, "tests", "helpers")


def test_ruff_format() -> None:
    run(RUFF, "format", "--no-cache", "--check", *CONFIGURATION, "tests", "helpers")


def test_terraform_fmt() -> None:
    terraform = subprocess.run(
        [REPO / "helpers" / "toolchain" / "terraform.sh"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    run(terraform, "fmt", "-check", "-recursive", "-diff")


def test_every_source_names_its_license() -> None:
    sources = tracked(
        "*.c", "*.h", "*.py", "*.sh", "*.tf", "*.hcl", "*.mk", "*.rs", "*.go", "Makefile"
    )
    missing = [
        name
        for name in sources
        if "SPDX-License-Identifier: Apache-2.0" not in (REPO / name).read_text()[:400]
    ]
    assert not missing


def test_top_level_holds_what_the_readme_names_alone() -> None:
    """A file that a test or a person left where it ran is committed sooner or later."""
    entries = {name.partition("/")[0] for name in tracked("*")}
    known = {"LICENSE", "Makefile", "README.md", "examples", "helpers", "layers", "terraform"}
    assert {entry for entry in entries if not entry.startswith(".")} == known | {"tests"}


def test_text_is_plain() -> None:
    """What is compiled or run to build is ASCII; tests may send other letters."""
    patterns = ("*.c", "*.h", "*.sh", "*.mk", "*.tf", "Makefile")
    assert not [name for name in tracked(*patterns) if not (REPO / name).read_bytes().isascii()]
