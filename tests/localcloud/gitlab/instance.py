# SPDX-License-Identifier: Apache-2.0
"""All that GitLab knows, without a network: projects, pipelines, jobs, runners and a clock."""

from __future__ import annotations

import collections
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from localcloud.gitlab.jobs import HOLDING, RUNNING, Job
from localcloud.gitlab.pipelines import Pipeline
from localcloud.gitlab.projects import Project
from localcloud.gitlab.runners import Runner

ACKNOWLEDGEMENT_SECONDS = 120.0


class Instance:
    """One GitLab. `lock` guards everything; `changed` is notified of each change of a job."""

    url = "http://127.0.0.1"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("repositories", "traces", "artifacts"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.uuid = str(uuid.uuid4())
        self.personal_token = f"glpat-{secrets.token_urlsafe(15)}"
        self.registration_token = f"GR1348941{secrets.token_urlsafe(15)}"
        self.long_poll_seconds = 50.0
        self.trace_update_interval = 3
        self.artifacts_redirect = False
        self.updates_to_accept_later = 0
        # Called with each job whose status has changed, in order, under the lock: must not block.
        self.job_listeners: list[Callable[[Job], None]] = []
        # Each adds variables to the job that a runner is being given.
        self.variable_sources: list[Callable[[Job], dict[str, str]]] = []
        self.projects: list[Project] = []
        self.runners: list[Runner] = []
        self.jobs: dict[int, Job] = {}
        self._ids: collections.Counter[str] = collections.Counter()
        self._namespaces: dict[str, int] = {}
        self._clock_offset = 0.0
        self._stopped = False
        self._watch = threading.Thread(target=self._watch_timeouts, name="gitlab-timeouts")
        self._watch.daemon = True
        self._watch.start()

    def next_id(self, kind: str) -> int:
        with self.lock:
            self._ids[kind] += 1
            return self._ids[kind]

    # The clock

    def now(self) -> float:
        """GitLab's clock (Unix time), which `advance` puts forward and `restore_clock` right."""
        return time.time() + self._clock_offset

    def advance(self, seconds: float) -> None:
        with self.changed:
            self._clock_offset += seconds
            self._end_overdue()
            self.changed.notify_all()

    def restore_clock(self) -> None:
        with self.changed:
            self._clock_offset = 0.0
            self.changed.notify_all()

    def _watch_timeouts(self) -> None:
        with self.changed:
            while not self._stopped:
                self._end_overdue()
                self.changed.wait(max(0.05, min(self._next_deadline() - self.now(), 60.0)))

    def _next_deadline(self) -> float:
        return min(
            (_deadline(job) for job in self.jobs.values() if _timed(job)), default=float("inf")
        )

    def _end_overdue(self) -> None:
        overdue = [
            job for job in self.jobs.values() if _timed(job) and _deadline(job) <= self.now()
        ]
        for job in overdue:
            if job.waits_for_acknowledgement:
                job.back_to_queue()
            else:
                job.finish("failed", "stuck_or_timeout_failure")
        for job in self.jobs.values():
            job.expire_artifacts()

    def close(self) -> None:
        with self.changed:
            self._stopped = True
            self.changed.notify_all()
        self._watch.join()

    # Projects and pipelines

    def create_project(self, path: str) -> Project:
        """Makes an empty project `group/name`."""
        namespace, _, name = path.rpartition("/")
        if not namespace or not name:
            raise ValueError(f"a project's path is group/name, not {path!r}")
        with self.lock:
            if self.find_project(path):
                raise ValueError(f"project {path} exists")
            namespace_id = self._namespaces.setdefault(namespace, len(self._namespaces) + 1)
            project = Project(self, self.next_id("project"), namespace_id, path)
            self.projects.append(project)
            return project

    def find_project(self, identifier: str) -> Project | None:
        """By id or path."""
        with self.lock:
            for project in self.projects:
                if identifier in (str(project.id), project.path):
                    return project
        return None

    def add_pipeline(self, pipeline: Pipeline) -> None:
        with self.lock:
            pipeline.project.pipelines.append(pipeline)
            for job in pipeline.all_jobs:
                self.add_job(job)
            pipeline.process()
            self.changed.notify_all()

    def add_job(self, job: Job) -> None:
        self.jobs[job.id] = job
        self._tell(job)

    def job_changed(self, job: Job) -> None:
        if job.status == "pending":
            for runner in self.runners:
                if runner.takes(job):
                    runner.tick()
        self._tell(job)
        self.changed.notify_all()

    def serve_resource_group(self, project: Project, name: str) -> None:
        """Lets the job go on that has waited longest for the group, unless another one has it."""
        group = [
            job
            for job in self.jobs.values()
            if job.project is project and job.config.resource_group == name
        ]
        waiting = [job for job in group if job.status == "waiting_for_resource"]
        if waiting and not any(job.status in HOLDING for job in group):
            min(waiting, key=lambda one: (one.timestamps["waiting_for_resource"], one.id)).move(
                "pending"
            )

    def _tell(self, job: Job) -> None:
        for listener in self.job_listeners:
            listener(job)

    # Runners

    def create_runner(
        self,
        *,
        tags: Iterable[str] = (),
        run_untagged: bool = True,
        maximum_timeout: int | None = None,
        **settings: Any,
    ) -> Runner:
        """Makes an instance runner, as `POST /user/runners` does. See Runner for the settings."""
        with self.lock:
            runner = Runner(
                self,
                self.next_id("runner"),
                tags=tags,
                run_untagged=run_untagged,
                maximum_timeout=maximum_timeout,
                **settings,
            )
            self.runners.append(runner)
            return runner

    def remove_runner(self, runner: Runner) -> None:
        with self.lock:
            if runner in self.runners:
                self.runners.remove(runner)

    def find_runner(self, token: str) -> Runner | None:
        with self.lock:
            for runner in self.runners:
                if token and secrets.compare_digest(runner.token.encode(), token.encode()):
                    return runner
        return None

    def pick_job(
        self, runner: Runner, system_id: str | None, info: dict[str, Any]
    ) -> tuple[Job | None, int]:
        """Assigns the oldest job that waits for such a runner. Says how many waited, too."""
        with self.lock:
            waiting = [
                job
                for job in self.jobs.values()
                if job.status == "pending"
                and not job.waits_for_acknowledgement
                and runner.takes(job)
            ]
            if not waiting or runner.paused:
                return None, 0
            job = min(waiting, key=lambda one: (one.timestamps["pending"], one.id))
            job.assign(runner, system_id, info)
            return job, len(waiting)

    def accept_updates_later(self, count: int) -> None:
        """The next `count` final updates of jobs are answered 202: come again."""
        with self.lock:
            self.updates_to_accept_later = count


def _timed(job: Job) -> bool:
    return job.status in RUNNING or job.waits_for_acknowledgement


def _deadline(job: Job) -> float:
    seconds = ACKNOWLEDGEMENT_SECONDS if job.waits_for_acknowledgement else job.timeout
    return job.clock_started + seconds
