# SPDX-License-Identifier: Apache-2.0
"""The Terraform modules and examples: their form, their own tests, and what checkov says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from integration import checkov
from localcloud.terraform import find_program, write_cli_configuration

REPO = Path(__file__).resolve().parents[2]
CONVENTION = ("main.tf", "variables.tf", "outputs.tf", "versions.tf", "README.md")


def _with_variables(pattern: str) -> list[str]:
    return sorted(str(path.parent.relative_to(REPO)) for path in REPO.glob(pattern))


MODULES = _with_variables("terraform/variables.tf") + _with_variables(
    "terraform/modules/*/variables.tf"
)
EXAMPLES = _with_variables("examples/*/variables.tf")


class Workspace:
    """A copy of the modules and examples, so that nothing is left in the tree."""

    def __init__(self, folder: Path) -> None:
        unwanted = shutil.ignore_patterns(".terraform*", "*.tfstate*")
        for name in ("terraform", "examples"):
            shutil.copytree(REPO / name, folder / name, ignore=unwanted)
        self.folder = folder
        self.program = find_program()
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "TF_CLI_CONFIG_FILE": str(write_cli_configuration(folder / "cli", self.program)),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self._initialised: set[str] = set()

    def init(self, module: str) -> None:
        if module not in self._initialised:
            answer = self.run(module, "init", "-backend=false", "-input=false", "-no-color")
            assert answer.returncode == 0, answer.stdout
            self._initialised.add(module)

    def run(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *arguments],
            cwd=self.folder / module,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("terraform"))


@pytest.mark.parametrize("folder", ["terraform", "examples"])
def test_is_formatted(workspace: Workspace, folder: str) -> None:
    answer = workspace.run(folder, "fmt", "-check", "-diff", "-recursive", "-no-color")
    assert answer.returncode == 0, f"run `make format`\n{answer.stdout}"


@pytest.mark.parametrize("module", MODULES + EXAMPLES)
def test_is_valid(workspace: Workspace, module: str) -> None:
    workspace.init(module)
    answer = workspace.run(module, "validate", "-no-color")
    assert answer.returncode == 0, answer.stdout
    assert "Warning" not in answer.stdout, answer.stdout


@pytest.mark.parametrize("module", MODULES)
def test_passes_its_own_tests(workspace: Workspace, module: str) -> None:
    workspace.init(module)
    answer = workspace.run(module, "test", "-no-color")
    assert answer.returncode == 0, answer.stdout
    passed = re.search(r"Success! (\d+) passed, 0 failed", answer.stdout)
    assert passed is not None, answer.stdout
    assert int(passed[1]) > 0, answer.stdout


@pytest.mark.parametrize("module", MODULES + EXAMPLES)
def test_follows_the_convention(module: str) -> None:
    folder = REPO / module
    assert [name for name in CONVENTION if not (folder / name).is_file()] == []
    versions = (folder / "versions.tf").read_text()
    # A state in S3 that locks itself came later.
    oldest = "1.10" if "use_lockfile" in versions else "1.7"
    assert f'required_version = ">= {oldest}"' in versions
    assert re.search(r'version = ">= 5\.100"', versions)


@pytest.mark.parametrize("module", MODULES)
def test_leaves_providers_to_its_caller(module: str) -> None:
    code = "\n".join(path.read_text() for path in (REPO / module).glob("*.tf"))
    assert not re.search(r"^provider\b", code, re.MULTILINE)


def test_tables_of_the_readmes_are_up_to_date() -> None:
    answer = subprocess.run(
        [sys.executable, REPO / "helpers/toolchain/terraform-docs.py", "--check"],
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("folder", ["terraform", "examples"])
def test_checkov_finds_nothing(folder: str) -> None:
    report = checkov.scan(REPO / folder)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 0
    failed = [
        f"{check['check_id']} {check['resource']} ({check['file_path']})"
        for check in report["results"]["failed_checks"]
    ]
    assert failed == []


def test_every_skip_of_checkov_is_explained() -> None:
    skips = [
        (path.relative_to(REPO), line.strip())
        for folder in ("terraform", "examples")
        for path in (REPO / folder).rglob("*.tf")
        for line in path.read_text().splitlines()
        if "checkov:skip" in line
    ]
    assert skips, "no skip is found: the pattern is wrong"
    for path, line in skips:
        assert re.fullmatch(r"#checkov:skip=CKV2?_AWS_\d+:[A-Z].{30,}\.", line), f"{path}: {line}"
