# SPDX-License-Identifier: Apache-2.0
"""The stand-in GitLab speaks the runner API: runners, job requests, traces, updates."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import requests

from integration.standin_gitlab import (
    SYSTEM_ID,
    ScriptedRunner,
    commit,
    output_of,
    session_for,
)
from localcloud.gitlab import Project, StandInGitLab
from localcloud.waiting import wait_until

pytest_plugins = ["integration.standin_gitlab_fixtures"]

GRACEFUL = {"features": {"cancel_gracefully": True}}
TWO_PHASES = {"features": {"two_phase_job_commit": True}}


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
    wait_until(lambda: len(gitlab.requests) == 2, "the second request")
    assert not answers

    commit(project)
    wait_until(lambda: not held.is_alive(), "the answer to the held request")

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
    wait_until(lambda: gitlab.requests[-1].status == 499, "the notice of the lost client")

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
    refused = scripted.put("failed", failure_reason="runner_system_failure")
    assert (refused.status_code, refused.headers["Job-Status"]) == (400, "pending")
    assert scripted.put("running").headers["Job-Status"] == "running"
    assert job.status == "running"
    assert scripted.put("pending").status_code == 409
    assert scripted.patch(b"now", 0).status_code == 202


def test_a_job_that_is_never_acknowledged_goes_back_to_the_queue(
    project: Project, scripted: ScriptedRunner, gitlab: StandInGitLab
) -> None:
    job = commit(project).job("job")
    scripted.take(**TWO_PHASES)

    gitlab.advance(121)

    assert scripted.put("running").status_code == 403
    assert scripted.take()["id"] == job.id


def test_its_clock_can_be_put_right(gitlab: StandInGitLab) -> None:
    gitlab.advance(7200)
    assert gitlab.now() > time.time() + 7000
    gitlab.restore_clock()
    assert abs(gitlab.now() - time.time()) < 60


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
    assert pipeline.wait().status == "success"
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
