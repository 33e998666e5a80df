# SPDX-License-Identifier: Apache-2.0
"""The broker where GitLab, or what stands before it, answers so that a job might be lost.

The broker runs in broker-host, the runner is played by the test, GitLab by the stand-in.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from integration.broker_stage import StageMaker, make_stage
from integration.runner_client import RunnerClient
from localcloud.waiting import LIMIT, wait_until, within

__all__ = ["make_stage"]

LINE = "Runlet: the function's time ran out."
PAGE = {"headers": {"Content-Type": "text/html"}, "body": "<html>Blocked by the firewall</html>"}
REFUSALS = [{"status": 403, **PAGE}, {"status": 404, **PAGE}, {"status": 200, **PAGE}]
REFUSALS += [{"status": 403, "body": '{"message": "Forbidden"}'}]
IDS = ["403", "404", "200", "json"]

# --- What is not GitLab's answer ---------------------------------------------------------------


@pytest.mark.parametrize("refusal", REFUSALS, ids=IDS)
def test_a_firewall_does_not_end_a_job(make_stage: StageMaker, refusal: dict[str, Any]) -> None:
    stage = make_stage()
    runner = stage.client().take_job()
    stage.gitlab.faults.add(method="PATCH", times=2, **refusal)
    assert runner.write("hello\n").status_code == 202
    stage.gitlab.faults.add(method="PUT", times=2, **refusal)
    assert runner.update("running").status_code == 200
    assert not stage.broker.status["finished"]
    stage.gitlab.faults.add(method="PUT", times=2, **refusal)

    assert runner.finish("success").status_code == 200

    assert stage.job.status == stage.broker.status["state"] == "success"
    assert stage.job.trace == b"hello\n" and stage.job.checksum_ok


@pytest.mark.parametrize("refusal", REFUSALS, ids=IDS)
def test_a_firewall_does_not_keep_a_job_from_its_end(
    make_stage: StageMaker, refusal: dict[str, Any]
) -> None:
    stage = make_stage()
    stage.client().take_job().write("hello\n")
    for method in ("PATCH", "PUT"):
        stage.gitlab.faults.add(method=method, times=2, **refusal)

    assert stage.broker.close_job(LINE)["closed"]

    assert stage.job.status == "failed" and stage.broker.status["state"] == "failed"
    assert stage.job.trace.decode() == f"hello\n{LINE}\n"


def test_a_runner_does_not_see_a_firewalls_403(make_stage: StageMaker) -> None:
    """A runner would end the job at it; at trouble it comes again."""
    stage = make_stage()
    runner = stage.client().take_job()
    blocked = stage.gitlab.faults.add(method="PATCH", status=403, times=None, **PAGE)
    answers: list[int] = []
    writing = threading.Thread(target=lambda: answers.append(runner.write("x").status_code))
    writing.start()
    wait_until(lambda: blocked.used >= 2, "a second attempt")
    began = time.monotonic()
    used = blocked.used

    assert not stage.broker.close_job(limit=6)["error"]
    writing.join(LIMIT)

    assert answers == [502]
    assert blocked.used - used < 20 * (time.monotonic() - began) + 5
    assert stage.job.status == "failed"


def test_a_firewall_does_not_make_a_token_wrong(make_stage: StageMaker) -> None:
    stage = make_stage()
    stage.gitlab.faults.add(path="/jobs/request", status=403, times=2, **PAGE)

    stage.client().take_job()

    assert not stage.broker.status["unauthorized"]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_firewall_does_not_refuse_artifacts(make_stage: StageMaker, status: int) -> None:
    stage = make_stage()
    runner = stage.client().take_job()
    stage.gitlab.faults.add(method="POST", path="/artifacts", status=status, **PAGE)
    stage.gitlab.faults.add(method="POST", path="/artifacts", status=status)
    files = {"file": ("artifacts.zip", b"content")}
    path, headers = f"{runner.job_path}/artifacts", {"JOB-TOKEN": runner.job["token"]}

    statuses = [
        runner.call("POST", path, files=files, headers=headers).status_code for _ in range(3)
    ]

    # GitLab's own word is passed on.
    assert statuses == [502, status, 201]


# --- What is the same for ever -----------------------------------------------------------------


def test_a_412_for_ever_does_not_bring_a_flood(make_stage: StageMaker) -> None:
    stage = make_stage()
    stage.client().take_job().write("hello\n")
    refused = stage.gitlab.faults.add(method="PUT", status=412, times=None)

    with within(20, "giving up"):
        result = stage.broker.close_job(LINE, limit=60)

    assert not result["closed"] and "checksum" in result["error"]
    assert 3 < refused.used < 12


def test_a_runner_that_sends_again_at_once_is_slowed_down(make_stage: StageMaker) -> None:
    """In the end the state counts more than the checksum."""
    stage = make_stage()
    runner = stage.client().take_job()
    runner.write("hello\n")
    refused = stage.gitlab.faults.add(method="PUT", status=412, times=5)
    began = time.monotonic()

    assert runner.finish("success").status_code == 200

    assert refused.used == 5
    assert time.monotonic() - began > 1.9
    assert stage.job.status == "success"
    (final,) = stage.job.final_updates
    assert "output" not in final and "checksum" not in final


def test_a_412_of_a_patch_is_trouble(make_stage: StageMaker) -> None:
    stage = make_stage()
    runner = stage.client().take_job()
    stage.gitlab.faults.add(method="PATCH", status=412, times=2)
    began = time.monotonic()

    assert runner.write("hello\n").status_code == 202

    assert time.monotonic() - began > 0.3
    assert stage.job.trace == b"hello\n"


def test_a_request_that_failed_every_time_is_an_error(make_stage: StageMaker) -> None:
    """Also where the runner is gone before the time for it is over."""
    stage = make_stage(wait_ms=600_000)
    stage.gitlab.faults.add(path="/jobs/request", status=500, times=None)
    runner = stage.client()
    with pytest.raises(OSError):
        runner.request_job(timeout=2)
    runner.close()

    def stopped() -> bool:
        status = stage.broker.order("stop-asking")
        return status["unreachable"]

    status = stage.broker.status
    assert status["waiting_since_ms"] and not status["unreachable"]
    wait_until(stopped, "the broker to see that nothing was answered", 10)
    assert stage.broker.status["failure_code"] == "Function.GitLabUnreachable"
    assert "500" in stage.broker.status["failure"]


# --- Polls -------------------------------------------------------------------------------------


def spread(moments: list[float]) -> float:
    """How much of a circle of one second the moments take."""
    phases = sorted(moment % 1 for moment in moments)
    gaps = [b - a for a, b in zip(phases, [*phases[1:], phases[0] + 1], strict=True)]
    return 1 - max(gaps)


def test_keep_alives_do_not_come_in_step(make_stage: StageMaker) -> None:
    count = 6
    stage = make_stage("\n".join(f"job{i}: {{script: [a]}}" for i in range(count)))
    moments: list[float] = []

    def first_keep_alive(number: int) -> None:
        with stage.another_broker() as broker:
            began = time.time()
            runner = RunnerClient(broker.url, broker.placeholder).take_job()
            path = f"/api/v4/jobs/{runner.job['id']}"

            def kept_alive() -> bool:
                return len([r for r in list(stage.gitlab.requests) if r.path == path]) >= 2

            wait_until(kept_alive, "a keep-alive", every=0.01)
            moments.append(time.time() - began)
            runner.finish("success")

    threads = [threading.Thread(target=first_keep_alive, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)

    assert len(moments) == count
    assert spread(moments) > 0.15, moments


def test_job_requests_do_not_come_in_step(make_stage: StageMaker) -> None:
    stage = make_stage(None)
    runner = stage.client()
    runner.request_job()
    pauses = []
    for _ in range(8):
        began = time.monotonic()
        assert runner.request_job().status_code == 204
        pauses.append(time.monotonic() - began)

    assert max(pauses) - min(pauses) > 0.1, pauses


# --- The two-phase commit ----------------------------------------------------------------------


@pytest.mark.parametrize("keep_alives", [0, 2])
def test_a_job_that_was_not_acknowledged_is_failed(
    make_stage: StageMaker, keep_alives: int
) -> None:
    """The runner is gone before its job began: GitLab takes no other state before `running`."""
    stage = make_stage()
    runner = stage.client(two_phase_job_commit=True)
    assert runner.request_job().status_code == 201
    for _ in range(keep_alives):
        assert runner.update("pending").status_code == 200

    assert stage.broker.close_job(LINE)["closed"]

    assert stage.job.status == "failed"
    assert stage.job.trace.decode() == f"{LINE}\n"
    assert stage.job.history[-2:] == ["running", "failed"]


def test_a_job_whose_acknowledgement_got_lost_is_failed(make_stage: StageMaker) -> None:
    stage = make_stage()
    runner = stage.client(two_phase_job_commit=True)
    assert runner.request_job().status_code == 201
    stage.gitlab.faults.add(method="PUT", status=200, headers={"Job-Status": "pending"})
    assert runner.update("running").status_code == 200  # by something that forgot it

    assert stage.broker.close_job(limit=10)["closed"]

    assert stage.job.status == "failed"


def test_a_runner_that_fails_before_it_begins(make_stage: StageMaker) -> None:
    stage = make_stage()
    runner = stage.client(two_phase_job_commit=True)
    assert runner.request_job().status_code == 201
    assert runner.update("pending").status_code == 200

    answer = runner.finish("failed", failure_reason="runner_unsupported")

    assert answer.status_code == 200
    assert stage.job.status == "failed"
    assert stage.broker.status["failure_reason"] == "runner_unsupported"


def test_a_keep_alive_that_comes_too_late_changes_nothing(make_stage: StageMaker) -> None:
    stage = make_stage()
    runner = stage.client(two_phase_job_commit=True).take_job()

    assert runner.update("pending").status_code == 409

    assert not stage.broker.status["finished"]
    assert runner.finish("success").status_code == 200


# --- What GitLab is told -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reported", "told"),
    [
        ("runner_system_failure", "job_execution_timeout"),
        ("runner_interrupted", "job_execution_timeout"),
        ("unknown_failure", "job_execution_timeout"),
        (None, "job_execution_timeout"),
        ("job_execution_timeout", "job_execution_timeout"),
        ("script_failure", "script_failure"),
    ],
)
def test_the_reason_of_a_job_that_was_stopped(
    make_stage: StageMaker, reported: str | None, told: str
) -> None:
    stage = make_stage()
    runner = stage.client().take_job()
    runner.write("hello\n")
    stage.broker.hold(LINE)

    more = {"failure_reason": reported} if reported else {}
    assert runner.finish("failed", exit_code=1, **more).status_code == 200

    assert stage.job.failure_reason == told
    assert stage.broker.status["failure_reason"] == told
    assert stage.job.exit_code == 1
    assert stage.job.trace.decode() == f"hello\n{LINE}\n" and stage.job.checksum_ok
    words = f'"failureReason":"{told}"'
    wait_until(lambda: any(words in line for line in list(stage.broker.log)), words)


def test_a_line_of_ours_carries_a_timestamp_where_the_jobs_lines_do(
    make_stage: StageMaker,
) -> None:
    stage = make_stage()
    runner = stage.client().take_job()
    runner.write("2024-05-22T12:43:46.9")
    runner.write("62646Z 00O Running with gitlab-runner 19.0.0\n")
    runner.write("2024-05-22T12:43:47.962646Z 01O hello\n")
    stage.broker.hold(LINE)

    assert runner.finish("failed", failure_reason="runner_system_failure").status_code == 200

    last = stage.job.trace.decode().splitlines()[-1]
    stamp, stream, text = last.split(" ", 2)
    moment = time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S")
    assert abs(time.mktime(moment) - time.mktime(time.gmtime())) < LIMIT
    assert len(stamp) == 27 and stamp.endswith("Z")
    assert (stream, text) == ("00O", LINE)
    assert stage.job.checksum_ok
