# SPDX-License-Identifier: Apache-2.0
"""The bootstrap as a program: a scripted Runtime API, the stand-in GitLab, a scripted runner.

What the real gitlab-runner does in Lambda's sandbox is tested end to end (tests/e2e).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integration.runtime_api import ApiInvocation, RuntimeApi
from integration.sandboxed_bootstrap import PROGRAM, UID, SandboxedBootstrap
from localcloud.gitlab import CertificateAuthority, StandInGitLab
from localcloud.gitlab.repositories import Gitlink
from localcloud.waiting import LIMIT, wait_until, within

SCRIPTED_RUNNER = Path(__file__).resolve().parent / "scripted_runner.py"


@dataclass
class Stage:
    """A bootstrap with everything around it."""

    api: RuntimeApi
    gitlab: StandInGitLab
    bootstrap: SandboxedBootstrap
    project: Any

    def add_jobs(self, *names: str) -> Any:
        jobs = {name: {"script": ["true"]} for name in names or ("job",)}
        return self.project.commit({".gitlab-ci.yml": json.dumps(jobs)})

    def add_job(self) -> Any:
        return self.add_jobs("job").job("job")

    def invoke(self, event: Any = None, *, limit: float = LIMIT, **options: Any) -> ApiInvocation:
        return self.api.invoke(event, **options).wait(limit)

    @property
    def left_in_tmp(self) -> list[str]:
        return [one.name for one in self.bootstrap.tmp.iterdir()]

    @property
    def other_processes(self) -> list[str]:
        lines = self.bootstrap.processes().values()
        return [line for line in lines if "/mnt/bootstrap" not in line]


StageMaker = Callable[..., Stage]


@pytest.fixture
def make_stage(tmp_path: Path) -> Iterator[StageMaker]:
    with ExitStack() as stack:

        def make(
            behaviour: str = "success",
            *,
            with_runner: bool = True,
            tls: bool = False,
            host: str = "127.0.0.1",
            **more: str,
        ) -> Stage:
            ca = CertificateAuthority(tmp_path / "ca") if tls else None
            gitlab = stack.enter_context(StandInGitLab(ca=ca, folder=tmp_path / "gitlab"))
            gitlab.trace_update_interval = 1
            runner = gitlab.create_runner(tags=[], run_untagged=True)
            project = gitlab.create_project("group/project")
            api = stack.enter_context(RuntimeApi())
            opt_bin = tmp_path / "opt-bin"
            opt_bin.mkdir(exist_ok=True)
            if with_runner:
                shutil.copy(SCRIPTED_RUNNER, opt_bin / "gitlab-runner")
            settings = {
                "CI_SERVER_URL": f"{'https' if tls else 'http'}://{host}:{gitlab.port}",
                "CI_SERVER_TOKEN": runner.token,
                "RUNLET_WAIT_TIMEOUT": "2",
                "RUNLET_RUNNER_ARGS": json.dumps(
                    [f"--behaviour={behaviour}", f"--runtime-api={api.address}"]
                ),
                **more,
            }
            if ca:
                shutil.copy(ca.file, opt_bin / "ca.pem")
                settings["CI_SERVER_TLS_CA_FILE"] = "/opt/bin/ca.pem"
            bootstrap = SandboxedBootstrap(tmp_path, api.address, settings, opt_bin)
            return Stage(api, gitlab, stack.enter_context(bootstrap), project)

        yield make


# --- Outside Lambda, and init ------------------------------------------------------------------


def run_plainly(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Without AWS_LAMBDA_RUNTIME_API nothing is touched: safe outside of the sandbox."""
    return subprocess.run(
        [PROGRAM, *arguments],
        env={"PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )


def test_outside_lambda_it_says_what_it_is() -> None:
    assert "handler" in run_plainly("--help").stdout.lower()
    assert re.search(r"\d+\.\d+\.\d+", run_plainly("--version").stdout)
    plain = run_plainly()
    assert plain.returncode == 2 and "AWS_LAMBDA_RUNTIME_API" in plain.stderr
    assert run_plainly("--nonsense").returncode == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RUNLET_MAX_JOBS", "0"),
        ("CI_SERVER_URL", "gitlab.example.com"),
        ("RUNLET_RUNNER_ARGS", '["--token=glrt-secret-value"]'),
        ("_HANDLER", "webhook.handler"),
        ("AWS_LAMBDA_MAX_CONCURRENCY", "2"),
    ],
)
def test_a_bad_setting_is_an_init_error(make_stage: StageMaker, name: str, value: str) -> None:
    stage = make_stage(**{name: value})

    assert stage.bootstrap.wait() != 0

    error = stage.api.init_error
    assert error and error["errorType"] == stage.api.init_error_header == "Runtime.ConfigInvalid"
    assert name in error["errorMessage"]
    assert stage.api.next_requests == 0
    assert "glrt-secret-value" not in json.dumps(error) + stage.bootstrap.log


