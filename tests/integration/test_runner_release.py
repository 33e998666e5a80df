# SPDX-License-Identifier: Apache-2.0
"""`make layers RUNNER_VERSION=...` takes GitLab's release by URL and checksum (a local server)."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from conftest import BUILD, DIST, REPO

VERSION = "18.9.9"
GOARCHES = {"x86_64": "amd64", "arm64": "arm64"}


class ReleaseServer:
    """Serves files under the paths of GitLab's release bucket, and keeps what was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.asked.append(self.path)
                content = owner.files.get(self.path)
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, format: str, *arguments: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def release(self, version: str, binaries: dict[str, bytes]) -> None:
        lines = []
        for goarch, content in binaries.items():
            name = f"binaries/gitlab-runner-linux-{goarch}"
            self.files[f"/v{version}/{name}"] = content
            lines.append(f"{hashlib.sha256(content).hexdigest()} *{name}\n")
        lines.append(f"{'0' * 64} *binaries/gitlab-runner-linux-s390x\n")
        self.files[f"/v{version}/release.sha256"] = "".join(lines).encode()


class Tree:
    """A copy of what the release script needs, so that the repository's recipe stays as it is."""

    def __init__(self, folder: Path, server: ReleaseServer) -> None:
        self.layer = folder / "layers" / "gitlab-runner"
        for name in ("layers/gitlab-runner", "helpers/toolchain"):
            shutil.copytree(REPO / name, folder / name)
        for arch in GOARCHES:
            shell = Path("build/layers/gitlab-runner") / arch / "shell"
            shutil.copytree(REPO / shell, folder / shell)
        self.cache = folder / "cache"
        self.environ = {
            **os.environ,
            "RUNNER_RELEASES": server.url,
            "XDG_CACHE_HOME": str(self.cache),
        }

    def release(self, version: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.layer / "release.sh", version],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def recipe(self) -> dict[str, Any]:
        return json.loads((self.layer / "layer.json").read_text())

    def pack(self, arch: str, output: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *(BUILD / "bin" / "layer-packer", "pack", "--recipe", self.layer / "layer.json"),
                *("--arch", arch, "--output", output),
            ],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )


@pytest.fixture
def server() -> Iterator[ReleaseServer]:
    serving = ReleaseServer()
    yield serving
    serving.server.shutdown()
    serving.server.server_close()


@pytest.fixture
def tree(tmp_path: Path, server: ReleaseServer) -> Tree:
    return Tree(tmp_path / "tree", server)


def binaries() -> dict[str, bytes]:
    """Executables of the right architecture: the packer refuses others."""
    return {
        goarch: (DIST / arch / "bin" / "bootstrap").read_bytes()
        for arch, goarch in GOARCHES.items()
    }


def test_writes_the_hashes_into_the_recipe(tree: Tree, server: ReleaseServer) -> None:
    server.release(VERSION, {"amd64": b"for x86_64", "arm64": b"for arm64"})

    result = tree.release(VERSION)

    assert result.returncode == 0, result.stderr
    recipe = tree.recipe()
    assert recipe["version"] == VERSION
    runner = next(file for file in recipe["files"] if file["path"] == "bin/gitlab-runner")
    assert runner["source"]["sha256"] == {
        "x86_64": hashlib.sha256(b"for x86_64").hexdigest(),
        "arm64": hashlib.sha256(b"for arm64").hexdigest(),
    }
    # The jobs' bash is built here, whatever runner comes with it.
    built = [file["path"] for file in recipe["files"] if "build/" in json.dumps(file)]
    assert built == ["libexec/runlet/bash", "share/licenses/bash", "share/licenses/musl"]
    assert any("LICENSE" in file["path"] for file in recipe["files"])

    assert tree.release(VERSION).returncode == 0
    assert server.asked == [f"/v{VERSION}/release.sha256"], "the sums are fetched once"


@pytest.mark.parametrize("arch", GOARCHES)
def test_the_packer_takes_the_release(
    tree: Tree, server: ReleaseServer, tmp_path: Path, arch: str
) -> None:
    server.release(VERSION, binaries())
    assert tree.release(VERSION).returncode == 0
    output = tmp_path / "layer.zip"

    result = tree.pack(arch, output)

    assert result.returncode == 0, result.stderr
    with zipfile.ZipFile(output) as archive:
        assert archive.read("bin/gitlab-runner") == binaries()[GOARCHES[arch]]
        assert archive.getinfo("bin/gitlab-runner").external_attr >> 16 & 0o777 == 0o755
        # The licence, and the version that it belongs to.
        assert f"share/licenses/gitlab-runner-{VERSION}/LICENSE" in archive.namelist()
        assert {"libexec/runlet/bash", "share/licenses/bash/LICENSE"} <= set(archive.namelist())


def test_the_packer_refuses_another_file(tree: Tree, server: ReleaseServer, tmp_path: Path) -> None:
    server.release(VERSION, binaries())
    assert tree.release(VERSION).returncode == 0
    server.files[f"/v{VERSION}/binaries/gitlab-runner-linux-amd64"] += b"changed"
    output = tmp_path / "layer.zip"

    result = tree.pack("x86_64", output)

    assert result.returncode != 0
    assert "gitlab-runner" in result.stderr
    assert not output.exists()


@pytest.mark.parametrize("version", ["18", "v18.9.9", "18.9.9/..", ""])
def test_refuses_what_is_no_version(tree: Tree, version: str) -> None:
    before = tree.recipe()
    result = tree.release(version)
    assert result.returncode != 0
    assert "RUNNER_VERSION" in result.stderr
    assert tree.recipe() == before


def test_says_that_a_release_is_not_there(tree: Tree) -> None:
    before = tree.recipe()
    result = tree.release("18.0.99")
    assert result.returncode != 0
    assert "18.0.99" in result.stderr
    assert tree.recipe() == before


def test_leaves_the_recipe_where_a_hash_is_missing(tree: Tree, server: ReleaseServer) -> None:
    server.release(VERSION, {"amd64": b"only this"})
    before = tree.recipe()
    result = tree.release(VERSION)
    assert result.returncode != 0
    assert "arm64" in result.stderr
    assert tree.recipe() == before
