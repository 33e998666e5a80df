# SPDX-License-Identifier: Apache-2.0
"""The stand-in GitLab over the wire: the runner API, git, the REST API, TLS and faults."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from localcloud.gitlab import CertificateAuthority, Job, Pipeline, Project, Runner, StandInGitLab

SYSTEM_ID = "s_0123456789ab"
GRACEFUL = {"features": {"cancel_gracefully": True}}
TWO_PHASES = {"features": {"two_phase_job_commit": True}}
MIB = 1 << 20


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


def session_for(gitlab: StandInGitLab) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    assert gitlab.ca
    session.verify = str(gitlab.ca.file)
    return session


def commit(project: Project, text: str = "job: {script: echo hello}") -> Pipeline:
    pipeline = project.commit({".gitlab-ci.yml": text, "file.txt": "content\n"})
    assert pipeline
    return pipeline


class ScriptedRunner:
    """Speaks the runner's part of the protocol, one call at a time."""

    def __init__(self, gitlab: StandInGitLab, runner: Runner, web: requests.Session) -> None:
        self.gitlab, self.runner, self.web = gitlab, runner, web
        self.job: dict[str, Any] = {}

    def request(self, *, info: dict[str, Any] | None = None, **more: Any) -> requests.Response:
        body = {"token": self.runner.token, "system_id": SYSTEM_ID, "info": info or {}, **more}
        answer = self.web.post(f"{self.gitlab.url}/api/v4/jobs/request", json=body)
        if answer.status_code == 201:
            self.job = answer.json()
        return answer

    def take(self, **info: Any) -> dict[str, Any]:
        assert self.request(info=info).status_code == 201
        return self.job

    @property
    def url(self) -> str:
        return f"{self.gitlab.url}/api/v4/jobs/{self.job['id']}"

    @property
    def header(self) -> dict[str, str]:
        return {"JOB-TOKEN": self.job["token"]}

    def patch(self, data: bytes, first: int, **headers: str) -> requests.Response:
        content_range = {"Content-Range": f"{first}-{first + len(data) - 1}"}
        return self.web.patch(
            f"{self.url}/trace", data=data, headers={**self.header, **content_range, **headers}
        )

    def put(self, state: str, **more: Any) -> requests.Response:
        body = {"token": self.job["token"], "state": state, **more}
        return self.web.put(self.url, json=body)

    def upload(self, content: bytes, **query: str) -> requests.Response:
        files = {"file": ("artifacts.zip", content)}
        return self.web.post(
            f"{self.url}/artifacts", files=files, params=query, headers=self.header
        )


@pytest.fixture
def scripted(gitlab: StandInGitLab, runner: Runner, web: requests.Session) -> ScriptedRunner:
    return ScriptedRunner(gitlab, runner, web)


def output_of(trace: bytes) -> dict[str, Any]:
    return {"checksum": f"crc32:{zlib.crc32(trace):08x}", "bytesize": len(trace)}


# Runners


def test_registers_verifies_and_removes_a_runner(
    gitlab: StandInGitLab, web: requests.Session
) -> None:
    url = f"{gitlab.url}/api/v4/runners"
    old = web.post(url, json={"token": gitlab.registration_token, "tag_list": "a, b"})
    new = web.post(
        f"{gitlab.url}/api/v4/user/runners",
        json={"runner_type": "instance_type", "tag_list": ["c"], "maximum_timeout": 600},
        headers={"PRIVATE-TOKEN": gitlab.personal_token},
    )

    assert (old.status_code, new.status_code) == (201, 201)
    assert gitlab.runners[0].tags == {"a", "b"}
    assert new.json()["token"].startswith("glrt-")
    assert gitlab.runners[1].maximum_timeout == 600
    for token in (old.json()["token"], new.json()["token"]):
        verified = web.post(f"{url}/verify", json={"token": token, "system_id": SYSTEM_ID})
        assert verified.status_code == 200
        assert verified.json()["token"] == token
        assert web.delete(url, json={"token": token}).status_code == 204
        assert web.post(f"{url}/verify", json={"token": token}).status_code == 403
    assert gitlab.runners == []