def test_a_used_tmp_is_emptied_at_init(make_stage: StageMaker, tmp_path: Path) -> None:
    left = tmp_path / "sandbox-tmp" / "left" / "behind"
    left.mkdir(parents=True)
    (left / "secret").write_text("x")
    if os.geteuid() == 0:
        for folder in (left, left.parent):
            os.chown(folder, UID, UID)
    left.chmod(0)

    stage = make_stage()

    stage.api.wait_for_next()
    assert stage.left_in_tmp == []


def test_a_tmp_that_cannot_be_emptied_is_an_init_error(tmp_path: Path) -> None:
    stuck = tmp_path / "stuck"
    stuck.mkdir()
    (stuck / "file").write_text("x")
    settings = {"CI_SERVER_URL": "http://127.0.0.1:9", "CI_SERVER_TOKEN": "token"}
    with (
        RuntimeApi() as api,
        SandboxedBootstrap(tmp_path, api.address, settings, stuck=stuck) as bootstrap,
    ):
        assert bootstrap.wait() != 0
        assert api.init_error and api.init_error["errorType"] == "Runtime.WorkspaceDirty"
        assert "cannot empty /tmp" in api.init_error["errorMessage"]
    assert (stuck / "file").exists()


def test_it_registers_an_extension_without_events(make_stage: StageMaker) -> None:
    stage = make_stage()
    stage.api.wait_for_next()
    assert [one["events"] for one in stage.api.extensions] == [[]]


# --- Events ------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'"x"', b"{", b"", b"{} {}", b"\xff"])
def test_an_event_that_is_no_object_is_refused(make_stage: StageMaker, body: bytes) -> None:
    stage = make_stage()

    refused = stage.api.invoke(body=body).wait()

    assert refused.kind == "error"
    assert refused.json["errorType"] == "Function.EventInvalid"
    assert refused.answer_headers["lambda-runtime-function-error-type"] == "Function.EventInvalid"
    assert stage.invoke().json == {"status": "no_job", "job": None}  # the environment goes on


def test_no_job_waits(make_stage: StageMaker) -> None:
    stage = make_stage()
    assert stage.invoke({"any": "object"}).json == {"status": "no_job", "job": None}
    assert stage.left_in_tmp == []


def test_without_a_runner(make_stage: StageMaker) -> None:
    stage = make_stage(with_runner=False)
    assert stage.invoke().json["errorType"] == "Function.RunnerMissing"


@pytest.mark.parametrize("behaviour", ["crashes", "silent"])
def test_a_runner_that_ends_without_a_job(make_stage: StageMaker, behaviour: str) -> None:
    stage = make_stage(behaviour)
    assert stage.invoke().json["errorType"] == "Function.RunnerCrashed"
    assert stage.left_in_tmp == []


def test_with_too_little_time_no_job_is_taken(make_stage: StageMaker) -> None:
    stage = make_stage(RUNLET_MIN_JOB_TIME="25", RUNLET_DEADLINE_MARGIN="15")
    job = stage.add_job()
    assert stage.invoke(seconds=39).json == {"status": "no_job", "job": None}
    assert job.status == "pending"


