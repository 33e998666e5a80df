# SPDX-License-Identifier: Apache-2.0
"""What the READMEs say: their links lead somewhere, their HCL is valid, their targets exist."""

from __future__ import annotations

import json
import re
import shutil
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


def _terraform(folder: Path, *command: str) -> str:
    """What a command says in a folder that is initialised for it."""
    program = find_program()
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "TF_CLI_CONFIG_FILE": str(write_cli_configuration(folder / "cli", program)),
    }
    for arguments in (["init", "-input=false"], command):
        done = subprocess.run(
            [program, *arguments], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0 or arguments is command, done.stdout + done.stderr
    return done.stdout


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
    answer = json.loads(_terraform(tmp_path, "validate", "-json"))
    assert answer["valid"], answer["diagnostics"]


def test_the_uses_of_the_modules_are_valid(tmp_path: Path) -> None:
    """But for what they name of the reader's own; all at once, each as a module."""
    unwanted = shutil.ignore_patterns(".terra*")
    shutil.copytree(REPO / "terraform", tmp_path / "terraform", ignore=unwanted)
    places = {}
    for file in READMES:
        for block in re.findall(r"```hcl\n(.*?)```", file.read_text(), re.S):
            if "module " not in block:
                continue
            name = f"use{len(places)}"
            places[name] = file.relative_to(REPO)
            aliases = "".join(
                f'provider "aws" {{\n  alias = "{alias}"\n}}\n'
                for alias in re.findall(r"aws = aws\.(\w+)", block)
            )
            (tmp_path / name).mkdir()
            local = re.sub(r'"git::[^"]*//([^"?]+)\?ref=[^"]*"', r'"../\1"', block)
            (tmp_path / name / "main.tf").write_text(local + aliases)
    (tmp_path / "main.tf").write_text(
        "".join(f'module "{name}" {{\n  source = "./{name}"\n}}\n' for name in places)
    )
    said = [
        f"{places.get(one['range']['filename'].partition('/')[0])}: {one['detail']}"
        for one in json.loads(_terraform(tmp_path, "validate", "-json"))["diagnostics"]
        if one["severity"] == "error" and not one["summary"].startswith("Reference to undeclared ")
    ]
    assert len(places) > 10
    assert said == []
