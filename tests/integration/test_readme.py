# SPDX-License-Identifier: Apache-2.0
"""What the READMEs say: their links lead somewhere, their HCL is valid, their targets exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from conftest import REPO
from localcloud.terraform import find_program, write_cli_configuration

READMES = [
    REPO / name
    for name in subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "--", "*.md"],
        cwd=REPO,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
]


def anchors_of(file: Path) -> set[str]:
    """The anchors of a file's headings, as GitLab and GitHub make them."""
    text = re.sub(r"```.*?```", "", file.read_text(), flags=re.S)
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("file", READMES, ids=[str(file.relative_to(REPO)) for file in READMES])
def test_links_lead_somewhere(file: Path) -> None:
    text = re.sub(r"```.*?```", "", file.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        other = (file.parent / path).resolve() if path else file
        assert other.exists(), f"{target} is not there"
        if anchor and other.suffix == ".md":
            assert anchor in anchors_of(other), f"{target}: no such heading"


@pytest.mark.parametrize(
    ("folder", "files"),
    [
        ("tests/e2e", "test_*.py"),
        ("examples", "*/"),
        ("layers", "*/"),
        ("helpers", "*/"),
        ("helpers/toolchain", "*.*"),
        ("terraform", "modules/*/"),
    ],
)
def test_tables_name_all_that_is_there(folder: str, files: str) -> None:
    text = (REPO / folder / "README.md").read_text()
    names = {path.name for path in (REPO / folder).glob(files)} - {"README.md"}
    assert names
    named = set(re.findall(r"[`(/]([\w.-]+)[`)]", text))
    assert names - named == set()


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (REPO / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    for file in READMES:
        named = re.findall(
            r"`make ([a-z][a-z-]*)[^`]*`|^make ([a-z][a-z-]*)", file.read_text(), re.M
        )
        for target in {first or second for first, second in named}:
            assert target in targets, f"{file.relative_to(REPO)} names make {target}"


@pytest.mark.parametrize("more", [False, True])
def test_the_ten_lines_of_terraform_are_valid(tmp_path: Path, more: bool) -> None:
    text = (REPO / "README.md").read_text()
    (block,) = re.findall(r"```hcl\n(.*?)```", text, re.S)
    assert len(block.strip().splitlines()) <= 10
    if more:  # what the README adds to it
        added = re.findall(r"^    \w+ += .*$", text, re.M)
        assert any("accounts" in line for line in added)
        block = block.rstrip().removesuffix("}") + "\n".join([*added, "}"])
    source = re.sub(r'source( +)= ".*"', rf'source\1= "{REPO / "terraform"}"', block)
    (tmp_path / "dist").symlink_to(REPO / "dist")
    (tmp_path / "main.tf").write_text(
        f'{source}\nresource "aws_secretsmanager_secret" "runner_token" {{ name = "token" }}\n'
    )
    program = find_program()
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "TF_CLI_CONFIG_FILE": str(write_cli_configuration(tmp_path / "cli", program)),
    }
    for command in (["init", "-input=false"], ["validate"]):
        done = subprocess.run(
            [program, *command], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