def test_refuses_wrong_tokens_and_settings(gitlab: StandInGitLab, web: requests.Session) -> None:
    url = f"{gitlab.url}/api/v4"
    mine = {"PRIVATE-TOKEN": gitlab.personal_token}

    assert web.post(f"{url}/runners", json={"token": "wrong"}).status_code == 403
    assert web.post(f"{url}/runners/verify", json={"token": ""}).status_code == 403
    assert web.post(f"{url}/jobs/request", json={"token": "wrong"}).status_code == 403
    assert web.post(f"{url}/jobs/request", data=b"{").status_code == 400
    assert web.post(f"{url}/user/runners", json={}).status_code == 401
    too_short = web.post(f"{url}/user/runners", json={"maximum_timeout": 599}, headers=mine)
    assert too_short.status_code == 400


def test_a_reset_token_ends_the_old_one(
    gitlab: StandInGitLab, scripted: ScriptedRunner, web: requests.Session
) -> None:
    old = scripted.runner.token

    answer = web.post(
        f"{gitlab.url}/api/v4/runners/reset_authentication_token", json={"token": old}
    )

    assert answer.status_code == 201
    assert answer.json()["token"] == scripted.runner.token != old
    assert scripted.request().status_code == 204
    assert scripted.request(token=old).status_code == 403


def test_notes_system_ids_and_refuses_bad_ones(scripted: ScriptedRunner) -> None:
    assert scripted.request().status_code == 204
    assert scripted.runner.system_ids == {SYSTEM_ID}
    assert scripted.request(system_id="lambda").status_code == 400


# Job requests


def test_a_job_answer_holds_what_a_runner_needs(
    gitlab: StandInGitLab, project: Project, scripted: ScriptedRunner
) -> None:
    pipeline = commit(
        project,
        """
        variables: {COLOUR: red, RAW: {value: "$COLOUR", expand: false}}
        build:
          script: [one, two]
          before_script: [zero]
          after_script: [last]
          timeout: 20m
          artifacts: {paths: [out], expire_in: 1 day}
          variables: {COLOUR: blue}
        """,
    )

    job = scripted.take()

    values = {one["key"]: one for one in job["variables"]}
    assert job["job_info"]["name"] == "build"
    assert job["job_info"]["project_id"] == project.id
    assert job["job_info"]["pipeline_id"] == pipeline.id
    assert job["job_info"]["time_in_queue_seconds"] >= 0
    assert job["git_info"]["sha"] == pipeline.sha
    assert job["git_info"]["protected"] is True
    assert f"gitlab-ci-token:{job['token']}@" in job["git_info"]["repo_url"]
    assert job["runner_info"]["timeout"] == 1200
    assert [step["name"] for step in job["steps"]] == ["script", "after_script"]
    assert job["steps"][0]["script"] == ["zero", "one", "two"]
    assert job["steps"][1]["when"] == "always"
    assert job["artifacts"][0]["paths"] == ["out"]
    assert values["COLOUR"]["value"] == "blue"
    assert values["RAW"]["raw"] is True
    assert values["CI_SERVER_URL"]["value"] == gitlab.url
    assert values["CI_PROJECT_PATH"]["value"] == "group/project"
    assert values["CI_COMMIT_BRANCH"]["value"] == "main"
    assert values["CI_JOB_TOKEN"]["masked"]
    assert not values["CI_JOB_TOKEN"]["public"]


def test_a_runner_gets_only_jobs_that_fit_its_tags(
    gitlab: StandInGitLab, project: Project, web: requests.Session
) -> None:
    tagged = ScriptedRunner(gitlab, gitlab.create_runner(tags=["a"], run_untagged=False), web)
    both = ScriptedRunner(gitlab, gitlab.create_runner(tags=["a", "b"]), web)
    commit(project, "free: {script: x}\nab: {script: x, tags: [a, b]}\na: {script: x, tags: [a]}")

    assert tagged.take()["job_info"]["name"] == "a"
    assert tagged.request().status_code == 204
    assert [both.take()["job_info"]["name"] for _ in range(2)] == ["free", "ab"]


def test_a_request_with_the_last_update_is_held_until_there_is_a_job(
    gitlab: StandInGitLab, project: Project, scripted: ScriptedRunner
) -> None:
    last_update = scripted.request().headers["X-GitLab-Last-Update"]
    gitlab.long_poll_seconds = 60
    answers: list[requests.Response] = []
    held = threading.Thread(
        target=lambda: answers.append(scripted.request(last_update=last_update))
    )
    held.start()
    wait_for(lambda: len(gitlab.requests) == 2)
    assert not answers

    commit(project)
    held.join(30)

    assert answers[0].status_code == 201
    assert scripted.request(last_update=last_update).status_code == 204  # has changed: not held


