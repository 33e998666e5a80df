# SPDX-License-Identifier: Apache-2.0
"""`go-build.sh`: a program of a Go module, and a go.mod of ours that leaves something out."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from conftest import REPO

TOOLCHAIN = REPO / "helpers" / "toolchain"
MODULE = "example.test/hello"
PROGRAM = 'package main\n\nvar said = "nothing"\n\nfunc main() { println(said) }\n'
THEIRS = f"module {MODULE}\n\ngo 1.24\n\ngodebug tlsmlkem=0\n"
OURS = f"module runlet/hello\n\ngo 1.24\n\nrequire {MODULE} v1.0.0\n"


class Modules:
    """A folder of ours with a go.mod, and a Go module proxy that serves the program in files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "ours"
        self.folder.mkdir()
        self.environ = {
            **os.environ,
            "GOPROXY": f"file://{folder}/proxy",
            "GONOSUMDB": "*",
            "GOMODCACHE": str(folder / "modules"),
            "GOFLAGS": "-modcacherw",
        }
        self.go = subprocess.run(
            [TOOLCHAIN / "go.sh"], check=True, capture_output=True, text=True
        ).stdout.strip()
        served = folder / "proxy" / MODULE / "@v"
        served.mkdir(parents=True)
        (served / "v1.0.0.info").write_text(json.dumps({"Version": "v1.0.0"}))
        (served / "v1.0.0.mod").write_text(THEIRS)
        with zipfile.ZipFile(served / "v1.0.0.zip", "w") as archive:
            for name, text in (("go.mod", THEIRS), ("main.go", PROGRAM), ("LICENSE", "Free\n")):
                archive.writestr(f"{MODULE}@v1.0.0/{name}", text)

    def write(self, go_mod: str) -> None:
        (self.folder / "go.mod").write_text(go_mod)
        subprocess.run(
            [self.go, "mod", "download", MODULE],
            cwd=self.folder, env=self.environ, check=True, capture_output=True,
        )  # fmt: skip

    def build(self, output: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [TOOLCHAIN / "go-build.sh", "amd64", MODULE, output, "-X", "main.said=hello"],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=300,
        )


@pytest.fixture
def modules(tmp_path: Path) -> Modules:
    return Modules(tmp_path)


def test_builds_a_static_program_with_its_licences(modules: Modules, tmp_path: Path) -> None:
    modules.write(f"{OURS}\ngodebug tlsmlkem=0\n")

    result = modules.build(tmp_path / "out")

    assert result.returncode == 0, result.stderr
    program = tmp_path / "out" / "bin" / "hello"
    said = subprocess.run([program], check=True, env={}, capture_output=True, text=True)
    assert said.stderr == "hello\n"
    headers = subprocess.run(
        ["readelf", "--wide", "--program-headers", program],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert "INTERP" not in headers
    licenses = tmp_path / "out" / "share" / "licenses"
    assert (licenses / MODULE / "LICENSE").read_text() == "Free\n"
    assert (licenses / MODULE / "VERSION").read_text() == f"{MODULE} v1.0.0\n"
    assert (licenses / "go" / "LICENSE").read_text().startswith("Copyright")


@pytest.mark.parametrize(
    "ours",
    [
        OURS,
        f"{OURS}\ngodebug tlsmlkem=1\n",
        f"{OURS}\ngodebug tlsmlkem=0\n\nreplace example.test/a => example.test/b v1.0.0\n",
    ],
)
def test_a_go_mod_without_what_only_a_main_modules_says_is_refused(
    ours: str, modules: Modules, tmp_path: Path
) -> None:
    modules.write(ours)

    result = modules.build(tmp_path / "out")

    assert result.returncode != 0
    assert f"error: {modules.folder}/go.mod: expected `replace` and `godebug` as" in result.stderr
    assert '{"godebug":{"tlsmlkem":"0"},"replace":null}' in result.stderr
    assert not (tmp_path / "out").exists()
