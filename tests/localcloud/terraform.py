# SPDX-License-Identifier: Apache-2.0
"""Runs the machine's terraform or tofu against the local cloud, offline where a mirror is found."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from localcloud.children import run_gently

REPO = Path(__file__).resolve().parents[2]
TERRAFORM_HOST = "registry.terraform.io"
TOFU_HOST = "registry.opentofu.org"


def find_program() -> Path:
    """`terraform`, else `tofu`, else the tofu that `make setup` builds."""
    for name in ("terraform", "tofu"):
        if found := shutil.which(name):
            return Path(found)
    answer = subprocess.run(
        [REPO / "helpers/toolchain/terraform.sh"], check=True, capture_output=True, text=True
    )
    return Path(answer.stdout.strip())


def find_mirror(variables: Mapping[str, str] = os.environ) -> Path | None:
    """The first provider mirror that exists: a folder that holds `registry.terraform.io`."""
    for folder in _candidates(variables):
        if _readable(folder / TERRAFORM_HOST):
            return folder
    return None


def _readable(path: Path) -> bool:
    return os.access(path, os.R_OK)


def _candidates(variables: Mapping[str, str]) -> Iterator[Path]:
    if named := variables.get("RUNLET_PROVIDER_MIRROR"):
        yield Path(named)
    configuration = Path(variables.get("TF_CLI_CONFIG_FILE") or os.devnull)
    if _readable(configuration):
        for path in re.findall(r'^\s*path\s*=\s*"([^"]+)"', configuration.read_text(), re.M):
            yield Path(path)
    home = Path(variables.get("HOME", "/"))
    data = Path(variables.get("XDG_DATA_HOME") or home / ".local/share")
    yield home / ".terraform.d/plugins"
    for name in ("terraform", "opentofu"):
        yield data / name / "plugins"
        yield Path("/usr/local/share") / name / "plugins"
        yield Path("/usr/share") / name / "plugins"
    if Path("/opt").is_dir():
        yield from sorted(folder for folder in Path("/opt").iterdir() if folder.is_dir())


def write_cli_configuration(
    folder: Path, program: Path, variables: Mapping[str, str] = os.environ
) -> Path:
    """Writes a CLI configuration into `folder` that takes providers from the mirror, if any."""
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "cli.tfrc"
    own = Path(variables.get("TF_CLI_CONFIG_FILE") or os.devnull)
    mirror = find_mirror(variables)
    if mirror is None:
        configuration.write_text(own.read_text() if _readable(own) else "")
        return configuration
    host = TERRAFORM_HOST
    if _is_tofu(program):
        host = TOFU_HOST
        mirror = _tofu_mirror(mirror, folder / "providers")
    found = [f'"{host}/{path.parent.name}/{path.name}"' for path in (mirror / host).glob("*/*")]
    names = ", ".join(sorted(found))
    configuration.write_text(
        f"""disable_checkpoint = true
provider_installation {{
  filesystem_mirror {{
    path    = "{mirror}"
    include = [{names}]
  }}
  direct {{
    exclude = [{names}]
  }}
}}
"""
    )
    return configuration


def _is_tofu(program: Path) -> bool:
    answer = subprocess.run([program, "version"], check=True, capture_output=True, text=True,
                            env={**os.environ, "TF_CLI_CONFIG_FILE": os.devnull})  # fmt: skip
    return answer.stdout.startswith("OpenTofu")


def _tofu_mirror(mirror: Path, folder: Path) -> Path:
    """The same mirror under tofu's host: of links, it follows only those of platform folders."""
    host = mirror / TERRAFORM_HOST
    for entry in [*host.glob("*/*/*/*"), *host.glob("*/*/*.zip")]:
        link = folder / TOFU_HOST / entry.relative_to(host)
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(entry.resolve())
    return folder


class Terraform:
    """A copy of an example, with the modules beside it, in a work folder of its own."""

    def __init__(
        self,
        example: str,
        folder: Path,
        environ: Mapping[str, str],
        program: Path | None = None,
        artifacts: Path = REPO / "dist",
    ) -> None:
        self.program = program or find_program()
        self.folder = folder / "tree" / "examples" / example
        tree = folder / "tree"
        if not tree.exists():
            unwanted = shutil.ignore_patterns(".terraform*", "*.tfstate*")
            shutil.copytree(REPO / "terraform", tree / "terraform", ignore=unwanted)
            (tree / "dist").symlink_to(artifacts.resolve())
        if not self.folder.exists():
            shutil.copytree(REPO / "examples" / example, self.folder)
        configuration = write_cli_configuration(folder / "cli", self.program)
        self._environ = {
            **environ,
            "TF_CLI_CONFIG_FILE": str(configuration),
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "CHECKPOINT_DISABLE": "1",
        }

    def init(self, **options: Any) -> subprocess.CompletedProcess[str]:
        return self.run("init", "-no-color", "-input=false", **options)

    def apply(self, variables: Mapping[str, str], **options: Any) -> None:
        arguments = [f"-var={name}={value}" for name, value in variables.items()]
        self.run("apply", "-no-color", "-auto-approve", "-input=false", *arguments, **options)

    def plan_is_empty(self, variables: Mapping[str, str]) -> tuple[bool, str]:
        """Whether a plan finds nothing to do, and what it said."""
        arguments = [f"-var={name}={value}" for name, value in variables.items()]
        answer = self.run(
            "plan", "-no-color", "-input=false", "-detailed-exitcode", *arguments, check=False
        )
        return answer.returncode == 0, answer.stdout + answer.stderr

    def destroy(self, variables: Mapping[str, str]) -> None:
        arguments = [f"-var={name}={value}" for name, value in variables.items()]
        self.run("destroy", "-no-color", "-auto-approve", "-input=false", *arguments)

    def outputs(self) -> dict[str, Any]:
        answer = self.run("output", "-json")
        return {name: one["value"] for name, one in json.loads(answer.stdout).items()}

    def run(
        self, *arguments: str, check: bool = True, tell: Callable[[str], None] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs it; what it says is kept, and `tell` hears each line of it at once."""
        lines: list[str] = []

        def hear(line: str) -> None:
            lines.append(line)
            if tell:
                tell(line)

        answer = run_gently(
            [self.program, *arguments],
            tell=hear if tell else None,
            cwd=self.folder,
            env=self._environ,
        )
        if check and answer.returncode != 0:
            said = "\n".join(lines[-40:]) or f"{answer.stdout}{answer.stderr}"
            raise RuntimeError(f"{self.program.name} {arguments[0]} failed\n{said}")
        return answer
