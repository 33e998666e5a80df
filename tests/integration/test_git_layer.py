# SPDX-License-Identifier: Apache-2.0
"""The git layer in a bare sandbox: a checkout over https, nothing of the machine to lean on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import DIST
from localcloud.gitlab import CertificateAuthority, Project, StandInGitLab
from localcloud.sandbox import CodeStore, bare_root
from localcloud.waiting import LIMIT

BUDGET = 250 * 1024 * 1024
CI_FILE = "job: {script: echo x}\n"


class Sandbox:
    """Commands under the bare root, with the layer at /opt and nothing else of this machine."""

    def __init__(self, folder: Path, certificate: Path) -> None:
        self.root = bare_root(folder / "root")
        self.opt = CodeStore(folder / "code").folder_of(
            [(DIST / "x86_64" / "git-layer.zip").read_bytes()]
        )
        self.tmp = folder / "tmp"
        self.tmp.mkdir(mode=0o777)
        shutil.copy(certificate, self.tmp / "ca.pem")

    def run(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        as_user = [] if os.geteuid() == 0 else ["--unshare-user"]
        return subprocess.run(
            [
                *("bwrap", *as_user, "--ro-bind", self.root, "/", "--ro-bind", self.opt, "/opt"),
                *("--bind", self.tmp, "/tmp", "--proc", "/proc", "--dev", "/dev"),
                *("--unshare-pid", "--die-with-parent", "--chdir", "/tmp"),
                *("--", "/usr/bin/bash", "-euc", script),
            ],
            env={
                "PATH": "/usr/bin:/bin:/opt/bin",
                "HOME": "/tmp",
                "GIT_TERMINAL_PROMPT": "0",
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )


@pytest.fixture(scope="module")
def gitlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInGitLab]:
    folder = tmp_path_factory.mktemp("gitlab")
    with StandInGitLab(ca=CertificateAuthority(folder / "ca"), folder=folder / "data") as running:
        yield running


@pytest.fixture(scope="module")
def project(gitlab: StandInGitLab) -> Project:
    project = gitlab.create_project("group/project")
    project.commit({".gitlab-ci.yml": CI_FILE, "file.txt": "content\n"})
    return project


@pytest.fixture
def sandbox(tmp_path: Path, gitlab: StandInGitLab) -> Sandbox:
    assert gitlab.ca
    return Sandbox(tmp_path, gitlab.ca.file)


def test_clones_over_https(sandbox: Sandbox, project: Project) -> None:
    result = sandbox.run(
        'git clone --quiet "$URL" work && cat work/file.txt && git -C work log --format=%s',
        URL=project.git_url,
        GIT_SSL_CAINFO="/tmp/ca.pem",
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("content\n")


def test_pushes_what_it_committed(sandbox: Sandbox, project: Project) -> None:
    result = sandbox.run(
        'git clone --quiet --depth 1 "$URL" work && cd work && echo more >>file.txt && '
        "git -c user.name=x -c user.email=x@example.com commit --quiet --all --message More && "
        "git push --quiet origin HEAD:refs/heads/more",
        URL=project.git_url,
        GIT_SSL_CAINFO="/tmp/ca.pem",
    )
    assert result.returncode == 0, result.stderr


def test_takes_submodules(sandbox: Sandbox, gitlab: StandInGitLab, project: Project) -> None:
    other = gitlab.create_project("group/with-submodule")
    other.commit({".gitlab-ci.yml": CI_FILE})
    result = sandbox.run(
        'git clone --quiet "$OTHER" other && cd other && '
        'git submodule --quiet add "$URL" part && '
        "git -c user.name=x -c user.email=x@example.com commit --quiet --message Add && "
        "cd .. && git clone --quiet --no-local other copy && cd copy && "
        "git submodule --quiet sync --recursive && "
        "git submodule --quiet update --init --recursive && "
        "git submodule foreach --recursive 'git clean -ffdx' && cat part/file.txt",
        URL=project.git_url,
        OTHER=other.git_url,
        GIT_SSL_CAINFO="/tmp/ca.pem",
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("content\n")


def test_refuses_a_certificate_it_does_not_know(sandbox: Sandbox, project: Project) -> None:
    result = sandbox.run('git ls-remote "$URL"', URL=project.git_url)
    assert result.returncode != 0
    assert "certificate" in result.stderr


def test_finds_the_certificates_of_the_image(sandbox: Sandbox, project: Project) -> None:
    """Without any setting, where provided.al2023 has them."""
    bundle = sandbox.root / "etc/pki/tls/certs/ca-bundle.crt"
    bundle.write_bytes(bundle.read_bytes() + (sandbox.tmp / "ca.pem").read_bytes())
    result = sandbox.run('git ls-remote "$URL"', URL=project.git_url)
    assert result.returncode == 0, result.stderr
    assert "refs/heads/main" in result.stdout


def test_finds_its_own_files(sandbox: Sandbox) -> None:
    result = sandbox.run(
        "git --exec-path && git init --quiet new && ls new/.git/hooks && git help -a"
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("/opt/libexec/git-core\n")
    assert "pre-commit.sample" in result.stdout


def test_fits_its_budget(sandbox: Sandbox) -> None:
    size = sum(path.lstat().st_size for path in sandbox.opt.rglob("*"))
    assert size < BUDGET / 10
