# SPDX-License-Identifier: Apache-2.0
"""The stand-in GitLab reads `.gitlab-ci.yml` and runs pipelines as GitLab does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import REPO
from localcloud.gitlab import CiConfigError
from localcloud.gitlab.ci_reader import read
from localcloud.gitlab.durations import seconds_of
from localcloud.gitlab.expressions import ExpressionError, holds
from localcloud.gitlab.instance import Instance
from localcloud.gitlab.jobs import Job
from localcloud.gitlab.payload import variables
from localcloud.gitlab.pipelines import Pipeline

EXAMPLES = sorted(file.relative_to(REPO) for file in REPO.glob("examples/**/.gitlab-ci.yml"))


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    made = Instance(tmp_path)
    yield made
    made.close()


PipelineMaker = Callable[..., Pipeline]


@pytest.fixture
def pipeline_of(instance: Instance) -> PipelineMaker:
    project = instance.create_project("group/project")
    instance.create_runner()

    def make(text: str, *, ref: str = "main") -> Pipeline:
        pipeline = project.commit({".gitlab-ci.yml": text}, ref=ref)
        assert pipeline
        return pipeline

    return make


def take(job: Job, *features: str) -> None:
    """Plays a runner with these features that is given the job."""
    instance = job._instance
    with instance.lock:
        assert job.status == "pending", job
        job.assign(instance.runners[0], None, {"features": dict.fromkeys(features, True)})


def finish(job: Job, status: str = "success", reason: str = "script_failure") -> None:
    """Plays a runner that ends the job, and takes it first if need be."""
    if job.status == "pending":
        take(job)
    with job._instance.lock:
        job.finish(status, reason)


def statuses(pipeline: Pipeline) -> dict[str, str]:
    return {job.name: job.status for job in pipeline.jobs}


# The reader


def test_reads_every_keyword_that_it_knows() -> None:
    config = read(
        """
        stages: [build, ship]
        variables: {GLOBAL: 1, RAW: {value: "$x", expand: false, description: why}}
        default: {tags: [lambda], before_script: [echo first], timeout: 10m}
        .hidden: &hidden {image: whatever}
        compile:
          stage: build
          script: [make, [make install]]
          after_script: [echo after]
          artifacts: {paths: [out/], exclude: ["*.o"], expire_in: 1 week, when: always, name: x,
                      access: developer}
          retry: {max: 2, when: [runner_system_failure]}
          variables: {FLAG: true}
          id_tokens: {TOKEN: {aud: sts.amazonaws.com}, TWO: {aud: [a, b]}}
        ship:
          stage: ship
          script: ship
          tags: [other]
          timeout: 1h 30m
          resource_group: eu/production 1
          environment: eu/production
          needs: [{job: compile, artifacts: false}]
          dependencies: []
          rules: [{if: $CI_COMMIT_TAG, when: never}, {when: manual, variables: {A: b}}]
        """
    )

    compile_, ship = config.jobs["compile"], config.jobs["ship"]
    assert list(config.jobs) == ["compile", "ship"]
    assert compile_.script == ("make", "make install")
    assert compile_.before_script == ("echo first",)
    assert compile_.tags == {"lambda"}
    assert compile_.timeout == 600
    assert compile_.retry.max == 2
    assert compile_.variables["FLAG"].value == "true"
    assert compile_.id_tokens == {"TOKEN": ("sts.amazonaws.com",), "TWO": ("a", "b")}
    assert compile_.artifacts
    assert compile_.artifacts.expire_in == "1 week"
    assert compile_.artifacts.access == "developer"
    assert ship.tags == {"other"}
    assert ship.timeout == 5400
    assert (compile_.resource_group, ship.resource_group) == (None, "eu/production 1")
    assert (compile_.environment, ship.environment) == (None, "eu/production")
    assert ship.needs
    assert not ship.needs[0].artifacts
    assert not config.variables["RAW"].expand
    assert config.jobs_for({"CI_COMMIT_TAG": "v1"})[-1].name == "compile"
    assert config.jobs_for({})[-1].when == "manual"


@pytest.mark.parametrize("file", EXAMPLES, ids=str)
def test_reads_the_files_of_the_examples(file: Path) -> None:
    config = read((REPO / file).read_text())
    assert config.jobs_for({"CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main"})


@pytest.mark.parametrize(
    ("text", "job", "keyword"),
    [
        ("j: {script: a, image: alpine}", "j", "image"),
        ("j: {script: a, cache: {}}", "j", "cache"),
        ("j: {script: a, artifacts: {reports: {}}}", "j", "artifacts"),
        ("j: {script: a, artifacts: {access: owner}}", "j", "artifacts"),
        ("j: {script: a, artifacts: {public: false}}", "j", "artifacts"),
        ("j: {script: a, resource_group: /production}", "j", "resource_group"),
        ("j: {script: a, resource_group: production/}", "j", "resource_group"),
        ("j: {script: a, resource_group: a$B}", "j", "resource_group"),
        ("j: {script: a, resource_group: [a]}", "j", "resource_group"),
        ("j: {script: a, environment: {name: a}}", "j", "environment"),
        ("j: {script: a, rules: [{changes: [x]}]}", "j", "rules"),
        ("j: {script: a, rules: [{if: '$X =='}]}", "j", "rules"),
        ("j: {script: a, needs: [k]}", "j", "needs"),
        ("j: {script: a, needs: [{pipeline: x}]}", "j", "needs"),
        ("j: {script: a, dependencies: [k]}", "j", "dependencies"),
        ("a: {script: a, needs: [b]}\nb: {script: b, needs: [a]}", "a", "needs"),
        ("j: {script: [{echo: text}]}", "j", "script"),
        ("j: {stage: build}", "j", "script"),
        ("j: {script: a, stage: nowhere}", "j", "stage"),
        ("j: {script: a, timeout: soon}", "j", "timeout"),
        ("j: {script: a, retry: 3}", "j", "retry"),
        ("j: {script: a, when: delayed}", "j", "when"),
        ("j: {script: a, id_tokens: {T: {}}}", "j", "id_tokens"),
        ("j: {script: a, variables: {A: [1]}}", "j", "variables"),
        ("image: alpine\nj: {script: a}", "image", "image"),
        ("default: {image: alpine}\nj: {script: a}", None, "default"),
    ],
)
def test_refuses_what_it_does_not_know(text: str, job: str | None, keyword: str) -> None:
    with pytest.raises(CiConfigError) as caught:
        read(text)

    assert (caught.value.job, caught.value.keyword) == (job, keyword)
    assert keyword in str(caught.value)
    assert job is None or job in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "a: [", "variables: {}", "just text"])
def test_refuses_what_is_no_ci_file(text: str) -> None:
    with pytest.raises(CiConfigError):
        read(text)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ('$BRANCH == "main"', True),
        ("$BRANCH != 'main'", False),
        ("$BRANCH", True),
        ("$EMPTY", False),
        ("$ABSENT == null", True),
        ("$EMPTY == null", False),
        ("$BRANCH =~ /^MA/i", True),
        ("$BRANCH !~ /^ma/", False),
        (r"$PATH_ =~ /^feature\/\d+$/", True),
        ("$BRANCH =~ $PATTERN", True),
        ("$ABSENT =~ /x/", False),
        ('$BRANCH == "x" || $BRANCH == "main" && $ABSENT', False),
        ('($BRANCH == "x" || $BRANCH == "main") && $PATH_', True),
    ],
)
def test_conditions(expression: str, value: bool) -> None:
    variables = {"BRANCH": "main", "EMPTY": "", "PATH_": "feature/12", "PATTERN": "/^m/"}

    assert holds(expression, variables) is value


@pytest.mark.parametrize(
    "expression", ["", "$A ==", "$A = 'x'", "($A", "$A $B", "$A =~ 'text'", "$A =~ /(/", "&& $A"]
)
def test_conditions_that_cannot_be_read(expression: str) -> None:
    with pytest.raises(ExpressionError):
        holds(expression, {"A": "a", "B": "b"})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), (90, 90), ("1h 30m", 5400), ("2h20min", 8400), ("3 hours and 2 minutes", 10920),
     ("1 week", 604800), ("1 mo", 2592000)],
)  # fmt: skip
def test_durations(text: str | int, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "soon", "5 parsecs", "-3", True])
def test_what_is_no_duration(text: str | bool) -> None:
    with pytest.raises(ValueError, match="duration"):
        seconds_of(text)


# Pipelines


def test_stages_run_in_order(pipeline_of: PipelineMaker) -> None:
    pipeline = pipeline_of(
        "one: {stage: build, script: x}\ntwo: {stage: build, script: x}\n"
        "three: {stage: test, script: x}"
    )
    assert statuses(pipeline) == {"one": "pending", "two": "pending", "three": "created"}
    assert pipeline.status == "pending"

    finish(pipeline.job("one"))
    assert pipeline.job("three").status == "created"
    assert pipeline.status == "running"
    finish(pipeline.job("two"))
    assert pipeline.job("three").status == "pending"
    finish(pipeline.job("three"))
    assert pipeline.status == "success"
    assert pipeline.wait() is pipeline


def test_a_failure_skips_what_comes_later_but_not_its_cleaning_up(
    pipeline_of: PipelineMaker,
) -> None:
    pipeline = pipeline_of(
        """
        fails: {stage: build, script: x}
        skipped: {stage: test, script: x}
        rescue: {stage: test, script: x, when: on_failure}
        always: {stage: deploy, script: x, when: always}
        """
    )

    finish(pipeline.job("fails"), "failed")

    assert statuses(pipeline) == {
        "fails": "failed", "skipped": "skipped", "rescue": "pending", "always": "created",
    }  # fmt: skip
    finish(pipeline.job("rescue"))
    finish(pipeline.job("always"))
    assert pipeline.status == "failed"


def test_on_failure_is_skipped_after_a_success(pipeline_of: PipelineMaker) -> None:
    pipeline = pipeline_of(
        "a: {stage: build, script: x}\nb: {stage: test, script: x, when: on_failure}\n"
        "c: {stage: deploy, script: x}"
    )

    finish(pipeline.job("a"))

    assert statuses(pipeline) == {"a": "success", "b": "skipped", "c": "pending"}


def test_a_job_that_may_fail_stops_nobody(pipeline_of: PipelineMaker) -> None:
    pipeline = pipeline_of(
        "a: {stage: build, script: x, allow_failure: true}\nb: {stage: test, script: x}"
    )

    finish(pipeline.job("a"), "failed")
    finish(pipeline.job("b"))

    assert pipeline.status == "success"


def test_needs_run_ahead_of_stages(pipeline_of: PipelineMaker) -> None:
    pipeline = pipeline_of(
        """
        fast: {stage: build, script: x}
        slow: {stage: build, script: x}
        next: {stage: test, script: x, needs: [fast]}
        free: {stage: deploy, script: x, needs: []}
        last: {stage: deploy, script: x, needs: [next]}
        """
    )
    assert pipeline.job("free").status == "pending"

    finish(pipeline.job("fast"))
    assert pipeline.job("next").status == "pending"
    finish(pipeline.job("next"), "failed")
    assert pipeline.job("last").status == "skipped"
    assert pipeline.job("slow").status == "pending"


def test_a_failed_job_is_retried_as_often_as_it_may(pipeline_of: PipelineMaker) -> None:
    pipeline = pipeline_of("flaky: {script: x, retry: 1}")
    first = pipeline.job("flaky")

    finish(first, "failed")
    second = pipeline.job("flaky")
    assert second is not first
    assert second.status == "pending"
    assert second.token != first.token
    assert pipeline.status == "pending"

    finish(second, "failed")
    assert pipeline.status == "failed"
    assert len(pipeline.all_jobs) == 2


def test_a_retry_is_for_the_reasons_it_names(pipeline_of: PipelineMaker) -> None:
    text = "flaky: {script: x, retry: {max: 2, when: [runner_system_failure]}}"
    by_script, by_runner = pipeline_of(text), pipeline_of(text)

    finish(by_script.job("flaky"), "failed", "script_failure")
    finish(by_runner.job("flaky"), "failed", "runner_system_failure")

    assert by_script.status == "failed"
    assert by_runner.status == "pending"


def test_manual_jobs_wait_for_somebody(pipeline_of: PipelineMaker) -> None:
    pipeline = pipeline_of(
        """
        optional: {stage: build, script: x, when: manual}
        gate: {stage: test, script: x, rules: [{when: manual}]}
        after: {stage: deploy, script: x}
        """
    )

    assert statuses(pipeline) == {"optional": "manual", "gate": "manual", "after": "created"}
    pipeline.job("gate").play()
    finish(pipeline.job("gate"))
    assert pipeline.job("after").status == "pending"


def test_rules_choose_jobs_by_ref(pipeline_of: PipelineMaker) -> None:
    text = """
        always: {script: x}
        main: {script: x, rules: [{if: '$CI_COMMIT_BRANCH == "main"'}]}
        others: {script: x, rules: [{if: '$CI_COMMIT_REF_NAME =~ /^feature/'}]}
    """

    assert set(statuses(pipeline_of(text))) == {"always", "main"}
    assert set(statuses(pipeline_of(text, ref="feature/1"))) == {"always", "others"}


def test_a_pipeline_without_a_needed_job_is_refused_and_nothing_is_committed(
    instance: Instance,
) -> None:
    project = instance.create_project("group/project")
    text = "a: {script: x, rules: [{if: $NEVER}]}\nb: {script: x, needs: [a]}"

    with pytest.raises(CiConfigError, match="does not have"):
        project.commit({".gitlab-ci.yml": text})

    assert project.repository.refs() == {}
    assert project.pipelines == []


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"README.md": "no CI here"}, "Add"),
        ({".gitlab-ci.yml": "a: {script: x}"}, "Add [skip ci]"),
        ({".gitlab-ci.yml": "a: {script: x, rules: [{if: $NEVER}]}"}, "Add"),
    ],
)
def test_commits_without_a_pipeline(
    instance: Instance, files: dict[str, str | bytes | None], message: str
) -> None:
    project = instance.create_project("group/project")

    assert project.commit(files, message=message) is None
    assert list(project.repository.refs()) == ["refs/heads/main"]


def test_a_pipeline_that_somebody_starts_with_variables(instance: Instance) -> None:
    instance.create_runner()
    project = instance.create_project("group/project")
    text = """
        job: {script: x, variables: {A: file}, rules: [{if: '$A == "asked"'}]}
        push: {script: x, rules: [{if: '$CI_PIPELINE_SOURCE == "push"'}]}
    """
    assert project.commit({".gitlab-ci.yml": text})

    pipeline = project.create_pipeline("main", {"A": "asked"})

    assert statuses(pipeline) == {"job": "pending"}
    assert pipeline.source == "api"
    take(pipeline.job("job"))
    values = [one["value"] for one in variables(instance, pipeline.job("job")) if one["key"] == "A"]
    assert values[-1] == "asked"
    for ref in ("nowhere", "main"):
        with pytest.raises(CiConfigError, match=ref):
            project.create_pipeline(ref)


def test_commits_add_change_and_remove_files(instance: Instance) -> None:
    project = instance.create_project("group/project")
    odd = 'folder/a "quoted" \\ name\nof two lines'
    project.commit({"run.sh": "#!/bin/sh\n", odd: b"\0\xff", "gone": "x"})
    project.commit({"gone": None, "run.sh": "#!/bin/bash\n"})
    git = project.repository.git

    assert git("ls-tree", "-r", "-z", "--name-only", "main").rstrip("\0").split("\0") == [
        odd,
        "run.sh",
    ]
    assert git("ls-tree", "main", "run.sh").startswith("100755")
    assert project.repository.file("main", odd) == b"\0\xff"
    assert git("rev-list", "--count", "main") == "2"


# Timeouts and cancelling


def test_gitlab_ends_a_job_past_its_timeout(instance: Instance, pipeline_of: PipelineMaker) -> None:
    pipeline = pipeline_of("a: {script: x, timeout: 10m}")
    job = pipeline.job("a")
    take(job)

    instance.advance(599)
    assert job.status == "running"
    instance.advance(2)
    assert (job.status, job.failure_reason) == ("failed", "stuck_or_timeout_failure")
    assert pipeline.status == "failed"


def test_a_timeout_comes_by_itself(pipeline_of: PipelineMaker) -> None:
    job = pipeline_of("a: {script: x, timeout: 1s}").job("a")
    take(job)

    begin = time.monotonic()
    job.wait()

    assert job.status == "failed"
    assert time.monotonic() - begin > 0.9


def test_the_runners_maximum_timeout_caps_the_jobs(
    instance: Instance, pipeline_of: PipelineMaker
) -> None:
    job = pipeline_of("a: {script: x}").job("a")
    instance.runners[0].maximum_timeout = 700

    take(job)

    assert job.timeout == 700


def test_cancelling(pipeline_of: PipelineMaker) -> None:
    text = "a: {script: x}"
    waiting, abrupt, soft, forced = (pipeline_of(text).job("a") for _ in range(4))
    take(abrupt)
    take(soft, "cancel_gracefully")
    take(forced, "cancel_gracefully")

    for job in (waiting, abrupt, soft, forced):
        job.cancel()
    forced.cancel(force=True)

    assert [job.status for job in (waiting, abrupt, soft, forced)] == [
        "canceled", "canceled", "canceling", "canceled",
    ]  # fmt: skip
    finish(soft, "failed")
    assert soft.status == "canceled"
    assert soft.pipeline.status == "canceled"


def test_waiting_says_what_became_of_the_job(pipeline_of: PipelineMaker) -> None:
    job = pipeline_of("a: {script: x}").job("a")
    with pytest.raises(TimeoutError, match="'a' is pending"):
        job.wait("running", timeout=0.05)
    finish(job, "failed")

    assert job.wait("running", timeout=0) is job  # it was, once
    with pytest.raises(TimeoutError, match="script_failure"):
        job.wait("success")
