# SPDX-License-Identifier: Apache-2.0
"""The part of the REST API that people and their scripts use: look, cancel, play, add a runner."""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Callable, Iterable
from typing import Any

from localcloud.gitlab.ci_config import CiConfigError
from localcloud.gitlab.instance import Instance
from localcloud.gitlab.jobs import Job
from localcloud.gitlab.payload import VERSION
from localcloud.gitlab.pipelines import Pipeline
from localcloud.gitlab.projects import Project
from localcloud.gitlab.runner_api import create_runner
from localcloud.gitlab.web import HttpError, Request, Response, Routes, json_response


class UserApi:
    """Every call needs the personal access token: `PRIVATE-TOKEN`, or as a bearer token."""

    def __init__(self, instance: Instance, routes: Routes) -> None:
        self.instance = instance
        project = "/api/v4/projects/{project}"
        for method, path, endpoint in (
            ("GET", "/api/v4/version", self.version),
            ("POST", "/api/v4/user/runners", self.create_runner),
            ("GET", "/api/v4/runners", self.runners),
            ("GET", "/api/v4/projects", self.projects),
            ("GET", project, self.project),
            ("GET", f"{project}/pipelines", self.pipelines),
            ("POST", f"{project}/pipeline", self.create_pipeline),
            ("GET", f"{project}/pipelines/{{pipeline}}", self.pipeline),
            ("GET", f"{project}/pipelines/{{pipeline}}/jobs", self.pipeline_jobs),
            ("POST", f"{project}/pipelines/{{pipeline}}/cancel", self.cancel_pipeline),
            ("GET", f"{project}/jobs", self.jobs),
            ("GET", f"{project}/jobs/{{job}}", self.job),
            ("GET", f"{project}/jobs/{{job}}/trace", self.trace),
            ("GET", f"{project}/jobs/{{job}}/artifacts", self.artifacts),
            ("POST", f"{project}/jobs/{{job}}/cancel", self.cancel),
            ("POST", f"{project}/jobs/{{job}}/play", self.play),
        ):
            routes.add(method, path, self._authenticated(endpoint))
        routes.add("GET", "/api/v4/job", self.own_job)

    def _authenticated(self, endpoint: Callable[..., Response]) -> Callable[..., Response]:
        def checked(request: Request, **names: str) -> Response:
            bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
            token = request.headers.get("private-token") or bearer
            if not secrets.compare_digest(token.encode(), self.instance.personal_token.encode()):
                raise HttpError(401, "Unauthorized")
            return endpoint(request, **names)

        return checked

    # Whole instance

    def version(self, request: Request) -> Response:
        return json_response({"version": VERSION, "revision": "stand-in", "enterprise": False})

    def create_runner(self, request: Request) -> Response:
        parameters = request.parameters()
        if parameters.get("runner_type", "instance_type") != "instance_type":
            raise HttpError(400, "runner_type: only instance_type is known here")
        runner = create_runner(self.instance, parameters)
        content = {"id": runner.id, "token": runner.token, "token_expires_at": None}
        return json_response(content, 201)

    def runners(self, request: Request) -> Response:
        return json_response(
            [
                {
                    "id": runner.id,
                    "description": runner.description,
                    "runner_type": "instance_type",
                    "is_shared": True,
                    "paused": runner.paused,
                    "tag_list": sorted(runner.tags),
                }
                for runner in self.instance.runners
            ]
        )

    def own_job(self, request: Request) -> Response:
        """The job of a job token."""
        token = request.headers.get("job-token", "")
        with self.instance.lock:
            for job in self.instance.jobs.values():
                if job.alive and secrets.compare_digest(job.token.encode(), token.encode()):
                    return json_response(job_entity(job))
        raise HttpError(401, "Unauthorized")

    # Projects, pipelines, jobs

    def projects(self, request: Request) -> Response:
        return json_response([project_entity(one) for one in self.instance.projects])

    def project(self, request: Request, project: str) -> Response:
        return json_response(project_entity(self._project(project)))

    def pipelines(self, request: Request, project: str) -> Response:
        return _listed(pipeline_entity, reversed(self._project(project).pipelines))

    def create_pipeline(self, request: Request, project: str) -> Response:
        parameters = request.parameters()
        try:
            listed = {one["key"]: str(one["value"]) for one in parameters.get("variables") or []}
            pipeline = self._project(project).create_pipeline(
                str(parameters.get("ref") or ""), listed
            )
        except (CiConfigError, KeyError, TypeError) as error:
            raise HttpError(400, str(error)) from error
        return json_response(pipeline_entity(pipeline), 201)

    def pipeline(self, request: Request, project: str, pipeline: str) -> Response:
        return json_response(pipeline_entity(self._pipeline(project, pipeline)))

    def pipeline_jobs(self, request: Request, project: str, pipeline: str) -> Response:
        return _listed(job_entity, self._pipeline(project, pipeline).jobs)

    def cancel_pipeline(self, request: Request, project: str, pipeline: str) -> Response:
        found = self._pipeline(project, pipeline)
        found.cancel()
        return json_response(pipeline_entity(found))

    def jobs(self, request: Request, project: str) -> Response:
        pipelines = self._project(project).pipelines
        return _listed(job_entity, [job for one in reversed(pipelines) for job in one.jobs])

    def job(self, request: Request, project: str, job: str) -> Response:
        return json_response(job_entity(self._job(project, job)))

    def trace(self, request: Request, project: str, job: str) -> Response:
        return Response(200, self._job(project, job).trace, {"Content-Type": "text/plain"})

    def artifacts(self, request: Request, project: str, job: str) -> Response:
        found = self._job(project, job)
        wanted = found.config.artifacts
        if found.artifacts is None:
            raise HttpError(404, "Not Found")
        if wanted and wanted.access == "none":  # not even for an administrator
            raise HttpError(403, "Forbidden")
        return Response(200, found.artifacts, {"Content-Type": "application/zip"})

    def cancel(self, request: Request, project: str, job: str) -> Response:
        found = self._job(project, job)
        found.cancel(force=request.parameters().get("force") in (True, "true"))
        return json_response(job_entity(found), 201)

    def play(self, request: Request, project: str, job: str) -> Response:
        found = self._job(project, job)
        if found.status != "manual":
            raise HttpError(400, "Unplayable Job")
        found.play()
        return json_response(job_entity(found))

    def _project(self, identifier: str) -> Project:
        project = self.instance.find_project(identifier)
        if project is None:
            raise HttpError(404, "Project Not Found")
        return project

    def _pipeline(self, project: str, identifier: str) -> Pipeline:
        for pipeline in self._project(project).pipelines:
            if str(pipeline.id) == identifier:
                return pipeline
        raise HttpError(404, "Not found")

    def _job(self, project: str, identifier: str) -> Job:
        found = self._project(project)
        job = self.instance.jobs.get(int(identifier)) if identifier.isdigit() else None
        if job is None or job.project is not found:
            raise HttpError(404, "Not found")
        return job


