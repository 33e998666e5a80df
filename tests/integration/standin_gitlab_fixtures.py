# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of the stand-in GitLab: one with TLS, a project, and a scripted runner."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from integration.standin_gitlab import ScriptedRunner, session_for
from localcloud.gitlab import CertificateAuthority, Project, Runner, StandInGitLab


@pytest.fixture
def gitlab(tmp_path: Path) -> Iterator[StandInGitLab]:
    with StandInGitLab(
        ca=CertificateAuthority(tmp_path / "ca"), folder=tmp_path / "gitlab"
    ) as running:
        yield running


@pytest.fixture
def web(gitlab: StandInGitLab) -> Iterator[requests.Session]:
    with session_for(gitlab) as session:
        yield session


@pytest.fixture
def runner(gitlab: StandInGitLab) -> Runner:
    return gitlab.create_runner()


@pytest.fixture
def project(gitlab: StandInGitLab) -> Project:
    return gitlab.create_project("group/project")


@pytest.fixture
def scripted(gitlab: StandInGitLab, runner: Runner, web: requests.Session) -> ScriptedRunner:
    return ScriptedRunner(gitlab, runner, web)
