# SPDX-License-Identifier: Apache-2.0
"""What the tests of the stand-in GitLab share: a scripted runner and small helpers."""

from __future__ import annotations

import zlib
from typing import Any

import requests

from localcloud.gitlab import Pipeline, Project, Runner, StandInGitLab

SYSTEM_ID = "s_0123456789ab"
MIB = 1 << 20


def session_for(gitlab: StandInGitLab) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    assert gitlab.ca
    session.verify = str(gitlab.ca.file)
    return session


def commit(project: Project, text: str = "job: {script: echo hello}") -> Pipeline:
    pipeline = project.commit({".gitlab-ci.yml": text, "file.txt": "content\n"})
    assert pipeline
    return pipeline


class ScriptedRunner:
    """Speaks the runner's part of the protocol, one call at a time."""

    def __init__(self, gitlab: StandInGitLab, runner: Runner, web: requests.Session) -> None:
        self.gitlab, self.runner, self.web = gitlab, runner, web
        self.job: dict[str, Any] = {}

    def request(self, *, info: dict[str, Any] | None = None, **more: Any) -> requests.Response:
        body = {"token": self.runner.token, "system_id": SYSTEM_ID, "info": info or {}, **more}
        answer = self.web.post(f"{self.gitlab.url}/api/v4/jobs/request", json=body)
        if answer.status_code == 201:
            self.job = answer.json()
        return answer

    def take(self, **info: Any) -> dict[str, Any]:
        assert self.request(info=info).status_code == 201
        return self.job

    @property
    def url(self) -> str:
        return f"{self.gitlab.url}/api/v4/jobs/{self.job['id']}"

    @property
    def header(self) -> dict[str, str]:
        return {"JOB-TOKEN": self.job["token"]}

    def patch(self, data: bytes, first: int, **headers: str) -> requests.Response:
        content_range = {"Content-Range": f"{first}-{first + len(data) - 1}"}
        return self.web.patch(
            f"{self.url}/trace", data=data, headers={**self.header, **content_range, **headers}
        )

    def put(self, state: str, **more: Any) -> requests.Response:
        body = {"token": self.job["token"], "state": state, **more}
        return self.web.put(self.url, json=body)

    def upload(self, content: bytes, **query: str) -> requests.Response:
        files = {"file": ("artifacts.zip", content)}
        return self.web.post(
            f"{self.url}/artifacts", files=files, params=query, headers=self.header
        )


def output_of(trace: bytes) -> dict[str, Any]:
    return {"checksum": f"crc32:{zlib.crc32(trace):08x}", "bytesize": len(trace)}
