# SPDX-License-Identifier: Apache-2.0
"""Job webhooks: one delivery for each change of a job's state, with its token and signature."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
import queue
import secrets
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

from localcloud.gitlab.payload import VERSION

if TYPE_CHECKING:
    from localcloud.gitlab.instance import Instance
    from localcloud.gitlab.jobs import Job
    from localcloud.gitlab.projects import Project

TIMEOUT_SECONDS = 10.0
FAILURES_TO_DISABLE = 4
FAILURES_FOR_GOOD = 40
FIRST_PAUSE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 86_400.0


@dataclass
class Delivery:
    """One request to a webhook. `status` is None where no answer came, and `error` says why."""

    body: bytes
    headers: dict[str, str]
    status: int | None = None
    error: str | None = None

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Webhook:
    """A webhook of a project.

    `token` goes out as it is (X-Gitlab-Token); `signing_token` (`whsec_…`) signs each delivery.
    After some failures in a row GitLab leaves it alone for a while, after many for good.
    """

    url: str
    project: Project
    token: str | None = None
    signing_token: str | None = None
    ca_file: str | None = None
    identifier: str = field(default_factory=lambda: str(uuid.uuid4()))
    deliveries: list[Delivery] = field(default_factory=list)
    failures: int = 0
    disabled_until: float = 0.0


def new_signing_token() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


class Webhooks:
    """Delivers in order, in a thread of its own, and never twice: a failed one is lost."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._hooks: list[Webhook] = []
        self._queue: queue.Queue[tuple[Webhook, dict[str, Any], str] | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        instance.job_listeners.append(self._job_changed)

    def add(
        self,
        project: Project,
        url: str,
        *,
        token: str | None = None,
        signing_token: str | None = None,
        ca_file: str | None = None,
    ) -> Webhook:
        hook = Webhook(url, project, token, signing_token, ca_file)
        with self._instance.lock:
            self._hooks.append(hook)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._deliver_all, name="gitlab-webhooks", daemon=True
                )
                self._thread.start()
        return hook

    def remove(self, hook: Webhook) -> None:
        with self._instance.lock:
            self._hooks.remove(hook)

    def resend(self, hook: Webhook, delivery: Delivery) -> Delivery:
        """The button in GitLab's list of deliveries: the same body and id once more, now."""
        return self._send(hook, delivery.body, delivery.headers["Idempotency-Key"])

    def flush(self) -> None:
        """Waits until all that was to be delivered is."""
        self._queue.join()

    def close(self) -> None:
        if self._thread:
            self._queue.put(None)
            self._thread.join()

    def _job_changed(self, job: Job) -> None:
        if job.status in ("canceling", "waiting_for_resource"):
            return
        for hook in self._hooks:
            if hook.project is job.project:
                self._queue.put((hook, job_event(self._instance, job), str(uuid.uuid4())))

    def _deliver_all(self) -> None:
        while (item := self._queue.get()) is not None:
            hook, content, key = item
            try:
                if self._instance.now() >= hook.disabled_until:
                    self._send(hook, json.dumps(content).encode(), key)
            finally:
                self._queue.task_done()
        self._queue.task_done()

    def _send(self, hook: Webhook, body: bytes, key: str) -> Delivery:
        delivery = Delivery(body, self._headers(hook, body, key))
        hook.deliveries.append(delivery)
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.post(
                    hook.url,
                    data=body,
                    headers=delivery.headers,
                    timeout=TIMEOUT_SECONDS,
                    verify=hook.ca_file or True,
                    allow_redirects=False,
                )
            delivery.status = answer.status_code
        except requests.RequestException as error:
            delivery.error = str(error)
        self._count(hook, delivery)
        return delivery

    def _count(self, hook: Webhook, delivery: Delivery) -> None:
        if delivery.status is not None and delivery.status < 300:
            hook.failures = 0
            hook.disabled_until = 0.0
            return
        hook.failures += 1
        if hook.failures >= FAILURES_FOR_GOOD:
            hook.disabled_until = float("inf")
        elif hook.failures >= FAILURES_TO_DISABLE:
            doubled = FIRST_PAUSE_SECONDS * 2 ** (hook.failures - FAILURES_TO_DISABLE)
            hook.disabled_until = self._instance.now() + min(doubled, LONGEST_PAUSE_SECONDS)

    def _headers(self, hook: Webhook, body: bytes, key: str) -> dict[str, str]:
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"GitLab/{VERSION}",
            "Idempotency-Key": key,
            "X-Gitlab-Event": "Job Hook",
            "X-Gitlab-Webhook-UUID": hook.identifier,
            "X-Gitlab-Instance": self._instance.url,
            "X-Gitlab-Event-UUID": str(uuid.uuid4()),
            # On every delivery, signed or not.
            "webhook-id": key,
            "webhook-timestamp": timestamp,
        }
        if hook.token:
            headers["X-Gitlab-Token"] = hook.token
        if hook.signing_token:
            headers["webhook-signature"] = sign(hook.signing_token, key, timestamp, body)
        return headers