def test_a_held_request_ends_after_its_time(
    gitlab: StandInGitLab, scripted: ScriptedRunner
) -> None:
    last_update = scripted.request().headers["X-GitLab-Last-Update"]
    gitlab.long_poll_seconds = 0.4

    begin = time.monotonic()
    answer = scripted.request(last_update=last_update)

    assert answer.status_code == 204
    assert time.monotonic() - begin >= 0.4


def test_a_client_that_hangs_up_while_held_gets_no_job(
    gitlab: StandInGitLab, project: Project, scripted: ScriptedRunner
) -> None:
    last_update = scripted.request().headers["X-GitLab-Last-Update"]
    with session_for(gitlab) as other, pytest.raises(requests.Timeout):
        other.post(
            f"{gitlab.url}/api/v4/jobs/request",
            json={"token": scripted.runner.token, "last_update": last_update},
            timeout=0.3,
        )
    wait_for(lambda: gitlab.requests[-1].status == 499)

    job = commit(project).job("job")

    assert job.status == "pending"
    assert scripted.take()["id"] == job.id


def test_two_phase_commit(
    project: Project, scripted: ScriptedRunner, gitlab: StandInGitLab
) -> None:
    job = commit(project).job("job")
    scripted.take(**TWO_PHASES)
    assert job.status == "pending"
    assert scripted.request().status_code == 204  # nobody else gets it
    assert scripted.patch(b"early", 0).status_code == 403

    assert scripted.put("pending").status_code == 200
    assert scripted.put("running").headers["Job-Status"] == "running"
    assert job.status == "running"
    assert scripted.patch(b"now", 0).status_code == 202


def test_a_job_that_is_never_acknowledged_goes_back_to_the_queue(
    project: Project, scripted: ScriptedRunner, gitlab: StandInGitLab
) -> None:
    job = commit(project).job("job")
    scripted.take(**TWO_PHASES)

    gitlab.advance(121)

    assert scripted.put("running").status_code == 403
    assert scripted.take()["id"] == job.id


# Traces and updates


def test_a_trace_is_appended_and_nothing_else(project: Project, scripted: ScriptedRunner) -> None:
    job = commit(project).job("job")
    scripted.take()

    first = scripted.patch(b"hello\n", 0)
    assert (first.status_code, first.headers["Range"]) == (202, "0-6")
    assert first.headers["Job-Status"] == "running"
    assert first.headers["X-GitLab-Trace-Update-Interval"] == "3"
    gap = scripted.patch(b"later\n", 9)
    assert (gap.status_code, gap.headers["Range"]) == (416, "0-6")
    overlap = scripted.patch(b"hello\nworld\n", 0)
    assert (overlap.status_code, overlap.headers["Range"]) == (416, "0-6")
    assert scripted.patch(b"hello\n", 0).status_code == 202  # the same once more is no error
    assert scripted.patch(b"world\n", 6).status_code == 202
    assert scripted.patch(b"x", 12, **{"Content-Range": "12-20"}).status_code == 400
    assert scripted.patch(b"x", 12, **{"Content-Range": "bytes"}).status_code == 400
    assert scripted.patch(b"x", 12, **{"JOB-TOKEN": "wrong"}).status_code == 403

    assert job.trace == b"hello\nworld\n"
    assert job.trace_patches == [(0, 5), (6, 11)]
    assert job.timestamps["running"] <= job.timestamps["first_trace"]


def test_a_job_succeeds(project: Project, scripted: ScriptedRunner) -> None:
    pipeline = commit(project)
    job = pipeline.job("job")
    scripted.take()
    scripted.patch(b"done\n", 0)

    assert scripted.put("running").status_code == 200
    answer = scripted.put("success", output=output_of(b"done\n"))

    assert (answer.status_code, answer.headers["Job-Status"]) == (200, "success")
    assert (job.status, job.exit_code, job.checksum_ok) == ("success", 0, True)
    assert pipeline.wait(5).status == "success"
    assert len(job.final_updates) == 1
    again = scripted.put("success")
    assert (again.status_code, again.headers["Job-Status"]) == (403, "success")
    assert scripted.patch(b"more", 5).status_code == 403


@pytest.mark.parametrize(
    ("said", "noted"),
    [
        ({"failure_reason": "script_failure", "exit_code": 3}, ("script_failure", 3)),
        ({"failure_reason": "runner_system_failure"}, ("runner_system_failure", None)),
        ({"failure_reason": "the_dog_ate_it"}, ("unknown_failure", None)),
        ({}, ("unknown_failure", None)),
    ],
)
def test_a_job_fails(
    project: Project, scripted: ScriptedRunner, said: dict[str, Any], noted: tuple[str, int | None]
) -> None:
    job = commit(project).job("job")
    scripted.take()

    assert scripted.put("failed", **said).status_code == 200

    assert job.status == "failed"
    assert (job.failure_reason, job.exit_code) == noted
    assert job.checksum_ok is None