def _listed(entity: Callable[[Any], dict[str, Any]], items: Iterable[Any]) -> Response:
    content = [entity(item) for item in items]
    # All on one page, and the headers say so.
    return json_response(content, headers={"X-Total": str(len(content)), "X-Total-Pages": "1"})


def project_entity(project: Project) -> dict[str, Any]:
    return {
        "id": project.id,
        "name": project.name,
        "path_with_namespace": project.path,
        "default_branch": project.default_branch,
        "web_url": project.web_url,
        "http_url_to_repo": f"{project.web_url}.git",
        "visibility": "private",
    }


def pipeline_entity(pipeline: Pipeline) -> dict[str, Any]:
    return {
        "id": pipeline.id,
        "project_id": pipeline.project.id,
        "status": pipeline.status,
        "source": pipeline.source,
        "ref": pipeline.ref,
        "tag": pipeline.ref_type == "tag",
        "sha": pipeline.sha,
        "before_sha": pipeline.before_sha,
        "yaml_errors": pipeline.yaml_errors,
        "created_at": _time(pipeline.created_at),
        "web_url": f"{pipeline.project.web_url}/-/pipelines/{pipeline.id}",
    }


def job_entity(job: Job) -> dict[str, Any]:
    pipeline, runner, times = job.pipeline, job.runner, job.timestamps
    started, finished = times.get("running"), times.get("finished")
    pending = times.get("pending")
    ended = finished or datetime.datetime.now().timestamp()
    return {
        "id": job.id,
        "name": job.name,
        "stage": job.stage,
        "status": job.status,
        "ref": pipeline.ref,
        "tag": pipeline.ref_type == "tag",
        "allow_failure": job.config.may_fail,
        "created_at": _time(times["created"]),
        "queued_at": _time(pending),
        "started_at": _time(started),
        "finished_at": _time(finished),
        "duration": round(ended - started, 3) if started else None,
        "queued_duration": round((started or ended) - pending, 3) if pending else None,
        "failure_reason": job.failure_reason,
        "tag_list": sorted(job.config.tags),
        "artifacts_file": (
            {"filename": job.artifacts.name, "size": job.artifacts.stat().st_size}
            if job.artifacts
            else None
        ),
        "pipeline": {"id": pipeline.id, "project_id": job.project.id, "sha": pipeline.sha},
        "runner": {"id": runner.id, "description": runner.description} if runner else None,
        "web_url": f"{job.project.web_url}/-/jobs/{job.id}",
    }


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
