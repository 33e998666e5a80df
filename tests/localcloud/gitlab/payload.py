# SPDX-License-Identifier: Apache-2.0
"""The answer to a job request: all that a runner is told of a job."""

from __future__ import annotations

import dataclasses
import datetime
import re
import time
import urllib.parse
from typing import TYPE_CHECKING, Any

from localcloud.gitlab.jobs import FAILURE_REASONS, Job

if TYPE_CHECKING:
    from localcloud.gitlab.instance import Instance

VERSION = "18.11.0"


def job_answer(instance: Instance, job: Job, queue_depth: int) -> dict[str, Any]:
    """Called when the job has its runner."""
    project, pipeline, runner = job.project, job.pipeline, job.runner
    assert runner is not None
    queued = max(0.0, time.time() - job.timestamps["pending"])
    return {
        "id": job.id,
        "token": job.token,
        "allow_git_fetch": True,
        "job_info": {
            "id": job.id,
            "name": job.name,
            "stage": job.stage,
            "project_id": project.id,
            "project_name": project.name,
            "project_full_path": project.path,
            "namespace_id": project.namespace_id,
            "root_namespace_id": project.namespace_id,
            "organization_id": 1,
            "instance_id": instance.uuid,
            "instance_uuid": instance.uuid,
            "user_id": 1,
            "pipeline_id": pipeline.id,
            "time_in_queue_seconds": round(queued, 3),
            "project_jobs_running_on_instance_runners_count": "0",
            "queue_size": queue_depth,
            "queue_depth": queue_depth,
        },
        "git_info": _git_info(job),
        "runner_info": {
            "timeout": job.timeout,
            "runner_session_url": None,
        },
        "inputs": [],
        "variables": variables(instance, job),
        "steps": _steps(job),
        "image": None,
        "services": [],
        "artifacts": _artifacts(job),
        "cache": [],
        "credentials": [],
        "dependencies": [_dependency(job, other) for other in pipeline.dependencies(job)],
        "features": {
            "trace_sections": True,
            "token_mask_prefixes": ["glpat-", "glcbt-", "glrt-"],
            "failure_reasons": list(FAILURE_REASONS),
        },
        "hooks": [],
    }


def _git_info(job: Job) -> dict[str, Any]:
    pipeline, project = job.pipeline, job.project
    kept = f"refs/pipelines/{pipeline.id}"
    if pipeline.ref_type == "tag":
        own = f"+{pipeline.full_ref}:{pipeline.full_ref}"
    else:
        own = f"+{pipeline.full_ref}:refs/remotes/origin/{pipeline.ref}"
    return {
        "repo_url": repository_url(job),
        "repo_object_format": "sha1",
        "ref": pipeline.ref,
        "sha": pipeline.sha,
        "before_sha": pipeline.before_sha,
        "ref_type": pipeline.ref_type,
        "refspecs": [f"+{kept}:{kept}", own],
        "depth": project.git_depth,
        "protected": pipeline.protected,
    }


def repository_url(job: Job) -> str:
    scheme, _, rest = job.project.web_url.partition("://")
    return f"{scheme}://gitlab-ci-token:{job.token}@{rest}.git"


def _steps(job: Job) -> list[dict[str, Any]]:
    config = job.config
    step = {"timeout": job.timeout, "when": "on_success", "allow_failure": False}
    steps = [{"name": "script", "script": [*config.before_script, *config.script], **step}]
    if config.after_script:
        after = {"name": "after_script", "script": list(config.after_script)}
        steps.append({**after, **step, "when": "always", "allow_failure": True})
    return steps


def _artifacts(job: Job) -> list[dict[str, Any]]:
    wanted = job.config.artifacts
    if not wanted or not (wanted.paths or wanted.untracked):
        return []
    fields = dataclasses.asdict(wanted)
    del fields["access"]  # GitLab keeps that to itself
    return [{**fields, "artifact_type": "archive", "artifact_format": "zip"}]


def _dependency(job: Job, other: Job) -> dict[str, Any]:
    assert other.artifacts is not None
    return {
        "id": other.id,
        "name": other.name,
        # The job that runs fetches with its own token: the other one's has ended with its job.
        "token": job.token,
        "artifacts_file": {
            "filename": other.artifacts.name,
            "size": other.artifacts.stat().st_size,
        },
    }


def variables(instance: Instance, job: Job) -> list[dict[str, Any]]:
    """Later ones win over earlier ones of the same name, as in GitLab."""
    config, project = job.config, job.project
    result = [_variable(key, value) for key, value in _predefined(instance, job).items()]
    result += [
        _variable("CI_JOB_TOKEN", job.token, public=False, masked=True),
        _variable("CI_REPOSITORY_URL", repository_url(job), public=False),
    ]
    for key, text in {**job.pipeline.variables, **config.variables}.items():
        result.append(_variable(key, text.value, raw=not text.expand))
    for key, setting in project.variables.items():
        if job.pipeline.protected or not setting.protected:
            result.append(
                _variable(
                    key,
                    setting.value,
                    public=False,
                    masked=setting.masked,
                    file=setting.file,
                    raw=not setting.expand,
                )
            )
    result += [
        _variable(key, value, public=False) for key, value in job.pipeline.own_variables.items()
    ]
    for source in instance.variable_sources:
        result += [
            _variable(key, value, public=False, masked=True) for key, value in source(job).items()
        ]
    return result


