# SPDX-License-Identifier: Apache-2.0
"""The broker between a runner and GitLab, step by step: who gets a job, and how it ends.

The broker runs in broker-host, the runner is played by the test, GitLab by the stand-in.
"""

from __future__ import annotations

import json
import threading
import time

import pytest

from integration.broker_stage import ONE_JOB, StageMaker, make_stage
from localcloud.waiting import LIMIT, wait_until, within

__all__ = ["make_stage"]

LINE = "Runlet: the function's time ran out."

# --- Job requests ------------------------------------------------------------------------------


@pytest.mark.parametrize("old", [False, True])
def test_a_job_from_request_to_success(make_stage: StageMaker, old: bool) -> None:
    stage = make_stage()
    runner = stage.client(old=old)

    runner.take_job()
    runner.write("hello\n")
    runner.write("world\n")
    answer = runner.finish("success")

    assert answer.status_code == 200
    assert stage.job.status == "success"
    assert stage.job.trace == b"hello\nworld\n"
    assert stage.job.checksum_ok is (None if old else True)
    status = stage.broker.status
    assert (status["id"], status["project_id"]) == (stage.job.id, stage.project.id)
    assert status["name"] == "job"
    assert status["finished"] and status["state"] == "success" and status["exit_code"] == 0
    assert status["failure_reason"] is None
    assert status["duration_ms"] >= 0


def test_the_real_token_goes_to_job_requests_alone(make_stage: StageMaker) -> None:
    stage = make_stage()
    runner = stage.client()

    runner.take_job()
    runner.write("hello\n")
    runner.finish("success")

    (asked,) = stage.requests("POST", "/jobs/request")
    assert asked.json["token"] == stage.runner.token
    assert asked.headers["runner-token"] == stage.runner.token
    assert asked.json["system_id"] == "s_0123456789ab"
    assert stage.runner.system_ids == {"s_0123456789ab"}
    for other in stage.gitlab.requests:
        if other is not asked:
            assert stage.runner.token not in f"{other.path} {other.headers} {other.json}"
    assert stage.broker.placeholder not in str([vars(r) for r in stage.gitlab.requests])


def test_an_old_runner_has_no_token_header_put_in(make_stage: StageMaker) -> None:
    stage = make_stage()

    stage.client(old=True).take_job()

    (asked,) = stage.requests("POST", "/jobs/request")
    assert "runner-token" not in asked.headers
    assert asked.json["system_id"] == "s_0123456789ab"


def test_there_is_no_second_job(make_stage: StageMaker) -> None:
    stage = make_stage("one: {script: [a]}\ntwo: {script: [b]}")
    runner = stage.client().take_job()

    assert [runner.request_job().status_code for _ in range(3)] == [204] * 3
    runner.finish("success")
    assert runner.request_job().status_code == 204

    assert len(stage.requests("POST", "/jobs/request")) == 1
    assert sorted(job.status for job in stage.pipeline.jobs) == ["pending", "success"]


def test_no_job_is_passed_on_and_a_later_one_too(make_stage: StageMaker) -> None:
    stage = make_stage(None)
    runner = stage.client()

    nothing = runner.request_job()
    assert nothing.status_code == 204
    assert nothing.headers["X-GitLab-Last-Update"]
    assert stage.broker.status["last_good_ms"] > 0
    assert not stage.broker.status["job_arrived"]

    stage.project.commit({".gitlab-ci.yml": ONE_JOB})
    runner.take_job()
    assert stage.broker.status["job_arrived"]
    assert stage.broker.status["queued_ms"] >= 0


def test_a_short_wait_is_not_held_by_gitlab(make_stage: StageMaker) -> None:
    stage = make_stage(None)
    runner = stage.client()
    stage.gitlab.long_poll_seconds = 60

    with within(20, "asking twice"):
        runner.request_job()
        assert runner.last_update
        assert runner.request_job().status_code == 204

    assert all("last_update" not in r.json for r in stage.requests("POST", "/jobs/request"))


def test_a_long_wait_is_held_by_gitlab(make_stage: StageMaker) -> None:
    stage = make_stage(None, wait_ms=300_000)
    runner = stage.client()
    runner.request_job()
    stage.gitlab.long_poll_seconds = 1

    runner.request_job()

    assert stage.requests("POST", "/jobs/request")[1].json["last_update"] == runner.last_update