def test_a_token_that_gitlab_does_not_take(make_stage: StageMaker) -> None:
    stage = make_stage(CI_SERVER_TOKEN="glrt-not-the-right-one")
    stage.api.wait_for_next()

    with within(5, "the refusal"):
        refused = stage.invoke()

    assert refused.kind == "error"
    assert refused.json["errorType"] == "Function.RunnerUnauthorized"
    assert "not-the-right-one" not in refused.answer.decode() + stage.bootstrap.log
    assert stage.left_in_tmp == [] and stage.other_processes == []


def test_a_token_that_cannot_be_read(make_stage: StageMaker) -> None:
    stage = make_stage(
        RUNLET_TOKEN_PARAMETER="/runlet/token",
        AWS_ENDPOINT_URL="http://127.0.0.1:9",
        AWS_MAX_ATTEMPTS="1",
    )

    refused = stage.invoke()

    assert refused.json["errorType"] == "Runtime.TokenUnavailable"
    assert "/runlet/token" in refused.json["errorMessage"]
    assert stage.left_in_tmp == []


def test_gitlab_that_cannot_be_reached(make_stage: StageMaker) -> None:
    stage = make_stage(CI_SERVER_URL="http://127.0.0.1:9", RUNLET_WAIT_TIMEOUT="1")

    refused = stage.invoke()

    assert refused.json["errorType"] == "Function.GitLabUnreachable"
    assert "127.0.0.1:9" in refused.json["errorMessage"]
    assert refused.left_ms > 80_000  # a second and half a minute, not the whole time


# --- Jobs --------------------------------------------------------------------------------------


def test_a_job_succeeds(make_stage: StageMaker) -> None:
    stage = make_stage()
    job = stage.add_job()

    result = stage.invoke().json

    assert job.status == "success" and b"all is well" in job.trace
    assert set(result) == {"status", "job"} and result["status"] == "job_succeeded"
    assert result["job"]["id"] == job.id and result["job"]["name"] == "job"
    assert result["job"]["state"] == "success" and result["job"]["exit_code"] == 0
    assert result["job"]["failure_reason"] is None
    assert stage.left_in_tmp == [] and stage.other_processes == []


def test_a_failed_job_is_a_response(make_stage: StageMaker) -> None:
    stage = make_stage("failure")
    job = stage.add_job()

    invocation = stage.invoke()

    assert invocation.kind == "response" and invocation.json["status"] == "job_failed"
    assert invocation.json["job"]["failure_reason"] == "script_failure"
    assert invocation.json["job"]["exit_code"] == 3
    assert job.status == "failed"


@pytest.mark.parametrize(
    ("behaviour", "words"), [("killed", ["SIGKILL"]), ("leaves_early", ["status 7"])]
)
def test_a_runner_that_ends_without_a_final_state(
    make_stage: StageMaker, behaviour: str, words: list[str]
) -> None:
    stage = make_stage(behaviour)
    job = stage.add_job()

    with within(30, "the job's end"):
        result = stage.invoke().json

    assert result["status"] == "job_failed"
    assert result["job"]["failure_reason"] == "runner_system_failure"
    assert job.status == "failed" and job.failure_reason == "runner_system_failure"
    lines = job.trace.decode().rstrip().splitlines()
    assert "sent before the end" in lines
    assert all(word in lines[-1] for word in ["gitlab-runner", *words]), lines


def test_a_runner_that_does_not_end_after_its_job(make_stage: StageMaker) -> None:
    stage = make_stage("lingers")
    stage.add_job()
    assert stage.invoke().json["status"] == "job_succeeded"
    assert stage.other_processes == []


@pytest.mark.parametrize("behaviour", ["stubborn", "orderly"])
@pytest.mark.parametrize("margin", ["8", "15"])
def test_the_deadline(make_stage: StageMaker, behaviour: str, margin: str) -> None:
    stage = make_stage(behaviour, RUNLET_DEADLINE_MARGIN=margin, RUNLET_MIN_JOB_TIME="0")
    job = stage.add_job()

    invocation = stage.invoke(seconds=float(margin) + 6)

    assert invocation.kind == "response", invocation.json
    assert invocation.json["status"] == "deadline"
    assert invocation.json["job"]["state"] == "failed"
    assert invocation.left_ms > 0
    assert job.status == "failed"
    last_line = job.trace.decode().rstrip().splitlines()[-1]
    assert "time" in last_line and "maximum_timeout" in last_line
    assert stage.left_in_tmp == [] and stage.other_processes == []
    assert stage.invoke().json["status"] == "no_job"


