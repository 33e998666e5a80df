# SPDX-License-Identifier: Apache-2.0
"""git over smart HTTP: git's own http-backend as a CGI program, behind GitLab's rules."""

from __future__ import annotations

import base64
import contextlib
import re
import secrets
import subprocess
import tempfile
import urllib.parse
from collections.abc import Iterator
from typing import IO

from localcloud.gitlab.instance import Instance
from localcloud.gitlab.projects import Project
from localcloud.gitlab.repositories import changes, git_environment
from localcloud.gitlab.web import CHUNK, HttpError, Request, Response

_PATH = re.compile(
    r"/(?P<project>[^?]+?)(?:\.git)?/(?P<rest>info/refs|git-upload-pack|git-receive-pack)"
)
REALM = {"WWW-Authenticate": 'Basic realm="GitLab"'}


class GitHttp:
    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    def answer(self, request: Request) -> Response | None:
        """None for a request that is not git's."""
        match = _PATH.fullmatch(request.path)
        if not match:
            return None
        service = request.query.get("service") if match["rest"] == "info/refs" else match["rest"]
        if service not in ("git-upload-pack", "git-receive-pack"):
            raise HttpError(403, "Forbidden: only git's smart protocol is spoken here")
        writing = service == "git-receive-pack"
        project = self._project(request, match["project"], writing=writing)
        if writing and match["rest"] == service:
            return self._receive(request, project, match["rest"])
        backend = _Backend(request, project, match["rest"])
        return Response(backend.status, backend.parts(), backend.headers, backend.close)

    def _project(self, request: Request, path: str, *, writing: bool) -> Project:
        """The project that these credentials may read or write. Raises HttpError."""
        kind, _, encoded = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            raise HttpError(401, "Unauthorized", REALM)
        try:
            user, _, password = base64.b64decode(encoded).decode().partition(":")
        except ValueError:
            user = password = ""
        project = self.instance.find_project(path)
        if secrets.compare_digest(password.encode(), self.instance.personal_token.encode()):
            if project is None:
                raise HttpError(404, "Not Found")
            return project
        if user != "gitlab-ci-token":
            raise HttpError(401, "HTTP Basic: Access denied", REALM)
        with self.instance.lock:
            jobs = [job for job in self.instance.jobs.values() if job.alive]
            allowed = any(
                project is not None
                and (job.project is project or job.project.path in project.job_token_allowlist)
                and secrets.compare_digest(job.token.encode(), password.encode())
                for job in jobs
            )
        if not allowed or project is None:
            raise HttpError(401, "HTTP Basic: Access denied", REALM)
        if writing:
            raise HttpError(403, "You are not allowed to push with a job token")
        return project

    def _receive(self, request: Request, project: Project, rest: str) -> Response:
        """A push. Its pipelines are made before git is answered, so that they are there then."""
        repository = project.repository
        with repository.push_lock:
            before = repository.refs()
            backend = _Backend(request, project, rest)
            try:
                # What receive-pack says is short: nothing of it goes out before the push is in.
                parts = list(backend.parts())
            finally:
                backend.close()
            project.refs_changed(changes(before, repository.refs()))
        return Response(backend.status, parts, backend.headers)


class _Backend:
    """One run of `git http-backend`."""

    def __init__(self, request: Request, project: Project, rest: str) -> None:
        folder = project.repository.folder
        headers = request.headers
        environment = git_environment(folder) | {
            "GATEWAY_INTERFACE": "CGI/1.1",
            "GIT_PROJECT_ROOT": str(folder.parent),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{folder.name}/{rest}",
            "REQUEST_METHOD": request.method,
            "QUERY_STRING": urllib.parse.urlencode(request.query),
            "REMOTE_USER": "root",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": headers.get("content-type", ""),
            "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
            "GIT_PROTOCOL": headers.get("git-protocol", ""),
        }
        with tempfile.TemporaryFile(dir=folder.parent) as body:
            # A file, not a pipe: git may answer before it has read all, and nobody would listen.
            while data := request.read():
                body.write(data)
            environment["CONTENT_LENGTH"] = str(body.tell())
            body.seek(0)
            self._process = subprocess.Popen(
                ["git", "-c", "http.receivepack=true", "http-backend"],
                env=environment,
                stdin=body,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        assert self._process.stdout
        self._output: IO[bytes] = self._process.stdout
        self.status, self.headers = self._read_headers()

    def _read_headers(self) -> tuple[int, dict[str, str]]:
        status, headers = 200, {}
        while line := self._output.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            if name.lower() == "status":
                status = int(value.split()[0])
            else:
                headers[name] = value.strip()
        if not headers:
            self.close()
            raise HttpError(500, "git http-backend failed")
        return status, headers

    def parts(self) -> Iterator[bytes]:
        while data := self._output.read1(CHUNK):  # type: ignore[attr-defined]
            yield data

    def close(self) -> None:
        """Ends the program, if it has not ended yet."""
        if self._process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.5)
        self._process.kill()
        self._process.wait()
        self._output.close()