def _variable(
    key: str,
    value: str,
    *,
    public: bool = True,
    masked: bool = False,
    file: bool = False,
    raw: bool = False,
) -> dict[str, Any]:
    return {
        "key": key,
        "value": value,
        "public": public,
        "masked": masked,
        "file": file,
        "raw": raw,
    }


def _predefined(instance: Instance, job: Job) -> dict[str, str]:
    project, pipeline, runner = job.project, job.pipeline, job.runner
    assert runner is not None
    server = urllib.parse.urlsplit(instance.url)
    slug = re.sub(r"[^a-z0-9]+", "-", pipeline.ref.lower())[:63].strip("-")
    kind = "CI_COMMIT_TAG" if pipeline.ref_type == "tag" else "CI_COMMIT_BRANCH"
    environment = job.config.environment
    return {
        "CI": "true",
        "GITLAB_CI": "true",
        "CI_SERVER": "yes",
        "CI_SERVER_NAME": "GitLab",
        "CI_SERVER_URL": instance.url,
        "CI_SERVER_HOST": server.hostname or "",
        "CI_SERVER_PORT": str(server.port or ""),
        "CI_SERVER_PROTOCOL": server.scheme,
        "CI_SERVER_VERSION": VERSION,
        "CI_SERVER_VERSION_MAJOR": VERSION.split(".")[0],
        "CI_SERVER_VERSION_MINOR": VERSION.split(".")[1],
        "CI_SERVER_VERSION_PATCH": VERSION.split(".")[2],
        "CI_API_V4_URL": f"{instance.url}/api/v4",
        "CI_JOB_ID": str(job.id),
        "CI_JOB_NAME": job.name,
        "CI_JOB_STAGE": job.stage,
        "CI_JOB_URL": f"{project.web_url}/-/jobs/{job.id}",
        "CI_JOB_STARTED_AT": _time(time.time()),
        "CI_JOB_TIMEOUT": str(job.timeout),
        "CI_NODE_TOTAL": "1",
        "CI_PIPELINE_ID": str(pipeline.id),
        "CI_PIPELINE_IID": str(project.pipelines.index(pipeline) + 1),
        "CI_PIPELINE_SOURCE": pipeline.source,
        "CI_PIPELINE_URL": f"{project.web_url}/-/pipelines/{pipeline.id}",
        "CI_PIPELINE_CREATED_AT": _time(pipeline.created_at),
        "CI_COMMIT_SHA": pipeline.sha,
        "CI_COMMIT_SHORT_SHA": pipeline.sha[:8],
        "CI_COMMIT_BEFORE_SHA": pipeline.before_sha,
        "CI_COMMIT_REF_NAME": pipeline.ref,
        "CI_COMMIT_REF_SLUG": slug,
        "CI_COMMIT_REF_PROTECTED": str(pipeline.protected).lower(),
        kind: pipeline.ref,
        "CI_COMMIT_MESSAGE": pipeline.message,
        "CI_COMMIT_TITLE": pipeline.message.partition("\n")[0],
        "CI_PROJECT_ID": str(project.id),
        "CI_PROJECT_NAME": project.name,
        "CI_PROJECT_TITLE": project.name,
        "CI_PROJECT_PATH": project.path,
        "CI_PROJECT_PATH_SLUG": re.sub(r"[^a-z0-9]+", "-", project.path.lower()),
        "CI_PROJECT_NAMESPACE": project.namespace,
        "CI_PROJECT_NAMESPACE_ID": str(project.namespace_id),
        "CI_PROJECT_ROOT_NAMESPACE": project.namespace.split("/")[0],
        "CI_PROJECT_URL": project.web_url,
        "CI_PROJECT_VISIBILITY": "private",
        "CI_DEFAULT_BRANCH": project.default_branch,
        "CI_CONFIG_PATH": ".gitlab-ci.yml",
        "CI_RUNNER_ID": str(runner.id),
        "CI_RUNNER_DESCRIPTION": runner.description,
        "CI_RUNNER_TAGS": "[" + ", ".join(f'"{tag}"' for tag in sorted(runner.tags)) + "]",
        "GITLAB_USER_ID": "1",
        "GITLAB_USER_LOGIN": "root",
        "GITLAB_USER_NAME": "Administrator",
        "GITLAB_USER_EMAIL": "admin@example.com",
        "GITLAB_FEATURES": "",
        **({"CI_ENVIRONMENT_NAME": environment} if environment else {}),
    }


def _time(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