def test_a_cancel_ends_a_patient_runner_within_45_seconds(make_stage: StageMaker) -> None:
    stage = make_stage("patient")
    job = stage.add_job()
    invocation = stage.api.invoke(seconds=600)
    wait_until(lambda: b"." in job.trace, "the first line of the trace")

    with within(50, "the job's end"):
        job.cancel()
        invocation.wait()

    assert invocation.json["status"] == "job_canceled"
    assert job.status == "canceled"
    assert stage.other_processes == []


def test_three_jobs_in_one_invocation(make_stage: StageMaker) -> None:
    stage = make_stage("first_look", RUNLET_MAX_JOBS="3")
    pipeline = stage.add_jobs("a", "b", "c", "d")

    result = stage.invoke().json

    assert [one["name"] for one in result["jobs"]] == ["a", "b", "c"]
    assert result["job"] == result["jobs"][-1] and result["status"] == "job_succeeded"
    assert pipeline.job("d").status == "pending"
    text = (stage.bootstrap.shared / "seen.jsonl").read_text()
    seen = [json.loads(line) for line in text.splitlines()]
    assert all(one["tmp"] == ["runlet"] and len(one["runlet"]) == 1 for one in seen)
    assert len({one["home"] for one in seen}) == 3
    second = stage.invoke().json
    assert [one["name"] for one in second["jobs"]] == ["d"]
    assert stage.invoke().json == {"status": "no_job", "job": None, "jobs": []}


def test_a_mess_is_cleaned_up(make_stage: StageMaker) -> None:
    stage = make_stage("messy")
    (stage.bootstrap.shared / "stays").write_text("x")
    for _ in range(2):
        job = stage.add_job()
        assert stage.invoke().json["status"] == "job_succeeded", job.trace
        assert stage.left_in_tmp == [] and stage.other_processes == []
    assert (stage.bootstrap.shared / "stays").exists()


def test_a_private_ca_and_a_host_that_no_dns_knows(make_stage: StageMaker) -> None:
    hosts = {"gitlab.runlet.test": ["127.0.0.1"]}
    stage = make_stage(
        "environment", tls=True, host="gitlab.runlet.test", RUNLET_EXTRA_HOSTS=json.dumps(hosts)
    )
    job = stage.add_job()

    assert stage.invoke().json["status"] == "job_succeeded"

    assert job.status == "success"
    environment = json.loads((stage.bootstrap.shared / "environment.json").read_text())
    files = json.loads((stage.bootstrap.shared / "files.json").read_text())
    assert environment["CI_SERVER_TLS_CA_FILE"] == "/opt/bin/ca.pem"
    assert environment["GIT_SSL_CAINFO"] == environment["SSL_CERT_FILE"]
    assert stage.gitlab.ca and stage.gitlab.ca.file.read_text() in files["bundle"]
    assert f"gitlab.runlet.test:{stage.gitlab.port}:127.0.0.1" in files["git"]


def test_plain_http_over_the_network_is_warned_of(make_stage: StageMaker) -> None:
    hosts = {"gitlab.example.com": ["127.0.0.1"]}
    stage = make_stage(host="gitlab.example.com", RUNLET_EXTRA_HOSTS=json.dumps(hosts))
    stage.add_job()
    assert stage.invoke().json["status"] == "job_succeeded"
    warnings = [line for line in stage.bootstrap.lines if '"WARN"' in line]
    assert any("plain http" in line for line in warnings)


