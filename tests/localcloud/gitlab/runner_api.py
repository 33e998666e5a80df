# SPDX-License-Identifier: Apache-2.0
"""The API that runners speak: registration, job requests, traces, updates, artifacts."""

from __future__ import annotations

import re
import secrets
import threading
import time
from pathlib import Path
from typing import Any

from localcloud.gitlab.instance import Instance
from localcloud.gitlab.jobs import Job
from localcloud.gitlab.payload import job_answer
from localcloud.gitlab.runners import Runner
from localcloud.gitlab.uploads import receive_file
from localcloud.gitlab.web import HttpError, Request, Response, Routes, json_response

TRACE_LIMIT = 100 << 20
HANG_UP_CHECK_SECONDS = 0.25
SYSTEM_ID = re.compile(r"[sr]_[0-9a-zA-Z]{12}")


class RunnerApi:
    def __init__(self, instance: Instance, routes: Routes) -> None:
        self.instance = instance
        self._storage_lock = threading.Lock()
        self._stored: dict[str, Path] = {}
        runners, jobs = "/api/v4/runners", "/api/v4/jobs"
        routes.add("POST", runners, self.register)
        routes.add("DELETE", runners, self.unregister)
        routes.add("DELETE", f"{runners}/managers", self.remove_manager)
        routes.add("POST", f"{runners}/verify", self.verify)
        routes.add("POST", f"{runners}/reset_authentication_token", self.reset_token)
        routes.add("POST", f"{jobs}/request", self.request_job)
        routes.add("PUT", f"{jobs}/{{job_id}}", self.update_job)
        routes.add("PATCH", f"{jobs}/{{job_id}}/trace", self.append_trace)
        routes.add("POST", f"{jobs}/{{job_id}}/artifacts", self.upload_artifacts)
        routes.add("GET", f"{jobs}/{{job_id}}/artifacts", self.download_artifacts)
        routes.add("GET", "/-/object-storage/{key}", self.stored_object)

    # Runners

    def register(self, request: Request) -> Response:
        """The old way, by a registration token."""
        parameters = request.parameters()
        if parameters.get("token") != self.instance.registration_token:
            raise HttpError(403, "Forbidden")
        runner = create_runner(self.instance, parameters, prefix="")
        return json_response(_credentials(runner), 201)

    def unregister(self, request: Request) -> Response:
        self._runner(request).delete()
        return Response(204)

    def remove_manager(self, request: Request) -> Response:
        runner = self._runner(request)
        system_id = request.parameters().get("system_id")
        if not system_id:
            raise HttpError(400, "system_id is missing")
        runner.system_ids.discard(system_id)
        return Response(204)

    def verify(self, request: Request) -> Response:
        return json_response(_credentials(self._runner(request)))

    def reset_token(self, request: Request) -> Response:
        runner = self._runner(request)
        runner.reset_token()
        return json_response({"token": runner.token, "token_expires_at": None}, 201)

    def _runner(self, request: Request) -> Runner:
        """The runner of the token in the body. A `RUNNER-TOKEN` header must say the same."""
        parameters = request.parameters()
        header = request.headers.get("runner-token")
        token = str(parameters.get("token") or header or "")
        runner = self.instance.find_runner(token)
        if runner is None or (header and header != token):
            raise HttpError(403, "Forbidden")
        system_id = parameters.get("system_id")
        if system_id is not None:
            if not isinstance(system_id, str) or not SYSTEM_ID.fullmatch(system_id):
                raise HttpError(400, "system_id is invalid")
            runner.system_ids.add(system_id)
        if isinstance(parameters.get("info"), dict):
            runner.info = parameters["info"]
        return runner

    # Jobs

    def request_job(self, request: Request) -> Response:
        runner = self._runner(request)
        parameters = request.parameters()
        self._hold(request, runner, parameters.get("last_update"))
        # Read before looking: what arrives in between makes the runner's next request differ.
        queue_value = runner.queue_value
        info = parameters.get("info")
        system_id = parameters.get("system_id")
        with self.instance.lock:
            if request.gone():
                raise HttpError(499, "Client Closed Request")
            job, waiting = self.instance.pick_job(
                runner, system_id, info if isinstance(info, dict) else {}
            )
            if job:
                answer = job_answer(self.instance, job, waiting)
                return json_response(answer, 201)
        return Response(204, headers={"X-GitLab-Last-Update": queue_value})

    def _hold(self, request: Request, runner: Runner, last_update: Any) -> None:
        """Long polling: nothing has changed since the runner asked last, so it waits here."""
        instance = self.instance
        until = time.monotonic() + instance.long_poll_seconds
        with instance.changed:
            while last_update == runner.queue_value and runner in instance.runners:
                left = until - time.monotonic()
                if left <= 0 or request.gone():
                    return
                instance.changed.wait(min(left, HANG_UP_CHECK_SECONDS))

    def update_job(self, request: Request, job_id: str) -> Response:
        parameters = request.parameters()
        job = self._job(request, job_id, parameters.get("token"), acknowledging=True)
        state = str(parameters.get("state") or "")
        with self.instance.lock:
            self._require_running(job, acknowledging=True)
            job.updates.append(parameters)
            if job.waits_for_acknowledgement:
                status = self._acknowledge(job, state)
            elif state == "running":
                status = 200
            elif state == "pending" and job.acknowledged:
                status = 409  # a keep-alive of a job that a runner has
            elif state in ("success", "failed"):
                job.final_updates.append(parameters)
                status = self._finish(job, state, parameters)
            else:
                raise HttpError(400, "state is invalid")
            headers = {"Job-Status": job.status, **self._interval()}
        return json_response(str(status), status, headers)

    def _acknowledge(self, job: Job, state: str) -> int:
        if state == "pending":  # still preparing
            job.clock_started = self.instance.now()
            return 200
        if state == "running":
            job.acknowledge()
            return 200
        return 400

    def _finish(self, job: Job, state: str, parameters: dict[str, Any]) -> int:
        output = parameters.get("output")
        output = output if isinstance(output, dict) else {}
        checksum, size = (
            output.get("checksum") or parameters.get("checksum"),
            output.get("bytesize"),
        )
        if job.pending_trace_delay > 0:
            job.pending_trace_delay -= 1
            return 202
        if self.instance.updates_to_accept_later > 0:
            self.instance.updates_to_accept_later -= 1
            return 202
        job.checksum_ok = None
        if checksum is not None or size is not None:
            job.checksum_ok = job.trace_log.fits(checksum, size)
            if not job.checksum_ok:
                # What is here is no good, so the runner's whole trace is wanted once more.
                job.trace_log.reset()
                return 412
        job.finish(state, parameters.get("failure_reason"), _exit_code(state, parameters))
        return 200

    def append_trace(self, request: Request, job_id: str) -> Response:
        job = self._job(request, job_id, None)
        content_range = re.fullmatch(r"(\d+)-(\d+)", request.headers.get("content-range", ""))
        if not content_range:
            raise HttpError(400, "Missing header Content-Range")
        data = request.read_all(TRACE_LIMIT)
        first, last = int(content_range[1]), int(content_range[2])
        # GitLab looks at the start alone. Here an end that does not fit is an error of the client.
        if last not in (first + len(data) - 1, first + len(data)):
            raise HttpError(400, f"Content-Range {first}-{last} for {len(data)} bytes")
        with self.instance.lock:
            self._require_running(job)
            if first + len(data) > TRACE_LIMIT:
                job.finish("failed", "trace_size_exceeded")
                raise HttpError(403, "Forbidden", {"Job-Status": job.status})
            before = job.trace_log.size
            size = job.trace_log.append(data, first)
            if size != first + len(data):
                raise HttpError(416, "Range Not Satisfiable", {"Range": f"0-{size}"})
            if size > before:
                job.trace_patches.append((first, last))
                job.timestamps.setdefault("first_trace", time.time())
                self.instance.changed.notify_all()
            headers = {"Job-Status": job.status, "Range": f"0-{size}", **self._interval()}
        return Response(202, f"0-{size}".encode(), {"Content-Type": "text/plain", **headers})

    def _interval(self) -> dict[str, str]:
        return {"X-GitLab-Trace-Update-Interval": str(self.instance.trace_update_interval)}

    def _job(
        self, request: Request, job_id: str, token: Any, *, acknowledging: bool = False
    ) -> Job:
        """The running job that the token belongs to. Anything else is 403, never 404."""
        token = token or request.headers.get("job-token") or request.query.get("token") or ""
        with self.instance.lock:
            job = self.instance.jobs.get(int(job_id)) if job_id.isdigit() else None
            if job is None or not secrets.compare_digest(str(token).encode(), job.token.encode()):
                raise HttpError(403, "Forbidden")
            self._require_running(job, acknowledging=acknowledging)
            return job

    def _require_running(self, job: Job, *, acknowledging: bool = False) -> None:
        if not job.alive and not (acknowledging and job.waits_for_acknowledgement):
            raise HttpError(
                403,
                "Forbidden - Job is not running",
                {"Job-Status": job.status, **self._interval()},
            )

    # Artifacts

    def upload_artifacts(self, request: Request, job_id: str) -> Response:
        job = self._job(request, job_id, None)
        kind = request.query.get("artifact_type", "archive")
        folder = job.artifacts_folder / kind
        # A field of the form may carry what newer runners put into the query.
        file, fields = receive_file(request, folder)
        kind = fields.get("artifact_type", kind)
        expire_in = request.query.get("expire_in") or fields.get("expire_in")
        with self.instance.lock:
            self._require_running(job)
            job.store_artifacts(file, kind, expire_in or None)
        return json_response({"message": "201 Created"}, 201)

    def download_artifacts(self, request: Request, job_id: str) -> Response:
        token = request.headers.get("job-token") or request.query.get("token") or ""
        with self.instance.lock:
            job = self.instance.jobs.get(int(job_id)) if job_id.isdigit() else None
            if job is None or not self._may_download(job, token):
                raise HttpError(403, "Forbidden")
            file = job.artifacts
        if file is None or not file.exists():
            raise HttpError(404, "Not Found")
        if self.instance.artifacts_redirect and request.query.get("direct_download") == "true":
            key = secrets.token_urlsafe(24)
            with self._storage_lock:
                self._stored[key] = file
            return Response(
                302, headers={"Location": f"{self.instance.url}/-/object-storage/{key}"}
            )
        return _download(file)

    def _may_download(self, job: Job, token: str) -> bool:
        """By the job's own token, or by that of a running job of the same project."""
        for other in self.instance.jobs.values():
            if token and secrets.compare_digest(other.token.encode(), token.encode()):
                own = other is job
                return own or (other.alive and other.project is job.project)
        return False

    def stored_object(self, request: Request, key: str) -> Response:
        """What stands for object storage: whoever has the signed URL may fetch the file."""
        with self._storage_lock:
            file = self._stored.get(key)
        if file is None:
            raise HttpError(403, "Forbidden")
        return _download(file)