# --- Tokens ------------------------------------------------------------------------------------


def test_a_rotated_token_is_read_again(make_stage: StageMaker) -> None:
    stage = make_stage()
    stage.runner.reset_token()
    stage.token_file.write_text(json.dumps({"token": stage.runner.token, "other": 1}))

    stage.client().take_job()

    assert [r.status for r in stage.requests("POST", "/jobs/request")] == [403, 201]
    assert not stage.broker.status["unauthorized"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_ends_the_wait_at_once(make_stage: StageMaker, status: int) -> None:
    stage = make_stage()
    stage.gitlab.faults.add(path="/jobs/request", status=status, times=None)

    with within(5, "the refusal"):
        answer = stage.client().request_job()

    # A 403 would make gitlab-runner sleep for five minutes.
    assert answer.status_code == 503
    state = stage.broker.status
    assert state["unauthorized"] and state["failure_code"] == "Function.RunnerUnauthorized"
    assert stage.runner.token not in state["failure"]
    assert len(stage.requests("POST", "/jobs/request")) == 1
    assert not state["request_in_flight"]


def test_a_token_that_is_refused_twice(make_stage: StageMaker) -> None:
    stage = make_stage()
    stage.gitlab.faults.add(path="/jobs/request", status=403, times=None)
    stage.token_file.write_text("glrt-another")

    stage.client().request_job()

    assert stage.broker.status["unauthorized"]
    tokens = [r.json["token"] for r in stage.requests("POST", "/jobs/request")]
    assert tokens == [stage.runner.token, "glrt-another"]


# --- GitLab in trouble -------------------------------------------------------------------------


def test_a_failed_job_request_is_sent_again(make_stage: StageMaker) -> None:
    stage = make_stage()
    stage.gitlab.faults.add(path="/jobs/request", status=500, times=2)
    stage.gitlab.faults.add(path="/jobs/request", status=429, headers={"Retry-After": "1"})
    stage.gitlab.faults.add(path="/jobs/request", cut_after=10)

    begin = time.monotonic()
    stage.client().take_job()

    assert time.monotonic() - begin > 1
    assert [r.status for r in stage.requests("POST", "/jobs/request")][-1] == 201


def test_gitlab_that_is_down_is_unreachable_in_the_end(make_stage: StageMaker) -> None:
    stage = make_stage(wait_ms=1000)
    stage.gitlab.stop_listening()

    begin = time.monotonic()
    with within(45, "giving up"):
        answer = stage.client().request_job()

    assert answer.status_code == 503
    assert time.monotonic() - begin > 30
    status = stage.broker.status
    assert status["unreachable"] and status["failure_code"] == "Function.GitLabUnreachable"
    assert "127.0.0.1" in status["failure"]


def test_gitlab_that_comes_back_gives_its_job(make_stage: StageMaker) -> None:
    stage = make_stage(wait_ms=1000)
    stage.gitlab.stop_listening()
    timer = threading.Timer(5, stage.gitlab.start_listening)
    timer.start()

    stage.client().take_job()

    assert not stage.broker.status["unreachable"]


def test_an_untrusted_certificate(make_stage: StageMaker) -> None:
    stage = make_stage(ca_file=None)

    assert stage.client().request_job().status_code == 503

    status = stage.broker.status
    assert status["unreachable"] and "certificate" in status["failure"].lower()


def test_after_a_good_answer_trouble_is_no_error(make_stage: StageMaker) -> None:
    stage = make_stage(None, wait_ms=2000)
    runner = stage.client()
    assert runner.request_job().status_code == 204
    stage.gitlab.faults.add(path="/jobs/request", status=502, times=None)

    with within(10, "the wait"):
        runner.request_job()

    assert not stage.broker.status["unreachable"]


def test_a_request_in_flight_is_given_up_when_told(make_stage: StageMaker) -> None:
    stage = make_stage()
    stage.gitlab.faults.add(path="/jobs/request", delay=60)
    answers: list[int] = []
    runner = stage.client()
    asking = threading.Thread(target=lambda: answers.append(runner.request_job().status_code))
    asking.start()
    stage.broker.wait_for(request_in_flight=True)

    with within(5, "giving up"):
        stage.broker.order("drop")
        asking.join(LIMIT)

    assert answers == [204]
    status = stage.broker.status
    assert not status["request_in_flight"]
    assert not status["unreachable"]  # it was held, as long polling does: that is no trouble
    assert any("given up" in line for line in stage.broker.log)
    assert runner.request_job().status_code == 204


def test_giving_up_after_trouble_alone_is_unreachable(make_stage: StageMaker) -> None:
    stage = make_stage()
    stage.gitlab.faults.add(path="/jobs/request", status=500, times=None)
    runner = stage.client()
    asking = threading.Thread(target=runner.request_job)
    asking.start()
    stage.broker.wait_for(request_in_flight=True)
    stage.broker.wait_for(request_in_flight=False)

    stage.broker.order("drop")
    asking.join(LIMIT)

    assert stage.broker.status["unreachable"]


def test_a_job_that_comes_after_the_runner_is_gone_is_failed(make_stage: StageMaker) -> None:
    stage = make_stage()
    stage.gitlab.faults.add(path="/jobs/request", delay=3)
    runner = stage.client(two_phase_job_commit=True)
    with pytest.raises(OSError):
        runner.request_job(timeout=1)
    runner.close()
    assert stage.broker.status["request_in_flight"]

    stage.broker.wait_for(request_in_flight=False)

    assert stage.broker.status["job_arrived"]
    assert stage.broker.close_job("Runlet: too late.")["closed"]
    assert stage.job.status == "failed"
    assert stage.job.failure_reason == "runner_system_failure"
    assert stage.job.trace == b"Runlet: too late.\n"


# --- The final state ---------------------------------------------------------------------------


def test_a_failed_job_with_its_exit_code(make_stage: StageMaker) -> None:
    stage = make_stage()
    runner = stage.client().take_job()

    runner.finish("failed", failure_reason="script_failure", exit_code=3)

    status = stage.broker.status
    assert (status["state"], status["failure_reason"]) == ("failed", "script_failure")
    assert status["exit_code"] == stage.job.exit_code == 3


def test_a_failed_job_without_an_exit_code(make_stage: StageMaker) -> None:
    stage = make_stage()
    runner = stage.client(old=True).take_job()

    runner.finish("failed", failure_reason="script_failure")

    assert stage.broker.status["exit_code"] is None


def test_an_update_that_is_accepted_later(make_stage: StageMaker) -> None:
    stage = make_stage()
    stage.gitlab.accept_updates_later(2)
    runner = stage.client().take_job()
    runner.write("hello\n")

    assert runner.update("success", **runner.output()).status_code == 202
    assert not stage.broker.status["finished"]
    assert runner.finish("success").status_code == 200

    assert stage.broker.status["finished"] and stage.job.checksum_ok


def test_a_trace_that_gitlab_does_not_agree_on(make_stage: StageMaker) -> None:
    stage = make_stage()
    runner = stage.client().take_job()
    runner.write("hello\n")

    wrong = {"checksum": "crc32:00000000", "bytesize": 6}
    assert runner.update("success", output=wrong).status_code == 412
    assert not stage.broker.status["finished"]
    runner.sent = 0
    assert runner.send_rest().status_code == 202
    assert runner.finish("success").status_code == 200

    assert stage.job.trace == b"hello\n" and stage.job.checksum_ok


def test_trouble_with_the_final_update(make_stage: StageMaker) -> None:
    stage = make_stage()
    runner = stage.client().take_job()
    stage.gitlab.faults.add(method="PUT", status=503, times=2)
    stage.gitlab.faults.add(method="PUT", cut_response=True)

    # It was served, but the answer got lost: asked again, GitLab says that the job is over.
    assert runner.finish("failed", failure_reason="script_failure").status_code == 200

    status = stage.broker.status
    assert status["finished"] and status["failure_reason"] == "script_failure"
    assert len(stage.job.final_updates) == 1


def test_a_job_that_is_canceled_for_good(make_stage: StageMaker) -> None:
    stage = make_stage()
    runner = stage.client().take_job()
    stage.job.cancel(force=True)

    answer = runner.write("still here\n")

    assert answer.status_code == 403 and answer.headers["Job-Status"] == "canceled"
    status = stage.broker.status
    assert status["finished"] and status["state"] == "canceled"
    assert status["canceled_since_ms"] > 0 and not status["canceling"]


def test_a_job_that_is_being_canceled(make_stage: StageMaker) -> None:
    stage = make_stage()
    runner = stage.client(cancel_gracefully=True).take_job()
    stage.job.cancel()

    answer = runner.write("still here\n")
    assert answer.status_code == 202 and answer.headers["Job-Status"] == "canceling"
    status = stage.broker.status
    assert status["canceling"] and status["canceled_since_ms"] > 0 and not status["finished"]

    runner.write("after_script has run\n")
    runner.finish("failed", failure_reason="script_failure")
    assert stage.broker.status["state"] == stage.job.status == "canceled"
    assert stage.job.checksum_ok


def test_a_cancel_is_seen_while_the_runner_says_nothing(make_stage: StageMaker) -> None:
    stage = make_stage()
    stage.client().take_job().write("hello\n")
    stage.job.cancel(force=True)

    with within(12, "the cancel"):
        assert stage.broker.wait_for(finished=True)["state"] == "canceled"


def test_a_job_that_gitlab_timed_out(make_stage: StageMaker) -> None:
    stage = make_stage()
    runner = stage.client().take_job()
    stage.gitlab.advance(7200)

    assert runner.write("hello\n").status_code == 403

    assert stage.broker.status["state"] == stage.job.status == "failed"


# --- A line of ours ----------------------------------------------------------------------------


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("ending", ["", "\n"])
def test_the_last_line_says_why(make_stage: StageMaker, old: bool, ending: str) -> None:
    stage = make_stage()
    runner = stage.client(old=old).take_job()
    runner.write("hello\n")

    stage.broker.hold(LINE)
    runner.write("aborted" + ending)
    assert runner.finish("failed", failure_reason="runner_system_failure").status_code == 200

    assert stage.job.trace.decode() == f"hello\naborted\n{LINE}\n"
    assert stage.job.checksum_ok is (None if old else True)
    assert stage.broker.status["failure_reason"] == "job_execution_timeout"
    (final,) = stage.job.final_updates
    assert ("output" in final, "checksum" in final) == (not old, not old)


def test_a_held_line_waits_for_the_final_update(make_stage: StageMaker) -> None:
    stage = make_stage()
    runner = stage.client().take_job()
    stage.broker.hold(LINE)
    runner.write("one\n")
    runner.update("running")
    runner.write("two\n")

    assert stage.job.trace == b"one\ntwo\n"


@pytest.mark.parametrize("last", [LINE, ""])
def test_a_later_line_takes_the_place_of_the_held_one(make_stage: StageMaker, last: str) -> None:
    stage = make_stage()
    runner = stage.client().take_job()
    runner.write("one\n")
    stage.broker.hold("An earlier line")
    stage.broker.hold(last)
    runner.finish("failed", failure_reason="runner_system_failure")

    assert stage.job.trace.decode() == (f"one\n{LINE}\n" if last else "one\n")
    own, ours = "runner_system_failure", "job_execution_timeout"
    assert stage.job.failure_reason == (ours if last else own)


def test_a_job_that_succeeds_in_the_last_moment_was_not_stopped(make_stage: StageMaker) -> None:
    stage = make_stage()
    runner = stage.client().take_job()
    stage.broker.hold(LINE)
    runner.write("done\n")
    runner.finish("success")

    assert stage.job.trace == b"done\n" and stage.job.checksum_ok
    assert stage.job.status == "success"


def test_what_comes_after_the_line_is_shifted(make_stage: StageMaker) -> None:
    stage = make_stage()
    stage.gitlab.accept_updates_later(1)
    runner = stage.client().take_job()
    runner.write("one\n")
    stage.broker.hold(LINE)
    assert runner.update("failed", **runner.output()).status_code == 202

    answer = runner.write("two\n")
    assert (answer.status_code, answer.headers["Range"]) == (202, "0-8")
    again = runner.patch(0, b"one\n")
    assert (again.status_code, again.headers["Range"]) == (202, "0-8")
    assert runner.patch(2, b"e\ntwo\nthree\n").status_code == 202
    runner.written += b"three\n"
    assert runner.finish("failed").status_code == 200

    assert stage.job.trace.decode() == f"one\n{LINE}\ntwo\nthree\n"
    assert stage.job.checksum_ok


def test_a_trace_that_is_lost_gets_its_line_again(make_stage: StageMaker) -> None:
    stage = make_stage()
    runner = stage.client().take_job()
    runner.write("one\n")
    stage.broker.hold(LINE)
    stage.gitlab.faults.add(method="PUT", status=412, times=1)
    assert runner.update("failed", **runner.output()).status_code == 412
    stage.job.trace_log.reset()

    runner.sent = 0
    assert runner.send_rest().status_code == 202
    assert runner.finish("failed").status_code == 200

    assert stage.job.trace.decode() == f"one\n{LINE}\n"
    assert stage.job.checksum_ok


def test_a_trace_that_is_not_lost_keeps_its_line(make_stage: StageMaker) -> None:
    stage = make_stage()
    runner = stage.client().take_job()
    runner.write("one\n")
    stage.broker.hold(LINE)
    stage.gitlab.faults.add(method="PUT", status=412, times=1)
    assert runner.update("failed", **runner.output()).status_code == 412

    runner.sent = 0
    assert runner.send_rest().status_code == 202
    assert runner.finish("failed").status_code == 200

    assert stage.job.trace.decode() == f"one\n{LINE}\n"
    assert stage.job.checksum_ok


# --- Without a runner --------------------------------------------------------------------------


@pytest.mark.parametrize("old", [False, True])
def test_a_job_without_its_runner_is_closed(make_stage: StageMaker, old: bool) -> None:
    stage = make_stage()
    stage.client(old=old).take_job().write("half a lin")

    assert stage.broker.close_job(LINE)["closed"]

    assert stage.job.status == "failed"
    assert stage.job.failure_reason == "runner_system_failure"
    assert stage.job.trace.decode() == f"half a lin\n{LINE}\n"
    assert stage.job.checksum_ok is True
    status = stage.broker.status
    assert status["finished"] and status["state"] == "failed" and status["exit_code"] is None
    assert status["failure_reason"] == "runner_system_failure"


def test_a_job_is_closed_through_trouble(make_stage: StageMaker) -> None:
    stage = make_stage()
    runner = stage.client().take_job()
    runner.write("hello\n")
    stage.gitlab.accept_updates_later(1)
    stage.gitlab.faults.add(method="PATCH", status=500, times=2)
    stage.gitlab.faults.add(method="PATCH", cut_response=True)
    stage.gitlab.faults.add(method="PUT", cut_after=1)
    stage.gitlab.faults.add(method="PUT", status=429, headers={"Retry-After": "1"})

    assert stage.broker.close_job(LINE, limit=60)["closed"]

    assert stage.job.trace.decode() == f"hello\n{LINE}\n"
    assert stage.job.checksum_ok
    assert runner.write("too late\n").status_code == 403
    assert runner.update("success").status_code == 403


def test_a_job_that_cannot_be_closed_in_time(make_stage: StageMaker) -> None:
    stage = make_stage()
    stage.client().take_job()
    stage.gitlab.faults.add(method="PUT", status=500, times=None)

    with within(8, "the attempt to close it"):
        result = stage.broker.close_job(LINE, limit=3)

    assert not result["closed"] and "500" in result["error"]
    assert not stage.broker.status["finished"]


def test_a_checksum_that_gitlab_does_not_take_is_left_out(make_stage: StageMaker) -> None:
    stage = make_stage()
    stage.client().take_job().write("hello\n")
    stage.gitlab.faults.add(method="PUT", status=412)

    assert stage.broker.close_job(LINE)["closed"]

    assert stage.job.status == "failed"
    assert "output" not in stage.job.final_updates[-1]


def test_a_job_that_is_over_needs_no_closing(make_stage: StageMaker) -> None:
    stage = make_stage()
    stage.client().take_job()
    stage.job.cancel(force=True)

    assert stage.broker.close_job(LINE)["closed"]

    assert stage.broker.status["state"] == "canceled"


def test_without_a_job_there_is_nothing_to_close(make_stage: StageMaker) -> None:
    stage = make_stage(None)
    assert stage.broker.close_job(LINE)["closed"]


def test_a_patch_under_way_gets_through_before_the_line(make_stage: StageMaker) -> None:
    stage = make_stage()
    runner = stage.client().take_job()
    stage.gitlab.faults.add(method="PATCH", status=503, times=2)
    sending = threading.Thread(target=lambda: runner.write("the last words\n"))
    sending.start()
    wait_until(lambda: stage.requests("PATCH", "/trace"), "the patch")

    assert stage.broker.close_job(LINE, limit=30)["closed"]
    sending.join(LIMIT)

    assert stage.job.trace.decode() == f"the last words\n{LINE}\n"
    assert stage.job.checksum_ok
