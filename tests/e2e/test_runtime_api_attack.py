# SPDX-License-Identifier: Apache-2.0
"""A job that plays against the Runtime API: what the README's "what it cannot stop" promises."""

from __future__ import annotations

import json
from typing import Any

from e2e.stage import Stage, StageMaker, output_of
from localcloud.waiting import wait_until

# The job's tools against the Runtime API: bash alone. In Lambda its address is no secret; here
# the test tells the job, because other sandboxes listen on the same loopback.
TOOLS = r"""
api() {  # api METHOD PATH [BODY]: prints the answer
  exec 9<>"/dev/tcp/${RUNTIME_API%:*}/${RUNTIME_API#*:}"
  printf '%s /2018-06-01/runtime/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n' "$1" "$2" >&9
  printf 'Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' "${#3}" "$3" >&9
  cat <&9
  exec 9>&-
}
request_id() {
  tr -d '\r' | awk -F': ' 'tolower($1) == "lambda-runtime-aws-request-id" {print $2}'
}
"""
ASK = 'answer=$(api GET invocation/next); id=$(echo "$answer" | request_id); echo "request <$id>"'
FORGED: dict[str, Any] = {"status": "job_succeeded", "job": None, "forged": True}
ANSWER = f"api POST invocation/$id/response '{json.dumps(FORGED)}' | sed -n '1s/^/answered: /p'"


def attack(stage: Stage, *script: str) -> Any:
    """Makes a job of this script that finds a warm environment, where it knows its way."""
    _, warm = stage.run("echo warm")
    assert warm.answer["status"] == "job_succeeded"
    return stage.add_job(
        TOOLS, ASK, *script, name="attack", variables={"RUNTIME_API": stage.environment.runtime_api}
    )


def victim_of(stage: Stage) -> Any:
    """A job of another project that the same function serves."""
    project = stage.cloud.gitlab.create_project(f"{stage.tag}/victim")
    script = ['test "$(ls -A /tmp)" = runlet', "ps", "echo victim is fine"]
    return stage.commit({"victim": {"script": script}}, project=project).job("victim")


def assert_no_secret(stage: Stage, job: Any) -> None:
    trace = job.trace.decode(errors="replace")
    assert stage.runner.token not in trace
    assert "ASIA" not in trace and "FQoGZXIvYXdz" not in trace


def assert_fresh(stage: Stage, victim: Any, first_environment: str) -> None:
    assert victim.status == "success", output_of(victim)
    last = stage.cloud.functions.invocations(stage.function)[-1]
    assert last.answer["job"]["id"] == victim.id
    assert last.environment_id != first_environment
    assert "thief" not in output_of(victim)


def test_a_job_answers_in_our_place_and_leaves_a_waiter(make_stage: StageMaker) -> None:
    stage = make_stage(timeout=60)
    thief = "thief=1; api GET invocation/next > /tmp/stolen; sleep 1000"
    waiter = f"(setsid bash -c '{thief}' >/dev/null 2>&1 &)"
    job = attack(stage, "export -f api", ANSWER, waiter, "sleep 1")
    first_environment = stage.environment

    first = stage.invoke()

    assert first.environment_id == first_environment.id
    assert first.response == FORGED  # what it cannot stop
    wait_until(lambda: not first_environment.alive, "the end of the environment")
    assert f"request <{first.request_id}>\n" in output_of(job)
    assert "answered: HTTP/1.1 202" in output_of(job)
    assert "somebody else" in stage.logs

    victim = victim_of(stage)
    invocation = stage.invoke()

    assert not invocation.function_error, invocation.response
    assert_fresh(stage, victim, first.environment_id)
    assert_no_secret(stage, job)


def test_a_job_takes_the_following_event(make_stage: StageMaker) -> None:
    stage = make_stage(timeout=60)
    job = attack(stage, ANSWER, "api GET invocation/next | sed 's/^/stolen: /'", "echo attack over")
    first_environment = stage.environment
    first = stage.invoke()
    assert first.response == FORGED
    assert job.status == "running"
    victim = victim_of(stage)

    # The next event goes to the attacker, who waits for it in the warm environment.
    second = stage.invoke({"number": 2})

    assert second.environment_id == first.environment_id
    assert second.function_error, second.response
    wait_until(lambda: not first_environment.alive, "the end of the environment")
    assert 'stolen: {"number": 2}' in output_of(job)
    assert_no_secret(stage, job)
    # The job of the event that was taken is still there, for the next one.
    assert victim.status == "pending"

    third = stage.invoke()

    assert not third.function_error, third.response
    assert_fresh(stage, victim, first.environment_id)


def test_a_job_that_only_asks_changes_nothing(make_stage: StageMaker) -> None:
    stage = make_stage(timeout=60)
    job = attack(stage, "echo done")

    invocation = stage.invoke()

    assert invocation.answer["status"] == "job_succeeded"
    assert invocation.answer["job"]["id"] == job.id
    assert f"request <{invocation.request_id}>\n" in output_of(job)
    victim = victim_of(stage)
    assert stage.invoke().answer["status"] == "job_succeeded"
    assert victim.status == "success"


def test_a_job_that_reports_an_error_in_our_place(make_stage: StageMaker) -> None:
    stage = make_stage(timeout=60)
    forged = '{"errorType": "Function.Forged", "errorMessage": "by the job"}'
    waiter = "(setsid bash -c 'api GET invocation/next' >/dev/null 2>&1 &)"
    attack(stage, "export -f api", f"api POST invocation/$id/error '{forged}' >/dev/null", waiter)
    environment = stage.environment

    invocation = stage.invoke()

    assert invocation.response["errorType"] == "Function.Forged"
    wait_until(lambda: not environment.alive, "the end of the environment")
    victim = victim_of(stage)
    assert stage.invoke().answer["status"] == "job_succeeded"
    assert_fresh(stage, victim, environment.id)


def test_a_job_that_reports_a_failed_init(make_stage: StageMaker) -> None:
    stage = make_stage(timeout=60)
    job = attack(stage, "api POST init/error '{}' | sed -n '1s/^/answered: /p'")

    invocation = stage.invoke()

    assert "answered: HTTP/1.1 403" in output_of(job)
    assert invocation.answer["status"] == "job_succeeded"
    assert invocation.answer["job"]["id"] == job.id