def test_a_wrong_checksum_wants_the_whole_trace_again(
    project: Project, scripted: ScriptedRunner
) -> None:
    job = commit(project).job("job")
    scripted.take()
    scripted.patch(b"first\n", 0)

    answer = scripted.put("success", output={**output_of(b"other\n"), "bytesize": 6})
    assert (answer.status_code, answer.headers["Job-Status"]) == (412, "running")
    assert job.checksum_ok is False

    assert scripted.patch(b"other\n", 0).status_code == 202
    assert scripted.put("success", output=output_of(b"other\n")).status_code == 200
    assert job.checksum_ok is True
    assert job.trace == b"other\n"


def test_final_updates_are_accepted_later(
    gitlab: StandInGitLab, project: Project, scripted: ScriptedRunner
) -> None:
    job = commit(project).job("job")
    scripted.take()
    gitlab.accept_updates_later(2)

    codes = [scripted.put("success", output=output_of(b"")).status_code for _ in range(3)]

    assert codes == [202, 202, 200]
    assert job.status == "success"


def test_bad_updates(project: Project, scripted: ScriptedRunner) -> None:
    commit(project)
    scripted.take()

    assert scripted.put("sideways").status_code == 400
    assert scripted.put("failed", exit_code="three").status_code == 400
    assert scripted.put("success", token="wrong").status_code == 403
    assert scripted.web.put(f"{scripted.url}99", json=scripted.job).status_code == 403
    assert scripted.put("success").status_code == 200


def test_cancelling_reaches_the_runner(project: Project, scripted: ScriptedRunner) -> None:
    job = commit(project).job("job")
    scripted.take()
    job.cancel()

    refused = scripted.patch(b"x", 0)

    assert (refused.status_code, refused.headers["Job-Status"]) == (403, "canceled")


def test_cancelling_gracefully_lets_the_runner_finish(
    gitlab: StandInGitLab, project: Project, scripted: ScriptedRunner, web: requests.Session
) -> None:
    job = commit(project).job("job")
    scripted.take(**GRACEFUL)

    answer = web.post(
        f"{gitlab.url}/api/v4/projects/group%2Fproject/jobs/{job.id}/cancel",
        headers={"PRIVATE-TOKEN": gitlab.personal_token},
    )

    assert (answer.status_code, answer.json()["status"]) == (201, "canceling")
    patched = scripted.patch(b"after_script\n", 0)
    assert (patched.status_code, patched.headers["Job-Status"]) == (202, "canceling")
    assert scripted.put("failed", failure_reason="script_failure").status_code == 200
    assert job.status == "canceled"


# Artifacts


def test_artifacts_go_to_the_jobs_that_depend_on_them(
    gitlab: StandInGitLab, project: Project, scripted: ScriptedRunner, web: requests.Session
) -> None:
    pipeline = commit(
        project,
        """
        one: {stage: build, script: x, artifacts: {paths: [a]}}
        two: {stage: build, script: x, artifacts: {paths: [a]}}
        all: {stage: test, script: x}
        some: {stage: test, script: x, dependencies: [two]}
        needy: {stage: test, script: x, needs: [one, {job: two, artifacts: false}]}
        """,
    )
    for content in (b"first", b"second"):
        scripted.take()
        assert scripted.upload(content, expire_in="1 day").status_code == 201
        scripted.put("success")
    assert pipeline.job("one").artifacts
    finished = scripted.url

    names = {}
    for _ in range(3):
        job = scripted.take()
        names[job["job_info"]["name"]] = [one["name"] for one in job["dependencies"]]
    assert names == {"all": ["one", "two"], "some": ["two"], "needy": ["one"]}

    dependency = job["dependencies"][0]
    assert dependency["artifacts_file"] == {"filename": "artifacts.zip", "size": 5}
    url = f"{gitlab.url}/api/v4/jobs/{dependency['id']}/artifacts?direct_download=true"
    token = {"JOB-TOKEN": dependency["token"]}
    assert web.get(url, headers=token).content == b"first"
    assert web.get(url, headers={"JOB-TOKEN": "wrong"}).status_code == 403
    assert web.get(url).status_code == 403
    assert web.post(f"{finished}/artifacts", headers=token).status_code == 403
    gitlab.artifacts_redirect = True
    redirected = web.get(url, headers=token)
    assert redirected.history[0].status_code == 302
    assert redirected.content == b"first"
    gitlab.advance(86_401)
    assert pipeline.job("one").artifacts is None


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x"])
def test_what_is_no_upload_is_refused(
    project: Project, scripted: ScriptedRunner, content_type: str
) -> None:
    job = commit(project).job("job")
    scripted.take()

    answer = scripted.web.post(
        f"{scripted.url}/artifacts",
        data=b"--x\r\nContent-Disposition: form-data; name=other\r\n\r\nx\r\n--x--\r\n",
        headers={**scripted.header, "Content-Type": content_type},
    )

    assert answer.status_code == 400
    assert job.artifacts is None