@pytest.mark.parametrize(
    "address", ["git@127.0.0.1:group/lib.git", "ssh://git@127.0.0.1/group/lib.git", "../lib.git"]
)
def test_private_submodules_come_from_gitlab(make_stage: StageMaker, address: str) -> None:
    """With gitlab-runner's rules for git, which once led to the broker."""
    stage = make_stage("clones")
    library = stage.gitlab.create_project("group/lib")
    library.job_token_allowlist.add(stage.project.path)
    library.commit({"lib.txt": "of the library\n"})
    commit = library.repository.commit_of("refs/heads/main")
    assert commit
    modules = f'[submodule "lib"]\n\tpath = lib\n\turl = {address}\n'
    stage.project.commit({".gitmodules": modules, "lib": Gitlink(commit), "own.txt": "x\n"})
    job = stage.add_job()

    stage.invoke()

    assert "files: project/lib/lib.txt project/own.txt" in job.trace.decode(), job.trace
    assert job.status == "success"


# --- Secrets -----------------------------------------------------------------------------------


def test_the_runner_gets_no_secret(make_stage: StageMaker) -> None:
    stage = make_stage("environment", SOMETHING="else")
    stage.add_job()

    assert stage.invoke().json["status"] == "job_succeeded"

    text = (stage.bootstrap.shared / "environment.json").read_text()
    environment = json.loads(text)
    argv = (stage.bootstrap.shared / "argv.json").read_text()
    token = stage.gitlab.runners[0].token
    for secret in (token, "ASIAEXAMPLEKEY", "secret-key-of", "session-token-of"):
        assert secret not in text + argv + stage.bootstrap.log
    assert "SOMETHING" not in environment and "AWS_LAMBDA_RUNTIME_API" not in environment
    assert environment["HOME"].startswith("/tmp/runlet/")
    assert "/opt/bin" in environment["PATH"].split(":")


def test_the_trace_id_is_passed_on(make_stage: StageMaker) -> None:
    stage = make_stage("environment")
    stage.add_jobs("a", "b")
    seen = []
    for headers in ({"Lambda_Runtime_Trace_Id": "Root=1-5bef4de7"}, {}):
        assert stage.invoke(**headers).json["status"] == "job_succeeded"
        environment = json.loads((stage.bootstrap.shared / "environment.json").read_text())
        seen.append(environment.get("_X_AMZN_TRACE_ID"))
    assert seen == ["Root=1-5bef4de7", None]


def test_inherit_passes_the_functions_keys_on(make_stage: StageMaker) -> None:
    stage = make_stage("environment", RUNLET_JOB_CREDENTIALS="inherit")
    stage.add_job()
    assert stage.invoke().json["status"] == "job_succeeded"
    environment = json.loads((stage.bootstrap.shared / "environment.json").read_text())
    assert environment["AWS_SECRET_ACCESS_KEY"] == "secret-key-of-the-function"
    assert "CI_SERVER_TOKEN" not in environment


def test_a_job_cannot_look_into_the_bootstrap(make_stage: StageMaker) -> None:
    stage = make_stage("hunts")
    stage.add_job()
    assert stage.invoke().json["status"] == "job_succeeded"
    found = json.loads((stage.bootstrap.shared / "found.json").read_text())
    assert found.pop("cmdline").startswith("/mnt/bootstrap")
    assert found == dict.fromkeys(("environ", "mem", "maps", "fd"), "PermissionError")


# --- The end of the environment ----------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 403, 500, 200])
def test_a_refused_response_ends_everything(make_stage: StageMaker, status: int) -> None:
    stage = make_stage()
    stage.api.refuse_posts_with = status
    stage.api.invoke()
    assert stage.bootstrap.wait() != 0
    assert stage.api.next_requests == 1


def test_a_job_that_answers_in_our_place_ends_everything(make_stage: StageMaker) -> None:
    stage = make_stage("answers")
    stage.add_job()
    invocation = stage.api.invoke().wait()
    assert invocation.json == {"status": "mine"}  # nobody can prevent that

    assert stage.bootstrap.wait() != 0
    following = stage.api.invoke()
    # Nobody is left to take the event but a process of the job that was already killed.
    assert "somebody else" in stage.bootstrap.log
    assert not following.done.is_set()


def test_too_large_a_response_is_final_but_ours(make_stage: StageMaker) -> None:
    stage = make_stage()
    stage.api.refuse_posts_with = 413
    invocation = stage.api.invoke()
    stage.api.wait_for_next(2)
    assert stage.bootstrap.process and stage.bootstrap.process.poll() is None
    assert not invocation.done.is_set()


