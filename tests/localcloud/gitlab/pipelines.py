# SPDX-License-Identifier: Apache-2.0
"""Pipelines: which job may start when, and what its jobs make of the whole."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from localcloud.gitlab.ci_config import JobConfig, Variable
from localcloud.gitlab.jobs import HOLDING, Job
from localcloud.gitlab.repositories import RefChange
from localcloud.waiting import LIMIT

if TYPE_CHECKING:
    from localcloud.gitlab.instance import Instance
    from localcloud.gitlab.projects import Project


def ref_variables(ref: str) -> dict[str, str]:
    """The predefined variables that say which ref this is: `refs/heads/…` or `refs/tags/…`."""
    name = ref.split("/", 2)[2]
    kind = "CI_COMMIT_TAG" if ref.startswith("refs/tags/") else "CI_COMMIT_BRANCH"
    return {"CI_COMMIT_REF_NAME": name, kind: name}


class Pipeline:
    def __init__(
        self,
        instance: Instance,
        project: Project,
        change: RefChange,
        *,
        message: str = "",
        source: str = "push",
        variables: Mapping[str, Variable] | None = None,
        own_variables: Mapping[str, str] | None = None,
        yaml_errors: str | None = None,
    ) -> None:
        self._instance = instance
        self.id = instance.next_id("pipeline")
        self.project = project
        self.full_ref = change.ref
        self.ref = change.ref.split("/", 2)[2]
        self.ref_type = "tag" if change.ref.startswith("refs/tags/") else "branch"
        self.sha = change.after
        self.before_sha = change.before
        self.message = message
        self.source = source
        self.variables = dict(variables or {})  # the file's
        self.own_variables = dict(own_variables or {})  # those of whoever started it
        self.yaml_errors = yaml_errors
        self.created_at = time.time()
        self.all_jobs: list[Job] = []

    def __repr__(self) -> str:
        return f"<pipeline {self.id} {self.status}: {self.jobs}>"

    @property
    def protected(self) -> bool:
        # Of merge requests only those of forks are played, whose branch may be called anything.
        merge_request = self.source == "merge_request_event"
        return not merge_request and self.ref in self.project.protected_refs

    @property
    def jobs(self) -> list[Job]:
        """The last attempt of each job, in the order of the stages."""
        return [job for job in self.all_jobs if not job.retried]

    def job(self, name: str) -> Job:
        """The last attempt of the job of this name. Raises KeyError."""
        for job in self.jobs:
            if job.name == name:
                return job
        raise KeyError(f"pipeline {self.id} has no job {name!r}, but {[j.name for j in self.jobs]}")

    @property
    def status(self) -> str:
        with self._instance.lock:
            return self._status()

    def _status(self) -> str:
        statuses = {job.status for job in self.jobs}
        if self.yaml_errors or not statuses:
            return "failed"
        if statuses & {"created", "waiting_for_resource", *HOLDING}:
            if statuses == {"created"}:
                return "created"
            if "waiting_for_resource" in statuses and not statuses & HOLDING:
                return "waiting_for_resource"
            begun = statuses - {"created", "pending", "manual", "skipped"}
            return "running" if begun else "pending"
        if any(job.failed_for_good for job in self.jobs):
            return "failed"
        if any(job.status == "manual" and not job.config.may_fail for job in self.jobs):
            return "manual"
        for status in ("canceled", "success", "manual", "skipped"):
            if status in statuses:
                return status
        return "success"

    @property
    def finished(self) -> bool:
        return self.status in ("success", "failed", "canceled", "skipped")

    def wait(self, timeout: float = LIMIT) -> Pipeline:
        """Waits until no job is left to run. Raises TimeoutError that says what is missing."""
        with self._instance.changed:
            if self._instance.changed.wait_for(lambda: self.finished, timeout):
                return self
            jobs = "; ".join(job.describe() for job in self.jobs)
            raise TimeoutError(f"pipeline {self.id} is {self.status} after {timeout:g} s: {jobs}")

    def cancel(self) -> None:
        """Cancels all its jobs, as GitLab's button does."""
        with self._instance.lock:
            for job in reversed(self.jobs):
                job.cancel()

    def add_jobs(self, configs: Iterable[JobConfig], stages: Sequence[str]) -> None:
        self.all_jobs += [
            Job(self._instance, self, config, stages.index(config.stage)) for config in configs
        ]

    # What follows is called with the instance's lock held.

    def process(self, ended: Job | None = None) -> None:
        """Starts, skips or repeats what the jobs that have ended allow."""
        if ended and self._retries(ended):
            ended.retried = True
            again = Job(self._instance, self, ended.config, ended.stage_index)
            self.all_jobs.insert(self.all_jobs.index(ended) + 1, again)
            self._instance.add_job(again)
        moved = True
        while moved:
            moved = False
            for job in self.jobs:
                status = self._next_status(job) if job.status == "created" else None
                if status == "pending":
                    job.enqueue()
                elif status:
                    job.move(status)
                moved = moved or status is not None

    def _retries(self, job: Job) -> bool:
        retry = job.config.retry
        before = sum(other.name == job.name and other.retried for other in self.all_jobs)
        fits = "always" in retry.when or job.failure_reason in retry.when
        return job.status == "failed" and fits and before < retry.max

    def _next_status(self, job: Job) -> str | None:
        needs = job.config.needs
        if needs is None:
            before = [one for one in self.jobs if one.stage_index < job.stage_index]
        else:
            names = {need.job for need in needs}
            before = [one for one in self.jobs if one.name in names]
        if not all(_done(one) for one in before):
            return None
        failed = any(one.failed_for_good for one in before)
        stopped = any(one.status == "canceled" for one in before)
        # A stage that had nothing to do is passed; a job that is needed must have run.
        missing = needs is not None and any(one.status in ("skipped", "manual") for one in before)
        good = not (failed or stopped or missing)
        starts = {"always": True, "on_failure": failed}.get(job.config.when, good)
        if not starts:
            return "skipped"
        return "manual" if job.config.when == "manual" else "pending"

    def dependencies(self, job: Job) -> list[Job]:
        """The jobs whose artifacts this job is given."""
        names: set[str] | None = None
        if job.config.needs is not None:
            names = {need.job for need in job.config.needs if need.artifacts}
        if job.config.dependencies is not None:
            listed = set(job.config.dependencies)
            names = listed if names is None else names & listed
        return [
            other
            for other in self.jobs
            if other.artifacts
            and (other.name in names if names is not None else other.stage_index < job.stage_index)
        ]


def _done(job: Job) -> bool:
    return job.finished or (job.status == "manual" and job.config.may_fail)
