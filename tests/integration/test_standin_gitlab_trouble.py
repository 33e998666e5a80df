# SPDX-License-Identifier: Apache-2.0
"""The stand-in GitLab behind TLS, with faults, down, recorded, and run alone."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests

from integration.standin_gitlab import MIB, ScriptedRunner, commit
from localcloud.gitlab import CertificateAuthority, Job, Project, StandInGitLab
from localcloud.waiting import LIMIT, wait_until

pytest_plugins = ["integration.standin_gitlab_fixtures"]


def test_its_certificate_names_it_and_comes_from_the_ca(gitlab: StandInGitLab) -> None:
    assert gitlab.ca
    trusting = ssl.create_default_context(cafile=str(gitlab.ca.file))
    for name in ("127.0.0.1", "localhost", "gitlab.runlet.test"):
        with (
            socket.create_connection(("127.0.0.1", gitlab.port), 10) as raw,
            trusting.wrap_socket(raw, server_hostname=name) as secured,
        ):
            assert secured.version() in ("TLSv1.2", "TLSv1.3")
    with (
        socket.create_connection(("127.0.0.1", gitlab.port), 10) as raw,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        ssl.create_default_context().wrap_socket(raw, server_hostname="localhost")


def test_an_authority_is_taken_up_again(tmp_path: Path) -> None:
    first = CertificateAuthority(tmp_path)
    pem = first.file.read_bytes()

    assert CertificateAuthority(tmp_path).file.read_bytes() == pem
    assert (tmp_path / "ca-key.pem").stat().st_mode & 0o777 == 0o600


def test_an_answer_instead_of_serving(gitlab: StandInGitLab, scripted: ScriptedRunner) -> None:
    headers = {"Retry-After": "1"}
    fault = gitlab.faults.add(
        method="POST", path=r"/jobs/request$", status=429, headers=headers, times=2
    )

    answers = [scripted.request() for _ in range(3)]

    assert [one.status_code for one in answers] == [429, 429, 204]
    assert answers[0].headers["Retry-After"] == "1"
    assert fault.used == 2
    assert gitlab.requests[0].json["token"] == scripted.runner.token


def test_a_delay(gitlab: StandInGitLab, scripted: ScriptedRunner) -> None:
    gitlab.faults.add(delay=0.5)

    begin = time.monotonic()
    assert scripted.request().status_code == 204

    assert time.monotonic() - begin >= 0.5


def test_a_connection_cut_in_the_body_loses_the_request(
    gitlab: StandInGitLab, project: Project, scripted: ScriptedRunner
) -> None:
    job = commit(project).job("job")
    scripted.take()
    gitlab.faults.add(method="PATCH", path=r"/trace$", cut_after=1000)

    with pytest.raises(requests.ConnectionError):
        scripted.patch(b"x" * MIB, 0)

    assert gitlab.requests[-1].status is None
    assert job.trace == b""
    assert scripted.patch(b"x" * MIB, 0).status_code == 202


def test_a_connection_cut_before_the_answer_has_served_the_request(
    gitlab: StandInGitLab, project: Project, scripted: ScriptedRunner
) -> None:
    job = commit(project).job("job")
    scripted.take()
    gitlab.faults.add(method="PATCH", path=r"/trace$", cut_response=True)

    with pytest.raises(requests.ConnectionError):
        scripted.patch(b"hello", 0)

    assert job.trace == b"hello"


def test_a_download_cut_in_the_middle(
    gitlab: StandInGitLab, project: Project, scripted: ScriptedRunner, web: requests.Session
) -> None:
    commit(project)
    scripted.take()
    scripted.upload(b"z" * MIB)
    gitlab.faults.add(method="GET", path=r"/artifacts$", cut_response_after=1000)

    with pytest.raises(requests.RequestException):
        _ = web.get(f"{scripted.url}/artifacts", headers=scripted.header).content

    assert len(web.get(f"{scripted.url}/artifacts", headers=scripted.header).content) == MIB


def test_faults_can_be_cleared(gitlab: StandInGitLab, scripted: ScriptedRunner) -> None:
    gitlab.faults.add(status=500, times=None)
    assert scripted.request().status_code == 500
    gitlab.faults.clear()
    assert scripted.request().status_code == 204


def test_gitlab_goes_down_and_comes_back_on_the_same_port(
    gitlab: StandInGitLab, project: Project, scripted: ScriptedRunner
) -> None:
    gitlab.long_poll_seconds = 60
    last_update = scripted.request().headers["X-GitLab-Last-Update"]
    url = gitlab.url
    failures: list[Exception] = []

    def ask() -> None:
        try:
            scripted.request(last_update=last_update)
        except requests.ConnectionError as error:
            failures.append(error)

    held = threading.Thread(target=ask)
    held.start()
    wait_until(lambda: len(gitlab.requests) == 2, "the second request")
    gitlab.stop_listening()
    wait_until(lambda: not held.is_alive(), "the end of the held request")
    assert failures
    with pytest.raises(requests.ConnectionError):
        scripted.request()
    job = commit(project).job("job")
    gitlab.start_listening()

    assert gitlab.url == url
    assert scripted.take()["id"] == job.id


def test_requests_are_recorded(gitlab: StandInGitLab, scripted: ScriptedRunner) -> None:
    scripted.web.get(f"{gitlab.url}/nowhere?a=b&c=", headers={"X-Mine": "yes"})

    (request,) = gitlab.requests
    assert (request.method, request.path, request.status) == ("GET", "/nowhere", 404)
    assert request.query == {"a": "b", "c": ""}
    assert request.headers["x-mine"] == "yes"
    assert request.json is None


def test_listeners_hear_of_every_change_in_order(
    gitlab: StandInGitLab, project: Project, scripted: ScriptedRunner
) -> None:
    heard: list[tuple[str, str]] = []

    def listen(job: Job) -> None:
        heard.append((job.name, job.status))

    gitlab.job_listeners.append(listen)
    commit(project, "a: {stage: build, script: x}\nb: {script: x}")
    scripted.take()
    scripted.put("success")

    assert heard == [
        ("a", "created"), ("b", "created"), ("a", "pending"), ("a", "running"), ("a", "success"),
        ("b", "pending"),
    ]  # fmt: skip


def test_runs_alone(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "localcloud.gitlab", "--folder", str(tmp_path), "--plain"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(3)]
        url, token = lines[0].split()[-1], lines[1].split()[-1]
        with requests.Session() as web:
            web.trust_env = False
            answer = web.post(f"{url}/api/v4/jobs/request", json={"token": token})
        process.terminate()
        assert process.wait(LIMIT) == 0

    assert answer.json()["job_info"]["name"] == "hello"