UPLOAD_SIZE = 200 * 1000 * 1000
SERVER = """
import resource, sys
from pathlib import Path
from localcloud.gitlab import StandInGitLab
with StandInGitLab(folder=Path(sys.argv[1])) as gitlab:
    runner = gitlab.create_runner()
    gitlab.create_project("a/b").commit({".gitlab-ci.yml": "j: {script: x}"})
    print(gitlab.url, runner.token, flush=True)
    sys.stdin.readline()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
"""


def test_200_mb_of_artifacts_pass_in_constant_memory(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as server, requests.Session() as web:  # fmt: skip
        assert server.stdin
        assert server.stdout
        web.trust_env = False
        url, token = server.stdout.readline().split()
        job = web.post(f"{url}/api/v4/jobs/request", json={"token": token}).json()
        artifacts, header = f"{url}/api/v4/jobs/{job['id']}/artifacts", {"JOB-TOKEN": job["token"]}
        block = os.urandom(MIB)
        sent, received = hashlib.sha256(), hashlib.sha256()

        def body() -> Iterator[bytes]:
            yield b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n'
            left = UPLOAD_SIZE
            while left:
                part = block[: min(left, MIB)]
                sent.update(part)
                left -= len(part)
                yield part
            yield b"\r\n--B--\r\n"

        kind = {"Content-Type": "multipart/form-data; boundary=B"}
        uploaded = web.post(artifacts, data=body(), headers={**header, **kind})
        assert uploaded.status_code == 201
        with web.get(artifacts, headers=header, stream=True) as download:
            for part in download.iter_content(MIB):
                received.update(part)
        server.stdin.write("\n")
        server.stdin.flush()
        peak_kib = int(server.stdout.readline())

    assert sent.digest() == received.digest()
    assert peak_kib < 120 * 1024


# git


def git(*arguments: str | Path, gitlab: StandInGitLab, cwd: Path) -> subprocess.CompletedProcess:
    assert gitlab.ca
    return subprocess.run(
        ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", *arguments],
        cwd=cwd,
        env={
            **os.environ,
            "GIT_SSL_CAINFO": str(gitlab.ca.file),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_GLOBAL": os.devnull,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_job_clones_its_project_while_it_runs(
    gitlab: StandInGitLab, project: Project, scripted: ScriptedRunner, tmp_path: Path
) -> None:
    gitlab.create_project("group/other").commit({"secret": "x"})
    commit(project)
    info = scripted.take()["git_info"]
    (tmp_path / "checkout").mkdir()

    # As gitlab-runner does it: the refspecs of the job, shallow.
    for arguments in (
        ["init", "--quiet"],
        ["fetch", "--depth", "20", info["repo_url"], *info["refspecs"]],
        ["checkout", "--quiet", info["sha"]],
    ):
        done = git(*arguments, gitlab=gitlab, cwd=tmp_path / "checkout")
        assert done.returncode == 0, done.stderr

    assert (tmp_path / "checkout" / "file.txt").read_text() == "content\n"
    push = git("push", info["repo_url"], "HEAD:x", gitlab=gitlab, cwd=tmp_path / "checkout")
    assert "403" in push.stderr
    other = info["repo_url"].replace("group/project", "group/other")
    assert git("ls-remote", other, gitlab=gitlab, cwd=tmp_path).returncode != 0
    scripted.put("success")
    assert git("ls-remote", info["repo_url"], gitlab=gitlab, cwd=tmp_path).returncode != 0


def test_a_push_makes_a_pipeline(gitlab: StandInGitLab, project: Project, tmp_path: Path) -> None:
    commit(project)
    work = tmp_path / "work"
    assert git("clone", project.git_url, work, gitlab=gitlab, cwd=tmp_path).returncode == 0
    text = "first: {stage: build, script: x}\nsecond: {stage: test, script: x}\n"
    (work / ".gitlab-ci.yml").write_text(text)
    (work / "big.bin").write_bytes(os.urandom(3 * MIB))  # git sends it chunked

    for arguments in (["add", "."], ["commit", "-m", "Change"], ["tag", "-a", "v1", "-m", "One"]):
        assert git(*arguments, gitlab=gitlab, cwd=work).returncode == 0
    pushed = git("push", "origin", "HEAD:main", "v1", gitlab=gitlab, cwd=work)
    assert pushed.returncode == 0, pushed.stderr

    _, branch, tag = project.pipelines
    head = git("rev-parse", "HEAD", gitlab=gitlab, cwd=work).stdout.strip()
    assert (branch.ref, branch.ref_type, branch.sha) == ("main", "branch", head)
    assert (tag.ref, tag.ref_type, tag.sha) == ("v1", "tag", head)
    assert branch.before_sha == project.pipelines[0].sha
    assert [job.name for job in branch.jobs] == ["first", "second"]


def test_a_push_of_a_bad_ci_file_makes_a_failed_pipeline(
    gitlab: StandInGitLab, project: Project, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    git("clone", project.git_url, work, gitlab=gitlab, cwd=tmp_path)
    (work / ".gitlab-ci.yml").write_text("job: {script: x, image: alpine}")
    git("add", ".", gitlab=gitlab, cwd=work)
    git("commit", "-m", "Bad", gitlab=gitlab, cwd=work)

    assert git("push", "origin", "HEAD:main", gitlab=gitlab, cwd=work).returncode == 0

    (pipeline,) = project.pipelines
    assert pipeline.status == "failed"
    assert "image" in str(pipeline.yaml_errors)


def test_git_needs_credentials(gitlab: StandInGitLab, project: Project, tmp_path: Path) -> None:
    for url in (f"{project.web_url}.git", project.git_url.replace("glpat-", "wrong-")):
        assert git("ls-remote", url, gitlab=gitlab, cwd=tmp_path).returncode != 0
    missing = project.git_url.replace("group/project", "group/missing")
    assert "not found" in git("ls-remote", missing, gitlab=gitlab, cwd=tmp_path).stderr


# The REST API


def test_people_can_look_and_act(
    gitlab: StandInGitLab, project: Project, scripted: ScriptedRunner, web: requests.Session
) -> None:
    pipeline = commit(project, "job: {stage: build, script: x}\nask: {script: x, when: manual}")
    scripted.take()
    scripted.patch(b"a line\n", 0)
    web.headers["PRIVATE-TOKEN"] = gitlab.personal_token
    base = f"{gitlab.url}/api/v4/projects/{project.id}"
    job, ask = pipeline.job("job"), pipeline.job("ask")

    assert web.get(f"{gitlab.url}/api/v4/version").json()["version"].startswith("18.")
    assert web.get(f"{gitlab.url}/api/v4/projects").json()[0]["id"] == project.id
    assert web.get(base).json()["path_with_namespace"] == "group/project"
    assert web.get(f"{base}/pipelines/{pipeline.id}").json()["status"] == "running"
    assert [one["name"] for one in web.get(f"{base}/jobs").json()] == ["job", "ask"]
    assert web.get(f"{base}/jobs/{job.id}").json()["status"] == "running"
    assert web.get(f"{base}/jobs/{job.id}/trace").text == "a line\n"
    assert web.get(f"{gitlab.url}/api/v4/job", headers=scripted.header).json()["id"] == job.id
    scripted.put("success")
    assert web.post(f"{base}/jobs/{ask.id}/play").json()["status"] == "pending"
    assert web.post(f"{base}/pipelines/{pipeline.id}/cancel").json()["status"] == "canceled"
    assert web.get(f"{base}/jobs/77").status_code == 404
    assert web.delete(f"{base}/jobs/{job.id}").status_code == 405
    assert web.get(base, headers={"PRIVATE-TOKEN": "wrong"}).status_code == 401
    assert "Stand-in" in web.get(gitlab.url).text


# TLS, faults, recording


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
    wait_for(lambda: len(gitlab.requests) == 2)
    gitlab.stop_listening()
    held.join(30)
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
        assert process.wait(30) == 0

    assert answer.json()["job_info"]["name"] == "hello"


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition never held"
        time.sleep(0.01)
