# SPDX-License-Identifier: Apache-2.0
"""`layers/terraform/release.sh` takes a release by address and checksum (a local server)."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from conftest import BUILD, DIST, REPO

VERSION = "1.99.1"
GOARCHES = {"x86_64": "amd64", "arm64": "arm64"}


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def releases(tmp_path: Path) -> Iterator[str]:
    """A server with one release, whose executables are ours: the packer looks at them."""
    folder = tmp_path / "releases" / VERSION
    folder.mkdir(parents=True)
    sums = f"{'0' * 64}  terraform_{VERSION}_windows_amd64.zip\n"
    for arch, goarch in GOARCHES.items():
        target = folder / f"terraform_{VERSION}_linux_{goarch}.zip"
        with zipfile.ZipFile(target, "w") as archive:
            archive.write(DIST / arch / "bin" / "bootstrap", "terraform")
            archive.writestr("LICENSE.txt", "a licence")
        sums += f"{hashlib.sha256(target.read_bytes()).hexdigest()}  {target.name}\n"
    (folder / f"terraform_{VERSION}_SHA256SUMS").write_text(sums)
    handler = functools.partial(Handler, directory=str(folder.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class Tree:
    """A copy of what the script needs, so that the repository gets no recipe."""

    def __init__(self, folder: Path, releases: str) -> None:
        for name in ("layers/terraform", "helpers/toolchain"):
            shutil.copytree(REPO / name, folder / name)
        self.layer = folder / "layers" / "terraform"
        self.recipe = self.layer / "layer.json"
        self.recipe.unlink(missing_ok=True)
        cache = str(folder / "cache")
        self.environ = {**os.environ, "TERRAFORM_RELEASES": releases, "XDG_CACHE_HOME": cache}

    def run(self, *command: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=self.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )

    def release(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(self.layer / "release.sh", *arguments)


@pytest.fixture
def tree(tmp_path: Path, releases: str) -> Tree:
    return Tree(tmp_path / "tree", releases)


@pytest.mark.parametrize("arch", GOARCHES)
def test_the_packer_takes_the_release(tree: Tree, tmp_path: Path, arch: str) -> None:
    written = tree.release(VERSION)
    assert written.returncode == 0, written.stderr
    packer = BUILD / "bin" / "layer-packer"
    output = tmp_path / "layer.zip"

    packed = tree.run(packer, "pack", "--recipe", tree.recipe, "--arch", arch, "--output", output)

    assert packed.returncode == 0, packed.stderr
    with zipfile.ZipFile(output) as archive:
        assert archive.namelist() == [
            "bin/terraform",
            f"share/licenses/terraform-{VERSION}/LICENSE.txt",
        ]
        assert archive.read("bin/terraform") == (DIST / arch / "bin" / "bootstrap").read_bytes()
        assert archive.getinfo("bin/terraform").external_attr >> 16 & 0o777 == 0o755


def test_the_packer_refuses_another_release(tree: Tree, tmp_path: Path) -> None:
    assert tree.release(VERSION).returncode == 0
    name = f"terraform_{VERSION}_linux_amd64.zip"
    with zipfile.ZipFile(tmp_path / "releases" / VERSION / name, "a") as archive:
        archive.writestr("more", "changed")
    output = tmp_path / "layer.zip"
    packer = BUILD / "bin" / "layer-packer"

    packed = tree.run(
        packer, "pack", "--recipe", tree.recipe, "--arch", "x86_64", "--output", output
    )

    assert packed.returncode == 1
    assert name in packed.stderr and "SHA-256" in packed.stderr
    assert not output.exists()


def test_the_recipe_names_both_hashes(tree: Tree, tmp_path: Path) -> None:
    assert tree.release(VERSION).returncode == 0
    recipe = json.loads(tree.recipe.read_text())
    assert recipe["version"] == VERSION
    folder = tmp_path / "releases" / VERSION
    for file in recipe["files"]:
        assert file["source"]["sha256"] == {
            arch: hashlib.sha256(
                (folder / f"terraform_{VERSION}_linux_{goarch}.zip").read_bytes()
            ).hexdigest()
            for arch, goarch in GOARCHES.items()
        }


@pytest.mark.parametrize("arguments", [["1.13"], ["v1.13.5"], ["1.0.0/.."], [""], []])
def test_refuses_what_is_no_version(tree: Tree, arguments: list[str]) -> None:
    result = tree.release(*arguments)
    assert result.returncode == 1
    assert "release" in result.stderr
    assert not tree.recipe.exists()


def test_follows_the_server_to_no_plain_http(tree: Tree, tmp_path: Path) -> None:
    sums = tmp_path / "releases" / VERSION / f"terraform_{VERSION}_SHA256SUMS"
    sums.unlink()
    sums.mkdir()  # The server leads on to the same with a slash.
    result = tree.release(VERSION)
    assert result.returncode == 1
    assert f"cannot fetch {tree.environ['TERRAFORM_RELEASES']}/{VERSION}" in result.stderr
    assert not tree.recipe.exists()


def test_says_what_the_server_lacks(tree: Tree, tmp_path: Path) -> None:
    result = tree.release("1.0.0")
    assert result.returncode == 1 and "is Terraform 1.0.0 a release?" in result.stderr
    sums = tmp_path / "releases" / VERSION / f"terraform_{VERSION}_SHA256SUMS"
    sums.write_text(
        "".join(line for line in sums.read_text().splitlines(True) if "arm" not in line)
    )
    result = tree.release(VERSION)
    assert result.returncode == 1 and "linux_arm64.zip" in result.stderr
    names = [f"terraform_{VERSION}_linux_{goarch}.zip" for goarch in GOARCHES.values()]
    sums.write_text("".join(f"{'0' * 63}  {name}\n" for name in names))
    result = tree.release(VERSION)
    assert result.returncode == 1 and "names no SHA-256" in result.stderr
    assert [path.name for path in tree.layer.iterdir() if path.name.startswith(".")] == []
    assert not tree.recipe.exists()
