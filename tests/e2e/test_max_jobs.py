# SPDX-License-Identifier: Apache-2.0
"""RUNLET_MAX_JOBS: several jobs in one invocation, each with everything of the last one gone."""

from __future__ import annotations

from e2e.stage import StageMaker, output_of

LEAVE = [
    'test "$(ls -A /tmp)" = runlet',
    'test "$(ls /tmp/runlet | wc -l)" = 1',
    "! pidof sleep",
    "echo $HOME",
    "echo x > /tmp/left; echo x > $HOME/left",
    "(setsid sleep 1000 >/dev/null 2>&1 &)",
]


def test_three_jobs_in_one_invocation(make_stage: StageMaker) -> None:
    stage = make_stage(timeout=240, environment={"RUNLET_MAX_JOBS": "3"})
    jobs: dict[str, dict] = {name: {"script": LEAVE} for name in ("one", "two", "three", "four")}
    jobs["two"] = {"script": [*LEAVE, "exit 1"], "allow_failure": True}
    pipeline = stage.commit(jobs)

    invocation = stage.invoke()

    result = invocation.response
    traces = {job.name: output_of(job) for job in pipeline.jobs}
    assert set(result) == {"status", "job", "jobs"}
    assert [one["name"] for one in result["jobs"]] == ["one", "two", "three"], traces
    assert [one["state"] for one in result["jobs"]] == ["success", "failed", "success"], traces
    assert result["job"] == result["jobs"][-1]
    assert result["status"] == "job_succeeded"
    assert pipeline.job("four").status == "pending"
    homes = {
        traces[name].split("/tmp/runlet/")[1].split("/")[0] for name in ("one", "two", "three")
    }
    assert len(homes) == 3


def test_fewer_jobs_than_allowed(make_stage: StageMaker) -> None:
    stage = make_stage(
        timeout=120, environment={"RUNLET_MAX_JOBS": "3", "RUNLET_WAIT_TIMEOUT": "2"}
    )
    stage.commit({"only": {"script": ["echo ok"]}})

    first, second = stage.invoke(), stage.invoke()

    assert first.answer["status"] == "job_succeeded"
    assert [one["name"] for one in first.response["jobs"]] == ["only"]
    assert second.response == {"status": "no_job", "job": None, "jobs": []}


def test_the_time_runs_out_in_the_second_job(make_stage: StageMaker) -> None:
    stage = make_stage(
        timeout=30, environment={"RUNLET_MAX_JOBS": "3", "RUNLET_DEADLINE_MARGIN": "8"}
    )
    pipeline = stage.commit(
        {"quick": {"script": ["echo ok"]}, "long": {"script": ["sleep 600"]},
         "late": {"script": ["echo ok"]}}
    )  # fmt: skip

    invocation = stage.invoke()

    assert invocation.answer["status"] == "deadline"
    assert [one["state"] for one in invocation.response["jobs"]] == ["success", "failed"]
    assert invocation.answer["job"]["name"] == "long"
    assert pipeline.job("long").status == "failed"
    assert pipeline.job("late").status == "pending"
    assert invocation.duration_ms < 30_000


def test_a_fresh_environment_for_each_job_means_one_job(make_stage: StageMaker) -> None:
    stage = make_stage(environment={"RUNLET_MAX_JOBS": "3", "RUNLET_FRESH_ENVIRONMENT": "true"})
    pipeline = stage.commit({name: {"script": ["echo ok"]} for name in ("one", "two")})

    first, second = stage.invoke(), stage.invoke()

    assert [len(one.response["jobs"]) for one in (first, second)] == [1, 1]
    assert first.environment_id != second.environment_id
    assert pipeline.status == "success"
