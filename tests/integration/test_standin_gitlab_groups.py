# SPDX-License-Identifier: Apache-2.0
"""The stand-in GitLab lets the jobs of one resource group run one at a time, as GitLab does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.test_standin_gitlab_ci import finish, statuses, take
from localcloud.gitlab.instance import Instance
from localcloud.gitlab.jobs import Job
from localcloud.gitlab.pipelines import Pipeline
from localcloud.gitlab.webhooks import Webhooks

DEPLOY = "deploy: {script: x, resource_group: production}"
WAITING = "waiting_for_resource"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    made = Instance(tmp_path)
    made.create_runner()
    yield made
    made.close()


PipelineMaker = Callable[..., Pipeline]


@pytest.fixture
def pipeline_of(instance: Instance) -> PipelineMaker:
    def make(text: str, path: str = "group/project") -> Pipeline:
        project = instance.find_project(path) or instance.create_project(path)
        pipeline = project.commit({".gitlab-ci.yml": text})
        assert pipeline
        return pipeline

    return make


def picked(instance: Instance) -> Job | None:
    return instance.pick_job(instance.runners[0], None, {})[0]


def test_jobs_of_a_group_run_one_at_a_time_in_the_order_they_waited(
    instance: Instance, pipeline_of: PipelineMaker
) -> None:
    first, second, third = (pipeline_of(DEPLOY).job("deploy") for _ in range(3))
    assert [first.status, second.status, third.status] == ["pending", WAITING, WAITING]
    assert first.history == ["created", WAITING, "pending"]
    assert second.pipeline.status == WAITING

    assert picked(instance) is first
    assert picked(instance) is None  # a runner is free, the group is not
    finish(first)
    assert [second.status, third.status] == ["pending", WAITING]
    assert picked(instance) is second
    finish(second, "failed")
    assert picked(instance) is third


def test_a_group_is_one_projects_and_the_other_jobs_go_on(pipeline_of: PipelineMaker) -> None:
    one = pipeline_of(f"{DEPLOY}\nother: {{script: x}}\nsecond: {{script: x, resource_group: b}}")
    again = pipeline_of(f"{DEPLOY}\nother: {{script: x}}")
    elsewhere = pipeline_of(DEPLOY, "group/elsewhere")

    assert statuses(one) == dict.fromkeys(("deploy", "other", "second"), "pending")
    assert statuses(again) == {"deploy": WAITING, "other": "pending"}
    assert statuses(elsewhere) == {"deploy": "pending"}


def test_stages_of_one_pipeline_may_share_a_group(pipeline_of: PipelineMaker) -> None:
    pipeline = pipeline_of(
        "plan: {stage: build, script: x, resource_group: a}\n"
        "apply: {stage: deploy, script: x, resource_group: a}"
    )
    assert statuses(pipeline) == {"plan": "pending", "apply": "created"}

    finish(pipeline.job("plan"))
    assert pipeline.job("apply").status == "pending"
    finish(pipeline.job("apply"))
    assert pipeline.status == "success"


def test_a_job_being_canceled_keeps_its_group_until_it_has_ended(
    pipeline_of: PipelineMaker,
) -> None:
    first, second, third = (pipeline_of(DEPLOY).job("deploy") for _ in range(3))
    take(first, "cancel_gracefully")
    first.cancel()
    assert [first.status, second.status] == ["canceling", WAITING]

    second.cancel()
    assert [second.status, third.status] == ["canceled", WAITING]
    finish(first)
    assert third.status == "pending"


def test_a_retried_job_queues_up_again(pipeline_of: PipelineMaker) -> None:
    flaky = pipeline_of("deploy: {script: x, resource_group: production, retry: 1}")
    next_one = pipeline_of(DEPLOY).job("deploy")

    finish(flaky.job("deploy"), "failed")

    assert (next_one.status, flaky.job("deploy").status) == ("pending", WAITING)
    finish(next_one)
    assert flaky.job("deploy").status == "pending"


def test_a_manual_job_waits_for_its_group_when_it_is_started(pipeline_of: PipelineMaker) -> None:
    first = pipeline_of(DEPLOY).job("deploy")
    manual = pipeline_of("deploy: {script: x, resource_group: production, when: manual}")

    manual.job("deploy").play()

    assert manual.job("deploy").status == WAITING
    finish(first)
    assert manual.job("deploy").status == "pending"


def test_a_job_that_begins_to_wait_is_no_news_for_webhooks(
    instance: Instance, pipeline_of: PipelineMaker
) -> None:
    webhooks = Webhooks(instance)
    pipeline_of(DEPLOY)
    project = instance.projects[0]
    hook = webhooks.add(project, "http://127.0.0.1:1/closed")
    try:
        pipeline_of(DEPLOY)
        finish(project.pipelines[0].job("deploy"))
        webhooks.flush()
    finally:
        webhooks.close()

    told = [one.json["build_status"] for one in hook.deliveries]
    assert told == ["created", "running", "success", "pending"]