def sign(signing_token: str, identifier: str, timestamp: str, body: bytes) -> str:
    """The signature of a delivery, as Standard Webhooks has it."""
    key = base64.b64decode(signing_token.removeprefix("whsec_"))
    content = f"{identifier}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()


def job_event(instance: Instance, job: Job) -> dict[str, Any]:
    """The body of a delivery: the job as it is now."""
    project, pipeline, runner, times = job.project, job.pipeline, job.runner, job.timestamps
    started, finished = times.get("running"), times.get("finished")
    pending = times.get("pending")
    path = f"{project.namespace} / {project.name}"
    user = {"id": 1, "name": "Administrator", "username": "root", "email": "admin@example.com"}
    return {
        "object_kind": "build",
        "ref": pipeline.ref,
        "tag": pipeline.ref_type == "tag",
        "before_sha": pipeline.before_sha,
        "sha": pipeline.sha,
        "retries_count": sum(one.name == job.name and one.retried for one in pipeline.all_jobs),
        "build_id": job.id,
        "build_name": job.name,
        "build_stage": job.stage,
        "build_status": job.status,
        "build_created_at": _old_time(times["created"]),
        "build_started_at": _old_time(started),
        "build_finished_at": _old_time(finished),
        "build_created_at_iso": _iso_time(times["created"]),
        "build_started_at_iso": _iso_time(started),
        "build_finished_at_iso": _iso_time(finished),
        "build_duration": (finished or time.time()) - started if started else None,
        "build_queued_duration": (started or time.time()) - pending if pending else None,
        "build_allow_failure": job.config.may_fail,
        "build_failure_reason": job.failure_reason or "unknown_failure",
        "pipeline_id": pipeline.id,
        "runner": (
            {
                "id": runner.id,
                "description": runner.description,
                "runner_type": "instance_type",
                "active": not runner.paused,
                "is_shared": True,
                "tags": sorted(runner.tags),
            }
            if runner
            else None
        ),
        "project_id": project.id,
        "project_name": path,
        "user": {**user, "avatar_url": None},
        "commit": {
            "id": pipeline.id,
            "name": None,
            "sha": pipeline.sha,
            "message": pipeline.message,
            "author_name": "Administrator",
            "author_email": "admin@example.com",
            "status": pipeline.status,
            "duration": None,
            "started_at": None,
            "finished_at": None,
        },
        "repository": {
            "name": project.name,
            "url": f"{project.web_url}.git",
            "description": "",
            "homepage": project.web_url,
            "git_http_url": f"{project.web_url}.git",
            "visibility_level": 0,
        },
        "project": {
            "id": project.id,
            "name": project.name,
            "description": "",
            "web_url": project.web_url,
            "git_http_url": f"{project.web_url}.git",
            "namespace": project.namespace,
            "visibility_level": 0,
            "path_with_namespace": project.path,
            "default_branch": project.default_branch,
            "ci_config_path": "",
        },
        "environment": None,
    }


def _old_time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _iso_time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