def _download(file: Path) -> Response:
    disposition = f'attachment; filename="{file.name}"'
    return Response(
        200, file, {"Content-Type": "application/octet-stream", "Content-Disposition": disposition}
    )


def _exit_code(state: str, parameters: dict[str, Any]) -> int | None:
    code = parameters.get("exit_code")
    if code is not None and not isinstance(code, int):
        raise HttpError(400, "exit_code is invalid")
    return code if state == "failed" else 0


def create_runner(instance: Instance, parameters: dict[str, Any], **settings: Any) -> Runner:
    """A runner of the parameters that both ways of registering take. Raises HttpError 400."""
    tags = parameters.get("tag_list") or []
    if isinstance(tags, str):
        tags = [tag.strip() for tag in tags.split(",") if tag.strip()]
    maximum_timeout = parameters.get("maximum_timeout") or None
    if maximum_timeout is not None and int(maximum_timeout) < 600:
        raise HttpError(400, "maximum_timeout needs to be at least 10 minutes")
    untagged = parameters.get("run_untagged")
    run_untagged = not tags if untagged is None else untagged in (True, "true")
    if not tags and not run_untagged:
        raise HttpError(400, "a runner without tags must be allowed to run untagged jobs")
    return instance.create_runner(
        tags=tags,
        run_untagged=run_untagged,
        maximum_timeout=int(maximum_timeout) if maximum_timeout else None,
        description=str(parameters.get("description") or ""),
        paused=parameters.get("paused") in (True, "true"),
        ref_protected=parameters.get("access_level") == "ref_protected",
        **settings,
    )


def _credentials(runner: Runner) -> dict[str, Any]:
    return {"id": runner.id, "token": runner.token, "token_expires_at": None}
