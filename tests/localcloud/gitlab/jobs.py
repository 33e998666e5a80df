# SPDX-License-Identifier: Apache-2.0
"""Jobs and how their state changes."""

from __future__ import annotations

import secrets
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.gitlab.ci_config import JobConfig
from localcloud.gitlab.durations import seconds_of
from localcloud.gitlab.traces import Trace
from localcloud.waiting import LIMIT

if TYPE_CHECKING:
    from localcloud.gitlab.instance import Instance
    from localcloud.gitlab.pipelines import Pipeline
    from localcloud.gitlab.projects import Project
    from localcloud.gitlab.runners import Runner

FINISHED = frozenset({"success", "failed", "canceled", "skipped"})
RUNNING = frozenset({"running", "canceling"})
HOLDING = frozenset({"pending", *RUNNING})  # has its resource group, if it has one
# What a runner may give as the reason of a failure; anything else becomes unknown_failure.
FAILURE_REASONS = (
    "unknown_failure",
    "script_failure",
    "runner_system_failure",
    "job_execution_timeout",
    "runner_unsupported",
    "runner_interrupted",
    "image_pull_failure",
    "unmet_prerequisites",
)


class Job:
    """One attempt to run one job of a pipeline. Only code that holds the instance's lock writes."""

    def __init__(
        self, instance: Instance, pipeline: Pipeline, config: JobConfig, stage_index: int
    ) -> None:
        self._instance = instance
        self.pipeline = pipeline
        self.config = config
        self.stage_index = stage_index
        self.id = instance.next_id("job")
        self.token = f"glcbt-{secrets.token_urlsafe(18)}"
        self.status = "created"
        self.history = ["created"]
        self.timestamps: dict[str, float] = {"created": time.time()}
        self.failure_reason: str | None = None
        self.exit_code: int | None = None
        self.retried = False
        self.runner: Runner | None = None
        self.runner_info: dict[str, Any] = {}
        self.system_id: str | None = None
        self.waits_for_acknowledgement = False
        self.acknowledged = False
        self.pending_trace_delay = 0
        self.updates: list[dict[str, Any]] = []
        self.final_updates: list[dict[str, Any]] = []
        self.trace_patches: list[tuple[int, int]] = []
        self.checksum_ok: bool | None = None
        self.artifacts: Path | None = None
        self.artifacts_expire_at: float | None = None
        self.trace_log = Trace(instance.folder / "traces" / f"{self.id}.log")
        self.clock_started = 0.0

    def __repr__(self) -> str:
        return f"<job {self.id} {self.name!r} {self.status}>"

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def stage(self) -> str:
        return self.config.stage

    @property
    def project(self) -> Project:
        return self.pipeline.project

    @property
    def trace(self) -> bytes:
        return self.trace_log.read()

    @property
    def finished(self) -> bool:
        return self.status in FINISHED

    @property
    def alive(self) -> bool:
        """Whether its token is worth something."""
        return self.status in RUNNING

    @property
    def timeout(self) -> int:
        """Seconds that the job may run: its own or its project's, capped by its runner's."""
        own = self.config.timeout or self.project.timeout
        capped = self.runner.maximum_timeout if self.runner else None
        return min(own, capped) if capped else own

    @property
    def artifacts_folder(self) -> Path:
        return self._instance.folder / "artifacts" / str(self.id)

    @property
    def failed_for_good(self) -> bool:
        return self.status == "failed" and not self.config.may_fail

    def wait(self, status: str = "finished", timeout: float = LIMIT) -> Job:
        """Waits until the job has reached a status ('finished': any final one).

        Raises TimeoutError, at once if the job has ended without it.
        """

        def decided() -> bool:
            return self.finished or status in self.history

        with self._instance.changed:
            self._instance.changed.wait_for(decided, timeout)
            if status in self.history or (status == "finished" and self.finished):
                return self
            raise TimeoutError(f"{self.describe()}; waited {timeout:g} s for {status!r}")

    def describe(self) -> str:
        tail = self.trace[-600:].decode(errors="replace")
        reason = f" ({self.failure_reason})" if self.failure_reason else ""
        return f"job {self.id} {self.name!r} is {self.status}{reason}; its trace ends: {tail!r}"

    def cancel(self, *, force: bool = False) -> None:
        """Cancels as GitLab's button does; with `force` as its second button does."""
        with self._instance.lock:
            if self.status == "running" and not force and self._cancels_gracefully:
                self.move("canceling")
            elif not self.finished:
                self.finish("canceled")

    def play(self) -> None:
        """Starts a manual job."""
        with self._instance.lock:
            if self.status == "manual":
                self.enqueue()

    @property
    def _cancels_gracefully(self) -> bool:
        features = self.runner_info.get("features")
        return isinstance(features, dict) and bool(features.get("cancel_gracefully"))

    # What follows is called with the instance's lock held.

    def enqueue(self) -> None:
        """Lets the job wait for a runner, and before that for its resource group if it has one."""
        if self.config.resource_group is None:
            self.move("pending")
        else:
            self.move("waiting_for_resource")
            self._instance.serve_resource_group(self.project, self.config.resource_group)

    def move(self, status: str) -> None:
        self.status = status
        self.history.append(status)
        now = time.time()
        self.timestamps[status] = now
        if self.finished:
            self.timestamps["finished"] = now
        self._instance.job_changed(self)

    def assign(self, runner: Runner, system_id: str | None, info: dict[str, Any]) -> None:
        """Gives the job to a runner. One that promises to confirm leaves it pending till then."""
        self.runner = runner
        self.system_id = system_id
        self.runner_info = info
        features = info.get("features")
        self.waits_for_acknowledgement = isinstance(features, dict) and bool(
            features.get("two_phase_job_commit")
        )
        self.clock_started = self._instance.now()
        if not self.waits_for_acknowledgement:
            self.move("running")

    def acknowledge(self) -> None:
        self.waits_for_acknowledgement = False
        self.acknowledged = True
        self.clock_started = self._instance.now()
        self.move("running")

    def back_to_queue(self) -> None:
        """The runner that was given the job never confirmed it."""
        self.waits_for_acknowledgement = False
        self.runner = None
        self.move("pending")

    def finish(self, status: str, reason: str | None = None, exit_code: int | None = None) -> None:
        """Ends the job. A job that is being canceled ends as canceled, whatever its runner says."""
        self.waits_for_acknowledgement = False
        if self.status == "canceling":
            status = "canceled"
        if status == "failed":
            self.failure_reason = reason if reason in _REASONS else "unknown_failure"
        self.exit_code = exit_code
        self.move(status)
        if self.config.resource_group:
            self._instance.serve_resource_group(self.project, self.config.resource_group)
        self.pipeline.process(ended=self)

    def store_artifacts(self, file: Path, kind: str, expire_in: str | None) -> None:
        if kind == "archive":
            self.artifacts = file
        if expire_in and expire_in != "never":
            self.artifacts_expire_at = self._instance.now() + seconds_of(expire_in)

    def expire_artifacts(self) -> None:
        if self.artifacts_expire_at and self._instance.now() >= self.artifacts_expire_at:
            shutil.rmtree(self.artifacts_folder, ignore_errors=True)
            self.artifacts = None


# GitLab itself gives these two.
_REASONS = (*FAILURE_REASONS, "stuck_or_timeout_failure", "trace_size_exceeded")