def test_time_that_passed_unseen_ends_everything(make_stage: StageMaker) -> None:
    stage = make_stage("patient", RUNLET_DEADLINE_MARGIN="8", RUNLET_MIN_JOB_TIME="0")
    job = stage.add_job()
    invocation = stage.api.invoke(seconds=20)
    wait_until(lambda: b"." in job.trace, "the first line of the trace")
    pid = stage.bootstrap.bootstrap_pid()

    os.kill(pid, signal.SIGSTOP)  # as a frozen environment
    wait_until(lambda: invocation.deadline_ms / 1000 + 1 < time.time(), "the deadline")
    os.kill(pid, signal.SIGCONT)

    assert stage.bootstrap.wait() != 0
    assert not invocation.done.is_set()


def test_a_fresh_environment_for_each_job(make_stage: StageMaker) -> None:
    stage = make_stage(RUNLET_FRESH_ENVIRONMENT="true")
    assert stage.invoke().json["status"] == "no_job"
    stage.add_job()
    assert stage.invoke().json["status"] == "job_succeeded"
    assert stage.bootstrap.wait() == 0
    assert stage.api.next_requests == 2


def test_a_fresh_environment_after_a_job_that_nobody_could_end(make_stage: StageMaker) -> None:
    stage = make_stage(
        "killed",
        RUNLET_FRESH_ENVIRONMENT="true",
        RUNLET_DEADLINE_MARGIN="8",
        RUNLET_MIN_JOB_TIME="0",
    )
    stage.gitlab.faults.add(method="PUT", status=503, times=None)
    stage.add_job()

    invocation = stage.invoke(seconds=16)

    assert invocation.kind == "error", invocation.json
    assert invocation.json["errorType"] == "Function.GitLabUnreachable"
    assert stage.bootstrap.wait() != 0
    assert stage.api.next_requests == 1


def test_sigterm_ends_an_idle_environment(make_stage: StageMaker) -> None:
    stage = make_stage()
    stage.api.wait_for_next()
    with within(10, "the bootstrap's end"):
        os.kill(stage.bootstrap.bootstrap_pid(), signal.SIGTERM)
        assert stage.bootstrap.wait() == 0


def test_sigterm_closes_the_job_under_way(make_stage: StageMaker) -> None:
    stage = make_stage("patient")
    job = stage.add_job()
    stage.api.invoke()
    wait_until(lambda: b"." in job.trace, "the first line of the trace")

    with within(20, "the bootstrap's end"):
        os.kill(stage.bootstrap.bootstrap_pid(), signal.SIGTERM)
        stage.bootstrap.wait()

    with within(10, "the job's end"):
        job.wait("failed")
    assert b"Lambda ended the environment" in job.trace
    assert job.failure_reason == "runner_interrupted"
    assert job.failure_reason == "runner_interrupted"


# --- Logs --------------------------------------------------------------------------------------


def test_the_log_is_json_lines_with_metrics(make_stage: StageMaker) -> None:
    stage = make_stage("failure")
    stage.add_job()
    invocation = stage.invoke()
    stage.api.wait_for_next(2)
    wait_until(lambda: "_aws" in stage.bootstrap.log, "the metrics in the log")
    lines = [json.loads(line) for line in list(stage.bootstrap.lines)]

    plain = [line for line in lines if "_aws" not in line]
    assert all({"timestamp", "level", "message"} <= set(line) for line in plain)
    runner = [line for line in plain if line.get("source") == "gitlab-runner"]
    assert runner and all(line["requestId"] == invocation.request_id for line in runner)
    assert not any("all is not well" in json.dumps(line) for line in lines)  # that is the trace
    (metrics,) = [line for line in lines if "_aws" in line]
    assert metrics["Status"] == "job_failed" and metrics["FunctionName"] == "runner"
    assert metrics["ColdStarts"] == 1 and metrics["Jobs"] == 1
    assert metrics["JobDuration"] >= 0 and metrics["BootstrapOverhead"] >= 0
